package proxy

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/haproxy"
	"github.com/evenkeel/evenkeel/linux/loop"
	"github.com/evenkeel/evenkeel/linux/sock"
	"github.com/evenkeel/evenkeel/syslog"
)

var (
	simSeeds = flag.Int("seeds", 300, "seeds of TestSimulation")
	simSeed  = flag.Int("seed", -1, "the one seed of TestSimulation")
)

// simulation is a site of one seed: an engine of one thread, clients and servers, on a network in memory.
type simulation struct {
	w        *world
	engine   *Engine
	core     *core
	listener *listener
	players  []*player
	asks     map[string]*ask
	early    map[string]bool // requests answered before they were whole
	targets  map[*sock.Target]string
	opened   int
	draining bool
	// afterwards: the site has rules for every answer.
	afterwards bool
	ending     bool
	faults     []string
}

func clientAddr(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), uint16(10_000+n))
}

func (s *simulation) violated(format string, a ...any) {
	s.faults = append(s.faults, fmt.Sprintf("%v: ", s.w.now)+fmt.Sprintf(format, a...))
}

// dial implements dialer.
func (s *simulation) dial(to, _ *sock.Target, _ string) (fd int, t transport, done bool, errno sock.Errno) {
	name, known := s.targets[to]
	if !known {
		s.violated("somebody was dialed who is no server")
		return -1, nil, false, unix.ENETUNREACH
	}
	if s.w.rng.IntN(40) == 0 {
		return -1, nil, false, unix.ECONNREFUSED
	}
	ours, theirs := s.w.connection(netip.AddrPort{})
	o := &origin{sim: s, name: name, end: theirs}
	theirs.changed = o.changed
	switch s.w.rng.IntN(30) {
	case 0: // nobody is there
		o.over = true
		return ours.fd, ours, false, 0
	case 1:
		s.w.in(s.w.soon(), func() {
			ours.refused, ours.rst, o.over = unix.ECONNREFUSED, true, true
			s.w.report(ours.fd, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR)
		})
		return ours.fd, ours, false, 0
	case 2, 3:
		return ours.fd, ours, true, 0
	}
	s.w.in(s.w.soon(), func() { s.w.report(ours.fd, unix.EPOLLOUT) })
	return ours.fd, ours, false, 0
}

// section writes a listen section with a choice of everything that changes how streams and servers meet.
func section(rng *rand.Rand) string {
	pick := func(all ...string) string { return all[rng.IntN(len(all))] }
	var b strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	line("defaults\nmode http\ntimeout connect 200ms\ntimeout client %s\ntimeout server 2s\ntimeout queue "+
		"%s\nretries %d", pick("1500ms", "5s"), pick("300ms", "4s"), rng.IntN(4))
	line("timeout http-request 3s\ntimeout http-keep-alive %s\ntimeout tarpit 500ms", pick("100ms", "2s"))
	line("listen web\nbind 127.0.0.1:1")
	line("balance %s", pick("roundrobin", "static-rr", "leastconn", "first", "source", "uri", "random", "hdr(x-id)"))
	line("http-reuse %s", pick("never", "safe", "aggressive", "always"))
	line("capture request header X-Id len 40")
	line("http-request set-header X-Seen %%[req.hdr(x-id)]")
	line("http-response set-header Y-Seen %%[capture.req.hdr(0)]")
	if rng.IntN(2) == 0 { // answers made here go two ways: with such rules, and without
		line("http-after-response set-header Z-Seen %%[capture.req.hdr(0)]")
	}
	line("http-request return status 200 hdr Made here content-type text/plain lf-string %%[req.hdr(x-id)] if { " +
		"path_beg /return }")
	line("http-request deny if { path_beg /deny }\nhttp-request tarpit if { path_beg /tarpit }\nhttp-request reject " +
		"if { path_beg /reject }\nhttp-request silent-drop if { path_beg /drop }")
	line("http-request redirect location /to code 302 if { path_beg /redirect }")
	line("http-response deny if { res.hdr(x-echo) -m end 7 } { res.hdr(x-echo) -m sub -- -1 }")
	for _, option := range []string{"option redispatch", "option abortonclose", "option httpclose",
		"option http-server-close", "option prefer-last-server",
		"cookie S insert indirect", "option forwardfor", "option http-no-delay"} {
		if rng.IntN(4) == 0 {
			line("%s", option)
		}
	}
	for i := range 1 + rng.IntN(3) {
		line("server s%d 127.0.0.1:%d cookie s%d %s %s %s", i+1, 2+i, i+1,
			pick("", "maxconn 1", "maxconn 2", "maxconn 3 minconn 1"), pick("", "maxqueue 1", "maxqueue 2"),
			pick("", "", "pool-max-conn 1", "pool-max-conn 0", "backup"))
	}
	return b.String()
}

// newSimulation sets a site up.
func newSimulation(seed uint64) (*simulation, error) {
	rng := rand.New(rand.NewPCG(seed, 77))
	s := &simulation{w: newWorld(rng), asks: make(map[string]*ask), early: make(map[string]bool),
		targets: make(map[*sock.Target]string)}
	text := section(rng)
	s.afterwards = strings.Contains(text, "http-after-response")
	cfg, diags := haproxy.Parse([]haproxy.File{{Name: "sim.cfg", Data: []byte(text)}}, haproxy.Options{})
	if cfg == nil {
		return nil, fmt.Errorf("%v", diags)
	}
	opts := Options{Threads: 1, MaxPipes: 10, MaxConn: 20 + rng.IntN(100),
		Syslog: syslog.New(syslog.Identity{Tag: "sim"}), Host: "sim",
		Log: func(_ int, _ *config.Proxy, text string) {
			if strings.Contains(text, "panicked") {
				s.violated("%s", text)
			}
		}}
	s.engine = newEngine(cfg, opts, s.w.Tick, func(d time.Duration, f func()) *time.Timer {
		s.w.in(d, f)
		return &time.Timer{}
	})
	s.core = newCore(s.engine, 0, loop.NewLoopOn(s.w), s)
	s.core.ctx.Random = seed | 1
	s.engine.cores = []*core{s.core}
	s.engine.undrained.Store(1)
	s.listener = &listener{core: s.core, fe: s.engine.proxies[0], bind: &bindState{cfg: cfg.Proxies[0].Binds[0]},
		name: "web", fd: -1, closed: true}
	for _, srv := range s.engine.group.Servers {
		s.targets[srv.Target()] = srv.Config.Name
	}
	for n := range 1 + rng.IntN(12) {
		s.enlist(n)
	}
	s.events()
	s.w.finish = s.finish
	return s, nil
}

// enlist makes a client with its requests.
func (s *simulation) enlist(n int) {
	rng := s.w.rng
	p := &player{sim: s, name: fmt.Sprintf("client %d", n), pipeline: rng.IntN(6) == 0, slow: rng.IntN(6) == 0,
		deaf: rng.IntN(30) == 0}
	for i := range 1 + rng.IntN(5) {
		a := &ask{id: fmt.Sprintf("c%d-%d", n, i),
			method: []string{"GET", "GET", "GET", "HEAD", "PUT", "POST", "POST"}[rng.IntN(7)]}
		a.path = "/" + []string{"a", "a", "a", "a", "a", "a", "a", "a", "return", "deny", "tarpit", "redirect",
			"reject", "drop"}[rng.IntN(14)] + "/" + a.id
		text := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nX-Id: %s\r\n", a.method, a.path, a.id)
		if rng.IntN(12) == 0 {
			text += "Connection: close\r\n"
		}
		if a.method == "PUT" || a.method == "POST" {
			a.body = []byte(strings.Repeat("body of "+a.id+"\n", rng.IntN(3)*rng.IntN(1500)))
			if rng.IntN(2) == 0 {
				text += fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(a.body), a.body)
			} else {
				text += "Transfer-Encoding: chunked\r\n\r\n"
				for rest := a.body; len(rest) > 0; {
					n := min(len(rest), 1+rng.IntN(4000))
					text += fmt.Sprintf("%x\r\n%s\r\n", n, rest[:n])
					rest = rest[n:]
				}
				text += "0\r\n\r\n"
			}
		} else {
			text += "\r\n"
		}
		a.text = []byte(text)
		if len(a.body) == 0 {
			a.body = nil
		}
		s.asks[a.id] = a
		p.asks = append(p.asks, a)
	}
	s.players = append(s.players, p)
	s.w.in(time.Duration(rng.IntN(3000))*time.Millisecond, p.begin)
}

// events are what operators and checks do meanwhile.
func (s *simulation) events() {
	rng, e := s.w.rng, s.engine
	for range rng.IntN(4) {
		srv := fmt.Sprintf("s%d", 1+rng.IntN(3))
		s.w.in(time.Duration(rng.IntN(4000))*time.Millisecond, func() {
			switch rng.IntN(6) {
			case 0:
				e.SetState("web", srv, AdminState(rng.IntN(3)))
			case 1:
				e.SetHealth("web", srv, []ForcedHealth{HealthUp, HealthDown}[rng.IntN(2)])
			case 2:
				e.SetServerMaxConn("web", srv, rng.IntN(3))
			case 3:
				e.ShutdownSessions("web", srv)
			case 4:
				e.SetWeight("web", srv, rng.IntN(3))
			}
		})
	}
	if rng.IntN(4) == 0 { // a reload
		s.w.in(time.Duration(rng.IntN(4000))*time.Millisecond, func() { s.draining = true; e.Drain() })
	}
}

// finish ends the site once nothing is left to happen, and then the loop.
func (s *simulation) finish() {
	if s.w.now > worldEnd {
		s.violated("it does not end")
		s.core.loop.Stop()
		return
	}
	if !s.ending {
		s.ending, s.draining = true, true
		s.engine.Drain()
		s.w.in(time.Minute, func() {})
		return
	}
	s.core.loop.Stop()
}

// run plays the site and judges it.
func (s *simulation) run() error {
	if err := s.core.loop.Run(); err != nil {
		return err
	}
	for _, p := range s.players {
		if err := p.judge(); err != nil {
			s.faults = append(s.faults, err.Error())
		}
	}
	s.audit()
	if len(s.faults) > 0 {
		return errors.New(strings.Join(s.faults[:min(len(s.faults), 3)], "; "))
	}
	return nil
}

// audit looks for what streams have left behind.
func (s *simulation) audit() {
	e, c := s.engine, s.core
	b := e.proxies[0].back
	for _, left := range []struct {
		what string
		n    int64
	}{{"streams", int64(c.count)}, {"connections of the engine", e.conns.Load()},
		{"connections of the frontend", e.proxies[0].conns.Load()},
		{"streams of the backend", b.Conns()}, {"streams in queues", b.Queued()},
		{"connections to servers", e.upstreams.Load()},
		{"small buffers", int64(c.small.Used())}, {"large buffers", int64(c.large.Used())}, {"pipes", e.pipes.Load()}} {
		if left.n != 0 {
			s.violated("%d %s are left", left.n, left.what)
		}
	}
	for _, srv := range b.Servers {
		if srv.Served() != 0 || srv.Queued() != 0 {
			s.violated("%s: %d slots are taken and %d streams wait", srv.Config.Name, srv.Served(), srv.Queued())
		}
	}
	front := &e.proxies[0].front[0]
	if n := front.Connections.Load(); n != int64(s.opened) {
		s.violated("%d connections are counted of %d", n, s.opened)
	}
	var selected, served int64
	for _, srv := range b.Servers {
		selected += srv.Counters[0].Selected.Load()
		for class := range srv.Counters[0].Codes {
			served += srv.Counters[0].Codes[class].Load()
		}
	}
	if n := b.Counters[0].Selected.Load(); n != selected || served > selected {
		s.violated("servers were selected %d times, as the backend counts %d; they answered %d times", selected, n,
			served)
	}
	var codes int64
	for class := range front.Codes {
		codes += front.Codes[class].Load()
	}
	if n := front.Requests.Load(); codes > n+front.FailedRequests.Load() {
		s.violated("%d requests have %d answers", n, codes)
	}
}

func play(seed uint64) error {
	s, err := newSimulation(seed)
	if err == nil {
		err = s.run()
	}
	return err
}

// TestSimulation plays sites of many seeds: clients that send their requests in any pieces, do not read, or leave;
// servers that refuse, stall, reset, answer early, twice, or rubbish; queues, retries, operators and reloads. Each
// request is answered once or its connection ended; by a server that got exactly that request, to its own client; and
// nothing is left of it. -seeds says how many.
func TestSimulation(t *testing.T) {
	first, n := 0, *simSeeds
	if *simSeed >= 0 {
		first, n = *simSeed, 1
	}
	if testing.Short() || raceEnabled {
		n = min(n, 300)
	}
	var next atomic.Int64
	var failed atomic.Int64
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			defer runtime.UnlockOSThread() // which the loop has locked
			for {
				i := int(next.Add(1)) - 1
				if i >= n || failed.Load() > 5 {
					return
				}
				if err := play(uint64(first + i)); err != nil {
					failed.Add(1)
					t.Errorf("seed %d: %v", first+i, err)
				}
			}
		})
	}
	all.Wait()
}
