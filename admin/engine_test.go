package admin

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/proxy"
)

// A standIn is an engine of made-up figures that remembers its orders.
type standIn struct {
	status proxy.Status
	bad    []*proxy.BadMessage
	orders []string
	refuse error
	looks  atomic.Int64 // at the status
}

func (e *standIn) did(format string, args ...any) error {
	e.orders = append(e.orders, fmt.Sprintf(format, args...))
	return e.refuse
}

func (e *standIn) Status() proxy.Status             { e.looks.Add(1); return e.status }
func (e *standIn) BadMessages() []*proxy.BadMessage { return e.bad }
func (e *standIn) Sessions() []proxy.Session {
	return []proxy.Session{{ID: "0x2a", Frontend: "web", Backend: "app", Server: "s1", Source: "127.0.0.1:4000",
		Age: 3 * time.Second, Phase: "data", BytesIn: 10, BytesOut: 20}}
}

func (e *standIn) SetState(b, s string, state proxy.AdminState) error {
	return e.did("state %s/%s %d", b, s, state)
}
func (e *standIn) SetWeight(b, s string, w int) error   { return e.did("weight %s/%s %d", b, s, w) }
func (e *standIn) ScaleWeight(b, s string, p int) error { return e.did("scale %s/%s %d", b, s, p) }
func (e *standIn) SetAddress(b, s, addr string, port int) error {
	if _, err := netip.ParseAddr(addr); err != nil {
		return errors.New("invalid addr '" + addr + "'")
	}
	for i := range e.status.Rows {
		if r := &e.status.Rows[i]; r.Proxy.Name == b && r.Name == s {
			_, old, _ := strings.Cut(r.Address, ":")
			if port != 0 {
				old = fmt.Sprint(port)
			}
			r.Address = addr + ":" + old
		}
	}
	return e.did("address %s/%s %s %d", b, s, addr, port)
}
func (e *standIn) SetHealth(b, s string, h proxy.ForcedHealth) error {
	return e.did("health %s/%s %d", b, s, h)
}
func (e *standIn) SetServerMaxConn(b, s string, n int) error {
	return e.did("maxconn %s/%s %d", b, s, n)
}
func (e *standIn) SetFrontendMaxConn(name string, n int) error {
	return e.did("maxconn %s %d", name, n)
}
func (e *standIn) SetMaxConn(n int) error                  { return e.did("maxconn %d", n) }
func (e *standIn) EnableChecks(b, s string, on bool) error { return e.did("checks %s/%s %v", b, s, on) }
func (e *standIn) EnableFrontend(name string, on bool) error {
	return e.did("frontend %s %v", name, on)
}
func (e *standIn) ShutdownFrontend(name string) error { return e.did("shutdown %s", name) }
func (e *standIn) ShutdownSessions(b, s string) error { return e.did("sessions %s/%s", b, s) }
func (e *standIn) ShutdownSession(id string) error {
	if id != "0x2a" {
		return errors.New("no such session")
	}
	return e.did("session %s", id)
}
func (e *standIn) ClearCounters(all bool) { _ = e.did("clear %v", all) }

// newStandIn is the site of the reference's outputs in these tests.
func newStandIn() *standIn {
	web := &config.Proxy{Name: "web", ID: 2, Kind: "frontend", Front: true, Mode: config.HTTP}
	app := &config.Proxy{Name: "app", ID: 4, Kind: "backend", Back: true, Mode: config.HTTP}
	db := &config.Proxy{Name: "db", ID: 5, Kind: "backend", Back: true, Mode: config.TCP}
	server := func(p *config.Proxy, id int, name string) *config.Server {
		s := &config.Server{Name: name, ID: id, Weight: 1, PoolMax: -1, PoolPurgeDelay: 5 * time.Second,
			Check: config.CheckParams{On: true, Rise: 2, Fall: 3}}
		p.Servers = append(p.Servers, s)
		return s
	}
	s1, s2, s3, s4 := server(app, 1, "s1"), server(app, 2, "s2"), server(app, 3, "s3"), server(app, 4, "s4")
	t1 := server(db, 1, "t1")
	s3.Disabled = true
	s4.Check.On = false
	check := proxy.CheckStatus{On: true, Status: "L4OK", Code: -1, Describe: "Layer4 check passed", Rise: 2, Fall: 3,
		Health: 4}
	failing := proxy.CheckStatus{On: true, Running: true, Status: "L7STS", Code: 500, Duration: 3 * time.Millisecond,
		Text: `said "no", twice`, Describe: "Layer7 wrong status", Rise: 2, Fall: 3, Health: 3}
	rows := []proxy.Row{
		{Kind: proxy.FrontendRow, Proxy: web, Name: "FRONTEND", Mode: config.HTTP, IID: 2, State: "OPEN",
			SessionsMax: 1, SessionsLimit: 500, SessionsTotal: 2, BytesIn: 165, BytesOut: 98,
			RateLimit: 200, RateMax: 2, Codes: [6]int64{0, 0, 2}, ReqRateMax: 2, ReqTotal: 2, ConnRateMax: 2,
			ConnTotal: 2, LastSession: -1, Throttle: -1},
		{Kind: proxy.ServerRow, Proxy: app, Config: s1, Name: "s1", Mode: config.HTTP, IID: 4, SID: 1, State: "UP 2/3",
			Weight: 1, UserWeight: 1, Active: 1, SessionsLimit: 10, Check: failing, CheckFailures: 1,
			LastChange: 2 * time.Second, LastSession: -1, Throttle: -1, Address: "127.0.0.1:18090", Cookie: "c1"},
		{Kind: proxy.ServerRow, Proxy: app, Config: s2, Name: "s2", Mode: config.HTTP, IID: 4, SID: 2, State: "UP",
			Weight: 50, UserWeight: 50, Active: 1, SessionsTotal: 2, BytesIn: 165, BytesOut: 98, Check: check,
			Codes: [6]int64{0, 0, 2}, ReqTotal: 2, LastChange: 2 * time.Second, LastSession: 0, Throttle: -1,
			Selected: 2, RateMax: 2, Address: "127.0.0.1:18091", Connects: 2, IdleNow: 1},
		{Kind: proxy.ServerRow, Proxy: app, Config: s3, Name: "s3", Mode: config.HTTP, IID: 4, SID: 3, State: "MAINT",
			Weight: 1, UserWeight: 1, Active: 1, Check: proxy.CheckStatus{On: true}, Maintenance: true,
			LastChange: 2 * time.Second, DownTime: 2 * time.Second, LastSession: -1, Throttle: -1,
			Address: "127.0.0.1:18092"},
		{Kind: proxy.ServerRow, Proxy: app, Config: s4, Name: "s4", Mode: config.HTTP, IID: 4, SID: 4,
			State: "no check", Weight: 1, UserWeight: 1, Backup: 1, LastChange: 2 * time.Second, LastSession: -1,
			Throttle: -1,
			Address:  "127.0.0.1:18093"},
		{Kind: proxy.BackendRow, Proxy: app, Name: "BACKEND", Mode: config.HTTP, IID: 4, State: "UP", SessionsMax: 1,
			SessionsLimit: 50, SessionsTotal: 2, BytesIn: 165, BytesOut: 98, Weight: 51, UserWeight: 51, Active: 2,
			Backup: 1,
			Codes:  [6]int64{0, 0, 2}, ReqTotal: 2, LastChange: 2 * time.Second, Throttle: -1, Selected: 2, RateMax: 2,
			Cookie: "SRV", Algorithm: "roundrobin", Connects: 2},
		{Kind: proxy.ServerRow, Proxy: db, Config: t1, Name: "t1", IID: 5, SID: 1, State: "DOWN 1/2", Weight: 1,
			UserWeight: 1, Active: 1, Check: check, LastChange: 2 * time.Second, LastSession: -1, Throttle: 40,
			Address: "[::1]:5432"},
		{Kind: proxy.BackendRow, Proxy: db, Name: "BACKEND", IID: 5, State: "DOWN", SessionsLimit: 100,
			LastChange: 2 * time.Second, LastSession: -1, Throttle: -1, Algorithm: "leastconn"},
	}
	return &standIn{status: proxy.Status{
		Info: proxy.Info{PID: 6687, Started: time.Unix(1795244604, 0), Threads: 1, MaxConn: 1000, Connections: 17,
			Requests: 5, CurrentConns: 1, Listeners: 2, Node: "nodeA", Description: "my desc"},
		Rows: rows}}
}

func newAdmin(t testing.TB) (*Admin, *standIn) {
	t.Helper()
	e := newStandIn()
	a := New(e, Options{Version: "0.3.0", Release: "2026/11/21", Sockets: []config.StatsSocket{
		{Listen: config.Listen{Path: "/run/x.sock"}, Level: config.LevelAdmin}}})
	a.now = func() time.Time { return time.Unix(1795244606, 144e6).UTC() }
	return a, e
}
