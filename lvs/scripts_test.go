package lvs

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/lvs/table"
)

// shape is a virtual server of TestScripts: what its programs are called by, and its servers. Server 9 fails,
// others do not.
type shape struct {
	name              string // also of its programs; empty: of the first
	quorum, hyst      int
	alpha, sorry      bool
	omega, initialise bool
	servers           []int
}

func (s shape) server() *config.VirtualServer {
	var all []string
	for _, n := range s.servers {
		all = append(all, fmt.Sprintf("10.0.0.%d:80", n))
	}
	vs := site(nil, all...).Servers[0]
	vs.Name += s.name
	if s.name != "" {
		vs.Keys = []table.Key{{Protocol: table.TCP, Addr: vs.Keys[0].Addr, Mark: 1}}
	}
	vs.Quorum, vs.Hysteresis, vs.Omega = max(s.quorum, 1), s.hyst, s.omega
	vs.QuorumUp, vs.QuorumDown = command("QUP"+s.name), command("QDOWN"+s.name)
	if s.sorry {
		vs.Sorry = &config.RealServer{Destination: table.Destination{Addr: vs.Keys[0].Addr, Weight: 1}}
	}
	for i, rs := range vs.Servers {
		rs.Checkers[0].Alpha = s.alpha
		rs.NotifyUp, rs.NotifyDn = command(fmt.Sprintf("up%d%s", s.servers[i], s.name)), command(fmt.Sprintf("down%d%s",
			s.servers[i], s.name))
	}
	return vs
}

var both, first = []int{1, 2}, []int{1}

type scriptCase struct {
	name  string
	steps [][]shape
	want  []string // at each step, and at the end
}

var scriptCases = []scriptCase{
	{"plain", [][]shape{{{servers: both}}, {{servers: first}}, {{servers: both}}}, []string{"QUP", "down2", "", ""}},
	{"alpha", [][]shape{{{alpha: true, servers: first}}, {{alpha: true, servers: both}}},
		[]string{"up1 QUP", "up2", ""}},
	{"alpha, one fails", [][]shape{{{alpha: true, servers: []int{9}}}}, []string{"down9", ""}},
	{"quorum of two", [][]shape{{{quorum: 2, servers: both}}, {{quorum: 1, servers: first}}},
		[]string{"QUP", "down2 QDOWN +QUP", ""}},
	{"quorum of two stays", [][]shape{{{quorum: 2, servers: both}}, {{quorum: 2, servers: first}}},
		[]string{"QUP", "down2 QDOWN", ""}},
	{"alpha of two", [][]shape{{{alpha: true, quorum: 1, servers: first}}, {{alpha: true, quorum: 2, servers: both}}},
		[]string{"up1 QUP", "QDOWN up2 QUP", ""}},
	{"one is down", [][]shape{{{servers: []int{1, 9}}}, {{servers: first}}, {{servers: []int{1, 9}}}},
		[]string{"QUP down9", "", "down9", ""}},
	{"all are down", [][]shape{{{servers: []int{9}}}, {{servers: both}}}, []string{"QUP down9 QDOWN", "QUP", ""}},
	{"a service more", [][]shape{{{servers: both}}, {{servers: both}, {name: "B", servers: both}}, {{servers: both}}},
		[]string{"QUP", "QUPB", "down1B down2B QDOWNB", ""}},
	{"the last goes", [][]shape{{{servers: both}}, {{name: "B", servers: first}}},
		[]string{"QUP", "down1 down2 QDOWN QUPB", ""}},
	{"the last is half down", [][]shape{{{servers: []int{1, 9}}}, {{name: "B", servers: first}}},
		[]string{"QUP down9", "down1 QDOWN QUPB", ""}},
	{"none is left", [][]shape{{{servers: both}}, {}}, []string{"QUP", "down1 down2 QDOWN", ""}},
	{"omega", [][]shape{{{omega: true, servers: both}}, {{omega: true, servers: first}}},
		[]string{"QUP", "down2", "down1 QDOWN"}},
	{"another one", [][]shape{{{servers: first}}, {{servers: []int{2}}}}, []string{"QUP", "down1 QDOWN +QUP", ""}},
	{"hysteresis", [][]shape{{{quorum: 2, hyst: 1, servers: both}}, {{quorum: 1, servers: first}}},
		[]string{"", "down2 QUP", ""}},
	{"hysteresis and a sorry server", [][]shape{{{quorum: 2, hyst: 1, sorry: true, servers: both}}},
		[]string{"QDOWN", ""}},
	{"alpha and a sorry server", [][]shape{{{quorum: 2, alpha: true, sorry: true, servers: []int{1, 9}}}},
		[]string{"QDOWN up1 down9", ""}},
	{"rs_init_notifies", [][]shape{{{initialise: true, servers: first}}, {{initialise: true, servers: both}},
		{{initialise: true, servers: first}}},
		[]string{"QUP up1", "up2", "down2", ""}},
	{"rs_init_notifies and alpha", [][]shape{{{initialise: true, alpha: true, servers: []int{1, 9}}}},
		[]string{"up1 QUP down9", ""}},
}

// TestScripts: what runs at the start, at each reload and at the end, as Keepalived 2.2.7 runs it (test/lvs
// compares the two). Where that leaves a service with its quorum told to be down, we tell in addition that it is
// up: marked with +.
func TestScripts(t *testing.T) {
	for _, c := range scriptCases {
		t.Run(c.name, func(t *testing.T) { scriptsRun(t, c) })
	}
}

func scriptsRun(t *testing.T, c scriptCase) {
	t.Parallel()
	r := newRig(t)
	r.set("10.0.0.9:80", Outcome{Reason: "no answer"})
	before := 0
	ran := func(want string) {
		t.Helper()
		sort := func(all []string) string { slices.Sort(all); return strings.Join(all, " ") }
		want = sort(strings.Fields(strings.ReplaceAll(want, "+", "")))
		get := func() string {
			r.mu.Lock()
			defer r.mu.Unlock()
			return sort(slices.Clone(r.ran[before:]))
		}
		r.until("what ran", want, get)
		r.rounds(3)
		r.until("what ran in the end", want, get)
		r.mu.Lock()
		before = len(r.ran)
		r.mu.Unlock()
	}
	for i, step := range c.steps {
		cfg := &config.LVS{}
		for _, s := range step {
			cfg.Servers = append(cfg.Servers, s.server())
			cfg.InitNotifies = cfg.InitNotifies || s.initialise
		}
		if i == 0 {
			r.start(cfg)
		} else if _, err := r.engine.Apply(cfg, config.Global{}); err != nil {
			t.Fatal(err)
		}
		ran(c.want[i])
	}
	r.engine.Close()
	ran(c.want[len(c.steps)])
}
