package vrrp

// With Params.Votes the addresses are held only while a majority of voters promises them to this node: the claim comes
// after the promise, and no gate stands open longer than the promise lasts.

// hasVotes says whether a majority promises at this moment.
func (m *instance) hasVotes(now Time) bool { return now < m.votesUntil }

// withVotes is the end of a lease, which is not after that of the promises.
func (m *instance) withVotes(until Time) Time {
	if m.p.Votes {
		return min(until, m.votesUntil)
	}
	return until
}

// vote asks for a majority before a claim.
func (m *instance) vote(e []Effect) []Effect {
	m.timer = Never // until Voted, or an advert of somebody to follow
	if m.voting {
		return e
	}
	m.voting = true
	return append(e, Effect{ID: m.id, Kind: NeedVotes})
}

// stopVoting ends the question when a member of the sync group follows somebody after all, or may not take part.
func (m *instance) stopVoting(now Time, e []Effect) []Effect {
	if !m.p.Votes {
		return e // every advert that a backup accepts comes by here
	}
	for _, o := range m.together() {
		if o.voting {
			e = o.freeVotes(e)
			if o.state == Backup && o.timer == Never {
				o.timer = now.Add(o.masterDown())
			}
		}
	}
	return e
}

// together is the sync group, or the instance alone.
func (m *instance) together() []*instance {
	if m.group != nil {
		return m.group.members
	}
	return []*instance{m}
}

// freeVotes gives the votes back once nobody of the sync group needs them.
func (m *instance) freeVotes(e []Effect) []Effect {
	if !m.p.Votes {
		return e
	}
	m.voting, m.votesUntil = false, 0
	for _, o := range m.together() {
		if o != m && (o.voting || o.state == Claiming || o.state == Master) {
			return e
		}
	}
	return append(e, Effect{ID: m.id, Kind: FreeVotes})
}

// voted notes until when a majority promises the addresses to this node. A claim that waited for it begins.
func (m *instance) voted(now, until Time, e []Effect) []Effect {
	asks := m
	for _, o := range m.together() {
		o.votesUntil = until
		if o.voting {
			asks = o
		}
	}
	if !asks.voting || asks.state != Backup || now >= until {
		return e
	}
	asks.voting = false
	return asks.claimAll(now, 0, e)
}

// loseVotes gives up what was held with a majority that is gone.
func (m *instance) loseVotes(now Time, e []Effect) []Effect {
	m.votesUntil = 0
	if m.state != Master && m.state != Claiming {
		return e
	}
	return m.stepDown(now, false, Change{Cause: CauseVotes}, e)
}

// handOver gives a living master's addresses to a peer that asked for them. It waits as for any master that resigned.
func (m *instance) handOver(now Time, e []Effect) []Effect {
	if m.state != Master {
		return e
	}
	return m.stepDown(now, true, Change{Cause: CauseHandOver}, e)
}
