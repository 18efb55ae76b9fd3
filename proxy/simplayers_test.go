package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ask is a request that a client of the simulation makes.
type ask struct {
	id       string
	method   string
	path     string
	body     []byte
	text     []byte // as it goes over the wire
	sent     bool   // all of it
	received int    // by servers, whole
}

// answerTo is the body with which every server answers a request.
func answerTo(id string) []byte {
	h := fnv.New32a()
	io.WriteString(h, id)
	n := int(h.Sum32())
	size := []int{0, 1, 20, 900, 3000, 40_000}[n%6] + n%7
	return bytes.Repeat([]byte("answer to "+id+"\n"), size/(len(id)+11)+1)[:size]
}

// player is a client of the simulation, with one connection.
type player struct {
	sim      *simulation
	name     string
	end      *end
	asks     []*ask
	next     int  // to be sent
	pipeline bool // does not wait for answers
	slow     bool // reads little, seldom
	deaf     bool // never reads
	left     bool // closed or reset the connection itself
	half     bool // ended its sending side before everything was answered
	got      []byte
	whole    int // answers that have come
	upTo     int // bytes of got that they took
	want     int // bytes of got before which the next one is not whole
	taking   bool
}

func (p *player) begin() {
	s := p.sim
	if s.draining {
		return
	}
	ours, theirs := s.w.connection(clientAddr(len(s.players)))
	p.end = theirs
	s.opened++
	theirs.changed = p.changed
	s.listener.accepted(ours.fd, ours, ours.addr)
	p.speak()
	switch s.w.rng.IntN(12) {
	case 0:
		s.w.in(time.Duration(s.w.rng.IntN(3000))*time.Millisecond, func() { p.left = true; p.end.drop() })
	case 1:
		s.w.in(time.Duration(s.w.rng.IntN(3000))*time.Millisecond, func() { p.half = true; p.end.shut() })
	}
}

// speak sends the next request, or what is left of it.
func (p *player) speak() {
	if p.left || p.half || p.end.finSent || p.next == len(p.asks) {
		return
	}
	a := p.asks[p.next]
	p.next++
	p.end.put(a.text)
	a.sent = true
	if p.pipeline {
		p.sim.w.in(p.sim.w.soon(), p.speak)
	}
}

func (p *player) changed() {
	if p.taking || p.deaf || len(p.end.in) == 0 {
		return
	}
	p.taking = true
	wait := time.Duration(0)
	if p.slow {
		wait = time.Duration(p.sim.w.rng.IntN(200)) * time.Millisecond
	}
	p.sim.w.in(wait, func() {
		p.taking = false
		p.got = append(p.got, p.end.take()...)
		if !p.pipeline && p.answered() >= p.next {
			p.sim.w.in(p.sim.w.soon(), p.speak)
		}
	})
}

// answered is how many whole answers have come.
func (p *player) answered() int {
	for p.whole < len(p.asks) && len(p.got) >= p.want && bytes.Contains(p.got[p.upTo:], []byte("\r\n\r\n")) {
		src := bytes.NewReader(p.got[p.upTo:])
		r := bufio.NewReaderSize(src, 4096)
		resp, err := http.ReadResponse(r, &http.Request{Method: p.asks[p.whole].method})
		if err != nil {
			break
		}
		if missing := int(resp.ContentLength) - src.Len() - r.Buffered(); missing > 0 &&
			p.asks[p.whole].method != "HEAD" {
			p.want = len(p.got) + missing
			break
		}
		if resp.TransferEncoding != nil && !bytes.HasSuffix(p.got, []byte("0\r\n\r\n")) && !p.pipeline &&
			p.asks[p.whole].method != "HEAD" {
			break
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil ||
			resp.StatusCode >= 200 && resp.ContentLength < 0 && !p.end.fin &&
				resp.TransferEncoding == nil && p.asks[p.whole].method != "HEAD" {
			break
		}
		p.upTo = len(p.got) - src.Len() - r.Buffered()
		if resp.StatusCode >= 200 {
			p.whole++
		}
	}
	return p.whole
}

// judge looks at everything a client got.
func (p *player) judge() error {
	if p.end == nil {
		return nil
	}
	r := bufio.NewReader(bytes.NewReader(p.got))
	over := p.end.fin || p.end.rst || p.left || p.end.peer.silent
	n := 0
	for ; ; n++ {
		if _, err := r.Peek(1); err != nil {
			break
		}
		if n == len(p.asks) || !p.asks[n].sent {
			rest, _ := io.ReadAll(r)
			if over && (n == 0 || string(rest) == "\r") {
				return nil // told that its request, which never was, is late; or cut before the very last byte
			}
			return fmt.Errorf("%s got more answers than it asked for: %.200q", p.name, rest)
		}
		a := p.asks[n]
		resp, err := http.ReadResponse(r, &http.Request{Method: a.method})
		if err != nil {
			if !over {
				return fmt.Errorf("%s: the answer to %s is broken: %v", p.name, a.id, err)
			}
			return nil
		}
		if resp.StatusCode < 200 {
			n--
			continue
		}
		if err := p.judgeAnswer(a, resp, over); err != nil {
			return err
		}
	}
	if p.end.peer.silent && !slices.ContainsFunc(p.asks[:p.next],
		func(a *ask) bool { return strings.HasPrefix(a.path, "/drop/") }) {
		return fmt.Errorf("%s was forgotten without a word", p.name)
	}
	if !over && n < p.next {
		return fmt.Errorf("%s: %q was never answered, and the connection stands", p.name,
			p.asks[n].text[:min(60, len(p.asks[n].text))])
	}
	return nil
}

// judgeAnswer looks at the answer to one request; over: its connection has ended.
func (p *player) judgeAnswer(a *ask, resp *http.Response, over bool) error {
	body, err := io.ReadAll(resp.Body)
	cut := err != nil
	if cut && !over {
		return fmt.Errorf("%s: the answer to %s is cut short and the connection stands", p.name, a.id)
	}
	if echo := resp.Header.Get("X-Echo"); echo != "" {
		want := answerTo(a.id)
		switch {
		case echo != a.id || resp.Header.Get("Y-Seen") != a.id:
			return fmt.Errorf("%s asked %s and got the answer to %s (rules saw %s)", p.name, a.id, echo,
				resp.Header.Get("Y-Seen"))
		case a.method == "HEAD":
			want = nil
		}
		untilClose := resp.ContentLength < 0 && resp.TransferEncoding == nil
		if !bytes.Equal(body, want) && !((cut || untilClose && over) && bytes.HasPrefix(want, body)) {
			return fmt.Errorf("%s: another body of %s: %d bytes instead of %d", p.name, a.id, len(body), len(want))
		}
		if a.received == 0 && !p.sim.early[a.id] {
			return fmt.Errorf("%s: %s was answered and reached no server", p.name, a.id)
		}
	} else if resp.StatusCode < 400 && resp.Header.Get("Made") != "here" && resp.Header.Get("Location") != "/to" {
		return fmt.Errorf("%s: status %d for %s, from nobody", p.name, resp.StatusCode, a.id)
	}
	if seen := resp.Header.Get("Z-Seen"); seen != a.id && resp.StatusCode < 400 && p.sim.afterwards {
		return fmt.Errorf("%s: the rules of the answer to %s saw %q", p.name, a.id, seen)
	}
	return nil
}

// origin is a server of the simulation: whatever may go wrong with one does.
type origin struct {
	sim  *simulation
	name string
	end  *end
	got  []byte
	busy bool
	over bool
}

func (o *origin) changed() {
	o.got = append(o.got, o.end.take()...)
	if o.end.rst || o.over {
		return
	}
	o.serve()
	if o.end.fin && !o.busy {
		o.over = true
		o.end.shut()
	}
}

// serve answers the next request that is there.
func (o *origin) serve() {
	if o.busy || len(o.got) == 0 || o.over {
		return
	}
	s, rng := o.sim, o.sim.w.rng
	src := bytes.NewReader(o.got)
	r := bufio.NewReader(src)
	req, err := http.ReadRequest(r)
	if err != nil {
		if bytes.Contains(o.got, []byte("\r\n\r\n")) {
			s.violated("server %s cannot read %.200q: %v", o.name, o.got, err)
		}
		return
	}
	id := req.Header.Get("X-Id")
	body, err := io.ReadAll(req.Body)
	if err != nil {
		if rng.IntN(40) == 0 && !s.early[id] { // an answer before the request is whole
			s.early[id] = true
			o.busy = true
			o.answer(id, req.Method, true)
		}
		return
	}
	o.got = o.got[len(o.got)-src.Len()-r.Buffered():]
	a := s.asks[id]
	switch {
	case a == nil:
		s.violated("server %s got a request that nobody made: %s %s %q", o.name, req.Method, req.RequestURI, id)
		return
	case a.method != req.Method || a.path != req.RequestURI || !bytes.Equal(a.body, body) ||
		req.Header.Get("X-Seen") != id:
		s.violated("server %s got %s %s with %d bytes (rules saw %q) instead of %s %s with %d", o.name, req.Method,
			req.RequestURI, len(body),
			req.Header.Get("X-Seen"), a.method, a.path, len(a.body))
		return
	}
	for _, stopped := range [...]string{"/return/", "/deny/", "/tarpit/", "/redirect/", "/reject/", "/drop/"} {
		if strings.HasPrefix(a.path, stopped) {
			s.violated("%s got past its rule to server %s", a.path, o.name)
		}
	}
	if a.received++; a.received > 1 && a.method == "POST" {
		s.violated("servers got %s %d times", id, a.received)
	}
	o.busy = true
	wait := s.w.soon()
	if rng.IntN(20) == 0 {
		wait = time.Duration(rng.IntN(3000)) * time.Millisecond
	}
	s.w.in(wait, func() { o.answer(id, req.Method, false) })
}

// answer answers, one way or another.
func (o *origin) answer(id, method string, early bool) {
	rng := o.sim.w.rng
	if o.over || o.end.rst {
		return
	}
	text, closes := frame(rng, id, method)
	closes = closes || early
	fault := rng.IntN(30)
	switch fault {
	case 0:
		o.finish(o.end.drop)
		return
	case 1:
		o.finish(o.end.shut)
		return
	case 2:
		o.end.put(text[:rng.IntN(len(text))])
		o.finish(o.end.shut)
		return
	case 3:
		o.end.put(text[:rng.IntN(len(text))])
		o.finish(o.end.drop)
		return
	case 4:
		o.end.put([]byte("HTTP/1.1 2x0 rubbish\r\n\r\n"))
		o.finish(o.end.shut)
		return
	case 5, 6:
		text = append([]byte("HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"), text...)
	case 7: // for ever
		return
	}
	second := []byte(strings.Replace(string(text), "X-Echo: ", "X-Echo: second-", 1))
	if fault == 11 && !closes { // it answers twice, in one piece
		to := o.end.peer
		text = append(text, second...)
		to.later(func() {
			to.in = append(to.in, text...)
			to.arrived(unix.EPOLLIN)
		})
	} else {
		o.end.put(text)
	}
	switch {
	case closes || fault == 8:
		o.finish(o.end.shut)
		return
	case fault == 9: // it answers twice
		o.unasked(second)
	case fault == 10 && method == "HEAD": // a body that must not be
		o.unasked(answerTo(id))
	}
	o.busy = false
	if rng.IntN(4) == 0 {
		o.endIdle(time.Duration(rng.IntN(2000)) * time.Millisecond)
	}
	o.serve()
}

// endIdle closes a connection on which nothing is asked after some time.
func (o *origin) endIdle(after time.Duration) {
	o.sim.w.in(after, func() {
		if !o.busy {
			o.finish(o.end.shut)
		}
	})
}

// frame writes an answer's head and body, framed in one of the ways there are; closes: the connection ends behind it.
func frame(rng *rand.Rand, id, method string) (text []byte, closes bool) {
	body := answerTo(id)
	head := "HTTP/1.1 200 OK\r\nX-Echo: " + id + "\r\n"
	framed := body
	switch rng.IntN(5) {
	case 0:
		head += "Transfer-Encoding: chunked\r\n"
		framed = nil
		for rest := body; len(rest) > 0; {
			n := min(len(rest), 1+rng.IntN(5000))
			framed = append(fmt.Appendf(framed, "%x\r\n", n), rest[:n]...)
			framed = append(framed, "\r\n"...)
			rest = rest[n:]
		}
		framed = append(framed, "0\r\n\r\n"...)
	case 1:
		if rng.IntN(3) == 0 && method != "HEAD" {
			head += "Connection: close\r\n"
			closes = true
			break
		}
		fallthrough
	default:
		head += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	if method == "HEAD" {
		framed = nil
	}
	return append([]byte(head+"\r\n"), framed...), closes
}

// unasked has bytes arrive that nobody asked for, while the connection is idle. Once the next request is on its way
// nobody can tell what such bytes are: HTTP/1.1 has no number for answers.
func (o *origin) unasked(b []byte) {
	to := o.end.peer
	to.later(func() {
		if !o.busy && len(o.got) == 0 && len(o.end.in) == 0 && o.end.under == 0 {
			to.in = append(to.in, b...)
			to.arrived(unix.EPOLLIN)
		}
	})
}

func (o *origin) finish(how func()) {
	if !o.over {
		o.over = true
		how()
	}
}
