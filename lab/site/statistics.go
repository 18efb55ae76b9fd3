package site

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ProxyStats is what a node's proxy says of itself on its statistics page.
type ProxyStats struct {
	Requests     int64         `json:"requests"` // of all frontends but the page's own
	Retries      int64         `json:"retries"`
	Redispatches int64         `json:"redispatches"`
	Errors       int64         `json:"errors"` // answers of status 5xx by the backends
	Servers      []ServerStats `json:"servers"`
}

// ServerStats is one server as a proxy sees it.
type ServerStats struct {
	Line     string `json:"line"`   // its name in the proxy's file
	Status   string `json:"status"` // UP, DOWN, UP 1/2, …
	Requests int64  `json:"requests"`
}

const (
	statisticsEvery = 500 * time.Millisecond
	statisticsLimit = 400 * time.Millisecond
	pageLimit       = 4 << 20 // bytes taken of a page at most
)

// watchStatistics reads the proxy's statistics as an operator's script would, and passes them on.
func (n *node) watchStatistics() {
	client := &http.Client{Timeout: statisticsLimit, Transport: &http.Transport{DisableKeepAlives: true}}
	for range time.Tick(statisticsEvery) {
		resp, err := n.getPage(client, n.cfg.Stats+";csv")
		if err != nil {
			continue // it is down or frozen; what it last said stands
		}
		st, err := readStatistics(io.LimitReader(resp.Body, pageLimit))
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			continue
		}
		if n.launcher.Send(Message{Kind: "stats", Stats: &st, At: Now()}) != nil {
			return
		}
	}
}

func (n *node) getPage(client *http.Client, url string) (*http.Response, error) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	user, password, _ := strings.Cut(n.cfg.StatsAuth, ":")
	req.SetBasicAuth(user, password)
	return client.Do(req)
}

// fetch gets a page of the proxy's statistics for the lab's own page. path is what follows the
// host's name.
func (n *node) fetch(path string) Message {
	i := strings.Index(n.cfg.Stats, "://")
	if i < 0 {
		return Message{Err: "this node has no statistics page"}
	}
	host, _, _ := strings.Cut(n.cfg.Stats[i+3:], "/")
	client := &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := n.getPage(client, n.cfg.Stats[:i+3]+host+path)
	if err != nil {
		return Message{Err: err.Error()}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, pageLimit))
	if err != nil {
		return Message{Err: err.Error()}
	}
	return Message{Page: &WebPage{Status: resp.StatusCode, Type: resp.Header.Get("Content-Type"),
		Policy: resp.Header.Get("Content-Security-Policy"), Body: body}}
}

// readStatistics reads HAProxy's CSV, by the names in its first line.
func readStatistics(r io.Reader) (ProxyStats, error) {
	rows := csv.NewReader(r)
	rows.FieldsPerRecord = -1
	head, err := rows.Read()
	if err != nil {
		return ProxyStats{}, err
	}
	column := make(map[string]int)
	for i, name := range head {
		column[strings.TrimPrefix(name, "# ")] = i
	}
	for _, name := range []string{"pxname", "svname", "status", "stot", "req_tot", "wretr", "wredis", "hrsp_5xx"} {
		if _, ok := column[name]; !ok {
			return ProxyStats{}, fmt.Errorf("the statistics lack the field %s", name)
		}
	}
	var st ProxyStats
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return st, nil
		}
		if err != nil {
			return st, err
		}
		st.add(func(name string) string {
			if i := column[name]; i < len(row) {
				return row[i]
			}
			return ""
		})
	}
}

// add takes one row of the statistics.
func (st *ProxyStats) add(field func(name string) string) {
	number := func(name string) int64 {
		v, _ := strconv.ParseInt(field(name), 10, 64) // an empty field is 0
		return v
	}
	switch {
	case field("pxname") == "stats":
	case field("svname") == "FRONTEND":
		st.Requests += number("req_tot")
	case field("svname") == "BACKEND":
		st.Retries += number("wretr")
		st.Redispatches += number("wredis")
		st.Errors += number("hrsp_5xx")
	default:
		st.Servers = append(st.Servers,
			ServerStats{Line: field("svname"), Status: field("status"), Requests: number("stot")})
	}
}

// Status is how the proxy sees a server; empty: nothing is known.
func (st *ProxyStats) Status(line string) string {
	if st == nil {
		return ""
	}
	for _, s := range st.Servers {
		if s.Line == line {
			return s.Status
		}
	}
	return ""
}

// IsUp reports whether a status lets requests through: "UP" and "UP 1/2" do.
func IsUp(status string) bool { return strings.HasPrefix(status, "UP") || status == "no check" }

// swallowLogs stands in for the syslog daemon that the proxy's file sends to. What it would write
// is in the director's journal, but for a line per request, which nobody could read.
func swallowLogs() {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:514")
	if err != nil {
		return // the lines are lost then, as they are where no daemon runs
	}
	line := make([]byte, 64<<10)
	for err == nil {
		_, _, err = conn.ReadFrom(line)
	}
}
