package vrrp

import (
	"slices"
)

// Router holds the instances and sync groups of one node. It is not safe for
// concurrent use: one loop owns it.
type Router struct {
	instances []*instance // in order of Add
	byID      map[ID]*instance
	next      ID
}

// NewRouter returns a Router without instances.
func NewRouter() *Router { return &Router{byID: map[ID]*instance{}} }

// Add starts an instance. Until Tick or another input has been handled it is in
// INIT; faults known at the start are passed by SetFaults before anything else.
func (r *Router) Add(now Time, p Params, effects []Effect) (ID, []Effect) {
	m := &instance{router: r, id: r.next, p: p, state: Init, announceAt: Never, refreshAt: Never, lastAdvert: -1,
		rivalAt: -1, complainedTo: now.Add(-complainAgain)}
	m.masterInterval = p.Interval
	m.startAt = now.Add(p.StartDelay)
	m.timer = m.startAt
	r.next++
	r.instances = append(r.instances, m)
	r.byID[m.id] = m
	return m.id, effects
}

// Forget takes out an instance that was stopped, once the effects of Stop have been
// carried out: the last of them still ask for its parameters. Its sync group keeps the
// faults it had of it until Regroup, which must follow.
func (r *Router) Forget(id ID) {
	m := r.instance(id)
	if m.state != Stopped {
		panic("vrrp: an instance that runs cannot be forgotten") // its addresses would stay behind
	}
	r.instances = slices.DeleteFunc(r.instances, func(o *instance) bool { return o == m })
	delete(r.byID, id)
	if g := m.group; g != nil {
		g.members = slices.DeleteFunc(g.members, func(o *instance) bool { return o == m })
	}
}

// Regroup replaces all sync groups: the instances of each list move together
// from here on. An instance belongs to at most one group.
func (r *Router) Regroup(now Time, effects []Effect, groups ...[]ID) []Effect {
	for _, m := range r.instances {
		m.group = nil
	}
	var built []*group
	for _, ids := range groups {
		g := &group{}
		for _, id := range ids {
			m := r.instance(id)
			m.group = g
			g.members = append(g.members, m)
		}
		built = append(built, g)
	}
	for _, m := range r.instances {
		if m.group == nil {
			effects = m.inheritFaults(now, 0, effects)
		}
	}
	for _, g := range built {
		effects = g.spreadFaults(now, effects)
	}
	return effects
}

// Tick handles the timers of the instance that is due first, if one is. Carry
// out its effects, hand in datagrams that have arrived meanwhile, and call it
// again with a new time until Deadline lies ahead: so that no instance acts on
// what was known before another's effects were carried out.
func (r *Router) Tick(now Time, effects []Effect) []Effect {
	var due *instance
	for _, m := range r.instances {
		if d := m.deadline(); d <= now && (due == nil || d < due.deadline()) {
			due = m
		}
	}
	if due == nil {
		return effects
	}
	return due.tick(now, effects)
}

// Deadline is when Tick must be called next, or Never.
func (r *Router) Deadline() Time {
	d := Never
	for _, m := range r.instances {
		d = min(d, m.deadline())
	}
	return d
}

// Receive judges a datagram addressed to the instance's virtual router and, if
// it is a valid advert, handles it. The payload is at least HeaderLen long and
// its VRID is the instance's; other datagrams are counted by the caller.
func (r *Router) Receive(now Time, id ID, d *Datagram, effects []Effect) []Effect {
	return r.instance(id).receive(now, d, effects)
}

// Sent reports, with a time read afterwards, that an Advertise or a Probe is on
// the wire.
func (r *Router) Sent(now Time, id ID) {
	if m := r.instance(id); m.state == Claiming {
		m.heardBy(now)
	}
}

// AdvertFailed reports that an Advertise could not be sent to anyone: the lease
// it would have renewed is not.
func (r *Router) AdvertFailed(now Time, id ID, effects []Effect) []Effect {
	return r.instance(id).advertFailed(now, effects)
}

// ProbeAnswered reports that another host answered for one of the addresses.
func (r *Router) ProbeAnswered(now Time, id ID) {
	if m := r.instance(id); m.state == Claiming {
		m.answered = true
	}
}

// Opened reports how a ConfirmGate went: ok is false if the gate could not be
// extended to the whole lease because the moment it was open for is over.
func (r *Router) Opened(now Time, id ID, ok bool, effects []Effect) []Effect {
	return r.instance(id).opened(now, ok, effects)
}

// GateClosed reports that the gate refused to be extended because its deadline
// had passed: only a new election may open it again.
func (r *Router) GateClosed(now Time, id ID, effects []Effect) []Effect {
	m := r.instance(id)
	if m.state != Master {
		return effects
	}
	m.gateUntil = m.gateBefore // the renewal that was refused does not count
	return m.loseLease(now, effects)
}

// Voted reports that a majority promises the addresses of the instance, and of its sync group, to this node until then:
// for the first time since NeedVotes, or for longer than before.
func (r *Router) Voted(now Time, id ID, until Time, effects []Effect) []Effect {
	return r.instance(id).voted(now, until, effects)
}

// VotesLost reports that the majority is gone.
func (r *Router) VotesLost(now Time, id ID, effects []Effect) []Effect {
	return r.instance(id).loseVotes(now, effects)
}

// HandOver has a master give its addresses, and those of its sync group, to a peer that asked for them.
func (r *Router) HandOver(now Time, id ID, effects []Effect) []Effect {
	return r.instance(id).handOver(now, effects)
}

// AddressLost reports that someone removed an address of a master.
func (r *Router) AddressLost(now Time, id ID, effects []Effect) []Effect {
	return r.instance(id).addressLost(now, effects)
}

// SetFaults tells the instance the set of its faults; an empty set ends FAULT.
func (r *Router) SetFaults(now Time, id ID, faults Faults, effects []Effect) []Effect {
	return r.instance(id).setFaults(now, faults, effects)
}

// SetWeight tells the instance the sum of its trackers' weights.
func (r *Router) SetWeight(now Time, id ID, weight int, effects []Effect) []Effect {
	m := r.instance(id)
	before := m.effective()
	m.weight = weight
	return m.priorityMoved(now, before, effects)
}

// Reconfigure replaces the parameters of a running instance without moving an
// address or pausing an advert. VRID, version and family must stay.
func (r *Router) Reconfigure(now Time, id ID, p Params, effects []Effect) []Effect {
	return r.instance(id).reconfigure(now, p, effects)
}

// Stop leaves the election for good, resigning if master.
func (r *Router) Stop(now Time, id ID, effects []Effect) []Effect {
	m := r.instance(id)
	if m.state == Stopped {
		return effects
	}
	return m.leave(now, Stopped, CauseStop, true, effects)
}

// Withdraw is Stop for an instance that goes while others stay.
func (r *Router) Withdraw(now Time, id ID, effects []Effect) []Effect {
	m := r.instance(id)
	if m.state == Stopped {
		return effects
	}
	return m.leave(now, Stopped, CauseRemoved, true, effects)
}

// Params returns the parameters in force. The pointer is valid until the next
// Reconfigure and must not be written through.
func (r *Router) Params(id ID) *Params { return &r.instance(id).p }

// Status is a snapshot of an instance.
type Status struct {
	State      State
	Since      Time
	Last       Change // the last change of state
	Effective  uint8
	Master     Heard // the master a backup follows
	GateUntil  Time  // lease of a master; 0 otherwise
	Faults     Faults
	Refused    [NumRefusals]uint64 // adverts by Reason; Accepted counts those accepted
	Sent       uint64
	ZeroSent   uint64
	ZeroHeard  uint64
	BecomeNum  uint64 // times master
	ReleaseNum uint64 // times no longer master
}

// Status returns a snapshot of an instance.
func (r *Router) Status(id ID) Status {
	m := r.instance(id)
	s := Status{State: m.state, Since: m.since, Last: m.last, Effective: m.effective(), Master: m.master,
		Faults: m.faults, Refused: m.refused, Sent: m.sent, ZeroSent: m.zeroSent, ZeroHeard: m.zeroHeard,
		BecomeNum: m.becomeNum, ReleaseNum: m.releaseNum}
	if m.state == Master {
		s.GateUntil = m.gateUntil
	}
	return s
}

func (r *Router) instance(id ID) *instance {
	m := r.byID[id]
	if m == nil {
		panic("vrrp: unknown instance") // the caller's maps are wrong; going on would elect blindly
	}
	return m
}
