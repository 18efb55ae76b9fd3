package vrrp

import "time"

// group is a sync group: its members are master together or not at all.
type group struct {
	members []*instance
}

// ready reports whether every member wants to be master.
func (g *group) ready() bool {
	for _, o := range g.members {
		if !o.wantMaster && o.state != Master && o.state != Claiming {
			return false
		}
	}
	return true
}

// claim lets all members claim at once; first is the one whose timer ran out last.
func (g *group) claim(now Time, first *instance, late time.Duration, e []Effect) []Effect {
	for _, o := range g.members {
		if o.state == Backup {
			cause := CauseGroup
			if o == first {
				cause = o.claimReason(now)
			}
			e = o.claim(now, cause, late, e)
		}
	}
	return e
}

// settled reports whether no member but m is still watching a rival let go.
func (g *group) settled(m *instance) bool {
	for _, o := range g.members {
		if o != m && o.state == Claiming && o.probing && (!o.probed || o.answered) {
			return false
		}
	}
	return true
}

// openAll opens the gates of the remaining claimants together with m's.
func (g *group) openAll(now Time, m *instance, e []Effect) []Effect {
	for _, o := range g.members {
		if o != m && o.state == Claiming && !o.opening {
			e = o.openGate(now, e)
		}
	}
	return e
}

// pullDown takes the other members to BACKUP with m.
// Differs from Keepalived: they resign with priority 0, so that the addresses
// need not wait a full master-down time for the peer that won the first one.
func (g *group) pullDown(now Time, m *instance, e []Effect) []Effect {
	for _, o := range g.members {
		if o == m || o.state != Master && o.state != Claiming {
			o.wantMaster = false
			e = o.stopVoting(now, e)
			continue
		}
		e = o.letGo(now, true, e)
		e = o.toBackup(now, Change{Cause: CauseGroup}, e)
	}
	return e
}

// spreadFaults gives every member the fault of any.
func (g *group) spreadFaults(now Time, e []Effect) []Effect {
	for _, o := range g.members {
		var f Faults
		for _, other := range g.members {
			if other == o {
				continue
			}
			if other.faults&^(faultsOfGroup|FaultPending) != 0 {
				f |= faultGroup
			}
			if other.faults&FaultPending != 0 {
				f |= faultGroupPending
			}
		}
		e = o.inheritFaults(now, f, e)
	}
	return e
}

// inheritFaults replaces the faults an instance has because of its group.
func (m *instance) inheritFaults(now Time, f Faults, e []Effect) []Effect {
	f |= m.faults &^ faultsOfGroup
	if f == m.faults {
		return e
	}
	m.faults = f
	return m.faultsMoved(now, e)
}
