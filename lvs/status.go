package lvs

import (
	"time"
)

// Status is what the engine thinks of its virtual servers now.
type Status struct {
	Driver  string          `json:"driver"`
	Virtual []VirtualStatus `json:"virtual_servers"`
	// Letters counts connection synchronisation; absent where our plane does not forward.
	ConnSync *ConnSyncStats `json:"letters,omitempty"`
	// Packets counts what became of packets since our plane was made; absent where it does not forward.
	Packets []Fate `json:"packets,omitempty"`
}

// Fate is what became of some packets.
type Fate struct {
	Name    string `json:"name"` // e.g. malformed
	Help    string `json:"help"`
	Packets uint64 `json:"packets"`
}

// VirtualStatus is one virtual_server.
type VirtualStatus struct {
	Name      string         `json:"name"`
	Keys      []string       `json:"services"` // as ipvsadm names them
	Quorate   bool           `json:"quorum"`
	Live      int            `json:"live_weight"`
	Quorum    int            `json:"quorum_needed"`
	Suspended bool           `json:"suspended,omitempty"` // ha_suspend: the address is elsewhere
	Sorry     string         `json:"sorry_server,omitempty"`
	Servers   []ServerStatus `json:"real_servers"`
}

// ServerStatus is one real_server.
type ServerStatus struct {
	Address string        `json:"address"`
	Live    bool          `json:"live"`
	Listed  bool          `json:"in_table"`
	Weight  int           `json:"weight"` // in the table
	Checks  []CheckStatus `json:"checks,omitempty"`
}

// CheckStatus is one checker.
type CheckStatus struct {
	Kind    string     `json:"kind"`
	Passing bool       `json:"passing"`
	Reason  string     `json:"reason,omitempty"` // of the last failed attempt
	Ran     *time.Time `json:"ran,omitempty"`    // end of the last attempt
}

// Status looks at everything at once.
func (e *Engine) Status() (s Status, err error) {
	err = e.call(func() { s = e.ctl.status() })
	return s, err
}

func (ctl *controller) status() Status {
	info, _ := ctl.reconciler.driver.Info()
	s := Status{Driver: info.Driver, Virtual: []VirtualStatus{}}
	for _, v := range ctl.virtuals {
		vs := VirtualStatus{Name: v.cfg.Name, Quorate: v.pool.Quorate(), Live: v.pool.LiveWeight(),
			Quorum: v.cfg.Quorum, Suspended: v.suspended}
		for _, k := range v.cfg.Keys {
			vs.Keys = append(vs.Keys, k.String())
		}
		if v.cfg.Sorry != nil {
			vs.Sorry = v.cfg.Sorry.Addr.String()
		}
		for i, rs := range v.servers {
			ss := ServerStatus{Address: rs.cfg.Addr.String(), Live: v.pool.Live(i)}
			ss.Weight, ss.Listed = v.pool.Entry(i)
			for j, t := range rs.checks {
				cs := CheckStatus{Kind: t.cfg.Kind.String(), Passing: !v.pool.Down(i, j)}
				if !t.ran.IsZero() {
					ran := t.ran
					cs.Ran = &ran
				}
				if !t.last.OK {
					cs.Reason = t.last.Reason
				}
				ss.Checks = append(ss.Checks, cs)
			}
			vs.Servers = append(vs.Servers, ss)
		}
		s.Virtual = append(s.Virtual, vs)
	}
	return s
}
