package admin

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/proxy"
	"github.com/evenkeel/evenkeel/spelling"
)

// A fact is one line of `show info`.
type fact struct {
	name, tags, help string
	v                value
}

// uptime writes a duration as 0d 0h00m02s.
func uptime(d time.Duration) string {
	n := int64(d / time.Second)
	return fmt.Sprintf("%dd %dh%02dm%02ds", n/86400, n/3600%24, n/60%60, n%60)
}

// facts are the lines in the reference's order; those of things that do not exist here are 0, those without a value are
// not written and keep their number.
func (a *Admin) facts(i *proxy.Info, now time.Time) []fact {
	return slices.Concat(a.processFacts(i, now), trafficFacts(i), absentFacts, a.stateFacts(i))
}

// processFacts are about the program and its limits.
func (a *Admin) processFacts(i *proxy.Info, now time.Time) []fact {
	up := now.Sub(i.Started)
	return []fact{
		{"Name", "POS", "name of the program", str("Evenkeel")},
		{"Version", "POS", "version of the program", str(a.opts.Version)},
		{"Release_date", "POS", "date of the version", str(a.opts.Release)},
		{"Nbthread", "CGS", "threads", u32(int64(i.Threads))},
		{"Nbproc", "CGS", "processes, always 1", u32(1)},
		{"Process_num", "KGP", "number of the process, always 1", u32(1)},
		{"Pid", "SGP", "the system's number of the process", u32(int64(i.PID))},
		{"Uptime", "MDP", "time since the start", str(uptime(up))},
		{"Uptime_sec", "MDP", "seconds since the start", flt(up.Seconds())},
		{"Memmax_MB", "CLP", "limit of memory, MB; 0: none", u32(0)},
		{"PoolAlloc_MB", "MGP", "memory of pools, MB: there are none", u32(0)},
		{"PoolUsed_MB", "MGP", "memory of pools in use, MB: there are none", u32(0)},
		{"PoolFailed", "MCP", "memory that pools did not get: there are none", u32(0)},
		{"Ulimit-n", "CLP", "limit of descriptors", u32(a.opts.Descriptors)},
		{"Maxsock", "CLP", "limit of sockets", u32(a.opts.Descriptors)},
		{"Maxconn", "CLP", "limit of connections", u32(i.MaxConn)},
		{"Hard_maxconn", "CLP", "limit of connections at the start", u32(i.MaxConn)},
	}
}

// trafficFacts are about connections and requests.
func trafficFacts(i *proxy.Info) []fact {
	return []fact{
		{"CurrConns", "MGP", "connections at this moment", u32(i.CurrentConns)},
		{"CumConns", "MCP", "connections since the start", u32(i.Connections)},
		{"CumReq", "MCP", "requests since the start", u32(i.Requests)},
		{"MaxSslConns", "MMP", "most TLS connections: there is no TLS", u32(0)},
		{"CurrSslConns", "MGP", "TLS connections: there is no TLS", u32(0)},
		{"CumSslConns", "MCP", "TLS connections since the start: there is no TLS", u32(0)},
		{"Maxpipes", "CLP", "limit of pipes; not told", u32(0)},
		{"PipesUsed", "MGP", "pipes in use; not told", u32(0)},
		{"PipesFree", "MGP", "pipes kept; not told", u32(0)},
		{"ConnRate", "MRP", "connections in the last second", flt(float64(i.ConnRate))},
		{"ConnRateLimit", "CLP", "limit of connections in a second", u32(0)},
		{"MaxConnRate", "MMP", "most connections in a second", u32(i.ConnRateMax)},
		{"SessRate", "MRP", "sessions in the last second", flt(float64(i.SessRate))},
		{"SessRateLimit", "CLP", "limit of sessions in a second", u32(0)},
		{"MaxSessRate", "MRP", "most sessions in a second", u32(i.SessRateMax)},
	}
}

// absentFacts are those of TLS and compression, which are not here: 0, or no value and a place kept.
var absentFacts = []fact{
	{"SslRate", "MRP", "TLS sessions in the last second: there is no TLS", flt(0)},
	{"SslRateLimit", "CLP", "limit of TLS sessions in a second: there is no TLS", u32(0)},
	{"MaxSslRate", "MMP", "most TLS sessions in a second: there is no TLS", u32(0)},
	{"SslFrontendKeyRate", "MRP", "keys for clients in the last second: there is no TLS", flt(0)},
	{"SslFrontendMaxKeyRate", "MMP", "most keys for clients in a second: there is no TLS", u32(0)},
	{"SslFrontendSessionReuse_pct", "MRP", "percent of TLS sessions used again: there is no TLS", flt(0)},
	{"SslBackendKeyRate", "MRP", "keys for servers in the last second: there is no TLS", flt(0)},
	{"SslBackendMaxKeyRate", "MMP", "most keys for servers in a second: there is no TLS", u32(0)},
	{"SslCacheLookups", "MCP", "questions to the cache of TLS sessions: there is no TLS", u32(0)},
	{"SslCacheMisses", "MCP", "questions it could not answer: there is no TLS", u32(0)},
	{"CompressBpsIn", "MRP", "bytes in a second before compression: there is none", flt(0)},
	{"CompressBpsOut", "MRP", "bytes in a second after compression: there is none", flt(0)},
	{"CompressBpsRateLim", "CLP", "limit of bytes in a second of compression: there is none", u32(0)},
	{name: "ZlibMemUsage"}, {name: "MaxZlibMemUsage"},
}

// stateFacts are what the process does now.
func (a *Admin) stateFacts(i *proxy.Info) []fact {
	stopping := int64(0)
	if i.Draining {
		stopping = 1
	}
	return []fact{
		{"Tasks", "MGP", "tasks: there are none, threads have loops", u32(0)},
		{"Run_queue", "MGP", "tasks that wait to run", u32(0)},
		{"Idle_pct", "MaP", "percent of the time spent waiting; always 100", u32(100)},
		{"node", "COS", "name of the node", str(i.Node)},
		{"description", "COS", "description of the node", nonEmpty(i.Description)},
		{"Stopping", "MGP", "1 when the process lets its connections end", u32(stopping)},
		{"Jobs", "MGP", "connections and listeners", u32(i.CurrentConns + int64(i.Listeners))},
		{"Unstoppable Jobs", "MGP", "what does not end before the process: nothing", u32(0)},
		{"Listeners", "MGP", "listeners", u32(int64(i.Listeners))},
		{"ActivePeers", "MGP", "peers that are there: there are no stick tables", u32(0)},
		{"ConnectedPeers", "MGP", "peers that are connected: there are no stick tables", u32(0)},
		{"DroppedLogs", "MGP", "log lines nobody took", u32(i.DroppedLogs)},
		{"BusyPolling", "MGP", "1 when threads do not sleep: they do", u32(0)},
		{"FailedResolutions", "MGP", "names that were not found: there is no DNS at run time", u32(0)},
		{"TotalBytesOut", "MGP", "bytes sent to clients", u64(i.BytesOut)},
		{"TotalSplicdedBytesOut", "MGP", "bytes of them that the kernel moved; not told", u64(0)},
		{"BytesOutRate", "MRP", "bytes sent in the last second; not told", u64(0)},
		{"DebugCommandsIssued", "MGP", "commands that may do harm: there are none", u32(0)},
		{"CumRecvLogs", "MCP", "log lines received: nobody sends them here", u32(0)},
		{"Build info", "POS", "version of the program", str(a.opts.Version)},
		{"Memmax_bytes", "CLP", "limit of memory; 0: none", u32(0)},
		{"PoolAlloc_bytes", "MGP", "memory of pools: there are none", u64(0)},
		{"PoolUsed_bytes", "MGP", "memory of pools in use: there are none", u64(0)},
		{"Start_time_sec", "MDP", "when the process was started, in seconds since 1970",
			flt(float64(i.Started.UnixMicro()) / 1e6)},
		{"Tainted", "SGP", "1 when the process was meddled with: it cannot be", str("0")},
	}
}

// form is how figures are written.
type form uint8

const (
	plain form = iota
	typed
	asJSON
)

// whole makes fractions numbers of the type that they have where nobody asked for fractions.
func whole(all []fact) []fact {
	for i := range all {
		if all[i].v.kind == 'f' {
			all[i].v.kind = 'u'
			if strings.HasPrefix(all[i].name, "SslFrontend") { // rates that the reference calls gauges then
				all[i].tags = "MGP"
			}
		}
	}
	return all
}

func appendFacts(out []byte, all []fact, how form, describe bool) []byte {
	if how == asJSON {
		out = append(out, '[')
		for i, x := range all {
			if x.v.kind == 0 {
				continue
			}
			if i > 0 {
				out = append(out, ',')
			}
			out = append(appendJSONField(append(out, '{'), i, x.name, x.tags, x.v), '}')
		}
		return append(out, "]\n"...)
	}
	for i, x := range all {
		if x.v.kind == 0 {
			continue
		}
		if how == typed {
			out = append(strconv.AppendInt(out, int64(i), 10), '.')
			out = append(append(append(out, x.name...), ".1:"...), x.tags...)
			out = appendTypedValue(append(out, ':'), x.v)
		} else {
			out = append(append(out, x.name...), ": "...)
			out = appendPlain(out, x.v)
		}
		if describe {
			out = append(append(append(out, `:"`...), x.help...), '"')
		}
		out = append(out, '\n')
	}
	return out
}

// appendPlain writes a value as it is.
func appendPlain(out []byte, v value) []byte {
	if v.kind == 's' {
		return spelling.AppendVisible(out, v.s)
	}
	return v.appendNumber(out)
}
