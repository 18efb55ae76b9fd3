package vrrp

import "time"

// openGate opens the gate for a moment counted from this decision, sets the
// addresses, and asks for the whole lease, which the gate grants only while that
// moment is not over. A pause anywhere in between thus leaves either a closed
// gate or a node that others' probes can see.
func (m *instance) openGate(now Time, e []Effect) []Effect {
	if m.p.Votes && !m.hasVotes(now) {
		return m.loseVotes(now, e)
	}
	m.gateUntil = m.withVotes(m.claimedAt.Add(m.p.Hold()))
	m.gateBefore = m.gateUntil
	e = append(e, Effect{ID: m.id, Kind: OpenGate, Until: m.withVotes(now.Add(m.p.quiet() / 2))})
	if !m.holding { // many addresses may take longer than the moment; the next attempt finds them set
		e = append(e, Effect{ID: m.id, Kind: AddAddresses})
	}
	e = append(e, Effect{ID: m.id, Kind: ConfirmGate, Until: m.gateUntil})
	m.timer, m.opening, m.holding = Never, true, true // until Opened
	if m.group != nil {
		e = m.group.openAll(now, m, e)
	}
	return e
}

// opened makes a claimant master once its gate is open.
func (m *instance) opened(now Time, ok bool, e []Effect) []Effect {
	if m.state != Claiming || !m.opening {
		return e
	}
	m.opening = false
	if !ok || now >= m.gateUntil { // we were paused, or slow to set many addresses
		if now >= m.claimedAt.Add(m.p.Interval) { // for so long that another may have begun
			m.probing = true
		}
		return m.claim(now, m.claimCause, m.claimLate, e)
	}
	e = append(e, Effect{ID: m.id, Kind: Announce, Count: m.p.AnnounceRepeat})
	c := Change{Cause: m.claimCause, Late: m.claimLate}
	if m.claimCause == CausePreempt {
		c.Peer, c.PeerPriority = m.rival.Addr, m.rival.Priority
	} else if m.lastAdvert >= 0 {
		c.Peer, c.PeerPriority = m.master.Addr, m.master.Priority
	}
	e = m.change(now, Master, c, e)
	m.becomeNum++
	m.losses = 0
	m.timer = m.claimedAt.Add(m.p.Interval)
	m.secondBurst(now, m.p.AnnounceDelay, m.p.AnnounceRepeat)
	if m.p.Refresh > 0 {
		m.refreshAt = now.Add(m.p.Refresh)
	}
	return e
}

func (m *instance) secondBurst(now Time, delay time.Duration, count int) {
	m.announceAt = Never
	if delay > 0 {
		m.announceAt, m.announceCount = now.Add(delay), count
	}
}

func (m *instance) announceDue(now Time, e []Effect) []Effect {
	if now >= m.announceAt {
		m.announceAt = Never
		e = append(e, Effect{ID: m.id, Kind: Announce, Count: m.announceCount})
	}
	if now >= m.refreshAt {
		m.refreshAt = now.Add(m.p.Refresh)
		e = append(e, Effect{ID: m.id, Kind: Announce, Count: m.p.RefreshRepeat})
	}
	return e
}

// advertDue sends the periodic advert. Adverts keep their beat: lateness of one
// does not move the next, unless it is a whole interval.
func (m *instance) advertDue(now Time, e []Effect) []Effect {
	if m.expired(now) {
		return m.loseLease(now, e)
	}
	m.timer = m.timer.Add(m.p.Interval)
	if m.timer <= now {
		m.timer = now.Add(m.p.Interval)
	}
	return m.renew(now, e)
}

// renew sends an advert that extends the lease.
func (m *instance) renew(now Time, e []Effect) []Effect {
	m.gateBefore, m.gateUntil = m.gateUntil, m.withVotes(now.Add(m.p.Hold()))
	return m.advertise(m.effective(), m.gateUntil, e)
}

// expired is the continuity rule: a lease that has run out is not renewed. The
// others had the right to take over at that moment.
func (m *instance) expired(now Time) bool {
	return now >= m.gateUntil
}

// loseLease starts over as backup. No priority 0: another master may be at
// work, and its backups would take our word for its own.
func (m *instance) loseLease(now Time, e []Effect) []Effect {
	late, cause := now.Sub(m.gateUntil), CauseLease
	if m.p.Votes && !m.hasVotes(now) {
		cause = CauseVotes
	}
	return m.stepDown(now, false, Change{Cause: cause, Late: late}, e)
}

func (m *instance) advertFailed(now Time, e []Effect) []Effect {
	switch m.state {
	case Master:
		m.gateUntil = m.gateBefore
		if m.expired(now) { // it was the gate that dropped the advert
			return m.loseLease(now, e)
		}
	case Claiming: // nobody heard us, so nobody will wait for us
		e = m.letGo(now, false, e)
		e = m.toBackup(now, Change{Cause: CauseSendFailed}, e)
	}
	return e
}

func (m *instance) masterHears(now Time, a Heard, interval time.Duration, e []Effect) []Effect {
	if m.expired(now) { // a thaw: what follows is heard as a backup
		e = m.loseLease(now, e)
		return m.backupHears(now, a, interval, e)
	}
	if a.Priority == 0 { // RFC 9568 §6.4.3 (705)
		if !m.mayAnswer(now) {
			return e
		}
		m.timer = now.Add(m.p.Interval)
		return m.renew(now, e)
	}
	if a.Priority == Owner && m.effective() == Owner {
		return m.twoOwners(now, a, interval, e)
	}
	if m.beats(a) {
		return m.yield(now, a, interval, e)
	}
	if !m.mayAnswer(now) {
		return e
	}
	e = append(e, Effect{ID: m.id, Kind: RxLower, Peer: a.Addr, Priority: a.Priority})
	if !m.p.LowerPrioNoAdvert {
		m.timer = now.Add(m.p.Interval)
		e = m.renew(now, e)
	}
	e = m.reclaim(now, e)
	if m.group != nil {
		for _, o := range m.group.members {
			if o != m && o.state == Master {
				e = o.reclaim(now, e)
			}
		}
	}
	return e
}

// answers is how often a master answers in one interval at most: a flood of adverts must not make it
// flood the network. No answer is owed; the next advert is on its way in any case.
const answers = 8

// mayAnswer reports whether an advert that a master need not follow is answered.
func (m *instance) mayAnswer(now Time) bool {
	if now < m.answerAt {
		return false
	}
	m.answerAt = now.Add(m.p.Interval / answers)
	return true
}

// reclaim announces the addresses again after someone else did.
func (m *instance) reclaim(now Time, e []Effect) []Effect {
	m.secondBurst(now, m.p.LowerPrioDelay, m.p.LowerPrioRepeat)
	return append(e, Effect{ID: m.id, Kind: Announce, Count: m.p.LowerPrioRepeat})
}

// twoOwners settles what RFC 9568 leaves open: both have priority 255. The lower
// address yields; the higher insists for 1.2 intervals and then goes on with 254
// if the other is still there.
func (m *instance) twoOwners(now Time, a Heard, interval time.Duration, e []Effect) []Effect {
	switch {
	case m.p.Source.Less(a.Addr):
		return m.yield(now, a, interval, e)
	case m.ownerCheckAt == 0 || now > m.ownerCheckAt.Add(m.p.Hold()): // a new contest
		m.ownerCheckAt = now.Add(m.p.Interval * 6 / 5)
		e = m.renew(now, e)
		return m.renew(now, e)
	case now < m.ownerCheckAt:
		return e
	}
	m.demoted = true
	e = append(e, Effect{ID: m.id, Kind: PriorityChanged, Priority: m.effective()})
	return m.yield(now, a, interval, e)
}

// yield gives way to a better master, whether we are one or still a claimant.
func (m *instance) yield(now Time, a Heard, interval time.Duration, e []Effect) []Effect {
	if m.state == Master && m.p.HigherPrioSendAdvert {
		e = m.renew(now, e)
	}
	cause := CauseHigherPriority
	if a.Priority == m.effective() {
		cause = CauseHigherAddress
	}
	e = m.letGo(now, false, e)
	m.lastAdvert = now // before the change, so that its line shows this advert
	if m.p.Version == 3 {
		m.masterInterval = interval
	} else {
		m.masterInterval = m.p.Interval
	}
	e = m.toBackup(now, Change{Cause: cause, Peer: a.Addr, PeerPriority: a.Priority}, e)
	m.master = a
	if m.group != nil {
		e = m.group.pullDown(now, m, e)
	}
	return e
}

// Lost addresses are put back this often within lossWindow before we take the
// hint and let another node try.
const (
	lossLimit  = 5
	lossWindow = 10 * time.Second
)

// addressLost puts a removed address back at once.
// Differs from Keepalived, which resigns and elects itself again (0.4 s without
// the address): it yields only if the address is removed again and again.
func (m *instance) addressLost(now Time, e []Effect) []Effect {
	if m.state != Master {
		return e
	}
	if m.losses == 0 || now > m.lossesAt.Add(lossWindow) {
		m.losses, m.lossesAt = 0, now
	}
	m.losses++
	if m.losses > lossLimit {
		return m.stepDown(now, true, Change{Cause: CauseAddressLost}, e)
	}
	return append(e,
		Effect{ID: m.id, Kind: RestoreAddresses},
		Effect{ID: m.id, Kind: Announce, Count: m.p.AnnounceRepeat})
}
