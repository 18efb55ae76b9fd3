package config

import (
	"crypto/md5"
	"net/netip"
	"regexp"
	"time"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// LVS is the LVS half of a Site: what is forwarded, and how it finds out which real
// servers are well. Like a Site it is complete: a virtual_server that names a group stands
// here once, with every address of the group in Keys; a server's defaults are filled in.
type LVS struct {
	Driver   LVSDriver
	Servers  []*VirtualServer // in file order
	Timeouts table.Timeouts   // lvs_timeouts; 0: the driver's
	Sync     *table.Daemon    // lvs_sync_daemon; Role unset: it follows SyncInstance; nil: none was written
	// SyncInstance is the vrrp_instance whose state says which role to play; empty: both at once.
	SyncInstance string
	Flush        bool // lvs_flush: the kernel's table is emptied at the start
	// FlushOnStop empties it at the end (lvs_flush_on_stop): FlushOwn what is ours, one service after another (`VS`),
	// FlushAll everything.
	FlushOnStop FlushMode
	// TableSize is how many connections our own plane remembers (own keyword lvs_table_size), 1024 to 16 Mi; 0: 1 Mi.
	TableSize int
	// LogAllFailures is checker_log_all_failures.
	LogAllFailures bool
	// InitNotifies runs notify_up and notify_down for the first state of a server too (rs_init_notifies).
	InitNotifies bool
}

// LVSDriver chooses the forwarding plane (our keyword lvs_driver).
type LVSDriver uint8

// Drivers. Auto is the kernel's IPVS where it is there, else our own.
const (
	DriverAuto LVSDriver = iota
	DriverIPVS
	DriverXDP
)

// FlushMode is what remains of the kernel's table when the director stops.
type FlushMode uint8

// Flush modes.
const (
	FlushOwn FlushMode = iota // our services go (keepalived's way without the word)
	FlushAll
)

// VirtualServer is one virtual_server: the same servers behind one address, a mark, or all the addresses of a
// virtual_server_group.
type VirtualServer struct {
	// as written, with the protocol if it is not TCP: "192.0.2.1 80", "192.0.2.1 53 UDP", "fwmark 3", "group web"
	Name string
	Pos  Position
	// Keys are what it serves, at least one. A real server's port is that of the service with DR and TUN; with NAT its
	// own, else that of the service. Where the addresses of a group have several ports, or none, it may be 0: then
	// it is that of each key. For a mark the port means nothing.
	Keys []table.Key
	// Template is the service without its key.
	Template table.Service
	Servers  []*RealServer
	Sorry    *RealServer // server of last resort, nil: none; its Weight is 1
	// SorryInhibit keeps the sorry server in the table with weight 0 (sorry_server_inhibit).
	SorryInhibit bool
	// Quorum is the weight of live servers that makes the service available (1; 0 if all servers together weigh
	// nothing), Hysteresis the margin by which it is gained and lost (0, less than Quorum).
	Quorum, Hysteresis   int
	QuorumUp, QuorumDown Command
	Omega                bool // QuorumDown and notify_down run at the end too
	// HASuspend checks only while an address of the service is on this machine (ha_suspend).
	HASuspend   bool
	VirtualHost string // Host header for checks that name none
	SMTPAlert   bool
}

// RealServer is one real_server of one virtual_server.
type RealServer struct {
	Pos Position
	// Destination as it is in the table while the server is well.
	table.Destination
	InhibitOnFailure   bool // weight 0 instead of removal
	NotifyUp, NotifyDn Command
	VirtualHost        string
	Checkers           []*Checker // all must pass; none: always well
}

// CheckerKind is the word a checker is written with.
type CheckerKind uint8

// Kinds of checkers.
const (
	CheckerTCP CheckerKind = iota
	CheckerHTTP
	CheckerSSL
	CheckerMisc
	CheckerSMTP
	CheckerDNS
	CheckerUDP
	CheckerPing
	CheckerFile
)

var checkerWords = [...]string{"TCP_CHECK", "HTTP_GET", "SSL_GET", "MISC_CHECK", "SMTP_CHECK", "DNS_CHECK", "UDP_CHECK",
	"PING_CHECK", "FILE_CHECK"}

// String is the keyword.
func (k CheckerKind) String() string { return checkerWords[k] }

// Checker is one check of a real server, with all defaults filled in.
type Checker struct {
	Kind CheckerKind
	Pos  Position
	// Timing. After a failure the check is repeated up to Retry times, RetryDelay apart, before the server counts
	// as failed. Warmup is the longest random wait before the first.
	Interval   time.Duration // delay_loop
	Retry      int
	RetryDelay time.Duration // delay_before_retry
	Warmup     time.Duration
	Alpha      bool // down until it passes
	LogAll     bool // log each failed check, not only the last

	// Connection, for kinds that have one. Addr is connect_ip and connect_port, filled in from the server.
	Addr          netip.AddrPort
	Source        netip.AddrPort // bindto, bind_port; invalid or port 0: the kernel's choice
	BindInterface string
	Timeout       time.Duration // connect_timeout
	Mark          uint32

	// HTTP_GET, SSL_GET
	URLs         []*CheckURL
	HTTPVersion  string // "1.0", "1.0C" (1.0 with Connection: close) or "1.1"
	VirtualHost  string
	FastRecovery bool
	SNI          bool // enable_sni: the virtual host's name
	TLS          CheckTLS

	// MISC_CHECK
	Command Command
	RunTime time.Duration // misc_timeout
	Dynamic bool          // misc_dynamic; for FILE_CHECK: the weight is added

	Helo string // SMTP_CHECK helo_name; each host {} of it is a Checker of its own

	DNSType, DNSName string // DNS_CHECK: SOA, "."

	Payload            []byte // UDP_CHECK
	RequireReply       bool
	Reply, ReplyMask   []byte // bytes of the answer where the mask is 0xff; empty: any answer
	MinReply, MaxReply int

	File       TrackFile // FILE_CHECK
	FileWeight int
	Reverse    bool
}

// CheckTLS is the client's side of SSL_GET (the SSL block).
type CheckTLS struct {
	CA, Certificate, Key, Password string // paths and the key's password; empty: no certificate, any server's is taken
}

// CheckURL is one page of HTTP_GET or SSL_GET. What is set must all hold.
type CheckURL struct {
	Path        string
	VirtualHost string
	// Statuses are inclusive ranges; none: 200-299.
	Statuses             [][2]int
	Digest               *[md5.Size]byte // of the body
	Regex                *regexp.Regexp
	RegexNoMatch         bool
	MinOffset, MaxOffset int // a match begins at MinOffset or later and before MaxOffset; 0: the end
}

// TrackFile is a file with a number in it (track_file).
type TrackFile struct {
	Name string
	Path string
}
