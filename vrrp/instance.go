package vrrp

import (
	"net/netip"
	"time"
)

// Faults is a set of reasons why an instance may not take part.
type Faults uint16

// Faults, as bits.
const (
	FaultInterface    Faults = 1 << iota // its interface is down or absent
	FaultNoSource                        // no address to send from
	FaultTracker                         // a tracked interface or script of weight 0 fails
	FaultPending                         // a script of weight 0 has not reported yet
	FaultDuplicate                       // another instance has its VRID there
	FaultGate                            // the lease gate cannot be built
	faultGroup                           // another member of the sync group is in fault
	faultGroupPending                    // another member's scripts have not reported yet
	faultsOfGroup     = faultGroup | faultGroupPending
	faultsPending     = FaultPending | faultGroupPending
)

// Heard is the last advert a backup accepted.
type Heard struct {
	Addr     netip.Addr
	Priority uint8
	At       Time
}

// instance is one virtual router.
type instance struct {
	router *Router
	group  *group
	id     ID
	p      Params

	state State
	since Time
	last  Change

	startAt Time // start delay ends
	// timer is the one that drives the state: start delay in INIT, master-down in
	// BACKUP, end of the settling time in CLAIMING, next advert in MASTER.
	timer Time
	// announceAt and refreshAt are the second burst and the periodic one.
	announceAt, refreshAt Time
	announceCount         int

	weight  int
	demoted bool // an owner that lost to another owner acts with 254
	faults  Faults

	// As backup.
	masterInterval time.Duration
	master         Heard
	lastAdvert     Time // of the last accepted advert; -1: none
	resigned       bool // it had priority 0
	preemptAt      Time // preempt_delay ends; 0: not started
	rivalAt        Time // last advert of a master with lower priority than ours; -1: none
	rival          Heard
	wantMaster     bool // timer ran out, waiting for the sync group
	voting         bool // and for votes

	// As claimant.
	claimCause  Cause
	holding     bool // the addresses are, or may be, set
	claimedAt   Time // read before the claim was sent
	claimLate   time.Duration
	probing     bool
	probed      bool          // a probe is out
	answered    bool          // and someone else answered it
	opening     bool          // OpenGate is on its way
	watch       time.Duration // pause until the next look
	probeLimit  Time          // when a master that lets go by lease has let go
	answerLimit Time          // when one that still answers is waited for no longer

	votesUntil Time // until when a majority promises; 0: none does

	// As master.
	gateUntil, gateBefore Time // lease, and what it was before the last advert
	ownerCheckAt          Time // two owners: when the rival must be gone; 0: no contest
	answerAt              Time // not before this is an advert answered
	losses                int  // addresses lost since lossesAt
	lossesAt              Time

	complained   uint32 // set of Reasons already told
	complainedTo Time   // when it was last emptied because the master is another one
	refused      [NumRefusals]uint64
	sent, zeroSent, zeroHeard,
	becomeNum, releaseNum uint64
}

// effective is the priority after weights: an owner's is fixed, others stay
// within 1-254.
func (m *instance) effective() uint8 {
	if m.p.Priority == Owner {
		if m.demoted {
			return Owner - 1
		}
		return Owner
	}
	return uint8(min(max(int(m.p.Priority)+m.weight, 1), Owner-1))
}

func (m *instance) masterDown() time.Duration {
	return time.Duration(m.p.DownAdverts)*m.masterInterval + m.p.skew(m.effective(), m.masterInterval)
}

func (m *instance) deadline() Time {
	d := Never
	switch m.state {
	case Init, Backup, Claiming, Master:
		d = m.timer
	}
	if m.state == Master {
		d = min(d, m.announceAt, m.refreshAt)
	}
	return d
}

func (m *instance) tick(now Time, e []Effect) []Effect {
	if m.state != Fault && m.state != Stopped && now >= m.timer {
		switch m.state {
		case Init:
			e = m.leaveInit(now, e)
		case Backup:
			e = m.masterDownExpired(now, e)
		case Claiming:
			e = m.settled(now, e)
		case Master:
			e = m.advertDue(now, e)
		}
	}
	if m.state == Master {
		e = m.announceDue(now, e)
	}
	return e
}

func (m *instance) leaveInit(now Time, e []Effect) []Effect {
	if m.faults&^faultsPending != 0 {
		return m.change(now, Fault, Change{Cause: CauseFault}, e)
	}
	if m.faults != 0 {
		m.timer = Never // until every script has reported: silent
		return e
	}
	m.masterInterval = m.p.Interval
	if m.effective() == Owner && m.group == nil && !m.p.Votes {
		return m.claim(now, CauseOwner, 0, e)
	}
	cause := CauseStart
	if m.p.StartDelay > 0 {
		cause = CauseStartDelay
	}
	e = m.change(now, Backup, Change{Cause: cause}, e)
	m.timer = now.Add(m.masterDown())
	if m.effective() == Owner && m.group == nil {
		m.timer = now // it need not listen, but it needs votes
	}
	if m.group != nil && m.p.StartMaster {
		m.timer = now.Add(m.p.Interval + m.p.Interval/256)
	}
	return e
}

// change enters a state and reports it.
func (m *instance) change(now Time, to State, c Change, e []Effect) []Effect {
	c.From, c.To = m.state, to
	if c.From == Claiming {
		c.From = Backup
	}
	c.Priority = m.effective()
	c.LastAdvert = -1
	if m.lastAdvert >= 0 {
		c.LastAdvert = now.Sub(m.lastAdvert)
	}
	m.state = to
	m.complained = 0
	m.since = now
	m.last = c
	if c.From == to { // a claim given up: nothing an operator would call a change
		return e
	}
	return append(e, Effect{ID: m.id, Kind: Changed, Change: c})
}

// leave ends taking part as `to` (Fault, Stopped or Backup), letting go of the
// addresses if there are any to let go of. resign tells the others by priority 0.
func (m *instance) leave(now Time, to State, cause Cause, resign bool, e []Effect) []Effect {
	e = m.letGo(now, resign, e)
	return m.change(now, to, Change{Cause: cause}, e)
}

// letGo is the one way down: gate, addresses, and only then the word to others
// (RFC 9568 §6.4.3 has it the other way; the order here is what keeps a second
// master from starting while we still answer).
func (m *instance) letGo(now Time, resign bool, e []Effect) []Effect {
	master := m.state == Master
	if !master && m.state != Claiming {
		return m.stopVoting(now, e)
	}
	e = append(e, Effect{ID: m.id, Kind: CloseGate})
	if m.holding {
		e = append(e, Effect{ID: m.id, Kind: RemoveAddresses})
		m.holding = false
	}
	if master {
		m.releaseNum++
	}
	if resign && master { // a claimant holds nothing it could release: another may still
		e = m.advertise(0, 0, e)
	}
	m.announceAt, m.refreshAt = Never, Never
	m.ownerCheckAt = 0
	m.wantMaster = false
	return m.freeVotes(e)
}

func (m *instance) advertise(priority uint8, renew Time, e []Effect) []Effect {
	m.sent++
	if priority == 0 {
		m.zeroSent++
	}
	return append(e, Effect{ID: m.id, Kind: Advertise, Priority: priority, Until: renew})
}

// toBackup enters BACKUP with a full master-down time.
func (m *instance) toBackup(now Time, c Change, e []Effect) []Effect {
	e = m.change(now, Backup, c, e)
	m.preemptAt, m.rivalAt, m.resigned, m.wantMaster = 0, -1, false, false
	m.timer = now.Add(m.masterDown())
	return e
}

// stepDown lets go and enters BACKUP, the sync group along with it. resign is as in leave.
func (m *instance) stepDown(now Time, resign bool, c Change, e []Effect) []Effect {
	e = m.letGo(now, resign, e)
	e = m.toBackup(now, c, e)
	if m.group != nil {
		e = m.group.pullDown(now, m, e)
	}
	return e
}

func (m *instance) setFaults(now Time, f Faults, e []Effect) []Effect {
	f |= m.faults & faultsOfGroup
	if f == m.faults {
		return e
	}
	m.faults = f
	e = m.faultsMoved(now, e)
	if m.group != nil {
		e = m.group.spreadFaults(now, e)
	}
	return e
}

// faultsMoved follows a change of m.faults.
func (m *instance) faultsMoved(now Time, e []Effect) []Effect {
	switch {
	case m.state == Stopped:
	case m.state == Init:
		m.timer = max(now, m.startAt)
	case m.faults&^faultsPending != 0 && m.state != Fault: // who runs already need not wait for a new script
		held := m.state == Master
		e = m.leave(now, Fault, m.faultCause(), true, e)
		if held { // said twice, as Keepalived does: this one is not repeated by a timer
			e = m.advertise(0, 0, e)
		}
	case m.faults == 0 && m.state == Fault:
		m.masterInterval = m.p.Interval
		m.lastAdvert = -1
		if len(m.p.Peers) > 0 {
			e = append(e, Effect{ID: m.id, Kind: AnnounceSource})
		}
		e = m.toBackup(now, Change{Cause: CauseRecovered}, e)
	}
	return e
}

func (m *instance) faultCause() Cause {
	if m.faults&^faultsOfGroup == 0 {
		return CauseGroup
	}
	return CauseFault
}

// priorityMoved follows a change of the effective priority: a backup's timer
// moves by the difference of the skews; a master says so with its next advert.
func (m *instance) priorityMoved(now Time, before uint8, e []Effect) []Effect {
	after := m.effective()
	if before == after {
		return e
	}
	if m.state == Backup && m.timer != Never {
		shift := m.p.skew(after, m.masterInterval) - m.p.skew(before, m.masterInterval)
		m.timer = max(now, m.timer.Add(shift))
	}
	return append(e, Effect{ID: m.id, Kind: PriorityChanged, Priority: after})
}

func (m *instance) reconfigure(now Time, p Params, e []Effect) []Effect {
	before, old := m.effective(), m.p
	m.p = p
	if p.Priority != old.Priority {
		m.demoted = false
	}
	if p.Interval != old.Interval {
		if m.state == Master { // the next advert is due by the shorter of both
			m.timer = min(m.timer, now.Add(p.Interval))
		}
		if m.masterInterval == old.Interval {
			m.masterInterval = p.Interval
		}
	}
	if m.state == Backup && (p.Interval != old.Interval || p.DownAdverts != old.DownAdverts) {
		m.timer = max(m.timer, now.Add(m.masterDown()))
	}
	e = m.priorityMoved(now, before, e)
	if m.state == Master {
		if until := now.Add(p.Hold()); until < m.gateUntil { // others will wait no longer than our next advert says
			m.gateUntil, m.gateBefore = until, until
			e = append(e, Effect{ID: m.id, Kind: ShortenGate, Until: until})
		}
		if p.Refresh != old.Refresh {
			m.refreshAt = Never
			if p.Refresh > 0 {
				m.refreshAt = now.Add(p.Refresh)
			}
		}
	}
	return e
}
