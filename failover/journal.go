package failover

import (
	"net/netip"
	"time"

	"github.com/evenkeel/evenkeel/linux/realtime"
	"github.com/evenkeel/evenkeel/vrrp"
)

// changeTime is when a change of state was reported, by the wall clock, for people.
type changeTime struct {
	at     time.Time
	change vrrp.Change
}

// lowerPause lies between lines about masters of lower priority, and between their scripts.
const lowerPause = time.Second

// report turns what the machine tells into journal lines and notifications.
func (r *router) report(m *instance, e *vrrp.Effect) {
	switch e.Kind {
	case vrrp.Changed:
		r.changed(m, e.Change)
	case vrrp.RxLower:
		// once for each peer and mastership
		if now := vrrp.Time(realtime.Now()); m.lowerPeer != e.Peer && now >= m.lowerTold.Add(lowerPause) {
			m.lowerPeer, m.lowerTold = e.Peer, now
			r.logf(LevelNotice, "(%s) received lower priority (%d) advert from %v - still master, announcing again",
				m.cfg.Name, e.Priority, e.Peer)
		}
		if now := vrrp.Time(realtime.Now()); now >= m.lowerRan.Add(lowerPause) {
			m.lowerRan = now
			r.engine.notify.Add(m.cfg.Name, m.cfg.Notify.MasterRxLowerPri, r.site.Global)
		}
	case vrrp.Complain:
		verb := "refused"
		if e.Reason > vrrp.NumRefusals {
			verb = "accepted"
		}
		r.logf(LevelWarning, "(%s) advert from %v %s: %v", m.cfg.Name, e.Peer, verb, e.Reason)
	case vrrp.PriorityChanged:
		r.logf(LevelNotice, "(%s) Changing effective priority from %d to %d", m.cfg.Name, m.priority, e.Priority)
		m.priority = e.Priority
	}
}

// changed writes the one line that says what happened and why.
func (r *router) changed(m *instance, c vrrp.Change) {
	m.state, m.priority, m.lowerPeer = c.To, c.Priority, netip.Addr{}
	m.changed = changeTime{at: time.Now(), change: c}
	why := c.String()
	if c.To == vrrp.Fault && len(m.faults) > 0 {
		why += "; " + m.faults[0]
	}
	r.logf(LevelNotice, "(%s) Entering %v STATE: %s", m.cfg.Name, c.To, why)
	if m.probe != nil {
		r.closeReplies(m)
	}
	r.tell("INSTANCE", m.cfg.Name, &m.cfg.Notify, c.To.String(), c.Priority)
	if m.group != nil {
		r.judge(m.group)
	}
	if r.engine.opts.Changed != nil {
		r.engine.opts.Changed()
	}
}

// ago translates an instant of the machine into wall-clock time.
func ago(t vrrp.Time) time.Time {
	return time.Now().Add(-vrrp.Time(realtime.Now()).Sub(t))
}
