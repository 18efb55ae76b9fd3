package lease

import (
	"strings"
	"testing"
	"time"
)

var testParams = Params{Voters: 3, Arbiters: 1 << 2, Promise: 4 * time.Second, ClockError: 2000,
	Slack: time.Millisecond}

// start is when every voter of a test has spoken for a while.
const start = Time(100 * time.Second)

func newPair() (a, b *Node, w *Voter) {
	pa, pb := testParams, testParams
	pb.Me = 1
	v := NewVoter(0, testParams.Promise, 0)
	return NewNode(0, pa, 0), NewNode(0, pb, 0), &v
}

// asks are the voters that were asked, in order.
func asks(e []Effect) (to []ID) {
	for _, x := range e {
		if x.Kind == SendAsk {
			to = append(to, x.Voter)
		}
	}
	return to
}

func only(t *testing.T, e []Effect, kind EffectKind) Effect {
	t.Helper()
	var found []Effect
	for _, x := range e {
		if x.Kind == kind {
			found = append(found, x)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d effects of kind %d in %+v", len(found), kind, e)
	}
	return found[0]
}

// TestArbiterLeftAlone: while the nodes hear each other, nobody asks the arbiter; a round without the peer's vote does.
func TestArbiterLeftAlone(t *testing.T) {
	a, b, _ := newPair()
	now := start
	e := a.Want(now, true, nil)
	if to := asks(e); len(to) != 1 || to[0] != 1 {
		t.Fatalf("asked %v", to)
	}
	hold := only(t, a.Answered(now+5, 1, b.Asked(now+3, e[0].Ask), nil), Hold)
	if want := now.Add(testParams.Hold()); hold.Until != want || hold.Epoch != 1 {
		t.Fatalf("holds until %d in epoch %d: it counts from the question, until %d", hold.Until, hold.Epoch, want)
	}
	now = now.Add(testParams.Renew())
	e = a.Tick(now, nil)
	if to := asks(e); len(to) != 1 || to[0] != 1 {
		t.Fatalf("a renewal asked %v", to)
	}
	now = now.Add(testParams.Renew())
	if to := asks(a.Tick(now, nil)); len(to) != 2 || to[1] != 2 {
		t.Fatalf("after a round without an answer it asked %v", to)
	}
	if to := asks(a.Alone(now+1, true, nil)); len(to) != 2 {
		t.Fatalf("alone it asked %v", to)
	}
}

// TestTakeover: the holder dies; the other takes the group when its promise has run out, with the arbiter's vote.
func TestTakeover(t *testing.T) {
	a, b, w := newPair()
	now := start
	e := a.Want(now, true, nil)
	only(t, a.Answered(now, 1, b.Asked(now, e[0].Ask), nil), Hold)
	b.Alone(now, true, nil)
	if e := b.Want(now+1, true, nil); len(e) != 0 {
		t.Fatalf("with its vote promised it asked: %+v", e)
	}
	at, ok := b.Deadline()
	if !ok || at != now.Add(testParams.Promise) {
		t.Fatalf("it looks again at %d, not at the end of its promise", at)
	}
	e = b.Tick(at, nil)
	for _, x := range e {
		if x.Kind == SendAsk && x.Voter == 2 {
			hold := only(t, b.Answered(at+2, 2, w.Ask(at+1, x.Ask), nil), Hold)
			if hold.Epoch != 2 {
				t.Fatalf("epoch %d", hold.Epoch)
			}
			if _, _, until := a.State(); until > at {
				t.Fatalf("the first still holds until %d, %v later", until, until.Sub(at))
			}
			return
		}
	}
	t.Fatalf("the arbiter was not asked: %+v", e)
}

// TestHandover: an explicit release frees the votes at once.
func TestHandover(t *testing.T) {
	a, b, _ := newPair()
	now := start
	e := a.Want(now, true, nil)
	a.Answered(now, 1, b.Asked(now, e[0].Ask), nil)
	b.Want(now, true, nil)
	gone := only(t, a.Release(now+10, nil), SendRelease)
	e = b.Released(now+20, 0, gone.Epoch, nil)
	if len(asks(e)) != 1 {
		t.Fatalf("%+v", e)
	}
	if hold := only(t, b.Answered(now+40, 0, a.Asked(now+30, e[0].Ask), nil), Hold); hold.Epoch != 2 {
		t.Fatalf("epoch %d", hold.Epoch)
	}
}

// TestLostMajority: nobody answers; the hold ends by itself and nothing extends it.
func TestLostMajority(t *testing.T) {
	a, b, _ := newPair()
	now := start
	e := a.Want(now, true, nil)
	late := b.Asked(now, e[0].Ask)
	hold := only(t, a.Answered(now, 1, late, nil), Hold)
	var kinds []EffectKind
	for {
		at, ok := a.Deadline()
		if !ok || at > hold.Until {
			t.Fatalf("it looks again at %d, after its hold", at)
		}
		e = a.Tick(at, nil)
		for _, x := range e {
			kinds = append(kinds, x.Kind)
		}
		if at == hold.Until {
			break
		}
	}
	only(t, e, Lost)
	if s, _, _ := a.State(); s != Idle {
		t.Fatalf("%v: %v", s, kinds)
	}
	if e := a.Answered(hold.Until+1, 1, late, nil); len(e) != 0 {
		t.Fatalf("an old answer did %+v", e)
	}
}

// TestLowNumber: a node that knows of no election learns the epoch from the refusal and tries again at once.
func TestLowNumber(t *testing.T) {
	a, _, w := newPair()
	w.Ask(start-Time(60*time.Second), Ask{From: 1, Epoch: 7, Promise: testParams.Promise})
	a.Alone(start, true, nil)
	e := a.Want(start, true, nil)
	e = a.Answered(start+2, 2, w.Ask(start+1, e[1].Ask), nil)
	only(t, e, Failed)
	for _, x := range e {
		if x.Kind == SendAsk && x.Ask.Epoch != 8 {
			t.Fatalf("it asked with epoch %d", x.Ask.Epoch)
		}
	}
	if len(asks(e)) != 2 {
		t.Fatalf("%+v", e)
	}
}

// TestSilence: a voter that was restarted promises nothing for a promise's time, and says how long.
func TestSilence(t *testing.T) {
	v := NewVoter(start, testParams.Promise, 5)
	a := v.Ask(start+1, Ask{From: 0, Epoch: 9, Promise: testParams.Promise})
	if a.Granted || a.Left != testParams.Promise-1 || a.Holder != Nobody {
		t.Fatalf("%+v", a)
	}
	if a = v.Ask(start.Add(testParams.Promise), Ask{From: 0, Epoch: 9, Promise: testParams.Promise}); !a.Granted {
		t.Fatalf("%+v", a)
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		change func(*Params)
		want   string
	}{
		{func(*Params) {}, ""},
		{func(p *Params) { p.Voters = 2 }, "an odd number"},
		{func(p *Params) { p.Voters = 9 }, "an odd number"},
		{func(p *Params) { p.Me = 3 }, "voter 3 of 3"},
		{func(p *Params) { p.Me = 2 }, "cannot be an arbiter"},
		{func(p *Params) { p.Promise = 0 }, "promise of 0s"},
		{func(p *Params) { p.ClockError = -1 }, "clock error"},
		{func(p *Params) { p.Slack = 2 * time.Second },
			"hold 1.992s = promise 4s - clock error 8ms (0.20 %) - slack 2s: it must be more than two renewals of 1s"},
	} {
		p := testParams
		c.change(&p)
		err := p.Validate()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", p, err, c.want)
		}
	}
}
