package proxy

import (
	"time"

	"github.com/evenkeel/evenkeel/counter"
)

// Status is a snapshot of an engine: what the statistics page, the runtime socket and the
// director see. Its parts were read one after the other, not at one instant.
type Status struct {
	Info Info
	Rows []counter.Row // by proxy in file order: the frontend's row, its servers, the backend's row
}

// Info is what `show info` tells of the process.
type Info struct {
	PID                                int
	Started                            time.Time
	Threads                            int
	MaxConn, CurrentConns, MaxConnSeen int64
	Connections, Requests              int64 // since start
	ConnRate, ConnRateMax              int64
	SessRate, SessRateMax              int64
	BytesIn, BytesOut                  int64
	Node, Description                  string
	Draining                           bool
	DroppedLogs                        int64
	Listeners                          int
}

// Commands of the runtime socket and the page. Names are as configured; each returns an error
// that can be shown to the operator.
//
// They may be called from any goroutine and do not wait for traffic.
type Commands interface {
	Status() Status
	BadMessages() []*BadMessage
	Sessions() []Session

	SetState(backend, server string, s AdminState) error
	SetWeight(backend, server string, weight int) error      // 0-256
	ScaleWeight(backend, server string, percent int) error   // of the configured one
	SetAddress(backend, server, addr string, port int) error // "" or 0 leave that part
	SetHealth(backend, server string, h ForcedHealth) error
	SetServerMaxConn(backend, server string, n int) error
	SetFrontendMaxConn(name string, n int) error
	SetMaxConn(n int) error
	EnableChecks(backend, server string, on bool) error
	EnableFrontend(name string, on bool) error
	ShutdownFrontend(name string) error
	ShutdownSessions(backend, server string) error
	ShutdownSession(id string) error
	ClearCounters(all bool) // all: totals too, not only maxima
}

// AdminState is what an operator wants of a server.
type AdminState int

// Administrative states.
const (
	Ready AdminState = iota
	Drain
	Maint
)

// ForcedHealth is a health set by hand.
type ForcedHealth int

// States of health.
const (
	HealthUp ForcedHealth = iota
	HealthStopping
	HealthDown
)

// Session is one line of `show sess`.
type Session struct {
	ID                                string
	Frontend, Backend, Server, Source string
	Age                               time.Duration
	Phase                             string
	BytesIn, BytesOut                 int64
}

// Row holds the figures of one frontend, backend or server.
type Row = counter.Row

// Kind says what a Row is about.
type Kind = counter.Kind

// Kinds of rows.
const (
	FrontendRow = counter.FrontendRow
	BackendRow  = counter.BackendRow
	ServerRow   = counter.ServerRow
	ListenerRow = counter.ListenerRow
)

// CheckStatus is the state of a server's checks.
type CheckStatus = counter.CheckStatus
