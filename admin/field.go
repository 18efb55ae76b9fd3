package admin

import (
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/proxy"
)

// A value is one field of one row.
type value struct {
	kind byte // 0: the row does not have the field; 'u' u32, 'U' u64, 'i' s32, 'f' flt, 's' str
	n    int64
	f    float64 // of a flt, with n
	s    string
}

func u32(n int64) value       { return value{kind: 'u', n: n} }
func u64(n int64) value       { return value{kind: 'U', n: n} }
func s32(n int64) value       { return value{kind: 'i', n: n} }
func flt(f float64) value     { return value{kind: 'f', n: int64(f), f: f} }
func str(s string) value      { return value{kind: 's', s: s} }
func nonEmpty(s string) value { return strIf(s != "", s) }
func u32If(have bool, n int64) value {
	if !have {
		return value{}
	}
	return u32(n)
}
func u64If(have bool, n int64) value {
	if !have {
		return value{}
	}
	return u64(n)
}
func strIf(have bool, s string) value {
	if !have {
		return value{}
	}
	return str(s)
}

// typeName is the value's type as the typed output names it.
func (v value) typeName() string {
	switch v.kind {
	case 'u':
		return "u32"
	case 'U':
		return "u64"
	case 'i':
		return "s32"
	case 'f':
		return "flt"
	}
	return "str"
}

// appendNumber writes a value that is no string; a fraction has at most six digits.
func (v value) appendNumber(out []byte) []byte {
	if v.kind != 'f' {
		return strconv.AppendInt(out, v.n, 10)
	}
	return append(out, strings.TrimRight(strings.TrimRight(strconv.FormatFloat(v.f, 'f', 6, 64), "0"), ".")...)
}

// A field is one column of the statistics.
type field struct {
	name string
	// tags are the origin (Metric, Status, Key, Config, Product), the nature and the scope of the value.
	tags string
	help string
	get  func(*proxy.Row) value
}

// Which rows have a field.
const (
	ofFront    = 1 << proxy.FrontendRow
	ofBack     = 1 << proxy.BackendRow
	ofServer   = 1 << proxy.ServerRow
	ofListener = 1 << proxy.ListenerRow
)

func has(r *proxy.Row, kinds int) bool { return kinds>>r.Kind&1 != 0 }

func isHTTP(r *proxy.Row) bool { return r.Mode == config.HTTP }

// checked reports whether a server's checks have something to tell.
func checked(r *proxy.Row) bool {
	return r.Kind == proxy.ServerRow && r.Check.On && !r.Maintenance && r.Tracked == "" && r.Check.Status != ""
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// gauge, counter and the rest make fields that some kinds of rows have.
func gauge(kinds int, get func(*proxy.Row) int64) func(*proxy.Row) value {
	return func(r *proxy.Row) value { return u32If(has(r, kinds), get(r)) }
}

func counter(kinds int, get func(*proxy.Row) int64) func(*proxy.Row) value {
	return func(r *proxy.Row) value { return u64If(has(r, kinds), get(r)) }
}

// code makes a counter of responses, which rows of mode http have.
func code(n int) func(*proxy.Row) value {
	return func(r *proxy.Row) value { return u64If(has(r, ofFront|ofBack|ofServer) && isHTTP(r), r.Codes[n]) }
}

func none(*proxy.Row) value { return value{} }

func zero(*proxy.Row) int64 { return 0 }

// fields are the columns 0 to 102 of the reference, whose order programs rely on.
var fields = [...]field{
	{"pxname", "KNS", "name of the proxy", func(r *proxy.Row) value { return str(r.Proxy.Name) }},
	{"svname", "KNS", "FRONTEND, BACKEND, or the name of the server or listener",
		func(r *proxy.Row) value { return str(r.Name) }},
	{"qcur", "MGP", "requests waiting in the queue",
		gauge(ofBack|ofServer, func(r *proxy.Row) int64 { return r.QueueNow })},
	{"qmax", "MMP", "most requests that ever waited",
		gauge(ofBack|ofServer, func(r *proxy.Row) int64 { return r.QueueMax })},
	{"scur", "MGP", "sessions at this moment",
		gauge(ofFront|ofBack|ofServer|ofListener, func(r *proxy.Row) int64 { return r.SessionsNow })},
	{"smax", "MMP", "most sessions at one moment",
		gauge(ofFront|ofBack|ofServer|ofListener, func(r *proxy.Row) int64 { return r.SessionsMax })},
	{"slim", "CLP", "limit of sessions", func(r *proxy.Row) value {
		return u32If(r.Kind != proxy.ServerRow || r.SessionsLimit > 0, r.SessionsLimit)
	}},
	{"stot", "MCP", "sessions since the start",
		counter(ofFront|ofBack|ofServer|ofListener, func(r *proxy.Row) int64 { return r.SessionsTotal })},
	{"bin", "MCP", "bytes from clients",
		counter(ofFront|ofBack|ofServer|ofListener, func(r *proxy.Row) int64 { return r.BytesIn })},
	{"bout", "MCP", "bytes to clients",
		counter(ofFront|ofBack|ofServer|ofListener, func(r *proxy.Row) int64 { return r.BytesOut })},
	{"dreq", "MCP", "requests denied by rules",
		counter(ofFront|ofBack|ofListener, func(r *proxy.Row) int64 { return r.DeniedRequests })},
	{"dresp", "MCP", "responses denied by rules",
		counter(ofFront|ofBack|ofServer|ofListener, func(r *proxy.Row) int64 { return r.DeniedResponses })},
	{"ereq", "MCP", "requests that were invalid or given up",
		counter(ofFront|ofListener, func(r *proxy.Row) int64 { return r.FailedRequests })},
	{"econ", "MCP", "connections to servers that failed",
		counter(ofBack|ofServer, func(r *proxy.Row) int64 { return r.FailedConnections })},
	{"eresp", "MCP", "responses that were invalid or broke off",
		counter(ofBack|ofServer, func(r *proxy.Row) int64 { return r.FailedResponses })},
	{"wretr", "MCP", "connections tried again",
		counter(ofBack|ofServer, func(r *proxy.Row) int64 { return r.Retries })},
	{"wredis", "MCP", "requests sent to another server than first meant",
		counter(ofBack|ofServer, func(r *proxy.Row) int64 { return r.Redispatches })},
	{"status", "SGP", "state", func(r *proxy.Row) value { return str(r.State) }},
	{"weight", "MaP", "effective weight", gauge(ofBack|ofServer, func(r *proxy.Row) int64 { return r.Weight })},
	{"act", "SGP", "active servers", gauge(ofBack|ofServer, func(r *proxy.Row) int64 { return int64(r.Active) })},
	{"bck", "SGP", "backup servers", gauge(ofBack|ofServer, func(r *proxy.Row) int64 { return int64(r.Backup) })},
	{"chkfail", "MCP", "checks that failed",
		func(r *proxy.Row) value { return u64If(has(r, ofServer) && r.Check.On, r.CheckFailures) }},
	{"chkdown", "MCP", "times it went down", func(r *proxy.Row) value {
		return u64If(has(r, ofBack) || has(r, ofServer) && r.Check.On, r.DownTransitions)
	}},
	{"lastchg", "MAP", "seconds since the state changed",
		gauge(ofBack|ofServer, func(r *proxy.Row) int64 { return seconds(r.LastChange) })},
	{"downtime", "MCP", "seconds it was down", func(r *proxy.Row) value {
		return u32If(has(r, ofBack) && len(r.Proxy.Servers) > 0 || has(r, ofServer) && r.Check.On, seconds(r.DownTime))
	}},
	{"qlimit", "CLS", "limit of the server's queue",
		func(r *proxy.Row) value { return u32If(has(r, ofServer) && r.QueueLimit > 0, r.QueueLimit) }},
	{"pid", "KGP", "number of the process",
		gauge(ofFront|ofBack|ofServer|ofListener, func(*proxy.Row) int64 { return 1 })},
	{"iid", "KGS", "number of the proxy",
		gauge(ofFront|ofBack|ofServer|ofListener, func(r *proxy.Row) int64 { return int64(r.IID) })},
	{"sid", "KGS", "number of the server or listener",
		gauge(ofFront|ofBack|ofServer|ofListener, func(r *proxy.Row) int64 { return int64(r.SID) })},
	{"throttle", "MaP", "percent of its weight while it starts slowly", func(r *proxy.Row) value {
		return u32If(has(r, ofServer) && r.Throttle >= 0, int64(r.Throttle))
	}},
	{"lbtot", "MCP", "times it was chosen by balancing",
		counter(ofBack|ofServer, func(r *proxy.Row) int64 { return r.Selected })},
	{"tracked", "CNS", "server whose state it takes", func(r *proxy.Row) value { return nonEmpty(r.Tracked) }},
	{"type", "CGS", "0 frontend, 1 backend, 2 server, 3 listener",
		gauge(ofFront|ofBack|ofServer|ofListener, func(r *proxy.Row) int64 { return int64(r.Kind) })},
	{"rate", "MRP", "sessions in the last second",
		gauge(ofFront|ofBack|ofServer, func(r *proxy.Row) int64 { return r.Rate })},
	{"rate_lim", "CLP", "limit of sessions in a second",
		gauge(ofFront, func(r *proxy.Row) int64 { return r.RateLimit })},
	{"rate_max", "MMP", "most sessions in a second",
		gauge(ofFront|ofBack|ofServer, func(r *proxy.Row) int64 { return r.RateMax })},
	{"check_status", "MOP", "result of the last check",
		func(r *proxy.Row) value { return strIf(checked(r), checkStatus(r)) }},
	{"check_code", "MOP", "code the last check was answered with",
		func(r *proxy.Row) value { return u32If(checked(r) && r.Check.Code >= 0, int64(r.Check.Code)) }},
	{"check_duration", "MDP", "milliseconds the last check took", func(r *proxy.Row) value {
		return u64If(checked(r), int64(r.Check.Duration/time.Millisecond))
	}},
	{"hrsp_1xx", "MCP", "responses with a status of 100 to 199", code(1)},
	{"hrsp_2xx", "MCP", "responses with a status of 200 to 299", code(2)},
	{"hrsp_3xx", "MCP", "responses with a status of 300 to 399", code(3)},
	{"hrsp_4xx", "MCP", "responses with a status of 400 to 499", code(4)},
	{"hrsp_5xx", "MCP", "responses with a status of 500 to 599", code(5)},
	{"hrsp_other", "MCP", "responses with another status", code(0)},
	{"hanafail", "MGP", "failures seen in traffic", none},
	{"req_rate", "MRP", "requests in the last second", gauge(ofFront, func(r *proxy.Row) int64 { return r.ReqRate })},
	{"req_rate_max", "MMP", "most requests in a second",
		gauge(ofFront, func(r *proxy.Row) int64 { return r.ReqRateMax })},
	{"req_tot", "MCP", "requests since the start", func(r *proxy.Row) value {
		return u64If(has(r, ofFront) || has(r, ofBack|ofServer) && isHTTP(r), r.ReqTotal)
	}},
	{"cli_abrt", "MCP", "transfers the client broke off",
		counter(ofBack|ofServer, func(r *proxy.Row) int64 { return r.ClientAborts })},
	{"srv_abrt", "MCP", "transfers the server broke off",
		counter(ofBack|ofServer, func(r *proxy.Row) int64 { return r.ServerAborts })},
	{"comp_in", "MCP", "bytes before compression", counter(ofFront|ofBack, zero)},
	{"comp_out", "MCP", "bytes after compression", counter(ofFront|ofBack, zero)},
	{"comp_byp", "MCP", "bytes that were not compressed", counter(ofFront|ofBack, zero)},
	{"comp_rsp", "MCP", "responses that were compressed", counter(ofFront|ofBack, zero)},
	{"lastsess", "MAP", "seconds since the last session; -1: there was none", func(r *proxy.Row) value {
		if !has(r, ofBack|ofServer) {
			return value{}
		}
		if r.LastSession < 0 {
			return s32(-1)
		}
		return s32(seconds(r.LastSession))
	}},
	{"last_chk", "MOP", "what the last check was told",
		func(r *proxy.Row) value { return strIf(checked(r), r.Check.Text) }},
	{"last_agt", "MOP", "what the last agent check was told", none},
	{"qtime", "MaP", "mean milliseconds in the queue, of the last requests",
		gauge(ofBack|ofServer, func(r *proxy.Row) int64 { return r.QueueTime })},
	{"ctime", "MaP", "mean milliseconds to connect",
		gauge(ofBack|ofServer, func(r *proxy.Row) int64 { return r.ConnectTime })},
	{"rtime", "MaP", "mean milliseconds to the response's head",
		gauge(ofBack|ofServer, func(r *proxy.Row) int64 { return r.ResponseTime })},
	{"ttime", "MaP", "mean milliseconds in all",
		gauge(ofBack|ofServer, func(r *proxy.Row) int64 { return r.TotalTime })},
	{"agent_status", "MOP", "result of the last agent check", none},
	{"agent_code", "MOP", "", none},
	{"agent_duration", "MDP", "milliseconds the last agent check took", none},
	{"check_desc", "MOP", "result of the last check in words",
		func(r *proxy.Row) value { return strIf(checked(r), r.Check.Describe) }},
	{"agent_desc", "MOP", "result of the last agent check in words", none},
	{"check_rise", "CGS", "checks that make a server usable",
		func(r *proxy.Row) value { return u32If(checked(r), int64(r.Check.Rise)) }},
	{"check_fall", "CGS", "checks that make a server unusable",
		func(r *proxy.Row) value { return u32If(checked(r), int64(r.Check.Fall)) }},
	{"check_health", "CGS", "health between 0 and rise+fall-1",
		func(r *proxy.Row) value { return u32If(checked(r), int64(r.Check.Health)) }},
	{"agent_rise", "CGS", "", none},
	{"agent_fall", "CGS", "", none},
	{"agent_health", "CGS", "", none},
	{"addr", "CGS", "address", func(r *proxy.Row) value { return nonEmpty(r.Address) }},
	{"cookie", "CNS", "value or name of the cookie", func(r *proxy.Row) value { return nonEmpty(r.Cookie) }},
	{"mode", "CGS", "tcp or http", func(r *proxy.Row) value { return str(modeName(r.Mode)) }},
	{"algo", "CGS", "way of balancing", func(r *proxy.Row) value { return nonEmpty(r.Algorithm) }},
	{"conn_rate", "MRP", "connections in the last second",
		gauge(ofFront, func(r *proxy.Row) int64 { return r.ConnRate })},
	{"conn_rate_max", "MMP", "most connections in a second",
		gauge(ofFront, func(r *proxy.Row) int64 { return r.ConnRateMax })},
	{"conn_tot", "MCP", "connections since the start",
		counter(ofFront, func(r *proxy.Row) int64 { return r.ConnTotal })},
	{"intercepted", "MCP", "requests answered here",
		func(r *proxy.Row) value { return u64If(has(r, ofFront) && isHTTP(r), r.Intercepted) }},
	{"dcon", "MCP", "connections denied by rules",
		counter(ofFront|ofListener, func(r *proxy.Row) int64 { return r.DeniedConnections })},
	{"dses", "MCP", "sessions denied by rules",
		counter(ofFront|ofListener, func(r *proxy.Row) int64 { return r.DeniedSessions })},
	{"wrew", "MCP", "headers that could not be rewritten", counter(ofFront|ofBack|ofServer|ofListener, zero)},
	{"connect", "MCP", "connections made to servers",
		counter(ofBack|ofServer, func(r *proxy.Row) int64 { return r.Connects })},
	{"reuse", "MCP", "connections to servers used again",
		counter(ofBack|ofServer, func(r *proxy.Row) int64 { return r.Reuses })},
	{"cache_lookups", "MCP", "questions to the cache",
		func(r *proxy.Row) value { return u64If(has(r, ofFront|ofBack) && isHTTP(r), 0) }},
	{"cache_hits", "MCP", "answers of the cache",
		func(r *proxy.Row) value { return u64If(has(r, ofFront|ofBack) && isHTTP(r), 0) }},
	{"srv_icur", "MGP", "idle connections kept", gauge(ofServer, func(r *proxy.Row) int64 { return r.IdleNow })},
	{"src_ilim", "CLP", "limit of idle connections kept", func(r *proxy.Row) value {
		return u32If(r.Config != nil && r.Config.PoolMax >= 0, poolMax(r))
	}},
	{"qtime_max", "MMP", "most milliseconds in the queue",
		gauge(ofBack|ofServer, func(r *proxy.Row) int64 { return r.QueueTimeMax })},
	{"ctime_max", "MMP", "most milliseconds to connect",
		gauge(ofBack|ofServer, func(r *proxy.Row) int64 { return r.ConnectTimeMax })},
	{"rtime_max", "MMP", "most milliseconds to the response's head",
		gauge(ofBack|ofServer, func(r *proxy.Row) int64 { return r.ResponseTimeMax })},
	{"ttime_max", "MMP", "most milliseconds in all",
		gauge(ofBack|ofServer, func(r *proxy.Row) int64 { return r.TotalTimeMax })},
	{"eint", "MCP", "errors of the program", counter(ofFront|ofBack|ofServer|ofListener, zero)},
	{"idle_conn_cur", "MGP", "idle connections of which it is not known whether they can be shared",
		gauge(ofServer, zero)},
	{"safe_conn_cur", "MGP", "idle connections that can be shared",
		gauge(ofServer, func(r *proxy.Row) int64 { return r.IdleNow })},
	{"used_conn_cur", "MGP", "connections in use", gauge(ofServer, func(r *proxy.Row) int64 { return r.InUse })},
	{"need_conn_est", "MGP", "connections needed, by estimation",
		gauge(ofServer, func(r *proxy.Row) int64 { return r.InUse })},
	{"uweight", "MaP", "weight as it was set",
		gauge(ofBack|ofServer, func(r *proxy.Row) int64 { return r.UserWeight })},
	{"agg_server_status", "MGP", "servers by state, as a sum", gauge(ofBack, zero)},
	{"agg_server_check_status", "MGP", "servers by state, as a sum", gauge(ofBack, zero)},
	{"agg_check_status", "MGP", "servers by check, as a sum", gauge(ofBack, zero)},
}

func poolMax(r *proxy.Row) int64 {
	if r.Config == nil {
		return 0
	}
	return int64(r.Config.PoolMax)
}

func modeName(m config.Mode) string {
	if m == config.HTTP {
		return "http"
	}
	return "tcp"
}

// checkStatus is the result of the last check, with a mark while the next one runs.
func checkStatus(r *proxy.Row) string {
	if r.Check.Running {
		return "* " + r.Check.Status
	}
	return r.Check.Status
}

// tagsOf gives a field's tags for a row: some figures of a backend are sums and not states.
func tagsOf(x *field, r *proxy.Row) string {
	if r.Kind == proxy.BackendRow {
		switch x.name {
		case "act", "bck", "rate", "rate_max":
			return "MGP"
		}
	}
	return x.tags
}
