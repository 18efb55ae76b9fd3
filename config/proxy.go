package config

import (
	"net/netip"
	"time"

	"github.com/evenkeel/evenkeel/sample"
	"github.com/evenkeel/evenkeel/sample/logformat"
)

// Proxying is what a node proxies: haproxy.cfg's half of a Site. Like a Site it is
// complete: defaults sections are merged in, names are resolved or checked, every value
// is within its range.
type Proxying struct {
	Global  ProxyGlobal
	Proxies []*Proxy // in file order; the proxies with the capability Front accept connections
}

// ProxyGlobal holds the global section.
type ProxyGlobal struct {
	User, Group       Owner // who the worker becomes (user/group, uid/gid); User.User and Group.Group, names or numbers
	UserPos, GroupPos Position
	Chroot            string
	ChrootPos         Position
	PIDFile           string
	Daemon            bool          // go to the background: accepted, the service manager does that
	MaxConn           int           // whole worker; 0: derived from the descriptor limit
	MaxConnRate       int           // accepted connections per second; 0: unlimited
	Threads           int           // nbthread; 0: one per CPU this process may run on
	DescriptorMax     int           // ulimit-n; 0: derived
	HardStopAfter     time.Duration // how long a replaced worker may drain; 0: as long as it takes
	BufSize           int           // tune.bufsize, 16384; also the largest request head less MaxRewrite
	MaxRewrite        int           // tune.maxrewrite, 1024
	MaxHeaders        int           // tune.http.maxhdr, 101 fields
	SpreadChecks      int           // percent, 0-50
	MaxSpreadChecks   time.Duration // first checks are spread over no longer time; 0: no bound
	Environment       Environment   // of env(), over the process's own
	Node, Description string
	Log               []LogTarget
	LogTag            string // haproxy
	LogHost           string // log-send-hostname; empty with LogSendHost: the host name
	LogSendHost       bool
	StatsSockets      []StatsSocket
	StatsTimeout      time.Duration // 10 s
	StatsMaxConn      int           // 10
}

// Level is what a client of the runtime socket may do.
type Level uint8

// Levels of the runtime socket, each including those before.
const (
	LevelUser Level = iota
	LevelOperator
	LevelAdmin
)

// StatsSocket is one `stats socket`.
type StatsSocket struct {
	Listen
	Level Level // operator
}

// Listen is one listening address with its options.
type Listen struct {
	Pos  Position
	Text string // as written, for logs and the stats page
	// Exactly one of Addr and Path says where. Addr may be the unspecified address of its family.
	Addr                      netip.AddrPort
	Path                      string // UNIX socket; a leading '@' is an abstract one
	FD                        int    // fd@N: an inherited descriptor; -1: none
	Interface                 string
	V4V6, V6Only, Transparent bool
	Backlog                   int    // 0: the proxy's, else maxconn
	Mode                      uint32 // permissions of a UNIX socket; 0: by umask
	User, Group               string // its owner; empty: unchanged
}

// Bind is one listener of a frontend. A range of ports has been expanded to one Bind each.
type Bind struct {
	Listen
	Name         string
	ID           int
	MaxConn      int // 0: unlimited
	TCPKeepalive bool
	DeferAccept  bool
	FastOpen     bool
}

// Mode is the layer a proxy works at.
type Mode uint8

// Modes.
const (
	TCP Mode = iota
	HTTP
)

// Proxy is a frontend, a backend, or both (listen).
type Proxy struct {
	Name        string
	Pos         Position
	ID          int    // proxy number of the statistics (pid): 1 up, in file order, or `id`
	Kind        string // frontend, backend, listen
	Front, Back bool   // capabilities
	Mode        Mode
	Disabled    bool
	Description string

	Binds          []*Bind
	MaxConn        int // frontend connections; 0: the global limit
	Backlog        int
	RateLimit      int      // sessions per second (rate-limit sessions); 0: unlimited
	DefaultBackend *Proxy   // nil: none (503), or the proxy itself for a listen
	Switching      []Switch // use_backend, in order

	Rules FrontRules

	Servers  []*Server
	Balance  Balance
	HashType HashType
	Cookie   Cookie
	Retries  int // 3
	// Redispatch is option redispatch's interval: 0 off, -1 the last retry only, N every Nth retry, -N from the end.
	Redispatch int
	FullConn   int            // 0: derived
	Source     netip.AddrPort // source address of server connections; invalid: the kernel's choice
	// SourceInterface is the interface server connections leave by (source … interface); empty: by the routes.
	SourceInterface string
	UseServer       []UseServer

	Timeouts       Timeouts
	Options        ProxyOptions
	Check          *HealthCheck      // kind of the servers' checks; nil: a TCP connect
	Log            []LogTarget       // resolved: `log global` is replaced by the global ones
	LogFormat      *logformat.Format // nil: the line of a bare `log` (Connect from …)
	LogTag         string            // empty: the global one
	ErrorFiles     map[int][]byte    // status -> raw response, sent as it stands (errorfile)
	ErrorLoc       map[int]Redirect  // errorloc, errorloc302, errorloc303
	Captures       Captures
	MonitorURI     string
	MonitorFail    []*sample.Condition
	Stats          *StatsPage // nil: none
	UniqueID       *logformat.Format
	UniqueIDHeader string
}

// Timeouts are a proxy's; 0 is none. Fallbacks have been applied by the reader: Queue and Tarpit to Connect,
// HTTPKeepAlive to HTTPRequest (left 0: the engine uses Client).
type Timeouts struct {
	Connect, Client, Server, Queue, Check, Tunnel, HTTPRequest, HTTPKeepAlive, Tarpit, ClientFin,
	ServerFin time.Duration
}

// ConnMode is what happens to connections after a response.
type ConnMode uint8

// Connection modes, as option http-keep-alive, http-server-close, httpclose.
const (
	KeepAlive ConnMode = iota
	ServerClose
	Close
)

// ProxyOptions are the `option` switches that are on, where absence is off.
type ProxyOptions struct {
	Connection                                                              ConnMode
	Reuse                                                                   ReuseMode // http-reuse
	DontLogNull, DontLogNormal, LogSeparateErrors, LogASAP, LogHealthChecks bool
	Forwardfor                                                              *Forwardfor // nil: off
	Originalto                                                              *Forwardfor
	AbortOnClose, AllBackups, Persist, PreferLastServer, NoLinger           bool
	ClientKeepalive, ServerKeepalive                                        bool // clitcpka, srvtcpka (tcpka: both)
	IgnoreProbes                                                            bool
}

// ReuseMode is http-reuse.
type ReuseMode uint8

// Modes of http-reuse.
const (
	ReuseSafe ReuseMode = iota
	ReuseNever
	ReuseAggressive
	ReuseAlways
)

// Forwardfor is option forwardfor and originalto.
type Forwardfor struct {
	Header string       // X-Forwarded-For, X-Original-To
	Except netip.Prefix // invalid: none
	IfNone bool
}

// Switch is one use_backend.
type Switch struct {
	Cond    *sample.Condition
	Backend *Proxy            // nil: by Name
	Name    *logformat.Format // dynamic; an unknown name falls to the next rule's default
}

// UseServer is one use-server.
type UseServer struct {
	Cond   *sample.Condition
	Server *Server
}

// FrontRules are the rules of a proxy; a listen's apply once.
type FrontRules struct {
	TCPConnection []Rule // tcp-request connection
	TCPContent    []Rule // tcp-request content
	InspectDelay  time.Duration
	HTTPRequest   []Rule // http-request, and redirect, which stands after them
	HTTPResponse  []Rule // http-response
	HTTPAfter     []Rule // http-after-response
}

// Action is what a Rule does.
type Action uint8

// Actions.
const (
	ActAllow Action = iota // stop evaluating this set: allow, accept
	ActDeny                // deny, reject: Status and Reply for HTTP
	ActTarpit
	ActReturn        // Reply
	ActRedirect      // Redirect
	ActSetHeader     // Name, Format
	ActAddHeader     // Name, Format
	ActDelHeader     // Name, with Match how
	ActReplaceHeader // Name, Pattern, Format with \1
	ActReplaceValue
	ActSetMethod // Format
	ActSetPath   // Format; the query stays
	ActSetQuery
	ActSetURI
	ActSetPathQuery
	ActReplacePath // Pattern, Format
	ActReplaceURI
	ActSetStatus   // Status, Text
	ActSetLogLevel // Level; -1: silent
	ActCapture     // Expr, Slot
	ActSilentDrop
	ActClose // close the connection without a response: http-request reject, tcp-response close
)

// Rule is one line of a rule set.
type Rule struct {
	Pos       Position
	Cond      *sample.Condition // nil: always
	Do        Action
	Name      string // header name
	NameMatch NameMatch
	Pattern   Pattern
	Format    *logformat.Format
	Expr      *sample.Expr
	Slot      int
	Status    int
	Text      string
	Level     int
	Reply     *Reply
	Redirect  *Redirect
}

// NameMatch is how del-header finds its headers (-m).
type NameMatch uint8

// Ways of matching a header's name.
const (
	NameIs NameMatch = iota
	NameBegins
	NameEnds
	NameContains
	NameRegexp
)

// Pattern is a compiled regular expression; regexp.Regexp fits.
type Pattern interface {
	FindSubmatchIndex(b []byte) []int
	Match(b []byte) bool
	String() string
}

// Reply is a response made here (http-request return, deny with content).
type Reply struct {
	Status      int
	ContentType string
	Body        *logformat.Format // nil: none
	Page        bool              // the error page of Status (default-errorfiles)
	Raw         []byte            // a whole response as it stands (errorfile, default-errorfiles); Body is nil then
	Headers     []ReplyHeader
}

// ReplyHeader is a header of a Reply.
type ReplyHeader struct {
	Name  string
	Value *logformat.Format
}

// Redirect is a redirect rule's answer.
type Redirect struct {
	Kind                                RedirectKind
	To                                  *logformat.Format
	Code                                int // 301, 302, 303, 307, 308
	DropQuery, AppendSlash, IgnoreEmpty bool
	SetCookie                           string // whole Set-Cookie value; empty: none
}

// RedirectKind says what To is.
type RedirectKind uint8

// Kinds of redirects.
const (
	RedirectLocation RedirectKind = iota // the whole Location
	RedirectPrefix                       // put before the request's path
	RedirectScheme                       // put before :// and the Host
)

// Captures are headers kept for the log.
type Captures struct {
	Request, Response []Capture
	Cookie            string // capture cookie; a trailing '=' was removed and set Exact
	CookieExact       bool
	CookieLen         int
}

// Capture is one `capture request|response header`.
type Capture struct {
	Name string // empty: a slot of `declare capture`
	Len  int
}

// Algorithm of balance.
type Algorithm uint8

// Algorithms by their keywords.
const (
	RoundRobin Algorithm = iota
	StaticRR
	LeastConn
	First
	Random
	SourceHash
	URIHash
	URLParam
	HeaderHash
	ExprHash
	RDPCookie
)

// Balance is how a backend chooses servers.
type Balance struct {
	Algorithm       Algorithm
	Set             bool // false: the default (roundrobin)
	Draws           int  // random: 2
	Len, Depth      int  // uri; 0: whole
	Whole, PathOnly bool
	Name            string // url_param's and hdr's
	CheckPost       bool
	DomainOnly      bool // hdr use_domain_only
	Expr            *sample.Expr
}

// HashType is hash-type.
type HashType struct {
	Consistent bool
	Function   HashFunction
	Avalanche  bool
}

// HashFunction of hash-type.
type HashFunction uint8

// Hash functions by their keywords.
const (
	SDBM HashFunction = iota
	DJB2
	WT6
	CRC32
	NoHash
)

// Cookie is cookie persistence of a backend.
type Cookie struct {
	Name                                                    string // empty: none
	Mode                                                    CookieMode
	Indirect, NoCache, PostOnly, Preserve, HTTPOnly, Secure bool
	Domains                                                 []string
	MaxIdle, MaxLife                                        time.Duration
	Attrs                                                   []string
}

// CookieMode is who makes the cookie.
type CookieMode uint8

// Modes of cookies.
const (
	CookiePassive CookieMode = iota // only read
	CookieInsert
	CookieRewrite
	CookiePrefix
)

// Server is one server of a backend.
type Server struct {
	Name string
	Pos  Position
	ID   int // sid: 1 up in file order, or `id`
	// Addr is where it listens; its port is the client's plus PortOffset where PortMapped. Path is a UNIX socket.
	Addr netip.AddrPort
	Path string
	// Host is a name Addr was resolved from; empty for a literal address. An unresolved one has an invalid Addr
	// and the server starts in maintenance (init-addr none).
	Host       string
	PortMapped bool
	PortOffset int

	Weight                     int // 0-256, default 1
	MaxConn, MinConn, MaxQueue int // 0: unlimited
	Backup, Disabled           bool
	Cookie                     string
	Redir                      string
	OnMarkedDown, OnMarkedUp   bool // shutdown-sessions, shutdown-backup-sessions
	SlowStart                  time.Duration
	Track                      *Server // takes its state from another one
	TrackBackend               *Proxy
	SendProxy                  int // PROXY protocol version sent first: 0 none, 1, 2
	Source                     netip.AddrPort
	Interface                  string
	PoolMax                    int           // idle connections kept; -1: unlimited, 0: none
	PoolPurgeDelay             time.Duration // 5 s

	Check CheckParams
}

// CheckParams are a server's own settings of its check.
type CheckParams struct {
	On                          bool
	Addr                        netip.AddrPort // what is checked; port 0 or an invalid address: the server's own
	Inter, FastInter, DownInter time.Duration  // 2 s, Inter, Inter
	Rise, Fall                  int            // 2, 3
	SendProxy                   bool
	Observe                     Observe
	ErrorLimit                  int // 10
	OnError                     ErrorReaction
}

// Observe is which traffic counts as a check.
type Observe uint8

// What observe looks at.
const (
	ObserveNone Observe = iota
	ObserveLayer4
	ObserveLayer7
)

// ErrorReaction is on-error.
type ErrorReaction uint8

// Reactions to ErrorLimit errors.
const (
	FailCheck ErrorReaction = iota
	FastInter
	SuddenDeath
	MarkDown
)

// HealthCheck is what a backend asks its servers.
type HealthCheck struct {
	Kind CheckKind
	// Steps are run in order on one connection each time a connect step, or the start, opens one.
	Steps                   []CheckStep
	DisableOn404, SendState bool
	// User and Hello are arguments of the protocol probes: mysql-check and pgsql-check user, smtpchk greeting and
	// domain ("HELO localhost"), mysql-check's handshake ("post-41", "pre-41"; with an empty User only the greeting
	// is read).
	User, Hello string
}

// CheckKind names the protocol for the check's log text.
type CheckKind uint8

// Kinds of checks. CheckTCP without steps is a connect.
const (
	CheckTCP CheckKind = iota
	CheckHTTP
	CheckMySQL
	CheckPgSQL
	CheckRedis
	CheckSMTP
	CheckLDAP
	CheckSSLHello
)

// StepKind is what a CheckStep does.
type StepKind uint8

// Kinds of steps.
const (
	StepConnect  StepKind = iota
	StepSend              // Data
	StepHTTPSend          // Method, URI, Version, Headers, Body
	StepExpect            // Expect
)

// CheckStep is one line of http-check or tcp-check.
type CheckStep struct {
	Pos                  Position
	Kind                 StepKind
	Comment              string
	Comments             int // lines that are comments alone, up to here: they count as steps
	Port                 int // connect: 0 the server's
	Addr                 netip.Addr
	SendProxy            bool
	Data                 []byte
	Method, URI, Version string
	Headers              [][2]string
	Body                 string
	Expect               Expect
}

// Expect is an expect rule.
type Expect struct {
	Negate        bool
	What          ExpectKind
	Text          []byte   // string, binary
	Pattern       Pattern  // r…
	Statuses      [][2]int // status: inclusive ranges
	Header, Value string   // hdr
	MinRecv       int
	Default       bool // 2xx and 3xx, when no rule is written
}

// ExpectKind is what an Expect looks at.
type ExpectKind uint8

// Kinds of expectations.
const (
	ExpectStatus ExpectKind = iota
	ExpectStatusRegexp
	ExpectString
	ExpectRegexp
	ExpectBinary
	ExpectBinaryRegexp
	ExpectHeader
)

// LogTarget is one `log` line.
type LogTarget struct {
	// Exactly one of Addr, Path (a UNIX datagram socket) and FD (1 stdout, 2 stderr, N) is set; FD is 0 for none.
	Addr     netip.AddrPort
	Path     string
	FD       int
	Len      int // longest line, 1024
	Format   LogHeader
	Facility int // 0-23
	Max, Min int // severities 0 emerg - 7 debug: those above Max are not sent, those below Min are sent as Min
}

// LogHeader is the frame of a log line.
type LogHeader uint8

// Frames by their keywords.
const (
	RFC3164 LogHeader = iota
	RFC5424
	LogPriority // <PRI> only
	LogShort    // <N> only
	LogTimed
	LogISO
	LogRaw
	LogLocal // without a host
)

// StatsPage is `stats …` of a proxy.
type StatsPage struct {
	URI                                          string        // /haproxy?stats
	Realm                                        string        // HAProxy Statistics
	Users                                        [][2]string   // name, password; none: open
	Refresh                                      time.Duration // 0: none
	HideVersion, ShowLegends, ShowNode, ShowDesc bool
	Node, Desc                                   string
	Scope                                        []string            // proxies shown, "." the own one; none: all
	Admin                                        []*sample.Condition // any true: the admin level; nil element: always
	Rules                                        []Rule              // stats http-request allow, deny, auth
}
