package syslog

import (
	"time"

	"github.com/evenkeel/evenkeel/config"
)

// Batch collects the lines of one turn of a loop and sends them at its end. It belongs to one
// goroutine.
type Batch struct {
	log       *Log
	receivers []*receiver
}

// Route is where the lines of one proxy go, for one Batch.
type Route struct {
	outlets []outlet
}

// An outlet is one target of a route.
type outlet struct {
	receiver *receiver
	frame    frame
	longest  int
	max, min int
}

// Batch returns an empty one.
func (l *Log) Batch() *Batch { return &Batch{log: l} }

// Route prepares sending to targets. It opens their sockets, so that they stay reachable after the process has
// changed its root. tag is empty for the common one.
func (b *Batch) Route(targets []config.LogTarget, tag string) *Route {
	if tag == "" {
		tag = b.log.id.Tag
	}
	r := &Route{outlets: make([]outlet, 0, len(targets))}
	for i := range targets {
		t := &targets[i]
		o := outlet{receiver: b.receiverOf(t), longest: t.Len, max: t.Max, min: t.Min}
		if o.longest <= 0 {
			o.longest = 1024
		}
		o.receiver.hold(o.longest)
		o.frame = frame{how: t.Format, facility: t.Facility, host: b.log.id.Host, tag: tag, pid: b.log.id.PID}
		r.outlets = append(r.outlets, o)
	}
	return r
}

// receiverOf gives the one of a target; targets at one address share it.
func (b *Batch) receiverOf(t *config.LogTarget) *receiver {
	for _, p := range b.receivers {
		if p.addr == t.Addr && p.path == t.Path && p.fd == t.FD {
			return p
		}
	}
	p := &receiver{addr: t.Addr, path: t.Path, fd: t.FD, dropped: &b.log.dropped,
		buffer: make([]byte, 0, bufferSize), packets: make([][]byte, 0, maxPackets)}
	if t.FD > 0 {
		p.file = b.log.file(t.FD)
	} else {
		p.connect(time.Now())
	}
	b.receivers = append(b.receivers, p)
	return p
}

// Add takes a line without its end; severity is syslog's, 0 (emergency) to 7 (debug). The line is copied. now is
// the wall clock.
func (b *Batch) Add(r *Route, severity int, now time.Time, line []byte) {
	for i := range r.outlets {
		o := &r.outlets[i]
		if severity > o.max {
			continue
		}
		o.receiver.add(&o.frame, max(severity, o.min), now, line, o.longest)
	}
}

// Flush sends what has been added. What a receiver has no room for is kept for the next Flush, as far as it fits.
func (b *Batch) Flush(now time.Time) {
	for _, p := range b.receivers {
		if len(p.packets) > 0 || len(p.buffer) > 0 {
			p.flush(now)
		}
	}
}

// Close sends what can be sent and gives up the sockets.
func (b *Batch) Close() {
	for _, p := range b.receivers {
		p.flush(time.Now())
		p.disconnect()
	}
	b.receivers = nil
}
