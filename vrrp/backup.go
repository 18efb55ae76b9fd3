package vrrp

import (
	"net/netip"
	"slices"
	"time"
)

// receive judges a datagram and hands a valid advert to the state it meets.
func (m *instance) receive(now Time, d *Datagram, e []Effect) []Effect {
	switch {
	case len(d.Payload) < HeaderLen:
		m.refused[TooShort]++
		return m.complain(TooShort, d, e)
	case m.state == Init || m.state == Fault || m.state == Stopped:
		m.refused[Ignored]++
		return e
	}
	msg, why, notes := m.p.judge(d)
	m.refused[why]++ // [Accepted] counts those accepted
	if why != Accepted {
		return m.complain(why, d, e)
	}
	for _, note := range [...]Reason{NoteInterval, NoteAddrs} {
		sameMaster := m.p.SkipCheckAddresses && note == NoteAddrs && m.state == Backup && d.Src == m.master.Addr
		if notes&(1<<note) != 0 && !sameMaster {
			e = m.complain(note, d, e)
		}
	}
	if msg.priority == 0 {
		m.zeroHeard++
	}
	advert := Heard{Addr: d.Src, Priority: msg.priority, At: now}
	switch m.state {
	case Backup:
		return m.backupHears(now, advert, msg.interval, e)
	case Claiming:
		return m.claimantHears(now, advert, msg.interval, e)
	default:
		return m.masterHears(now, advert, msg.interval, e)
	}
}

// complain reports a reason once until the state or the master changes.
func (m *instance) complain(why Reason, d *Datagram, e []Effect) []Effect {
	if m.complained&(1<<why) != 0 {
		return e
	}
	m.complained |= 1 << why
	return append(e, Effect{ID: m.id, Kind: Complain, Reason: why, Peer: d.Src})
}

func (m *instance) backupHears(now Time, a Heard, interval time.Duration, e []Effect) []Effect {
	if a.Priority == 0 { // RFC 9568 §6.4.2 (425)
		if !m.mayRelease(now, a.Addr) {
			return e
		}
		m.resigned = true
		m.lastAdvert = now
		m.timer = now.Add(m.p.skew(m.effective(), m.masterInterval))
		return e
	}
	if a.Priority >= m.effective() || !m.p.Preempt {
		m.preemptAt = 0
		m.accept(now, a, interval)
		return m.follows(now, m.stopVoting(now, e))
	}
	// A living master that we may replace (RFC 9568 §6.4.2 (450): discard, let the timer run out).
	m.rivalAt, m.rival, m.resigned = now, a, false
	if m.p.PreemptDelay > 0 {
		if m.preemptAt == 0 {
			m.preemptAt = now.Add(m.p.PreemptDelay)
		}
		if now < m.preemptAt {
			m.accept(now, a, interval)
			return m.follows(now, m.stopVoting(now, e))
		}
	}
	return e
}

// follows takes the rest of the sync group along into BACKUP: a member that joined masters
// (a reload made them a group) has found a master that it must follow.
func (m *instance) follows(now Time, e []Effect) []Effect {
	if m.group == nil || !slices.ContainsFunc(m.group.members,
		func(o *instance) bool { return o.state == Master || o.state == Claiming }) {
		return e
	}
	return m.group.pullDown(now, m, e)
}

// mayRelease reports whether priority 0 from addr ends the wait for a master.
// Differs from Keepalived, which accepts priority 0 from anyone: only who holds
// the addresses can release them. A second master left over from a partition
// that stops would otherwise end the wait for the first one's lease.
func (m *instance) mayRelease(now Time, addr netip.Addr) bool {
	switch {
	case m.lastAdvert >= 0 && !m.resigned && now < m.lastAdvert.Add(m.masterDown()):
		return addr == m.master.Addr
	case m.rivalAlive(now):
		return addr == m.rival.Addr
	}
	return true
}

// complainAgain is how long complaints are not repeated although the master is another one: a flood from many
// addresses is not worth a line each.
const complainAgain = 10 * time.Second

// accept follows a master: its advert restarts the timer.
func (m *instance) accept(now Time, a Heard, interval time.Duration) {
	if a.Addr != m.master.Addr && now >= m.complainedTo.Add(complainAgain) {
		m.complained, m.complainedTo = 0, now
	}
	if m.p.Version == 3 { // RFC 9568 §6.4.2 (455)
		m.masterInterval = interval
	}
	m.master, m.lastAdvert, m.resigned, m.wantMaster = a, now, false, false
	m.timer = now.Add(m.masterDown())
}

// masterDownExpired starts a claim, alone or with the sync group.
func (m *instance) masterDownExpired(now Time, e []Effect) []Effect {
	late := now.Sub(m.timer)
	if m.demoted { // two owners: the rival is gone
		m.demoted = false
	}
	if m.group != nil {
		m.wantMaster = true
		if !m.group.ready() {
			m.timer = now.Add(m.masterDown())
			return e
		}
	}
	if m.p.Votes && !m.hasVotes(now) {
		return m.vote(e)
	}
	return m.claimAll(now, late, e)
}

// claimAll claims, with the sync group if there is one.
func (m *instance) claimAll(now Time, late time.Duration, e []Effect) []Effect {
	if m.group != nil {
		return m.group.claim(now, m, late, e)
	}
	return m.claim(now, m.claimReason(now), late, e)
}

func (m *instance) claimReason(now Time) Cause {
	switch {
	case m.resigned:
		return CauseMasterResigned
	case m.rivalAlive(now):
		return CausePreempt
	}
	return CauseMasterDown
}

// rivalAlive reports whether a master of lower priority has been heard lately
// enough that it still is one.
func (m *instance) rivalAlive(now Time) bool {
	return m.rivalAt >= 0 && !m.resigned && now < m.rivalAt.Add(m.masterDown())
}

// lettingGo is how long a master that has been told may go on answering, beyond the end of any lease. One of
// Keepalived has no gate, and its addresses go when it gets to it: on a starved machine half a second later and
// more. Its kernel also answers for one that has died, so it is not waited for for ever.
const lettingGo = 3 * time.Second

// claim announces ourselves as master with the gate still closed, and listens
// for a short while. If a living master is being replaced, or if we come so late
// that one may have appeared meanwhile, the network is asked until nobody else
// answers for the address, but no longer than a lease lasts and [lettingGo].
func (m *instance) claim(now Time, cause Cause, late time.Duration, e []Effect) []Effect {
	again := m.state == Claiming
	if !again {
		m.claimCause = cause
	}
	if !again || late > m.p.Interval {
		m.probeLimit = now.Add(m.masterDown())
		m.answerLimit = m.probeLimit.Add(lettingGo)
	}
	m.state = Claiming
	m.claimedAt, m.claimLate = now, late
	m.wantMaster, m.probed, m.answered, m.opening = false, false, false, false
	// An owner starts without having listened.
	m.probing = m.rivalAlive(now) || late > m.p.Interval || cause == CauseOwner ||
		again && m.probing
	m.timer = Never // until it has been sent
	m.watch = m.p.quiet()
	e = append(e, Effect{ID: m.id, Kind: PermitAdverts, Until: now.Add(m.p.Interval)})
	return m.advertise(m.effective(), 0, e)
}

// heardBy starts the time others are given to object, now that a claim or a
// probe is on the wire: counted from the decision, a pause before the send would
// leave them none.
func (m *instance) heardBy(now Time) {
	if now.Sub(m.claimedAt) > m.p.Interval { // paused for so long that another may have begun
		m.probing, m.probeLimit = true, now.Add(m.masterDown())
	}
	wait := m.p.settle()
	if m.probing {
		wait = m.watch
	}
	m.timer = now.Add(wait)
}

// claimantHears: someone else is master, or claims to be.
func (m *instance) claimantHears(now Time, a Heard, interval time.Duration, e []Effect) []Effect {
	switch {
	case a.Priority == 0: // it lets go
		m.rivalAt, m.resigned = -1, true
		return e
	case m.beats(a):
		return m.yield(now, a, interval, e)
	}
	m.rivalAt, m.rival = now, a
	m.probeLimit = max(m.probeLimit, now.Add(m.masterDown()))
	if !m.probing { // it has not heard us yet: repeat the claim, then watch it let go
		m.probing, m.timer = true, Never
		e = m.advertise(m.effective(), 0, e)
	}
	return e
}

// settled ends the settling time.
func (m *instance) settled(now Time, e []Effect) []Effect {
	late := now.Sub(m.timer)
	if now >= m.claimedAt.Add(m.p.Interval) && (now < m.probeLimit || late > m.p.Interval) {
		// Adverts of a claimant go out in time, too; and a claim that has grown old proves nothing.
		return m.claim(now, m.claimCause, late, e)
	}
	if m.probing && now < m.probeLimit && (!m.probed || m.answered) {
		if m.answered { // it may take its time: look less and less often
			m.probeLimit = max(m.probeLimit, min(now.Add(m.masterDown()), m.answerLimit))
			m.watch = min(2*m.watch, max(m.p.quiet(), m.p.Interval/32))
		}
		m.probed, m.answered = true, false
		m.timer = Never // until it has been sent
		return append(e, Effect{ID: m.id, Kind: Probe})
	}
	if m.group != nil && !m.group.settled(m) {
		// The others of the group are still being watched.
		m.timer = now.Add(m.p.quiet())
		return e
	}
	return m.openGate(now, e)
}

// beats reports whether the sender of a is the better master (RFC 9568 §6.4.3 (725)).
func (m *instance) beats(a Heard) bool {
	mine := m.effective()
	return a.Priority > mine || a.Priority == mine && m.p.Source.Less(a.Addr)
}
