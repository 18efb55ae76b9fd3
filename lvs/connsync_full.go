package lvs

import (
	"context"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/linux/xdp"
	"github.com/evenkeel/evenkeel/lvs/connsync"
)

// A node that starts, or is reconnected, knows nothing of the flows that began meanwhile, and idle flows are not
// sent. So it requests a full sync; and one that becomes backup sends a full sync unasked, because the new master may
// not have noticed that they were separated.

const (
	// requestRetry is the wait for the first answer; it doubles with each retry.
	requestRetry = time.Second
	// requestRetryMax is the last wait. A peer that starts later asks by itself.
	requestRetryMax = 32 * time.Second
	// fullPause is the shortest pause after a full sync; a long one is followed by fullShare times what it took.
	fullPause = 100 * time.Millisecond
	fullShare = 4
	// fullRate is how many of its messages are sent in a millisecond.
	fullRate = 4
)

// RequestFull asks the peers for a full sync until one answers. It does not block.
func (s *ConnSync) RequestFull() { wake(s.requestWanted) }

// SendFull sends every flow that is known here to the peers. It does not block.
func (s *ConnSync) SendFull() { wake(s.fullWanted) }

// requestLoop sends requests when they are wanted.
func (s *ConnSync) requestLoop(ctx context.Context) {
	var pause time.Duration
	var again <-chan time.Time
	for {
		select {
		case <-s.requestWanted:
			pause = requestRetry
		case <-again:
			pause *= 2
		case <-s.answered:
			again = nil
			continue
		case <-ctx.Done():
			return
		}
		again = nil
		if pause <= requestRetryMax {
			s.send(connsync.Begin(nil, connsync.Header{Kind: connsync.Request, Sender: s.id}))
			again = time.After(pause)
		}
	}
}

// fullLoop sends full syncs when they are wanted, one for all requests until then.
func (s *ConnSync) fullLoop(ctx context.Context) {
	var rest <-chan time.Time // while it is not nil, no full sync is sent
	wanted := false
	for {
		select {
		case <-s.fullWanted:
			wanted = true
		case <-rest:
			rest = nil
		case <-ctx.Done():
			return
		}
		if !wanted || rest != nil {
			continue
		}
		wanted = false
		began := time.Now()
		if err := s.dumpAll(ctx); err != nil {
			s.logOnce("dump", fmt.Sprintf("the flows cannot be read for a full sync: %v", err))
		}
		rest = time.After(max(fullPause, fullShare*time.Since(began)))
	}
}

// dumpAll sends all flows, at a pace that overloads no peer.
func (s *ConnSync) dumpAll(ctx context.Context) error {
	begin := func(b []byte) []byte { return connsync.Begin(b, connsync.Header{Kind: connsync.Answer, Sender: s.id}) }
	b := begin(make([]byte, 0, connsync.MaxSize))
	messages := 0
	err := s.plane.Dump(func(f *xdp.Flow) bool {
		flow := connsync.Flow(*f)
		s.dumped.Add(1)
		var ok bool
		if b, ok = connsync.Add(b, &flow); ok {
			return ctx.Err() == nil
		}
		s.send(b)
		if messages++; messages%fullRate == 0 {
			time.Sleep(time.Millisecond)
		}
		b, _ = connsync.Add(begin(b), &flow)
		return ctx.Err() == nil
	})
	if err == nil {
		s.send(b) // an empty message is an answer, too
	}
	return err
}
