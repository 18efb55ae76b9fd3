package site

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/evenkeel/evenkeel/lab/measure"
)

const (
	// RequestEvery is the client's pace: one request, on a connection of its own, every 20 ms.
	RequestEvery = 20 * time.Millisecond
	// ConnectLimit is how long a request may take to be connected. The kernel sends a lost SYN
	// again after one second, so with a little less than that every request whose first packet
	// found nobody has failed, and none is saved by luck. Where the nodes answer themselves it is
	// the limit of the whole request.
	ConnectLimit = 900 * time.Millisecond
	// SlowRequest is what an answered request may take before it is called slow.
	SlowRequest = 100 * time.Millisecond
	// sampleBatch is how often the client tells what it saw.
	sampleBatch = 100 * time.Millisecond
	// hungAfter is when a request without an answer is told of before it has ended.
	hungAfter = 100 * time.Millisecond
)

// client asks for the address all the time, and never waits for one answer before the next
// question: a hang must not stop the sampling.
type client struct {
	target string
	limit  time.Duration // for the whole request

	mu      sync.Mutex
	done    []measure.Sample
	pending map[int64]struct{} // starts of requests on their way
}

// runClient asks until the launcher hangs up.
func runClient(l *Line, id int, c *HostConfig) error {
	cl := &client{target: net.JoinHostPort(c.VIP.Addr().String(), "80"), limit: time.Duration(c.Limit),
		pending: make(map[int64]struct{})}
	if err := l.Send(answer(id, nil)); err != nil {
		return nil
	}
	go cl.tell(l)
	go cl.ask(time.Duration(c.Every))
	h := &holder{target: cl.target}
	serveOrders(l, func(a Action) error { return errors.New("a client cannot " + string(a)) },
		func(order string) Message {
			if order == HoldBegin {
				return answer(0, h.begin())
			}
			held := h.end()
			return Message{Held: &held}
		})
	return nil
}

// ask begins one request per tick.
func (c *client) ask(every time.Duration) {
	tick := time.NewTicker(every)
	for range tick.C {
		start := Now()
		c.mu.Lock()
		for {
			if _, taken := c.pending[start]; !taken {
				break
			}
			start++ // the key must be unique; a nanosecond is below anything measured here
		}
		c.pending[start] = struct{}{}
		c.mu.Unlock()
		go func() {
			s := measure.Sample{Start: start}
			err := c.request(&s)
			s.Took = Now() - start
			if err != nil {
				s.Server, s.Error = "", c.reason(err)
			}
			c.mu.Lock()
			delete(c.pending, start)
			c.done = append(c.done, s)
			c.mu.Unlock()
		}()
	}
}

// request asks for the page once and notes the server that gave it, or the status if that is
// not 200.
func (c *client) request(s *measure.Sample) error {
	deadline := time.Now().Add(c.limit)
	conn, err := net.DialTimeout("tcp4", c.target, min(ConnectLimit, c.limit))
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+c.target+"\r\nConnection: close\r\n\r\n"); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 1024), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		s.Status = resp.StatusCode
	}
	s.Server = resp.Header.Get(serverHeader)
	if s.Status != 0 || s.Server == "" {
		return errors.New("bad answer: " + resp.Status)
	}
	return nil
}

// reason says in a word or two why a request failed.
func (c *client) reason(err error) string {
	var ne net.Error
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &ne) && ne.Timeout():
		return "no answer in " + c.limit.String()
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route to host"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "cut off"
	}
	return err.Error()
}

// tell sends the finished requests, and the starts of those that hang, ten times a second.
func (c *client) tell(l *Line) {
	for range time.Tick(sampleBatch) {
		at := Now()
		m := Message{Kind: "samples", At: at}
		c.mu.Lock()
		m.Samples, c.done = c.done, nil
		for start := range c.pending {
			if at-start > int64(hungAfter) {
				m.Hung = append(m.Hung, start)
			}
		}
		c.mu.Unlock()
		slices.Sort(m.Hung)
		if l.Send(m) != nil {
			return
		}
	}
}
