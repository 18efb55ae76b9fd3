package admin

import (
	"fmt"
	"strconv"
	"time"

	"github.com/evenkeel/evenkeel/proxy"
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
	up := now.Sub(i.Started)
	stopping := int64(0)
	if i.Draining {
		stopping = 1
	}
	all := []fact{
		{"Name", "POS", "name of the program", str("Evenkeel")},
		{"Version", "POS", "version of the program", str(a.opts.Version)},
		{"Release_date", "POS", "date of the version", str(a.opts.Release)},
		{"Nbthread", "CGS", "threads", u32(int64(i.Threads))},
		{"Nbproc", "CGS", "processes, always 1", u32(1)},
		{"Process_num", "KGP", "number of the process, always 1", u32(1)},
		{"Pid", "SGP", "the system's number of the process", u32(int64(i.PID))},
		{"Uptime", "MDP", "time since the start", str(uptime(up))},
		{"Uptime_sec", "MDP", "seconds since the start", u32(seconds(up))},
		{"Memmax_MB", "CLP", "limit of memory", u32(0)},
		{"PoolAlloc_MB", "MGP", "", u32(0)},
		{"PoolUsed_MB", "MGP", "", u32(0)},
		{"PoolFailed", "MCP", "", u32(0)},
		{"Ulimit-n", "CLP", "limit of descriptors", u32(i.Ulimit)},
		{"Maxsock", "CLP", "limit of sockets", u32(i.Ulimit)},
		{"Maxconn", "CLP", "limit of connections", u32(i.MaxConn)},
		{"Hard_maxconn", "CLP", "limit of connections at the start", u32(i.MaxConn)},
		{"CurrConns", "MGP", "connections at this moment", u32(i.CurrentConns)},
		{"CumConns", "MCP", "connections since the start", u32(i.Connections)},
		{"CumReq", "MCP", "requests since the start", u32(i.Requests)},
	}
	zeros := func(names ...string) {
		for _, n := range names {
			all = append(all, fact{n, "MGP", "", u32(0)})
		}
	}
	zeros("MaxSslConns", "CurrSslConns", "CumSslConns", "Maxpipes", "PipesUsed", "PipesFree")
	all = append(all,
		fact{"ConnRate", "MRP", "connections in the last second", u32(i.ConnRate)},
		fact{"ConnRateLimit", "CLP", "limit of connections in a second", u32(0)},
		fact{"MaxConnRate", "MMP", "most connections in a second", u32(i.ConnRateMax)},
		fact{"SessRate", "MRP", "sessions in the last second", u32(i.SessRate)},
		fact{"SessRateLimit", "CLP", "limit of sessions in a second", u32(0)},
		fact{"MaxSessRate", "MRP", "most sessions in a second", u32(i.SessRateMax)})
	zeros("SslRate", "SslRateLimit", "MaxSslRate", "SslFrontendKeyRate", "SslFrontendMaxKeyRate", "SslFrontendSessionReuse_pct",
		"SslBackendKeyRate", "SslBackendMaxKeyRate", "SslCacheLookups", "SslCacheMisses", "CompressBpsIn", "CompressBpsOut", "CompressBpsRateLim")
	all = append(all,
		fact{name: "ZlibMemUsage"}, fact{name: "MaxZlibMemUsage"}, // their places are kept
		fact{"Tasks", "MGP", "tasks", u32(int64(i.Tasks))},
		fact{"Run_queue", "MGP", "tasks that wait to run", u32(0)},
		fact{"Idle_pct", "MaP", "percent of the time spent waiting", u32(100)},
		fact{"node", "COS", "name of the node", str(i.Node)},
		fact{"description", "COS", "description of the node", nonEmpty(i.Description)},
		fact{"Stopping", "MGP", "1 when the process lets its connections end", u32(stopping)},
		fact{"Jobs", "MGP", "connections and listeners", u32(i.CurrentConns + int64(i.Listeners))},
		fact{"Unstoppable Jobs", "MGP", "", u32(0)},
		fact{"Listeners", "MGP", "listeners", u32(int64(i.Listeners))})
	zeros("ActivePeers", "ConnectedPeers")
	all = append(all, fact{"DroppedLogs", "MGP", "log lines nobody took", u32(i.DroppedLogs)})
	zeros("BusyPolling", "FailedResolutions")
	all = append(all, fact{"TotalBytesOut", "MGP", "bytes sent to clients", u64(i.BytesOut)})
	zeros("TotalSplicdedBytesOut", "BytesOutRate", "DebugCommandsIssued", "CumRecvLogs")
	all = append(all, fact{"Build info", "POS", "version of the program", str(a.opts.Version)})
	zeros("Memmax_bytes", "PoolAlloc_bytes", "PoolUsed_bytes")
	all = append(all, fact{"Start_time_sec", "MDP", "when the process was started, in seconds since 1970", u32(i.Started.Unix())})
	return all
}

// form is how figures are written.
type form uint8

const (
	plain form = iota
	typed
	asJSON
)

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
		return appendShown(out, v.s)
	}
	return strconv.AppendInt(out, v.n, 10)
}
