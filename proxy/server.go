package proxy

import (
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/counter"
	"github.com/evenkeel/evenkeel/health"
	"github.com/evenkeel/evenkeel/linux/sock"
	"github.com/evenkeel/evenkeel/sample"
)

// proxy is a frontend, a backend or both, while it runs.
type proxy struct {
	cfg    *config.Proxy
	index  int // in the engine
	engine *Engine
	http   bool
	pages  map[int]*page
	since  time.Time // of the last change of a backend's state

	// The front half.
	front     []counter.Set // by core
	conns     atomic.Int64
	connsMax  atomic.Int64
	maxConn   atomic.Int64
	rateLimit atomic.Int64
	paused    atomic.Bool // by the runtime socket
	stopped   atomic.Bool

	// The back half.
	back        []counter.Set
	beConns     atomic.Int64
	beConnsMax  atomic.Int64
	servers     []*server
	byCookie    map[string][]*server // in the order of the file
	byConfig    map[*config.Server]*server
	byName      map[string]*server
	chooser     chooser
	queued      atomic.Int64 // in the backend's and its servers' queues
	unbound     atomic.Int64 // of them in the backend's own queue
	queuedMax   atomic.Int64
	usableCount atomic.Int64
	fullConn    int64 // at least 1

	mu    sync.Mutex // guards the queues
	queue queue

	// Guarded by the engine's states.
	active   int // servers that can be chosen
	backups  int
	settled  bool
	downs    int64
	downFrom time.Time
	downTime time.Duration
}

// server is a server of a backend while it runs.
type server struct {
	cfg    *config.Server
	be     *proxy
	number int // in the engine
	index  int // in the backend
	target atomic.Pointer[sock.Target]
	source *sock.Target
	addr   atomic.Pointer[netip.AddrPort]

	served    atomic.Int64 // streams that hold a slot
	servedMax atomic.Int64
	queuedNow atomic.Int64
	queuedMax atomic.Int64
	idle      atomic.Int64
	maxConn   atomic.Int64
	up        atomic.Bool // can take streams that insist on it
	ready     atomic.Bool // can be chosen
	// weightShown is weight, for those who only look.
	weightShown atomic.Int64
	shards      []counter.Set

	tracked   *server // whose state it takes
	followers []*server

	queue  queue          // guarded by be.mu
	health *health.Server // guarded by the engine's states, as is weight
	weight int            // as configured or set, 0-256
	timer  *time.Timer    // of the health machine; guarded by states, as is due
	due    health.Time    // when timer fires
	erring atomic.Bool    // traffic failed last time
	hurry  chan time.Duration
	moved  chan struct{}
}

func (p *proxy) server(c *config.Server) *server { return p.byConfig[c] }

func (p *proxy) usableServers() int64 { return p.usableCount.Load() }

// usable says whether streams that belong to the server, by cookie or queue, may go there.
func (srv *server) usable() bool { return srv.up.Load() }

// limit is how many streams the server takes now; 0: any number. With minconn it follows the
// backend's load up to fullconn.
func (srv *server) limit() int64 {
	high := srv.maxConn.Load()
	low := int64(srv.cfg.MinConn)
	if high == 0 || low == 0 || low >= high {
		return high
	}
	return max(low, min(high, high*srv.be.beConns.Load()/srv.be.fullConn))
}

func (srv *server) full() bool {
	limit := srv.limit()
	return limit > 0 && srv.served.Load() >= limit
}

// takeSlot takes a place on the server, if there is one.
func (srv *server) takeSlot() bool {
	limit := srv.limit()
	if limit == 0 {
		srv.served.Add(1)
		return true
	}
	for {
		n := srv.served.Load()
		if n >= limit {
			return false
		}
		if srv.served.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// mayQueue says whether one more may wait for this server.
func (srv *server) mayQueue() bool {
	return srv.cfg.MaxQueue == 0 || srv.queuedNow.Load() < int64(srv.cfg.MaxQueue)
}

// weightNow is the weight as configured or set.
func (srv *server) weightNow() int { return int(srv.weightShown.Load()) }

// setAddr changes where the server is.
func (srv *server) setAddr(addr netip.AddrPort) {
	t := sock.TargetOf(addr, srv.cfg.Path)
	srv.target.Store(&t)
	srv.addr.Store(&addr)
}

// address is the server's address as it is shown.
func (srv *server) address() string {
	if srv.cfg.Path != "" {
		return srv.cfg.Path
	}
	a := srv.addr.Load()
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// sessionRate is the frontend's over all cores.
func (p *proxy) sessionRate(now int64) int64 {
	sum := int64(0)
	for i := range p.front {
		sum += p.front[i].Rate.At(now)
	}
	return sum
}

// newSessions is how many sessions began in this second.
func (p *proxy) newSessions(now int64) int64 {
	sum := int64(0)
	for i := range p.front {
		sum += p.front[i].Rate.ThisSecond(now)
	}
	return sum
}

// Backend is part of sample.Environment.
func (e *Engine) Backend(name string) (sample.BackendFacts, bool) {
	p, ok := e.backends[name]
	if !ok {
		return sample.BackendFacts{}, false
	}
	f := sample.BackendFacts{Usable: int(p.usableServers()), Connections: int(p.beConns.Load()), Queue: int(p.queued.Load())}
	now := time.Now().Unix()
	for i := range p.back {
		f.Rate += int(p.back[i].Rate.At(now))
	}
	for _, srv := range p.servers {
		if !srv.usable() {
			continue
		}
		limit := srv.maxConn.Load()
		if limit == 0 {
			f.Free = -1
			break
		}
		f.Free += int(limit - srv.served.Load() + int64(srv.cfg.MaxQueue) - srv.queuedNow.Load())
	}
	return f, true
}

// Frontend is part of sample.Environment.
func (e *Engine) Frontend(name string) (connections, rate int, ok bool) {
	p, ok := e.frontends[name]
	if !ok {
		return 0, 0, false
	}
	return int(p.conns.Load()), int(p.sessionRate(time.Now().Unix())), true
}

// Server is part of sample.Environment.
func (e *Engine) Server(backend, name string) (sample.ServerFacts, bool) {
	p, ok := e.backends[backend]
	if !ok {
		return sample.ServerFacts{}, false
	}
	srv, ok := p.byName[name]
	if !ok {
		return sample.ServerFacts{}, false
	}
	return sample.ServerFacts{Up: srv.usable(), Connections: int(srv.served.Load()), Queue: int(srv.queuedNow.Load()), Weight: srv.weightNow()}, true
}

// sendProxyHeader tells a server the client's address before anything else (PROXY protocol).
func (s *stream) sendProxyHeader() {
	b := s.core.scratch[:0]
	if s.srv.cfg.SendProxy == 1 {
		b = proxyV1(b, s.source, s.destination())
	} else {
		b = proxyV2(b, s.source, s.destination())
	}
	s.core.send(&s.up.endpoint, b, nil)
}

func proxyV1(b []byte, src, dst netip.AddrPort) []byte {
	if !src.IsValid() || !dst.IsValid() || src.Addr().Is4() != dst.Addr().Is4() {
		return append(b, "PROXY UNKNOWN\r\n"...)
	}
	family := " TCP4 "
	if src.Addr().Is6() {
		family = " TCP6 "
	}
	b = append(append(b, "PROXY"...), family...)
	b = append(src.Addr().AppendTo(b), ' ')
	b = append(dst.Addr().AppendTo(b), ' ')
	b = appendPort(b, src.Port())
	b = append(b, ' ')
	b = appendPort(b, dst.Port())
	return append(b, "\r\n"...)
}

func appendPort(b []byte, port uint16) []byte {
	var digits [5]byte
	i := len(digits)
	for {
		i--
		digits[i] = byte('0' + port%10)
		if port /= 10; port == 0 {
			return append(b, digits[i:]...)
		}
	}
}

// proxyV2 is the binary form: twelve bytes of signature, command, family, length, addresses.
func proxyV2(b []byte, src, dst netip.AddrPort) []byte {
	b = append(b, "\r\n\r\n\x00\r\nQUIT\n\x21"...)
	switch {
	case !src.IsValid() || !dst.IsValid() || src.Addr().Is4() != dst.Addr().Is4():
		return append(b, 0, 0, 0)
	case src.Addr().Is4():
		s4, d4 := src.Addr().As4(), dst.Addr().As4()
		b = append(append(append(b, 0x11, 0, 12), s4[:]...), d4[:]...)
	default:
		s6, d6 := src.Addr().As16(), dst.Addr().As16()
		b = append(append(append(b, 0x21, 0, 36), s6[:]...), d6[:]...)
	}
	return append(b, byte(src.Port()>>8), byte(src.Port()), byte(dst.Port()>>8), byte(dst.Port()))
}

// serverAddress is the other end of the server connection, for the log.
func (s *stream) serverAddress() netip.AddrPort {
	if s.srv == nil {
		return netip.AddrPort{}
	}
	return *s.srv.addr.Load()
}

// trimmed names a listener for the log as its configuration does.
func trimmed(text string) string { return strings.TrimPrefix(text, "unix@") }
