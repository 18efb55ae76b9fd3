package loop

import (
	"math/bits"
	"time"
)

// Expirer is told when a timer of its own is due, on the loop's thread.
type Expirer interface{ Expired(*Timer) }

// A Timer is part of what it belongs to; arming and disarming it costs a few list
// operations and no memory. Due is exact to the millisecond, and never early.
type Timer struct {
	owner      Expirer
	next, prev *Timer
	at         uint64 // millisecond of the wheel; valid while armed
	list       *timerList
}

// Armed reports whether the timer runs.
func (t *Timer) Armed() bool { return t.list != nil }

// Arm sets t to expire at the given time of [Tick], in place of an earlier setting.
func (l *Loop) Arm(t *Timer, owner Expirer, at time.Duration) {
	l.Disarm(t)
	t.owner = owner
	t.at = uint64((at + time.Millisecond - 1) / time.Millisecond)
	l.wheel.add(t)
}

// Disarm stops t; stopping a timer that does not run does nothing.
func (l *Loop) Disarm(t *Timer) {
	if t.list != nil {
		l.wheel.remove(t)
	}
}

// At is when an armed timer expires.
func (t *Timer) At() time.Duration { return time.Duration(t.at) * time.Millisecond }

// Four levels of 64 slots hold timers of up to 64 ms, 4 s, 4 min and 4.6 h at the
// precision of a slot; they move down a level as their time comes near. Later ones wait in
// the last level and are looked at once in its turn.
const (
	levels   = 4
	slotBits = 6
	slotsPer = 1 << slotBits
)

type timerList struct {
	first       *Timer
	level, slot uint8
	loose       bool // not a slot: due, or a batch being fired
}

// wheel is a hierarchical timing wheel in milliseconds.
type wheel struct {
	now   uint64 // every timer at or before now has been fired
	used  [levels]uint64
	slots [levels][slotsPer]timerList
	due   timerList // those already due when armed
	batch timerList // those being fired
}

func (w *wheel) init(now time.Duration) {
	w.now = uint64(now / time.Millisecond)
	w.due.loose, w.batch.loose = true, true
	for level := range w.slots {
		for slot := range w.slots[level] {
			w.slots[level][slot].level, w.slots[level][slot].slot = uint8(level), uint8(slot)
		}
	}
}

func (w *wheel) add(t *Timer) {
	list := &w.due
	if t.at > w.now {
		delta := t.at - w.now
		level := 0
		for level < levels-1 && delta >= 1<<(slotBits*(level+1)) {
			level++
		}
		at := t.at
		if horizon := w.now + 1<<(slotBits*levels) - 1; at > horizon {
			at = horizon
		}
		slot := at >> (slotBits * level) & (slotsPer - 1)
		list = &w.slots[level][slot]
		w.used[level] |= 1 << slot
	}
	t.list, t.prev, t.next = list, nil, list.first
	if list.first != nil {
		list.first.prev = t
	}
	list.first = t
}

func (w *wheel) remove(t *Timer) {
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		t.list.first = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	}
	if t.list.first == nil && !t.list.loose {
		w.used[t.list.level] &^= 1 << t.list.slot
	}
	t.list, t.next, t.prev = nil, nil, nil
}

// next is when the wheel must be advanced: not later than the first timer is due.
func (w *wheel) next() (time.Duration, bool) {
	if w.due.first != nil {
		return 0, true
	}
	best, ok := uint64(0), false
	for level := range levels {
		if w.used[level] == 0 {
			continue
		}
		// The slots follow the current one in a circle.
		shift := slotBits * level
		current := w.now >> shift
		turned := bits.RotateLeft64(w.used[level], -int((current+1)&(slotsPer-1)))
		at := (current + 1 + uint64(bits.TrailingZeros64(turned))) << shift
		if !ok || at < best {
			best, ok = at, true
		}
	}
	return time.Duration(best) * time.Millisecond, ok
}

// advance fires every timer due at now.
func (w *wheel) advance(now time.Duration) {
	w.fire(&w.due)
	target := uint64(now / time.Millisecond)
	for w.now < target {
		at, ok := w.next()
		step := uint64(at / time.Millisecond)
		if !ok || step > target {
			w.now = target
			return
		}
		w.now = max(step, w.now)
		for level := levels - 1; level > 0; level-- {
			if w.now&(1<<(slotBits*level)-1) == 0 {
				w.cascade(level)
			}
		}
		w.fire(&w.slots[0][w.now&(slotsPer-1)])
		w.fire(&w.due)
	}
}

// cascade spreads a slot whose time has come over the levels below.
func (w *wheel) cascade(level int) {
	list := &w.slots[level][w.now>>(slotBits*level)&(slotsPer-1)]
	t := list.first
	list.first = nil
	w.used[level] &^= 1 << list.slot
	for t != nil {
		next := t.next
		w.add(t)
		t = next
	}
}

// fire empties a list. An owner may arm and disarm any timer meanwhile, itself included;
// what it arms as already due is fired in the next turn.
func (w *wheel) fire(list *timerList) {
	if list.first == nil {
		return
	}
	batch := &w.batch
	for t := list.first; t != nil; t = t.next {
		t.list = batch
	}
	batch.first, list.first = list.first, nil
	if !list.loose {
		w.used[list.level] &^= 1 << list.slot
	}
	for batch.first != nil {
		t := batch.first
		batch.first = t.next
		if t.next != nil {
			t.next.prev = nil
		}
		t.list, t.next, t.prev = nil, nil, nil
		t.owner.Expired(t)
	}
}
