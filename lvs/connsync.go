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

	"github.com/evenkeel/evenkeel/linux/option"
	"github.com/evenkeel/evenkeel/linux/xdp"
	"github.com/evenkeel/evenkeel/lvs/connsync"
)

// FlowPlane is a forwarding plane whose flows a [ConnSync] synchronises with the peers, so that
// connections survive the loss of a node. The kernel's IPVS has its own daemon for that.
type FlowPlane interface {
	// Events calls f for what happens to flows until ctx ends.
	Events(ctx context.Context, f func(*xdp.Event)) error
	// Learn puts flows of a peer into the table. Any goroutine may call it.
	Learn([]xdp.Flow) (unknown int, err error)
	// Dump calls yield for each established flow. Any goroutine may call it.
	Dump(yield func(*xdp.Flow) bool) error
}

// SyncLink is how the peers are reached: an interface with a multicast group, or unicast addresses.
type SyncLink struct {
	Interface string       // messages go to Group on it
	IPv6      bool         // family of the messages
	Group     netip.Addr   // multicast; without Peers
	Peers     []netip.Addr // unicast, instead of Group; only their messages are accepted
	Port      uint16
	ID        uint8 // of the group of peers (syncid); messages of other groups are ignored
}

// Equal reports whether two links are the same.
func (l SyncLink) Equal(o SyncLink) bool {
	return l.Interface == o.Interface && l.IPv6 == o.IPv6 && l.Group == o.Group && l.Port == o.Port && l.ID == o.ID &&
		slices.Equal(l.Peers, o.Peers)
}

// ConnSyncStats count messages and flows since the start.
type ConnSyncStats struct {
	Sent      uint64 `json:"sent"` // messages
	Received  uint64 `json:"received"`
	FlowsSent uint64 `json:"flows_sent"` // each counted once, however often it is repeated
	Learnt    uint64 `json:"flows_learnt"`
	Unknown   uint64 `json:"flows_unknown"` // without a service or destination here
	Refused   uint64 `json:"refused"`       // messages that are foreign or malformed
	Failed    uint64 `json:"failed"`        // messages that could not be sent
	Requests  uint64 `json:"requests"`      // for a full sync
	Dumped    uint64 `json:"flows_dumped"`  // sent in full syncs
}

// ConnSync is connection synchronisation: it sends our flows to the peers and learns theirs.
type ConnSync struct {
	plane  FlowPlane
	log    func(Level, string)
	id     uint64
	links  []*syncLink
	cancel context.CancelFunc
	ended  sync.WaitGroup

	requestWanted chan struct{} // the peers are to be asked for a full sync
	answered      chan struct{} // one has begun to send it
	fullWanted    chan struct{} // a full sync is to be sent
	pending       chan struct{} // there is something to send

	mu      sync.Mutex // guards writing
	writing [][]byte   // messages that are being filled, the last one not yet full
	free    [][]byte

	sent, received, flowsSent, learnt, unknown, refused, failed, requests, dumped atomic.Uint64
	// causes that have been logged
	loggedCauses sync.Map
}

const (
	// gatherFor is how long flows are batched into one message after the last was sent. The first
	// is sent at once: what is batched when a node dies is lost.
	gatherFor = 5 * time.Millisecond
	// repeatAfter is when each message is sent a second time: a lost datagram must not be a lost connection.
	repeatAfter = 200 * time.Millisecond
	// retryLink is the time between attempts to open a link.
	retryLink = 2 * time.Second
)

// StartConnSync starts connection synchronisation. It asks the peers for a full sync first.
func StartConnSync(plane FlowPlane, links []SyncLink, log func(Level, string)) *ConnSync {
	s := newConnSync(plane, links, log)
	s.start()
	return s
}

// newConnSync prepares the synchronisation; start runs it.
func newConnSync(plane FlowPlane, links []SyncLink, log func(Level, string)) *ConnSync {
	var id [8]byte
	rand.Read(id[:])
	s := &ConnSync{plane: plane, log: log, id: binary.NativeEndian.Uint64(id[:]),
		requestWanted: make(chan struct{}, 1), answered: make(chan struct{}, 1),
		fullWanted: make(chan struct{}, 1), pending: make(chan struct{}, 1)}
	for _, cfg := range links {
		l := &syncLink{SyncLink: cfg, sync: s}
		l.open = l.openSocket
		s.links = append(s.links, l)
	}
	return s
}

func (s *ConnSync) start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	for _, l := range s.links {
		s.ended.Go(func() { l.run(ctx) })
	}
	s.ended.Go(func() { s.sendLoop(ctx) })
	s.ended.Go(func() { s.requestLoop(ctx) })
	s.ended.Go(func() { s.fullLoop(ctx) })
	s.ended.Go(func() {
		if err := s.plane.Events(ctx, s.event); err != nil && ctx.Err() == nil {
			s.logOnce("events", fmt.Sprintf("flows are no longer sent to the peers: %v", err))
		}
	})
}

// Close stops synchronisation.
func (s *ConnSync) Close() {
	s.cancel()
	for _, l := range s.links {
		l.close()
	}
	s.ended.Wait()
}

// Stats returns what was counted so far.
func (s *ConnSync) Stats() ConnSyncStats {
	return ConnSyncStats{Sent: s.sent.Load(), Received: s.received.Load(), FlowsSent: s.flowsSent.Load(),
		Learnt: s.learnt.Load(), Unknown: s.unknown.Load(), Refused: s.refused.Load(), Failed: s.failed.Load(),
		Requests: s.requests.Load(), Dumped: s.dumped.Load()}
}

// logOnce logs a cause once.
func (s *ConnSync) logOnce(cause, text string) {
	if _, known := s.loggedCauses.LoadOrStore(cause, true); !known {
		s.log(Warning, "connection state: "+text)
	}
}

// event adds a flow to the next message; it runs on the plane's goroutine.
func (s *ConnSync) event(e *xdp.Event) {
	f := connsync.Flow(e.Flow)
	if e.Kind == xdp.FlowClosed && f.State == "ESTABLISHED" {
		f.State = "CLOSE"
	}
	s.flowsSent.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	wake(s.pending)
	if n := len(s.writing); n > 0 {
		var ok bool
		if s.writing[n-1], ok = connsync.Add(s.writing[n-1], &f); ok {
			return
		}
	}
	s.writing = append(s.writing, s.begin())
	n := len(s.writing)
	s.writing[n-1], _ = connsync.Add(s.writing[n-1], &f)
}

// begin starts a message, in a used buffer if there is one.
func (s *ConnSync) begin() []byte {
	var b []byte
	if n := len(s.free); n > 0 {
		b, s.free = s.free[n-1], s.free[:n-1]
	} else {
		b = make([]byte, 0, connsync.MaxSize)
	}
	return connsync.Begin(b, connsync.Header{Kind: connsync.Flows, Sender: s.id})
}

// wake signals a goroutine that waits for work; it finds out by itself how much there is.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// sentMessage is a message that was sent once.
type sentMessage struct {
	message []byte
	again   time.Time // when it is sent once more
}

// sendLoop sends what was gathered, and each message once more.
func (s *ConnSync) sendLoop(ctx context.Context) {
	var repeat []sentMessage
	again := time.NewTimer(time.Hour)
	defer again.Stop()
	for {
		select {
		case <-s.pending:
		case <-again.C:
		case <-ctx.Done():
			return
		}
		now := time.Now()
		s.mu.Lock()
		ready := s.writing
		s.writing = nil
		s.mu.Unlock()
		for _, b := range ready {
			s.send(b)
			repeat = append(repeat, sentMessage{b, now.Add(repeatAfter)})
		}
		repeat = s.repeatDue(repeat, now)
		if len(repeat) > 0 {
			again.Reset(time.Until(repeat[0].again))
		}
		if len(ready) > 0 {
			time.Sleep(gatherFor)
		}
	}
}

// repeatDue sends what is due for the second time, and returns what is not.
func (s *ConnSync) repeatDue(repeat []sentMessage, now time.Time) []sentMessage {
	n := 0
	for n < len(repeat) && !repeat[n].again.After(now) {
		s.send(repeat[n].message)
		n++
	}
	s.mu.Lock()
	for _, m := range repeat[:n] {
		s.free = append(s.free, m.message)
	}
	s.mu.Unlock()
	return slices.Delete(repeat, 0, n)
}

// send sends a message on every link.
func (s *ConnSync) send(b []byte) {
	for _, l := range s.links {
		l.send(b)
	}
}

// receive handles a message that came in on a link.
func (s *ConnSync) receive(l *syncLink, b []byte, flows []connsync.Flow) []connsync.Flow {
	h, flows, err := connsync.Parse(b, flows[:0])
	switch {
	case err != nil:
		s.refused.Add(1)
		cause := fmt.Sprintf("parse %v", errors.Is(err, connsync.ErrForeign))
		s.logOnce(cause, fmt.Sprintf("a message on %s is %v", l, err))
		return flows
	case h.Sender == s.id || !s.member(h.Group):
		return flows
	}
	s.received.Add(1)
	switch h.Kind {
	case connsync.Request:
		s.requests.Add(1)
		wake(s.fullWanted)
		return flows
	case connsync.Answer:
		wake(s.answered)
	}
	learn := make([]xdp.Flow, len(flows))
	for i := range flows {
		learn[i] = xdp.Flow(flows[i])
	}
	unknown, err := s.plane.Learn(learn)
	if err != nil {
		s.logOnce("learn", fmt.Sprintf("flows of a peer cannot be stored: %v", err))
	}
	s.learnt.Add(uint64(len(flows) - unknown))
	s.unknown.Add(uint64(unknown))
	return flows
}

// fromPeer reports whether an address is one of those named on any link: the kernel delivers a datagram to
// one of the sockets that share a port, whichever link it was meant for.
func (s *ConnSync) fromPeer(a netip.Addr) bool {
	return slices.ContainsFunc(s.links, func(l *syncLink) bool { return slices.Contains(l.Peers, a) })
}

// member reports whether messages of a group are ours.
func (s *ConnSync) member(id uint8) bool {
	return slices.ContainsFunc(s.links, func(l *syncLink) bool { return l.ID == id })
}

func (l *syncLink) String() string {
	if len(l.Peers) > 0 {
		return fmt.Sprintf("the link to %s", l.Peers[0])
	}
	return l.Interface
}

// listen opens the socket of a link.
func (l *syncLink) listen() (*net.UDPConn, error) {
	network := "udp4"
	if l.IPv6 {
		network = "udp6"
	}
	lc := net.ListenConfig{Control: option.Control(option.Reuse)} // links share a port, each on its own interface
	pc, err := lc.ListenPacket(context.Background(), network, fmt.Sprintf(":%d", l.Port))
	if err != nil {
		return nil, err
	}
	return pc.(*net.UDPConn), nil
}
