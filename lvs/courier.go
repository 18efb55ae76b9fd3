package lvs

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evenkeel/evenkeel/linux/xdp"
	"github.com/evenkeel/evenkeel/lvs/letter"
)

// FlowPlane is a forwarding plane whose flows a [Courier] carries to the other directors, so that
// connections go on when one of them is lost. The kernel's IPVS has a daemon of its own for that.
type FlowPlane interface {
	// Events calls f for what happens to flows until ctx ends.
	Events(ctx context.Context, f func(*xdp.Event)) error
	// Learn puts flows of another director into the table. Any goroutine may call it.
	Learn([]xdp.Flow) (unknown int, err error)
	// Dump calls yield for each established flow. Any goroutine may call it.
	Dump(yield func(*xdp.Flow) bool) error
}

// Line is a way to the other directors.
type Line struct {
	Interface string       // letters go to Group on it
	IPv6      bool         // family of the letters
	Group     netip.Addr   // multicast; without Peers
	Peers     []netip.Addr // unicast, instead of Group; only they are heard
	Port      uint16
	ID        uint8 // of the group of directors (syncid); letters of others are not heard
}

// Equal tells whether two lines are the same.
func (l Line) Equal(o Line) bool {
	return l.Interface == o.Interface && l.IPv6 == o.IPv6 && l.Group == o.Group && l.Port == o.Port && l.ID == o.ID && slices.Equal(l.Peers, o.Peers)
}

// CourierStats count letters and flows since the start.
type CourierStats struct {
	Sent      uint64 `json:"sent"` // letters
	Received  uint64 `json:"received"`
	FlowsSent uint64 `json:"flows_sent"` // each counted once, however often it is repeated
	Learnt    uint64 `json:"flows_learnt"`
	Unknown   uint64 `json:"flows_unknown"` // without a service or destination here
	Refused   uint64 `json:"refused"`       // letters not ours or not well-formed
	Failed    uint64 `json:"failed"`        // letters that could not be sent
	Requests  uint64 `json:"requests"`      // for everything
	Dumped    uint64 `json:"flows_dumped"`  // sent for them
}

// Courier tells other directors of our flows and learns theirs.
type Courier struct {
	plane  FlowPlane
	log    func(Level, string)
	id     uint64
	lines  []*line
	cancel context.CancelFunc
	ended  sync.WaitGroup
	within func(func()) // runs what opens sockets; tests have it in another network namespace

	want     chan struct{} // the others are to be asked for everything
	answered chan struct{} // one has begun to tell it
	tell     chan struct{} // everything is to be told
	news     chan struct{} // there is something to post

	mu      sync.Mutex // guards writing
	writing [][]byte   // letters that are being filled, the last one not yet full
	free    [][]byte

	sent, received, flowsSent, learnt, unknown, refused, failed, requests, dumped atomic.Uint64
	complaints                                                                    sync.Map // causes that have been logged
}

const (
	// gatherFor is how long flows are gathered for one letter after the last has left. The first
	// goes at once: a director that dies takes what was gathered with it.
	gatherFor = 5 * time.Millisecond
	// repeatAfter is when each letter goes out once more: a lost datagram must not be a lost connection.
	repeatAfter = 200 * time.Millisecond
	// retryLine is how long a line that cannot be opened waits.
	retryLine = 2 * time.Second
)

// StartCourier begins to tell and to learn. It asks the others for all they know.
func StartCourier(plane FlowPlane, lines []Line, log func(Level, string)) *Courier {
	return startCourier(plane, lines, log, func(f func()) { f() })
}

func startCourier(plane FlowPlane, lines []Line, log func(Level, string), within func(func())) *Courier {
	var id [8]byte
	rand.Read(id[:])
	c := &Courier{plane: plane, log: log, id: binary.NativeEndian.Uint64(id[:]), within: within,
		want: make(chan struct{}, 1), answered: make(chan struct{}, 1), tell: make(chan struct{}, 1), news: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	for _, l := range lines {
		c.lines = append(c.lines, &line{Line: l, courier: c})
	}
	for _, l := range c.lines {
		c.ended.Go(func() { l.run(ctx) })
	}
	c.ended.Go(func() { c.post(ctx) })
	c.ended.Go(func() { c.asking(ctx) })
	c.ended.Go(func() { c.telling(ctx) })
	c.ended.Go(func() {
		if err := plane.Events(ctx, c.event); err != nil && ctx.Err() == nil {
			c.complain("events", fmt.Sprintf("flows are not told to the other directors any more: %v", err))
		}
	})
	return c
}

// Close ends it.
func (c *Courier) Close() {
	c.cancel()
	for _, l := range c.lines {
		l.close()
	}
	c.ended.Wait()
}

// Stats returns what was counted so far.
func (c *Courier) Stats() CourierStats {
	return CourierStats{Sent: c.sent.Load(), Received: c.received.Load(), FlowsSent: c.flowsSent.Load(), Learnt: c.learnt.Load(),
		Unknown: c.unknown.Load(), Refused: c.refused.Load(), Failed: c.failed.Load(), Requests: c.requests.Load(), Dumped: c.dumped.Load()}
}

// complain logs once per cause.
func (c *Courier) complain(cause, text string) {
	if _, known := c.complaints.LoadOrStore(cause, true); !known {
		c.log(Warning, "connection state: "+text)
	}
}

// event takes news of a flow; it runs on the plane's goroutine.
func (c *Courier) event(e *xdp.Event) {
	f := letter.Flow(e.Flow)
	if e.Kind == xdp.FlowClosed && f.State == "ESTABLISHED" {
		f.State = "CLOSE"
	}
	c.flowsSent.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	wake(c.news)
	if n := len(c.writing); n > 0 {
		var ok bool
		if c.writing[n-1], ok = letter.Add(c.writing[n-1], &f); ok {
			return
		}
	}
	c.writing = append(c.writing, c.begin())
	n := len(c.writing)
	c.writing[n-1], _ = letter.Add(c.writing[n-1], &f)
}

// begin starts a letter in a buffer that was used before, if there is one.
func (c *Courier) begin() []byte {
	var b []byte
	if n := len(c.free); n > 0 {
		b, c.free = c.free[n-1], c.free[:n-1]
	} else {
		b = make([]byte, 0, letter.MaxSize)
	}
	return letter.Begin(b, letter.Header{Kind: letter.Flows, Sender: c.id})
}

// wake lets the goroutine know that waits for something to do; it finds out by itself how much.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// sent is a letter that has left once.
type sent struct {
	letter []byte
	again  time.Time // when it leaves once more
}

// post sends what was gathered, and each letter once more.
func (c *Courier) post(ctx context.Context) {
	var repeat []sent
	again := time.NewTimer(time.Hour)
	defer again.Stop()
	for {
		select {
		case <-c.news:
		case <-again.C:
		case <-ctx.Done():
			return
		}
		now := time.Now()
		c.mu.Lock()
		ready := c.writing
		c.writing = nil
		c.mu.Unlock()
		for _, b := range ready {
			c.send(b)
			repeat = append(repeat, sent{b, now.Add(repeatAfter)})
		}
		repeat = c.resend(repeat, now)
		if len(repeat) > 0 {
			again.Reset(time.Until(repeat[0].again))
		}
		if len(ready) > 0 {
			time.Sleep(gatherFor)
		}
	}
}

// resend sends what is due for the second time, and gives what is not.
func (c *Courier) resend(repeat []sent, now time.Time) []sent {
	n := 0
	for n < len(repeat) && !repeat[n].again.After(now) {
		c.send(repeat[n].letter)
		n++
	}
	c.mu.Lock()
	for _, s := range repeat[:n] {
		c.free = append(c.free, s.letter)
	}
	c.mu.Unlock()
	return slices.Delete(repeat, 0, n)
}

// send sends a letter on every line.
func (c *Courier) send(b []byte) {
	for _, l := range c.lines {
		l.send(b)
	}
}

// take reads a letter that came in on a line.
func (c *Courier) take(l *line, b []byte, flows []letter.Flow) []letter.Flow {
	h, flows, err := letter.Parse(b, flows[:0])
	switch {
	case err != nil:
		c.refused.Add(1)
		c.complain(fmt.Sprintf("parse %v", errors.Is(err, letter.ErrForeign)), fmt.Sprintf("a letter on %s is %v", l.name(), err))
		return flows
	case h.Sender == c.id || !c.member(h.Group):
		return flows
	}
	c.received.Add(1)
	switch h.Kind {
	case letter.Request:
		c.requests.Add(1)
		wake(c.tell)
		return flows
	case letter.Answer:
		wake(c.answered)
	}
	learn := make([]xdp.Flow, len(flows))
	for i := range flows {
		learn[i] = xdp.Flow(flows[i])
	}
	unknown, err := c.plane.Learn(learn)
	if err != nil {
		c.complain("learn", fmt.Sprintf("flows of another director cannot be remembered: %v", err))
	}
	c.learnt.Add(uint64(len(flows) - unknown))
	c.unknown.Add(uint64(unknown))
	return flows
}

// peer tells whether an address is one of those named on any line: the kernel gives a datagram to
// one of the sockets that share a port, whichever line it was meant for.
func (c *Courier) peer(a netip.Addr) bool {
	return slices.ContainsFunc(c.lines, func(l *line) bool { return slices.Contains(l.Peers, a) })
}

// member tells whether letters of a group are ours.
func (c *Courier) member(id uint8) bool {
	return slices.ContainsFunc(c.lines, func(l *line) bool { return l.ID == id })
}

func (l *line) name() string {
	if len(l.Peers) > 0 {
		return fmt.Sprintf("the line to %s", l.Peers[0])
	}
	return l.Interface
}

// listen makes the socket of a line.
func (l *line) listen() (*net.UDPConn, error) {
	network := "udp4"
	if l.IPv6 {
		network = "udp6"
	}
	lc := net.ListenConfig{Control: reusable}
	pc, err := lc.ListenPacket(context.Background(), network, fmt.Sprintf(":%d", l.Port))
	if err != nil {
		return nil, err
	}
	return pc.(*net.UDPConn), nil
}
