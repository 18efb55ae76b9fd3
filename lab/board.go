package lab

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/lab/measure"
)

const (
	timelineSpan = 120 * time.Second // what the page shows
	keepSamples  = 180 * time.Second // what is kept of the client's requests
	bucketSpan   = 500 * time.Millisecond
	keepJournal  = 200 // lines per node
	keepEvents   = 500
	keepAdverts  = 4000
	keepFaults   = 50
)

// board collects what the hosts report. Its methods may be called from any goroutine.
type board struct {
	site     *Site
	began    int64 // the lab's start; instant 0 of everything shown
	rootless bool
	director string

	mu      sync.Mutex
	phase   string
	doing   string
	nodes   []*nodeBoard
	servers []*serverBoard   // the web servers behind the nodes
	samples []measure.Sample // ordered by start, the last keepSamples
	hung    []int64
	// firstAnswer is the start of the first answered request; the client's record begins there.
	firstAnswer int64
	answered    int64
	failed      int64
	slow        int64
	server      string
	tenures     []measure.Tenure // all, ordered by first report
	reach       int64            // the observer's view reaches to here
	blind       []blindSpell
	adverts     []advert
	announced   []announcement
	events      []Event
	// eventCount is the number of events ever.
	eventCount int
	faults     []*incident
	changed    chan struct{} // closed and replaced at every change
}

type nodeBoard struct {
	SiteNode
	mac      string
	director string
	web      string
	cable    bool
	vrrp     directorState
	served   int64
	journal  []Entry
	proxy    *proxyStats // as last read; nil: not yet
	totals   proxyTotals
	table    tableState
	worker   string // number of the worker process
	workers  int    // how many there were
}

// serverBoard is one web server behind the nodes.
type serverBoard struct {
	SiteServer
	state  string
	served int64
}

// proxyTotals are counters of a proxy that outlive its process.
type proxyTotals struct{ requests, retries, redispatches, errors int64 }

// take adds what the counters grew by from one reading to the next. One that is lower than
// before belongs to a new process.
func (t *proxyTotals) take(old *proxyStats, now proxyStats) {
	if old == nil || now.Requests < old.Requests {
		old = &proxyStats{}
	}
	t.requests += now.Requests - old.Requests
	t.retries += max(0, now.Retries-old.Retries)
	t.redispatches += max(0, now.Redispatches-old.Redispatches)
	t.errors += max(0, now.Errors-old.Errors)
}

// incident is one action on the site and the stretch of time it answers for.
type incident struct {
	at     int64
	until  int64 // 0: still going on
	node   string
	action Action
	final  *figures // set once the stretch is over and every request of it has ended
}

// figures are what a stretch of time cost.
type figures struct {
	outage, double, gap, blind int64 // ns
	failed, slow               int
}

func newBoard(s *Site, director string, at int64) *board {
	b := &board{site: s, began: at, director: director, phase: "building", changed: make(chan struct{})}
	for _, n := range s.Nodes {
		b.nodes = append(b.nodes, &nodeBoard{SiteNode: n, mac: mac(n.Address), director: unitStopped, web: unitStopped, cable: true})
		if s.LVS != nil {
			b.nodes[len(b.nodes)-1].web = "" // a director has none
			b.nodes[len(b.nodes)-1].table.Connections = map[string]int{}
		}
	}
	for _, w := range s.servers() {
		b.servers = append(b.servers, &serverBoard{SiteServer: w, state: unitStopped})
	}
	return b
}

// notify wakes everyone who waits for a change. Callers hold b.mu.
func (b *board) notify() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// change returns a channel that is closed at the next change.
func (b *board) change() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed
}

// say sets what the lab is doing. An empty phase leaves the phase as it is.
func (b *board) say(phase, doing string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if phase != "" {
		b.phase = phase
	}
	b.doing = doing
	b.notify()
}

// ms converts an instant to milliseconds since the lab's start.
func (b *board) ms(at int64) int64 { return (at - b.began) / 1e6 }

// event marks the timeline. Callers hold b.mu.
func (b *board) event(at int64, node, kind, text string) {
	b.eventCount++
	b.events = append(b.events, Event{At: b.ms(at), Node: node, Kind: kind, Text: text, seq: b.eventCount})
	if len(b.events) > keepEvents {
		b.events = slices.Delete(b.events, 0, len(b.events)-keepEvents)
	}
}

func (b *board) node(name string) *nodeBoard {
	for _, n := range b.nodes {
		if n.Name == name {
			return n
		}
	}
	return nil
}

func (b *board) webServer(name string) *serverBoard {
	for _, w := range b.servers {
		if w.Name == name {
			return w
		}
	}
	return nil
}

func (b *board) nodeByMAC(mac string) string {
	for _, n := range b.nodes {
		if n.mac == mac {
			return n.Name
		}
	}
	return mac // a stranger answers for the address: show what is known of it
}

// take records one report of a host.
func (b *board) take(host string, m message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch m.Kind {
	case "journal":
		b.takeJournal(host, m.Line)
	case "unit":
		b.takeUnit(host, m.At, m.Unit)
	case "vrrp":
		b.takeVRRP(host, m.At, m.VRRP)
	case "stats":
		b.takeStats(host, m.At, m.Stats)
		if n := b.node(host); n != nil && m.Table != nil {
			n.table = *m.Table
		}
	case "samples":
		b.takeSamples(m)
	case "tenures":
		b.takeTenures(m)
		return // twenty a second; the samples' pace is enough for everyone who waits
	case "blind":
		b.blind = append(b.blind, *m.Blind)
	case "advert":
		b.adverts = append(b.adverts, *m.Advert)
		if len(b.adverts) > keepAdverts {
			b.adverts = slices.Delete(b.adverts, 0, keepAdverts/4)
		}
		return
	case "announce":
		b.announced = append(b.announced, *m.Announce)
		who := b.nodeByMAC(m.Announce.MAC)
		b.event(m.Announce.At, who, "announce", who+" announces the address (gratuitous ARP)")
	}
	b.notify()
}

func (b *board) takeJournal(host string, l *journalLine) {
	n := b.node(host)
	if n == nil || l == nil {
		return
	}
	n.journal = append(n.journal, Entry{At: b.ms(l.At), Unit: l.Unit, Text: l.Text})
	if len(n.journal) > keepJournal {
		n.journal = slices.Delete(n.journal, 0, len(n.journal)-keepJournal)
	}
}

func (b *board) takeUnit(host string, at int64, u *unitState) {
	if u == nil {
		return
	}
	if w := b.webServer(host); w != nil {
		w.state = u.State
		return
	}
	n := b.node(host)
	if n == nil {
		return
	}
	switch u.Name {
	case "web":
		n.web = u.State
	case "worker":
		n.worker = u.State
		if n.workers++; n.workers > 1 {
			b.event(at, host, "state", host+": a new proxy worker runs (process "+u.State+")")
		}
	default:
		n.director = u.State
	}
}

func (b *board) takeStats(host string, at int64, st *proxyStats) {
	n := b.node(host)
	if n == nil || st == nil {
		return
	}
	n.totals.take(n.proxy, *st)
	for _, s := range st.Servers {
		if old := n.proxy.status(s.Line); old != "" && isUp(old) != isUp(s.Status) {
			word := "takes out"
			if isUp(s.Status) {
				word = "takes back"
			}
			who := "the proxy"
			if b.site.LVS != nil {
				who = "the director"
			}
			b.event(at, host, "state", host+": "+who+" "+word+" "+b.site.serverOf(s.Line))
		}
	}
	n.proxy = st
}

func (b *board) takeVRRP(host string, at int64, st *directorState) {
	n := b.node(host)
	if n == nil || st == nil {
		return
	}
	if st.State != n.vrrp.State && st.State != "" && st.State != "INIT" {
		text := host + ": " + st.State
		switch {
		case len(st.Faults) > 0:
			text += " (" + strings.Join(st.Faults, ", ") + ")"
		case st.Why != "":
			text += " (" + st.Why + ")"
		}
		b.event(at, host, "state", text)
	}
	n.vrrp = *st
}

func (b *board) takeSamples(m message) {
	if b.firstAnswer == 0 {
		b.firstAnswer = firstAnswer(m.Samples)
	}
	for _, s := range m.Samples {
		if b.firstAnswer == 0 || s.Start < b.firstAnswer {
			continue // the site was not up yet: nothing has failed
		}
		b.samples = measure.Insert(b.samples, s)
		if s.Failed() {
			b.failed++
			continue
		}
		b.answered++
		b.server = s.Server
		if s.Took > int64(slowRequest) {
			b.slow++
		}
		if n := b.node(s.Server); n != nil {
			n.served++
		}
		if w := b.webServer(s.Server); w != nil {
			w.served++
		}
	}
	b.hung = slices.DeleteFunc(m.Hung, func(start int64) bool { return b.firstAnswer == 0 || start < b.firstAnswer })
	old := measure.Within(b.samples, 0, m.At-int64(keepSamples))
	if len(old) > 1000 {
		b.settleIncidents(m.At)
		b.samples = slices.Delete(b.samples, 0, len(old))
	}
}

// firstAnswer is the earliest start of a request that was answered at once; 0: none. Those that
// waited for the address to appear do not count.
func firstAnswer(samples []measure.Sample) int64 {
	var first int64
	for _, s := range samples {
		if !s.Failed() && s.Took <= int64(slowRequest) && (first == 0 || s.Start < first) {
			first = s.Start
		}
	}
	return first
}

// takeTenures merges the observer's report: a tenure it told of before is replaced.
func (b *board) takeTenures(m message) {
	b.reach = max(b.reach, m.At)
	for _, t := range m.Tenures {
		i := len(b.tenures) - 1
		for i >= 0 && b.tenures[i].ID != t.ID {
			i--
		}
		if i >= 0 {
			b.tenures[i] = t
		} else {
			b.tenures = append(b.tenures, t)
		}
	}
}

// act records an action: it ends the stretch of the one before and begins its own.
func (b *board) act(at int64, node string, a Action) *incident {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.faults) > 0 {
		if last := b.faults[len(b.faults)-1]; last.until == 0 {
			last.until = at
		}
	}
	in := &incident{at: at, node: node, action: a}
	b.faults = append(b.faults, in)
	b.settleIncidents(at)
	if len(b.faults) > keepFaults {
		b.faults = slices.Delete(b.faults, 0, 1)
	}
	kind := "fault"
	if a.repairs() {
		kind = "repair"
	}
	b.event(at, node, kind, a.past(node))
	if n := b.node(node); n != nil && (a == CableIn || a == CableOut || a == BringBack) {
		n.cable = a != CableOut
	}
	b.notify()
	return in
}

// settleIncidents fixes the figures of stretches that are over, before what they are computed
// from is forgotten. Callers hold b.mu.
func (b *board) settleIncidents(at int64) {
	for _, in := range b.faults {
		if in.final != nil {
			continue
		}
		if in.until == 0 && at-in.at > int64(timelineSpan) {
			in.until = at
		}
		// Requests begun in the stretch may still be on their way for a while.
		if in.until != 0 && at-in.until > int64(b.site.answerLimit()+time.Second) {
			f := b.cost(in.at, in.until, at)
			in.final = &f
		}
	}
}

// cost computes the figures of the stretch [from, to) as known at the instant at. Callers hold b.mu.
func (b *board) cost(from, to, at int64) figures {
	var f figures
	in := measure.Within(b.withHung(at), from, to)
	for _, o := range measure.Outages(in) {
		f.outage += o.Length()
	}
	f.failed = measure.FailedRequests(in)
	f.slow = measure.Slow(in, int64(slowRequest))
	seen := min(to, b.reach)
	f.double = measure.Double(b.tenures, probeEvery, from, seen)
	if seen > from {
		f.gap = measure.Gap(b.tenures, probeEvery, from, seen)
	}
	for _, s := range b.blind {
		if overlap := min(s.To, to) - max(s.From, from); overlap > 0 {
			f.blind += overlap
		}
	}
	return f
}

// withHung returns the samples with those that still hang, as failures until they are known to
// be anything else; behind a proxy only once they have hung for longer than a slow server takes.
// Callers hold b.mu.
func (b *board) withHung(at int64) []measure.Sample {
	if len(b.hung) == 0 {
		return b.samples
	}
	patience := time.Duration(0)
	if len(b.site.servers()) > 0 {
		patience = slowAnswer + 500*time.Millisecond
	}
	all := slices.Clone(b.samples)
	for _, start := range b.hung {
		if at-start < int64(patience) {
			continue
		}
		all = measure.Insert(all, measure.Sample{Start: start, Took: at - start, Error: "hanging"})
	}
	return all
}
