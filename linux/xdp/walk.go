package xdp

import (
	"fmt"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
)

// walk goes through the tables of one kind of flow, IPv4 then IPv6, in one sweep or several.
type walk struct {
	half   bool // the half-open flows
	six    bool // the table that is being read
	cursor ebpf.MapBatchCursor
	begun  time.Time // zero: it has not
	seen   int       // entries read
	alive  int       // those of them that stay

	// What the walk before was like.
	length, found int
	took          time.Duration
}

func (w *walk) begin() {
	if w.begun.IsZero() {
		w.begun = time.Now()
	}
}

// budget is how many entries the next sweep looks at.
func (w *walk) budget() int { return max(sweepLeast, max(w.length, w.seen)/sweepCalls) }

// lead is how long what a visit holds must last: until the next visit.
func (w *walk) lead() time.Duration { return max(w.took, time.Since(w.begun)) + 2*time.Second }

// again has the walk begin anew.
func (w *walk) again() {
	w.six, w.cursor, w.begun, w.seen, w.alive = false, ebpf.MapBatchCursor{}, time.Time{}, 0, 0
}

// next goes on with the next table. It reports whether there was none.
func (w *walk) next() bool {
	if !w.six {
		w.six, w.cursor = true, ebpf.MapBatchCursor{}
		return false
	}
	w.length, w.found, w.took = w.seen, w.alive, time.Since(w.begun)
	w.again()
	return true
}

// table is the name of the one that is being read.
func (w *walk) table() string {
	switch {
	case w.half && w.six:
		return programMapPlaneHalf6
	case w.half:
		return programMapPlaneHalf4
	case w.six:
		return programMapPlaneFlows6
	}
	return programMapPlaneFlows4
}

// readSome reads the next entries of a walk. end: there are no more in this table.
func readSome[K any](p *Plane, w *walk, keys []K, flows [][56]byte) (n int, end bool, err error) {
	m := p.maps[w.table()]
	n, err = m.BatchLookup(&w.cursor, keys, flows, nil)
	w.seen += n
	if err != nil && isMissing(err) {
		return n, true, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("xdp: reading %s: %w", m, err)
	}
	return n, false, nil
}

// visits is what the program that visits flows is told.
type visits struct {
	count, half, lead uint32
}

// What became of an entry that was visited, as the program numbers it.
const (
	visitForgotten = 1
	visitStays     = 2
)

// visit counts those of the n entries read that stay, and has the program visit those that look over or keep their
// client bound.
func (p *Plane) visit(w *sweeper, of *walk, n int, stats *SweepStats) error {
	now, err := p.jiffies()
	if err != nil {
		return err
	}
	lessons := unsafe.Slice((*lessonRecord)(unsafe.Pointer(&p.lessons[0])), maxLessons)
	asked := 0
	for i := range n {
		f := (*flowRecord)(unsafe.Pointer(&w.flows[i]))
		over := f.state == stateDead || int32(now-f.last) > int32(f.timeout)
		if !over {
			w.count(p, of, f)
			if f.flags&flowReverse != 0 || int(f.dest) >= len(w.persistent) || !w.persistent[f.dest] {
				continue
			}
		}
		lessons[asked] = w.lesson(of.six, i)
		if over {
			lessons[asked].state = stateDead
		}
		asked++
	}
	if asked == 0 {
		return nil
	}
	v := visits{count: uint32(asked), lead: p.settings.ticks(of.lead())}
	if of.half {
		v.half = 1
	}
	if _, err := p.programs[programProgPlaneVisit].Run(&ebpf.RunOptions{Context: bytesOf(&v)}); err != nil {
		return fmt.Errorf("xdp: forgetting flows: %w (it needs %s)", err, minKernel)
	}
	for i := range lessons[:asked] {
		switch l := &lessons[i]; {
		case l.result == visitForgotten:
			stats.Expired++
		case l.result == visitStays && l.state == stateDead && !of.half:
			of.alive++
		}
	}
	return nil
}

// count counts a flow that is not over.
func (w *sweeper) count(p *Plane, of *walk, f *flowRecord) {
	if !of.half {
		of.alive++
		return
	}
	if f.flags&flowReverse != 0 {
		return
	}
	of.alive++
	if at, ok := p.slotOf(f.dest, f.generation); ok && at != nil {
		w.counting[f.dest]++
	}
}

// lesson is the tuple of entry i as the programs read it.
func (w *sweeper) lesson(six bool, i int) lessonRecord {
	if six {
		k := (*key6)(unsafe.Pointer(&w.keys6[i]))
		return lessonRecord{client: k.src, virtual: k.dst, cport: k.sport, vport: k.dport, proto: k.proto, family: 6}
	}
	k := (*key4)(unsafe.Pointer(&w.keys4[i]))
	return lessonRecord{client: mapped(k.src), virtual: mapped(k.dst), cport: k.sport, vport: k.dport, proto: k.proto,
		family: 4}
}

// mapped is an IPv4 address as the programs keep it.
func mapped(ip [4]byte) address {
	return address{10: 0xff, 11: 0xff, 12: ip[0], 13: ip[1], 14: ip[2], 15: ip[3]}
}
