package site

import (
	"strconv"
	"strings"
	"time"
)

// TableState is a load balancer's forwarding table, as it lists it.
type TableState struct {
	Listing     string         `json:"listing"`     // what ipvsadm -Ln would print
	Connections map[string]int `json:"connections"` // by state
}

func (t TableState) equal(o TableState) bool {
	if t.Listing != o.Listing || len(t.Connections) != len(o.Connections) {
		return false
	}
	for state, n := range t.Connections {
		if o.Connections[state] != n {
			return false
		}
	}
	return true
}

const tableEvery = 500 * time.Millisecond

// watchTable asks for the forwarding table and its connections as an operator would, and tells the
// launcher what is news.
func (n *node) watchTable() {
	var last TableState
	var servers []ServerStats
	for range time.Tick(tableEvery) {
		listing, err := n.output(ipvs("-Ln"), time.Second)
		if err != nil {
			continue // no plane yet
		}
		connections, err := n.output(ipvs("-Lnc"), time.Second)
		if err != nil {
			continue
		}
		totals, err := n.output(ipvs("-Ln", "--stats", "--exact"), time.Second)
		if err != nil {
			continue
		}
		table, listed := readTable(string(listing), string(connections), string(totals))
		stats := ProxyStats{}
		for _, s := range listed {
			stats.Requests += s.Requests
		}
		stats.Servers = merge(&servers, listed)
		m := Message{Kind: "stats", Stats: &stats, At: Now()}
		if !table.equal(last) {
			m.Table, last = &table, table
		}
		if n.launcher.Send(m) != nil {
			return
		}
	}
}

func ipvs(args ...string) []string { return append([]string{labSelf, "ipvs"}, args...) }

// readTable reads the three listings.
func readTable(listing, connections, totals string) (TableState, []ServerStats) {
	t := TableState{Listing: strings.TrimRight(listing, "\n"), Connections: map[string]int{}}
	for line := range strings.Lines(connections) {
		// TCP 14:59  ESTABLISHED 192.0.2.9:40000 192.0.2.1:80 10.0.0.1:80
		if f := strings.Fields(line); len(f) == 6 && strings.Contains(f[1], ":") {
			t.Connections[f[2]]++
		}
	}
	var servers []ServerStats
	for line := range strings.Lines(totals) {
		// -> RemoteAddress:Port  Conns InPkts OutPkts InBytes OutBytes
		f := strings.Fields(line)
		if len(f) != 7 || f[0] != "->" {
			continue
		}
		if conns, err := strconv.ParseInt(f[2], 10, 64); err == nil {
			servers = append(servers, ServerStats{Line: f[1], Status: "UP", Requests: conns})
		}
	}
	return t, servers
}

// merge notes which real servers are in the table, and remembers those that have left it.
func merge(known *[]ServerStats, listed []ServerStats) []ServerStats {
	for i := range *known {
		(*known)[i].Status = "DOWN"
	}
next:
	for _, s := range listed {
		for i := range *known {
			if (*known)[i].Line == s.Line {
				(*known)[i] = s
				continue next
			}
		}
		*known = append(*known, s)
	}
	return append([]ServerStats(nil), *known...)
}

// becomeRealServer prepares a web server to stand behind a load balancer.
func (n *node) becomeRealServer() error {
	if n.cfg.LVS != "dr" && n.cfg.LVS != "tun" {
		return nil // behind NAT it needs a gateway only
	}
	argv := []string{labSelf, "realserver", "add", n.cfg.VIP.Addr().String()}
	if n.cfg.LVS == "tun" {
		argv = append(argv, "--tun")
	}
	_, err := n.output(argv, 10*time.Second)
	return err
}
