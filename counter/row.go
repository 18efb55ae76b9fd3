package counter

import (
	"time"

	"github.com/evenkeel/evenkeel/config"
)

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
	State              string
	Weight, UserWeight int64
	// of a server 0 or 1; of a backend how many are usable
	Active, Backup                 int
	CheckFailures, DownTransitions int64         // chkfail chkdown
	LastChange                     time.Duration // since the last change of state
	DownTime                       time.Duration
	// percent of the weight during slowstart; -1: none
	Throttle                                                    int
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
}

// Fill copies what all kinds of rows have.
func (r *Row) Fill(t *Sums, now time.Time) {
	r.SessionsTotal, r.BytesIn, r.BytesOut = t.Sessions, t.BytesIn, t.BytesOut
	r.DeniedRequests, r.DeniedResponses, r.DeniedConnections = t.DeniedRequests, t.DeniedResponses, t.DeniedConnections
	r.FailedRequests, r.FailedConnections, r.FailedResponses = t.FailedRequests, t.FailedConnections, t.FailedResponses
	r.Retries, r.Redispatches = t.Retries, t.Redispatches
	r.ClientAborts, r.ServerAborts, r.Intercepted = t.ClientAborts, t.ServerAborts, t.Intercepted
	r.Selected, r.Connects, r.Reuses, r.Codes = t.Selected, t.Connects, t.Reuses, t.Codes
	r.Rate, r.RateMax = t.Rate, t.RateMax
	r.ConnRate, r.ConnRateMax, r.ConnTotal = t.ConnectionRate, t.ConnectionRateMax, t.Connections
	r.ReqRate, r.ReqRateMax, r.ReqTotal = t.RequestRate, t.RequestRateMax, t.Requests
	r.QueueTime, r.ConnectTime, r.ResponseTime, r.TotalTime = t.Times[0], t.Times[1], t.Times[2], t.Times[3]
	r.QueueTimeMax, r.ConnectTimeMax, r.ResponseTimeMax, r.TotalTimeMax = t.TimesMax[0], t.TimesMax[1], t.TimesMax[2],
		t.TimesMax[3]
	r.LastSession = -1
	if t.LastSession > 0 {
		r.LastSession = now.Sub(time.Unix(t.LastSession, 0)).Truncate(time.Second)
	}
	r.Throttle = -1
}
