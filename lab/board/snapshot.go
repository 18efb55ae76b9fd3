package board

import (
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/lab/measure"
	"github.com/evenkeel/evenkeel/lab/site"
)

// shownJournal is how many lines of each node's journal the page gets.
const shownJournal = 60

// Snapshot is the state as of the instant at.
func (b *Board) Snapshot(at int64) State {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.settleIncidents(at)
	st := State{
		Site: b.site.Name, Kind: b.site.Kind(), Title: b.site.Title, Address: b.site.VIP.String(),
		Director: b.director, Rootless: b.Rootless, Phase: b.phase, Doing: b.doing,
		Now: b.ms(at), Holders: b.holders(), Faults: []FaultState{},
		Watch: WatchState{Double: measure.Millis(measure.Double(b.tenures, site.ProbeEvery, b.began, b.reach))},
	}
	for _, s := range b.blind {
		st.Watch.Blind += measure.Millis(s.To - s.From)
	}
	all := b.withHung(at)
	outages := measure.Outages(all)
	st.Client = b.clientState(at, outages)
	for _, n := range b.nodes {
		st.Nodes = append(st.Nodes, b.nodeState(n, at, slices.Contains(st.Holders, n.Name)))
	}
	st.Servers = []ServerState{}
	for _, w := range b.servers {
		st.Servers = append(st.Servers, b.serverState(w))
	}
	st.Time = b.timeline(at, all, outages)
	for _, in := range b.faults {
		st.Faults = append(st.Faults, b.faultState(in, at))
	}
	return st
}

// holders names who answers for the address. Callers hold b.mu.
func (b *Board) holders() []string {
	held := []string{}
	for _, t := range b.tenures {
		if who := b.nodeByMAC(t.Who); t.Open && !slices.Contains(held, who) {
			held = append(held, who)
		}
	}
	return held
}

// clientState is the client's record. Callers hold b.mu, here and below.
func (b *Board) clientState(at int64, outages []measure.Outage) ClientState {
	c := ClientState{
		Every: site.RequestEvery.Milliseconds(), Limit: b.site.AnswerLimit().Milliseconds(),
		SlowOver: site.SlowRequest.Milliseconds(),
		Answered: b.answered, Failed: b.failed, Slow: b.slow, Hanging: len(b.hung), Server: b.server,
	}
	if n := len(outages); n > 0 && outages[n-1].Open {
		c.Down = (at - outages[n-1].From) / 1e6
	}
	return c
}

func (b *Board) nodeState(n *nodeBoard, at int64, answers bool) NodeState {
	s := NodeState{
		Name: n.Name, Address: n.Address.Addr().String(), MAC: n.mac,
		Director: n.director, Web: n.web, WebUnit: b.site.WebUnit, Cable: n.cable,
		Answers: answers, VRRP: n.vrrp, Served: n.served, LastAdvert: -1,
		Journal: append([]Entry{}, n.journal[max(0, len(n.journal)-shownJournal):]...),
	}
	for i := len(b.adverts) - 1; i >= 0; i-- {
		if b.adverts[i].Source == s.Address {
			s.LastAdvert = (at - b.adverts[i].At) / 1e6
			break
		}
	}
	if b.site.Proxy != nil {
		s.Served = n.totals.requests
		s.Proxy = b.proxyState(n)
	}
	if b.site.LVS != nil {
		s.Served = n.totals.requests
		s.Table = &n.table
	}
	for _, a := range b.site.Actions() {
		ok, why := a.Possible(n.director, n.web, n.cable)
		s.Actions = append(s.Actions, b.button(a, ok, why))
	}
	return s
}

// button is an action's button, which the lab's own doings may hold back.
func (b *Board) button(a site.Action, ok bool, why string) ActionState {
	switch {
	case b.phase == "building":
		ok, why = false, "the site is being built"
	case b.phase != "ready":
		ok, why = false, "the lab is playing its story"
	}
	if ok {
		why = ""
	}
	return ActionState{Action: a, Enabled: ok, Why: why}
}

// proxyState is a node's proxy as it tells of itself.
func (b *Board) proxyState(n *nodeBoard) *ProxyState {
	p := &ProxyState{Workers: n.workers, PID: n.worker, Retries: n.totals.Retries, Redispatches: n.totals.Redispatches,
		Errors: n.totals.errors, Servers: []ProxyServerState{}}
	if n.proxy == nil {
		return p
	}
	p.Known = true
	for _, s := range n.proxy.Servers {
		p.Servers = append(p.Servers, ProxyServerState{Server: b.site.ServerOf(s.Line), Line: s.Line, Status: s.Status,
			Requests: s.Requests})
	}
	return p
}

func (b *Board) serverState(w *serverBoard) ServerState {
	s := ServerState{Name: w.Name, Address: w.Address.Addr().String(), State: w.state, Served: w.served,
		Seen: make(map[string]string)}
	for _, n := range b.nodes {
		s.Seen[n.Name] = n.proxy.Status(w.Line)
	}
	for _, a := range site.ServerActions {
		ok, why := a.PossibleServer(w.state)
		s.Actions = append(s.Actions, b.button(a, ok, why))
	}
	return s
}

func (b *Board) timeline(at int64, all []measure.Sample, outages []measure.Outage) Timeline {
	from := max(b.began, at-int64(timelineSpan))
	tl := Timeline{
		From: b.ms(from), To: b.ms(at), Bucket: bucketSpan.Milliseconds(),
		Served: make(map[string][]int), Bad: []BadRequest{}, Held: []HeldSpell{}, Double: []HeldSpell{},
		Outage: []HeldSpell{}, Events: []Event{},
	}
	// Buckets keep their place while time moves on, so that the picture does not flicker.
	tl.From -= tl.From % tl.Bucket
	buckets := int((tl.To-tl.From)/tl.Bucket) + 1
	for _, name := range b.site.Answering() {
		tl.Served[name] = make([]int, buckets)
	}
	hungFrom := int64(1) << 62
	if len(b.hung) > 0 {
		hungFrom = b.hung[0]
	}
	for _, s := range measure.Within(all, from, at+int64(time.Second)) {
		start := b.ms(s.Start)
		switch {
		case s.Failed() && s.Start >= hungFrom && s.Error == "hanging":
			tl.Bad = append(tl.Bad, BadRequest{start, s.Took / 1e6, 2})
		case s.Failed():
			tl.Bad = append(tl.Bad, BadRequest{start, s.Took / 1e6, 1})
		case s.Took > int64(site.SlowRequest):
			tl.Bad = append(tl.Bad, BadRequest{start, s.Took / 1e6, 0})
		}
		if served, ok := tl.Served[s.Server]; ok {
			if i := int((start - tl.From) / tl.Bucket); i >= 0 && i < buckets {
				served[i]++
			}
		}
	}
	for i, t := range b.tenures {
		if t.To < from && !t.Open {
			continue
		}
		tl.Held = append(tl.Held, HeldSpell{Who: b.nodeByMAC(t.Who), From: b.ms(t.From), To: b.ms(t.To)})
		for _, o := range b.tenures[i+1:] {
			if f, e := max(t.From, o.From), min(t.To, o.To); t.Who != o.Who && f <= e {
				tl.Double = append(tl.Double, HeldSpell{From: b.ms(f), To: b.ms(e)})
			}
		}
	}
	for _, o := range outages {
		if o.To >= from {
			tl.Outage = append(tl.Outage, HeldSpell{From: b.ms(o.From), To: b.ms(o.To)})
		}
	}
	for _, e := range b.events {
		if e.At >= tl.From {
			tl.Events = append(tl.Events, e)
		}
	}
	return tl
}

func (b *Board) faultState(in *Incident, at int64) FaultState {
	f := in.final
	if f == nil {
		until := in.until
		if until == 0 {
			until = at
		}
		c := b.cost(in.At, until, at)
		f = &c
	}
	return FaultState{
		At: b.ms(in.At), Node: in.node, Action: in.action, Text: in.action.Past(in.node),
		Outage: measure.Millis(f.Outage), Failed: f.Failed, Double: measure.Millis(f.Double), Over: in.final != nil,
	}
}
