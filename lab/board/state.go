package board

import "github.com/evenkeel/evenkeel/lab/site"

// State is everything the page shows, as GET /state.json gives it. All instants are
// milliseconds since the lab was started; all lengths of time are milliseconds.
type State struct {
	Site     string `json:"site"`
	Kind     string `json:"kind,omitempty"` // of lvs-dr: dr, nat or tun
	Title    string `json:"title"`
	Address  string `json:"address"`  // the shared address
	Director string `json:"director"` // evenkeel or keepalived
	Rootless bool   `json:"rootless"` // in a user namespace, where the kernel refuses eBPF
	Phase    string `json:"phase"`    // building, ready, story, faults
	Doing    string `json:"doing"`    // what the lab itself is doing, for people
	Now      int64  `json:"now"`

	// Holders are the nodes whose hardware address answers for the shared address right now,
	// as the observer sees it. More than one is what must never happen.
	Holders []string    `json:"holders"`
	Nodes   []NodeState `json:"nodes"`
	// Servers are the web servers behind the nodes; empty where the nodes answer themselves.
	Servers []ServerState `json:"servers"`
	Client  ClientState   `json:"client"`
	Watch   WatchState    `json:"watch"`
	Time    Timeline      `json:"timeline"`
	Faults  []FaultState  `json:"faults"` // newest last
}

// NodeState is one node.
type NodeState struct {
	Name     string             `json:"name"`
	Address  string             `json:"address"`
	MAC      string             `json:"mac"`
	Director string             `json:"director"` // running, frozen, stopped
	Web      string             `json:"web"`      // its web server or proxy: running, stopped, broken, frozen
	WebUnit  string             `json:"web_unit"`
	Cable    bool               `json:"cable"`   // plugged in
	Answers  bool               `json:"answers"` // for the shared address
	VRRP     site.DirectorState `json:"vrrp"`    // the director's own words, as of the last time it answered
	// requests of the client it answered, or of anybody its proxy passed on
	Served int64 `json:"served"`
	// Proxy is what the node's proxy says of itself; absent where the nodes answer themselves.
	Proxy *ProxyState `json:"proxy,omitempty"`
	// Table is the director's forwarding table; absent where it forwards nothing.
	Table *site.TableState `json:"table,omitempty"`
	// LastAdvert is how long ago its last advert was on the wire, ms; -1: none yet.
	LastAdvert int64         `json:"last_advert"`
	Journal    []Entry       `json:"journal"`
	Actions    []ActionState `json:"actions"`
}

// ProxyState is a node's proxy. The counters go on when its process is replaced.
type ProxyState struct {
	Known        bool               `json:"known"` // its statistics could be read
	PID          string             `json:"pid,omitempty"`
	Workers      int                `json:"workers"` // worker processes so far
	Retries      int64              `json:"retries"`
	Redispatches int64              `json:"redispatches"`
	Errors       int64              `json:"errors"` // answers with status 5xx
	Servers      []ProxyServerState `json:"servers"`
}

// ProxyServerState is a web server as one proxy sees it.
type ProxyServerState struct {
	Server   string `json:"server"` // the host
	Line     string `json:"line"`   // its name in the proxy's file
	Status   string `json:"status"`
	Requests int64  `json:"requests"` // by the present process
}

// ServerState is a web server behind the nodes.
type ServerState struct {
	Name    string            `json:"name"`
	Address string            `json:"address"`
	State   string            `json:"state"`  // running, stopped, frozen, slow, error 500
	Served  int64             `json:"served"` // requests of the client it answered
	Seen    map[string]string `json:"seen"`   // by node: UP or DOWN, or nothing yet
	Actions []ActionState     `json:"actions"`
}

// ActionState is one button.
type ActionState struct {
	Action  site.Action `json:"action"`
	Enabled bool        `json:"enabled"`
	Why     string      `json:"why,omitempty"` // why not
}

// Entry is one journal line.
type Entry struct {
	At   int64  `json:"at"`
	Unit string `json:"unit"`
	Text string `json:"text"`
}

// ClientState is what the steady client has seen since the start.
type ClientState struct {
	Every    int64  `json:"every"` // ms between requests
	Limit    int64  `json:"limit"` // ms after which a request has failed
	SlowOver int64  `json:"slow_over"`
	Answered int64  `json:"answered"`
	Failed   int64  `json:"failed"`
	Slow     int64  `json:"slow"`
	Hanging  int    `json:"hanging"` // requests waiting for an answer right now
	Server   string `json:"server"`  // who answered last
	Down     int64  `json:"down"`    // length of the outage the client is in, ms; 0: served
}

// WatchState is what the observer has seen since the start.
type WatchState struct {
	Double float64 `json:"double_master_ms"`
	Blind  float64 `json:"blind_ms"` // time in which the observer did not get to run
}

// Timeline is the last two minutes.
type Timeline struct {
	From   int64            `json:"from"`
	To     int64            `json:"to"`
	Bucket int64            `json:"bucket"`  // ms per entry of Served
	Served map[string][]int `json:"served"`  // answered requests per bucket by server
	Bad    []BadRequest     `json:"bad"`     // every failed or slow request
	Held   []HeldSpell      `json:"held"`    // who answered for the address
	Double []HeldSpell      `json:"double"`  // stretches with two
	Outage []HeldSpell      `json:"outages"` // stretches without an answer for the client
	Events []Event          `json:"events"`
}

// BadRequest is a failed or slow request: start, duration (ms), and 0 for slow, 1 for failed, 2
// for still hanging. It is an array on the wire because there may be thousands.
type BadRequest [3]int64

// HeldSpell is a stretch of time.
type HeldSpell struct {
	Who  string `json:"who,omitempty"`
	From int64  `json:"from"`
	To   int64  `json:"to"`
}

// Event is a change worth a mark on the timeline.
type Event struct {
	At   int64  `json:"at"`
	Node string `json:"node"`
	Kind string `json:"kind"` // fault, repair, state, announce
	Text string `json:"text"`

	seq int // position among all events
}

// FaultState is what one fault cost, from the moment it was made until the next action on the
// site (or until now).
type FaultState struct {
	At     int64       `json:"at"`
	Node   string      `json:"node"`
	Action site.Action `json:"action"`
	Text   string      `json:"text"`
	Outage float64     `json:"outage_ms"`
	Failed int         `json:"failed_requests"`
	Double float64     `json:"double_master_ms"`
	Over   bool        `json:"over"` // the figures are final
}
