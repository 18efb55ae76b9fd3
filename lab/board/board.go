package board

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/lab/measure"
	"github.com/evenkeel/evenkeel/lab/site"
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

// Board collects what the hosts report. Its methods may be called from any goroutine.
type Board struct {
	site     *site.Site
	began    int64 // the lab's start; instant 0 of everything shown
	Rootless bool
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
	blind       []site.BlindSpell
	adverts     []site.Advert
	announced   []site.Announcement
	events      []Event
	// eventCount is the number of events ever.
	eventCount int
	faults     []*Incident
	changed    chan struct{} // closed and replaced at every change
}

type nodeBoard struct {
	site.Node
	mac      string
	director string
	web      string
	cable    bool
	vrrp     site.DirectorState
	served   int64
	journal  []Entry
	proxy    *site.ProxyStats // as last read; nil: not yet
	totals   proxyTotals
	table    site.TableState
	worker   string // number of the worker process
	workers  int    // how many there were
}

// serverBoard is one web server behind the nodes.
type serverBoard struct {
	site.Server
	state  string
	served int64
}

// proxyTotals are counters of a proxy that outlive its process.
type proxyTotals struct{ requests, Retries, Redispatches, errors int64 }

// take adds what the counters grew by from one reading to the next. One that is lower than
// before belongs to a new process.
func (t *proxyTotals) take(old *site.ProxyStats, now site.ProxyStats) {
	if old == nil || now.Requests < old.Requests {
		old = &site.ProxyStats{}
	}
	t.requests += now.Requests - old.Requests
	t.Retries += max(0, now.Retries-old.Retries)
	t.Redispatches += max(0, now.Redispatches-old.Redispatches)
	t.errors += max(0, now.Errors-old.Errors)
}

// Incident is one action on the site and the stretch of time it answers for.
type Incident struct {
	At     int64
	until  int64 // 0: still going on
	node   string
	action site.Action
	final  *figures // set once the stretch is over and every request of it has ended
}

// figures are what a stretch of time cost.
type figures struct {
	Outage, Double, Gap, Blind int64 // ns
	Failed, Slow               int
}

func New(s *site.Site, director string, at int64) *Board {
	b := &Board{site: s, began: at, director: director, phase: "building", changed: make(chan struct{})}
	for _, n := range s.Nodes {
		b.nodes = append(b.nodes, &nodeBoard{Node: n, mac: site.MAC(n.Address), director: site.UnitStopped,
			web: site.UnitStopped, cable: true})
		if s.LVS != nil {
			b.nodes[len(b.nodes)-1].web = "" // a director has none
			b.nodes[len(b.nodes)-1].table.Connections = map[string]int{}
		}
	}
	for _, w := range s.Servers() {
		b.servers = append(b.servers, &serverBoard{Server: w, state: site.UnitStopped})
	}
	return b
}

// notify wakes everyone who waits for a change. Callers hold b.mu.
func (b *Board) notify() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// Change returns a channel that is closed at the next change.
func (b *Board) Change() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed
}

// Say sets what the lab is doing. An empty phase leaves the phase as it is.
func (b *Board) Say(phase, doing string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if phase != "" {
		b.phase = phase
	}
	b.doing = doing
	b.notify()
}

// ms converts an instant to milliseconds since the lab's start.
func (b *Board) ms(at int64) int64 { return (at - b.began) / 1e6 }

// event marks the timeline. Callers hold b.mu.
func (b *Board) event(at int64, node, kind, text string) {
	b.eventCount++
	b.events = append(b.events, Event{At: b.ms(at), Node: node, Kind: kind, Text: text, seq: b.eventCount})
	if len(b.events) > keepEvents {
		b.events = slices.Delete(b.events, 0, len(b.events)-keepEvents)
	}
}

func (b *Board) node(name string) *nodeBoard {
	for _, n := range b.nodes {
		if n.Name == name {
			return n
		}
	}
	return nil
}

func (b *Board) webServer(name string) *serverBoard {
	for _, w := range b.servers {
		if w.Name == name {
			return w
		}
	}
	return nil
}

func (b *Board) nodeByMAC(mac string) string {
	for _, n := range b.nodes {
		if n.mac == mac {
			return n.Name
		}
	}
	return mac // an unknown machine answers for the address: show its MAC address
}

// Take records one report of a host.
func (b *Board) Take(host string, m site.Message) {
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

func (b *Board) takeJournal(host string, l *site.JournalLine) {
	n := b.node(host)
	if n == nil || l == nil {
		return
	}
	n.journal = append(n.journal, Entry{At: b.ms(l.At), Unit: l.Unit, Text: l.Text})
	if len(n.journal) > keepJournal {
		n.journal = slices.Delete(n.journal, 0, len(n.journal)-keepJournal)
	}
}

func (b *Board) takeUnit(host string, at int64, u *site.UnitState) {
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

func (b *Board) takeStats(host string, at int64, st *site.ProxyStats) {
	n := b.node(host)
	if n == nil || st == nil {
		return
	}
	n.totals.take(n.proxy, *st)
	for _, s := range st.Servers {
		if old := n.proxy.Status(s.Line); old != "" && site.IsUp(old) != site.IsUp(s.Status) {
			word := "takes out"
			if site.IsUp(s.Status) {
				word = "takes back"
			}
			who := "the proxy"
			if b.site.LVS != nil {
				who = "the director"
			}
			b.event(at, host, "state", host+": "+who+" "+word+" "+b.site.ServerOf(s.Line))
		}
	}
	n.proxy = st
}

func (b *Board) takeVRRP(host string, at int64, st *site.DirectorState) {
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

func (b *Board) takeSamples(m site.Message) {
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
		if s.Took > int64(site.SlowRequest) {
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
		if !s.Failed() && s.Took <= int64(site.SlowRequest) && (first == 0 || s.Start < first) {
			first = s.Start
		}
	}
	return first
}

// takeTenures merges the observer's report: a tenure it told of before is replaced.
func (b *Board) takeTenures(m site.Message) {
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

// Act records an action: it ends the stretch of the one before and begins its own.
func (b *Board) Act(at int64, node string, a site.Action) *Incident {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.faults) > 0 {
		if last := b.faults[len(b.faults)-1]; last.until == 0 {
			last.until = at
		}
	}
	in := &Incident{At: at, node: node, action: a}
	b.faults = append(b.faults, in)
	b.settleIncidents(at)
	if len(b.faults) > keepFaults {
		b.faults = slices.Delete(b.faults, 0, 1)
	}
	kind := "fault"
	if a.Repairs() {
		kind = "repair"
	}
	b.event(at, node, kind, a.Past(node))
	if n := b.node(node); n != nil && (a == site.CableIn || a == site.CableOut || a == site.BringBack) {
		n.cable = a != site.CableOut
	}
	b.notify()
	return in
}

// settleIncidents fixes the figures of stretches that are over, before what they are computed
// from is forgotten. Callers hold b.mu.
func (b *Board) settleIncidents(at int64) {
	for _, in := range b.faults {
		if in.final != nil {
			continue
		}
		if in.until == 0 && at-in.At > int64(timelineSpan) {
			in.until = at
		}
		// Requests begun in the stretch may still be on their way for a while.
		if in.until != 0 && at-in.until > int64(b.site.AnswerLimit()+time.Second) {
			f := b.cost(in.At, in.until, at)
			in.final = &f
		}
	}
}

// cost computes the figures of the stretch [from, to) as known at the instant at. Callers hold b.mu.
func (b *Board) cost(from, to, at int64) figures {
	var f figures
	in := measure.Within(b.withHung(at), from, to)
	for _, o := range measure.Outages(in) {
		f.Outage += o.Length()
	}
	f.Failed = measure.FailedRequests(in)
	f.Slow = measure.Slow(in, int64(site.SlowRequest))
	seen := min(to, b.reach)
	f.Double = measure.Double(b.tenures, site.ProbeEvery, from, seen)
	if seen > from {
		f.Gap = measure.Gap(b.tenures, site.ProbeEvery, from, seen)
	}
	for _, s := range b.blind {
		if overlap := min(s.To, to) - max(s.From, from); overlap > 0 {
			f.Blind += overlap
		}
	}
	return f
}

// withHung returns the samples with those that still hang, as failures until they are known to
// be anything else; behind a proxy only once they have hung for longer than a slow server takes.
// Callers hold b.mu.
func (b *Board) withHung(at int64) []measure.Sample {
	if len(b.hung) == 0 {
		return b.samples
	}
	patience := time.Duration(0)
	if len(b.site.Servers()) > 0 {
		patience = site.SlowAnswer + 500*time.Millisecond
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

// EventsAfter returns the actions and changes of state after the event numbered seq, and the number of the last.
func (b *Board) EventsAfter(seq int) (news []Event, last int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	last = seq
	for _, e := range b.events {
		if e.seq > seq && e.Kind != "announce" {
			news = append(news, e)
			last = e.seq
		}
	}
	return news, last
}
