package lvs

import (
	"context"
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/linux/xdp"
	"github.com/evenkeel/evenkeel/lvs/letter"
)

// A director that comes, or comes back, knows nothing of what began meanwhile, and what is idle is not told of. So
// it asks for everything; and one that steps back tells everything, because who takes over may not have noticed
// that they were apart.

const (
	// askAgain is how long the first answer is waited for; then twice as long each time.
	askAgain = time.Second
	// askLongest is the last wait. A director that comes later asks by itself.
	askLongest = 32 * time.Second
	// tellPause is at least between one time that everything is told and the next, and tellShare times as long as
	// it took.
	tellPause = 100 * time.Millisecond
	tellShare = 4
	// tellRate is how many of its letters go out in a millisecond.
	tellRate = 4
)

// Ask asks the other directors for everything they know, until one answers. It does not wait.
func (c *Courier) Ask() { wake(c.want) }

// Tell tells the other directors everything that is known here, asked or not. It does not wait.
func (c *Courier) Tell() { wake(c.tell) }

// asking asks when it is wanted.
func (c *Courier) asking(ctx context.Context) {
	var pause time.Duration
	var again <-chan time.Time
	for {
		select {
		case <-c.want:
			pause = askAgain
		case <-again:
			pause *= 2
		case <-c.answered:
			again = nil
			continue
		case <-ctx.Done():
			return
		}
		again = nil
		if pause <= askLongest {
			c.send(letter.Begin(nil, letter.Header{Kind: letter.Request, Sender: c.id}))
			again = time.After(pause)
		}
	}
}

// telling tells everything when it is wanted, to all who have wanted it by then.
func (c *Courier) telling(ctx context.Context) {
	var rest <-chan time.Time // while it is not nil, nothing is told
	wanted := false
	for {
		select {
		case <-c.tell:
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
		if err := c.tellAll(ctx); err != nil {
			c.complain("dump", fmt.Sprintf("flows cannot be read, to tell another director all of them: %v", err))
		}
		rest = time.After(max(tellPause, tellShare*time.Since(began)))
	}
}

// tellAll sends all flows, at a pace that drowns nobody.
func (c *Courier) tellAll(ctx context.Context) error {
	begin := func(b []byte) []byte { return letter.Begin(b, letter.Header{Kind: letter.Answer, Sender: c.id}) }
	b := begin(make([]byte, 0, letter.MaxSize))
	letters := 0
	err := c.plane.Dump(func(f *xdp.Flow) bool {
		flow := letter.Flow(*f)
		c.dumped.Add(1)
		var ok bool
		if b, ok = letter.Add(b, &flow); ok {
			return ctx.Err() == nil
		}
		c.send(b)
		if letters++; letters%tellRate == 0 {
			time.Sleep(time.Millisecond)
		}
		b, _ = letter.Add(begin(b), &flow)
		return ctx.Err() == nil
	})
	if err == nil {
		c.send(b) // that it is empty is an answer, too
	}
	return err
}
