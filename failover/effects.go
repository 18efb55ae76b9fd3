package failover

import (
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/gate"
	"github.com/evenkeel/evenkeel/linux/netif"
	"github.com/evenkeel/evenkeel/linux/realtime"
	"github.com/evenkeel/evenkeel/vrrp"
)

// carry carries out effects in their order. What an effect brings about is
// carried out at once, before the effects behind it.
func (r *router) carry(effects []vrrp.Effect) {
	for i := range effects {
		e := &effects[i]
		m := r.byID[e.ID]
		if m == nil {
			continue // removed by an effect before this one
		}
		r.do(m, e)
	}
}

func (r *router) do(m *instance, e *vrrp.Effect) {
	switch e.Kind {
	case vrrp.PermitAdverts:
		if m.gate != nil {
			m.gate.PermitAdverts(time.Duration(e.Until))
		}
	case vrrp.Advertise:
		r.advertise(m, e)
	case vrrp.Probe:
		r.probe(m)
		r.machine.Sent(vrrp.Time(realtime.Now()), m.id)
	case vrrp.OpenGate:
		if m.gate != nil {
			m.gate.Open(time.Duration(e.Until))
		}
	case vrrp.ConfirmGate:
		ok := r.extend(m, e.Until)
		r.carry(r.machine.Opened(vrrp.Time(realtime.Now()), m.id, ok, nil))
	case vrrp.ShortenGate:
		if m.gate != nil {
			m.gate.Shorten(time.Duration(e.Until))
		}
	case vrrp.CloseGate:
		if m.gate != nil {
			m.gate.Close()
		}
		m.burst.stop()
	case vrrp.AddAddresses:
		r.addAddresses(m)
	case vrrp.RemoveAddresses:
		r.removeAddresses(m)
	case vrrp.RestoreAddresses:
		r.restoreAddresses(m)
	case vrrp.Announce:
		r.announce(m, e.Count)
	case vrrp.AnnounceSource:
		r.announceSource(m)
	default:
		r.report(m, e)
	}
}

// extend moves the gate's deadline; false: it had closed already.
func (r *router) extend(m *instance, until vrrp.Time) bool {
	if m.gate == nil {
		return true
	}
	return m.gate.Extend(time.Duration(until))
}

// advertise sends one advert and, only if somebody can have heard it, lets it
// renew the lease. The lease was counted from before this call.
func (r *router) advertise(m *instance, e *vrrp.Effect) {
	sent := r.send(m, e.Priority)
	now := vrrp.Time(realtime.Now())
	if !sent {
		r.carry(r.machine.AdvertFailed(now, m.id, nil))
		return
	}
	if e.Until != 0 {
		if !r.extend(m, e.Until) {
			r.carry(r.machine.GateClosed(now, m.id, nil))
			return
		}
		r.renewLifetimes(m, now)
	}
	r.machine.Sent(now, m.id)
}

// send reports whether at least one copy of the advert left.
func (r *router) send(m *instance, priority uint8) bool {
	if m.port == nil {
		return false
	}
	p := r.machine.Params(m.id)
	var err error
	sent := false
	if len(p.Peers) == 0 {
		r.advert = p.AppendAdvert(r.advert[:0], priority, m.source, m.cfg.McastGroup)
		err = m.port.socket.Send(r.advert, m.source, m.cfg.McastGroup, vrrp.MulticastTTL)
		sent = err == nil
	}
	ttl := m.cfg.UnicastTTL
	if ttl == 0 {
		ttl = vrrp.MulticastTTL
	}
	for i := range p.Peers {
		r.advert = p.AppendAdvert(r.advert[:0], priority, m.source, p.Peers[i].Addr)
		if e := m.port.socket.Send(r.advert, m.source, p.Peers[i].Addr, ttl); e != nil {
			err = e
		} else {
			sent = true
		}
	}
	if sent {
		m.sendError = ""
	} else if err != nil && m.sendError != err.Error() {
		m.sendError = err.Error()
		r.logf(LevelError, "(%s) advert cannot be sent: %v", m.cfg.Name, err)
	}
	return sent
}

// lifetime is what addresses are given when they are the gate; 0 otherwise.
func (r *router) lifetime(m *instance) time.Duration {
	if m.gate == nil || r.gates.Mode() != config.GateLifetime {
		return 0
	}
	lifetime, _ := gate.AddressLifetime(m.cfg.AdvertInterval * time.Duration(m.cfg.DownAdverts))
	return lifetime
}

// renewLifetimes renews at most once a second: more often changes nothing.
func (r *router) renewLifetimes(m *instance, now vrrp.Time) {
	lifetime := r.lifetime(m)
	if lifetime == 0 || len(m.assigned) == 0 || now.Sub(m.renewedAt) < time.Second {
		return
	}
	m.renewedAt = now
	if err := r.conn.Renew(m.assigned, lifetime); err != nil {
		r.logf(LevelError, "(%s) renewing addresses: %v", m.cfg.Name, err)
	}
}

func (r *router) addAddresses(m *instance) {
	r.reguard(m)
	as, homeless := r.assignments(m)
	for _, a := range homeless {
		r.logf(LevelError, "(%s) address %v: no interface %q now; it is set when that appears", m.cfg.Name, a.Prefix,
			device(m.cfg, a))
	}
	m.assigned = as
	m.renewedAt = vrrp.Time(realtime.Now())
	r.set(m, as)
}

// set puts addresses on their interfaces, with a lifetime where that is the gate.
func (r *router) set(m *instance, as []netif.Assignment) {
	lifetime := r.lifetime(m)
	for i := range as {
		as[i].Lifetime = lifetime
	}
	if err := r.conn.Add(as); err != nil {
		r.logf(LevelError, "(%s) %v", m.cfg.Name, err)
	}
}

func (r *router) removeAddresses(m *instance) {
	if len(m.assigned) == 0 {
		return
	}
	if err := r.conn.Remove(m.assigned); err != nil {
		r.logf(LevelError, "(%s) %v", m.cfg.Name, err)
	}
	m.assigned = nil
}

func (r *router) restoreAddresses(m *instance) {
	r.logf(LevelWarning, "(%s) an address was removed by someone else; putting it back", m.cfg.Name)
	r.addAddresses(m)
}

// addressRemoved looks whether a removed address was ours to keep.
func (r *router) addressRemoved(ev netif.Event) {
	for _, m := range r.instances {
		if m.state != vrrp.Master {
			continue
		}
		for _, a := range m.assigned {
			if a.Ifindex != ev.Ifindex || a.Addr.Prefix.Addr() != ev.Prefix.Addr() || a.Addr.NoTrack {
				continue
			}
			if r.present(a) { // it went and came again before we heard of it
				return
			}
			r.logf(LevelWarning, "(%s) address %v was removed from %s", m.cfg.Name, ev.Prefix, r.links[ev.Ifindex].Name)
			r.carry(r.machine.AddressLost(vrrp.Time(realtime.Now()), m.id, nil))
			return
		}
	}
}

func (r *router) present(a netif.Assignment) bool {
	links, err := r.conn.Links()
	if err != nil {
		return false
	}
	for _, l := range links {
		if l.Index == a.Ifindex {
			return has(l.Addrs, a.Addr.Prefix)
		}
	}
	return false
}
