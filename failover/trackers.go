package failover

import (
	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/vrrp"
)

// interfaceTrackers are the instance's own and its group's.
func (r *router) interfaceTrackers(m *instance) []config.TrackInterface {
	if m.group == nil || len(m.group.cfg.TrackInterfaces) == 0 {
		return m.cfg.TrackInterfaces
	}
	return append(m.cfg.TrackInterfaces[:len(m.cfg.TrackInterfaces):len(m.cfg.TrackInterfaces)],
		m.group.cfg.TrackInterfaces...)
}

func (r *router) scriptTrackers(m *instance) []config.TrackScript {
	if m.group == nil || len(m.group.cfg.TrackScripts) == 0 {
		return m.cfg.TrackScripts
	}
	return append(m.cfg.TrackScripts[:len(m.cfg.TrackScripts):len(m.cfg.TrackScripts)], m.group.cfg.TrackScripts...)
}

// trackers adds up what trackers say: failing ones of weight 0 are faults, the
// others move the priority. A member of a sync group is moved by weight only if
// the group allows it, or its priority would pull the group apart.
func (r *router) trackers(m *instance, fault func(vrrp.Faults, string, ...any)) (weight int) {
	weighted := m.group == nil || m.group.cfg.TrackingWeight
	for i, t := range r.interfaceTrackers(m) {
		link, ok := r.link(t.Name)
		up := ok && link.Up
		switch {
		case t.Weight == 0 && up == t.Reverse:
			fault(vrrp.FaultTracker, "tracked interface %s is %s", t.Name, updown(up))
		case t.Weight != 0 && (weighted || i >= len(m.cfg.TrackInterfaces)):
			weight += shift(t.Weight, up, t.Reverse)
		}
	}
	for i, t := range r.scriptTrackers(m) {
		s := r.scripts[t.Script.Name]
		switch {
		case s == nil:
			continue // a group's or instance's script is always started before
		case s.state == scriptUnknown && t.Weight == 0:
			if m.state == vrrp.Init {
				fault(vrrp.FaultPending, "script %s has not reported yet", t.Script.Name)
			}
		case s.state == scriptUnknown:
		case t.Weight == 0 && (s.state == scriptUp) == t.Reverse:
			fault(vrrp.FaultTracker, "script %s %s", t.Script.Name, s.why())
		case t.Weight != 0 && (weighted || i >= len(m.cfg.TrackScripts)):
			weight += shift(t.Weight, s.state == scriptUp, t.Reverse)
		}
	}
	for _, t := range m.cfg.TrackProxies {
		usable, why := r.proxies.usable(t.Name)
		switch {
		case r.proxies.unknown() && t.Weight == 0:
			if m.state == vrrp.Init {
				fault(vrrp.FaultPending, "the proxy has not reported yet")
			}
		case r.proxies.unknown():
		case t.Weight == 0 && !usable:
			fault(vrrp.FaultTracker, "%s", why)
		case t.Weight != 0 && weighted:
			weight += shift(t.Weight, usable, false)
		}
	}
	return weight
}

// shift is what a tracker adds: a positive weight while up, a negative one while down. reverse takes away what
// would be added, and adds what would be taken away.
func shift(weight int, up, reverse bool) int {
	switch {
	case up != (weight > 0):
		return 0
	case reverse:
		return -weight
	}
	return weight
}

func updown(up bool) string {
	if up {
		return "up"
	}
	return "down"
}
