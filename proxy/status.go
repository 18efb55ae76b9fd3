package proxy

import (
	"time"

	"github.com/evenkeel/evenkeel/config"
)

// Status is a snapshot of an engine: what the statistics page, the runtime socket and the
// director see. Its parts were read one after the other, not at one instant.
type Status struct {
	Info Info
	Rows []Row // by proxy in file order: the frontend's row, its servers, the backend's row
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
	Listeners, Tasks                   int
	Ulimit                             int64
}

// Kind says what a Row is about; the numbers are those of the CSV's type field.
type Kind int

// Kinds of rows.
const (
	FrontendRow Kind = iota
	BackendRow
	ServerRow
	ListenerRow
)

// Row holds the figures of one frontend, backend, server or listener, under the names of the reference's CSV
// fields. Fields a kind of row does not have are zero; which those are follows from Kind.
type Row struct {
	Kind     Kind
	Proxy    *config.Proxy
	Config   *config.Server // servers only
	Name     string         // svname: FRONTEND, BACKEND or the name
	Mode     config.Mode
	IID, SID int

	QueueNow, QueueMax, QueueLimit                     int64 // qcur qmax qlimit
	SessionsNow, SessionsMax, SessionsLimit            int64 // scur smax slim
	SessionsTotal                                      int64 // stot
	BytesIn, BytesOut                                  int64
	DeniedRequests, DeniedResponses                    int64
	DeniedConnections, DeniedSessions                  int64 // dcon dses
	FailedRequests, FailedConnections, FailedResponses int64 // ereq econ eresp
	Retries, Redispatches                              int64
	// State is the text of the status field: OPEN, FULL, STOP, UP, DOWN, NOLB, MAINT, DRAIN, "UP 1/3", "no check",
	// "MAINT (via x/y)" ….
	State                                                       string
	Weight, UserWeight                                          int64
	Active, Backup                                              int           // of a server 0 or 1; of a backend how many are usable
	CheckFailures, DownTransitions                              int64         // chkfail chkdown
	LastChange                                                  time.Duration // since the last change of state
	DownTime                                                    time.Duration
	Throttle                                                    int    // percent of the weight during slowstart; -1: none
	Selected                                                    int64  // lbtot
	Tracked                                                     string // backend/server
	Rate, RateLimit, RateMax                                    int64  // sessions per second
	ConnRate, ConnRateMax, ConnTotal                            int64
	ReqRate, ReqRateMax, ReqTotal                               int64
	Codes                                                       [6]int64 // hrsp_other, 1xx … 5xx
	ClientAborts, ServerAborts                                  int64
	LastSession                                                 time.Duration // since the last one; -1: never
	QueueTime, ConnectTime, ResponseTime, TotalTime             int64         // ms, mean of the last 1024
	QueueTimeMax, ConnectTimeMax, ResponseTimeMax, TotalTimeMax int64
	Address, Cookie, Algorithm                                  string
	Intercepted, Connects, Reuses                               int64
	IdleNow, InUse                                              int64

	Check CheckStatus
	// Admin, of a server: what an operator set.
	Maintenance, Draining bool
	// Running, of a server: what its checks say.
	Running bool
}

// CheckStatus is the state of a server's checks.
type CheckStatus struct {
	On                 bool
	Running            bool   // a check is under way: "* " before the status
	Status             string // L4OK, L7STS, …; empty: none yet
	Code               int    // layer 5-7 code; -1: none
	Duration           time.Duration
	Text               string // last_chk
	Describe           string // check_desc
	Rise, Fall, Health int
	Failures           int64
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

// Healths.
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
