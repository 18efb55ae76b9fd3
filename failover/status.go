package failover

import (
	"math"
	"time"

	"github.com/evenkeel/evenkeel/linux/realtime"
	"github.com/evenkeel/evenkeel/vrrp"
)

// Status is a snapshot of the engine, ready for JSON.
type Status struct {
	RouterID  string     `json:"router_id"`
	Gate      GateStatus `json:"gate"`
	MaxLateMS float64    `json:"max_late_ms"` // how late the thread ever acted on a timer
	// Foreign is how many adverts were for no virtual router of ours or too short for one, on the sockets open now;
	// in a flood, about.
	Foreign   uint64           `json:"foreign_adverts,omitempty"`
	Instances []InstanceStatus `json:"instances"`
	Groups    []GroupStatus    `json:"groups,omitempty"`
}

// GateStatus says how leases are enforced here.
type GateStatus struct {
	Mode string `json:"mode"` // ebpf, nft, lifetime, off
	Why  string `json:"why,omitempty"`
}

// InstanceStatus is one virtual router.
type InstanceStatus struct {
	Name              string          `json:"name"`
	State             string          `json:"state"`
	Since             time.Time       `json:"since"`
	Why               string          `json:"why"`
	Priority          uint8           `json:"priority"`
	EffectivePriority uint8           `json:"effective_priority"`
	Interface         string          `json:"interface"`
	VRID              uint8           `json:"vrid"`
	Version           uint8           `json:"version"`
	AdvertMS          float64         `json:"advert_ms"`
	Source            string          `json:"source,omitempty"`
	Addresses         []string        `json:"addresses"`
	Held              bool            `json:"held"` // the addresses are set here
	Master            string          `json:"master,omitempty"`
	MasterPriority    uint8           `json:"master_priority,omitempty"`
	LastAdvertMS      float64         `json:"last_advert_ms,omitempty"`
	Gate              string          `json:"gate"` // open, closed, off
	GateMS            float64         `json:"gate_ms,omitempty"`
	Faults            []string        `json:"faults,omitempty"`
	Trackers          []TrackerStatus `json:"trackers,omitempty"`
	Counters          Counters        `json:"counters"`
}

// TrackerStatus is something an instance depends on.
type TrackerStatus struct {
	Kind   string `json:"kind"` // interface, script, proxy
	Name   string `json:"name"`
	State  string `json:"state"` // up, down, unknown
	Weight int    `json:"weight"`
	Last   string `json:"last,omitempty"` // how a script last failed, or why a proxy counts as down
}

// GroupStatus is one sync group.
type GroupStatus struct {
	Name    string   `json:"name"`
	State   string   `json:"state"`
	Members []string `json:"members"`
}

// Counters count adverts.
type Counters struct {
	Sent          uint64            `json:"adverts_sent"`
	Received      uint64            `json:"adverts_received"`
	ZeroSent      uint64            `json:"priority_zero_sent"`
	ZeroReceived  uint64            `json:"priority_zero_received"`
	BecomeMaster  uint64            `json:"become_master"`
	ReleaseMaster uint64            `json:"release_master"`
	Refused       map[string]uint64 `json:"refused,omitempty"` // by reason
	SocketDrops   uint64            `json:"socket_drops,omitempty"`
	GateDrops     uint64            `json:"gate_drops,omitempty"`
}

// Status takes a snapshot on the router thread.
func (e *Engine) Status() (Status, error) {
	var s Status
	err := e.call(func(vrrp.Time) { s = e.router.status() })
	return s, err
}

func (r *router) status() Status {
	s := Status{RouterID: r.site.Global.RouterID, MaxLateMS: ms(r.maxLate),
		Gate: GateStatus{Mode: gateName(r.gates.Mode()), Why: r.gates.Why()}, Instances: []InstanceStatus{}}
	for _, p := range r.ports {
		s.Foreign += p.unknown + p.malformed
	}
	for _, m := range r.instances {
		s.Instances = append(s.Instances, r.instanceStatus(m))
	}
	for _, g := range r.groups {
		gs := GroupStatus{Name: g.cfg.Name, State: g.state.String()}
		for _, m := range g.members {
			gs.Members = append(gs.Members, m.cfg.Name)
		}
		s.Groups = append(s.Groups, gs)
	}
	return s
}

func (r *router) instanceStatus(m *instance) InstanceStatus {
	st := r.machine.Status(m.id)
	now := vrrp.Time(realtime.Now())
	out := InstanceStatus{
		Name: m.cfg.Name, State: st.State.String(), Since: m.changed.at, Why: st.Last.String(),
		Priority: m.cfg.Priority, EffectivePriority: st.Effective, Interface: m.cfg.Interface,
		VRID: m.cfg.VRID, Version: m.cfg.Version, AdvertMS: ms(m.cfg.AdvertInterval),
		Addresses: []string{}, Held: len(m.assigned) > 0, Gate: "off",
		Faults:   append([]string(nil), m.faults...),
		Counters: counters(&st),
	}
	if m.source.IsValid() && !m.sourceless {
		out.Source = m.source.String()
	}
	if m.changed.at.IsZero() {
		out.Since, out.Why = ago(st.Since), "start"
	}
	for _, a := range addresses(m.cfg) {
		out.Addresses = append(out.Addresses, a.Prefix.String())
	}
	if st.Master.Addr.IsValid() && m.state == vrrp.Backup { // claiming, too
		out.Master, out.MasterPriority = st.Master.Addr.String(), st.Master.Priority
		out.LastAdvertMS = ms(now.Sub(st.Master.At))
	}
	if m.gate != nil {
		out.Gate = "closed"
		if left := m.gate.Deadline() - time.Duration(now); left > 0 {
			out.Gate, out.GateMS = "open", ms(left)
		}
		d := m.gate.Drops()
		out.Counters.GateDrops = d.Questions + d.PacketsIn + d.Announcements + d.PacketsOut + d.Adverts
	}
	if m.port != nil {
		out.Counters.SocketDrops = uint64(m.port.socket.Drops())
	}
	for _, t := range r.interfaceTrackers(m) {
		link, ok := r.link(t.Name)
		out.Trackers = append(out.Trackers,
			TrackerStatus{Kind: "interface", Name: t.Name, State: updown(ok && link.Up), Weight: t.Weight})
	}
	for _, t := range m.cfg.TrackProxies {
		ts := TrackerStatus{Kind: "proxy", Name: t.Name, State: scriptUnknown.String(), Weight: t.Weight}
		if !r.proxies.unknown() {
			ok, why := r.proxies.usable(t.Name)
			ts.State, ts.Last = updown(ok), why
		}
		out.Trackers = append(out.Trackers, ts)
	}
	for _, t := range r.scriptTrackers(m) {
		ts := TrackerStatus{Kind: "script", Name: t.Script.Name, State: scriptUnknown.String(), Weight: t.Weight}
		if s := r.scripts[t.Script.Name]; s != nil {
			ts.State, ts.Last = s.state.String(), s.last
		}
		out.Trackers = append(out.Trackers, ts)
	}
	return out
}

func counters(st *vrrp.Status) Counters {
	c := Counters{Sent: st.Sent, Received: st.Refused[vrrp.Accepted], ZeroSent: st.ZeroSent, ZeroReceived: st.ZeroHeard,
		BecomeMaster: st.BecomeNum, ReleaseMaster: st.ReleaseNum}
	for reason := vrrp.Accepted + 1; reason < vrrp.NumRefusals; reason++ {
		if n := st.Refused[reason]; n > 0 {
			if c.Refused == nil {
				c.Refused = map[string]uint64{}
			}
			c.Refused[reason.String()] = n
		}
	}
	return c
}

// ms is a duration in milliseconds with microsecond resolution.
func ms(d time.Duration) float64 { return math.Round(d.Seconds()*1e6) / 1e3 }
