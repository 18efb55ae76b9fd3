package keepalived

import (
	"net/netip"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/lvs/table"
)

// lvsDraft is what the file says about virtual servers.
type lvsDraft struct {
	virtuals   []*virtualDraft
	groups     map[string]*addressGroup
	trackFiles map[string]*trackFileDraft
	tls        opt[config.CheckTLS]

	driver      opt[config.LVSDriver]
	tableSize   int
	timeouts    table.Timeouts
	sync        *syncDraft
	flush       bool
	flushOnStop config.FlushMode
	logAll      bool
	initNotify  bool
}

// syncDraft is lvs_sync_daemon.
type syncDraft struct {
	table.Daemon
	at       token
	instance token
	id       opt[int]
}

// forwarding is how packets reach a server.
type forwarding struct {
	method table.Method
	wrap   table.Wrap
}

// serverDefaults are the words of virtual_server and of real_server that have the same meaning.
type serverDefaults struct {
	interval, retryDelay, warmup, timeout opt[time.Duration]
	retry, weight                         opt[int]
	alpha, inhibit                        opt[bool]
	host                                  opt[string]
	forward                               opt[forwarding]
}

// endpoint is ADDRESS [PORT] as written; port 0: none.
type endpoint struct {
	addr netip.Addr
	port uint16
	tok  token
}

type virtualDraft struct {
	config.VirtualServer
	serverDefaults
	head  token // what stands first after virtual_server
	at    endpoint
	mark  opt[uint32]
	group opt[string]

	scheduler   opt[string]
	protocol    opt[table.Protocol]
	ipv6        opt[bool] // ip_family
	persistence opt[time.Duration]
	granularity opt[string]
	engine      opt[string]
	onePacket   opt[bool]
	flags       []flagDraft
	quorum      opt[int]
	hysteresis  opt[int]
	servers     []*realDraft
	sorry       opt[endpoint]
	sorryKind   opt[forwarding]
	sorryIn     opt[bool]
	broken      bool            // a real_server could not be read
	blamed      map[string]bool // words that were wrong and reported, so that they are not missed too
	family      bool            // IPv6, once resolved
	service     table.Protocol  // of its addresses, once resolved
}

// flagDraft is a flag of the scheduler.
type flagDraft struct {
	flag  table.Flags
	tok   token
	early bool // before any scheduler was named
}

type realDraft struct {
	config.RealServer
	serverDefaults
	at     endpoint
	checks []*checkDraft
}

type checkDraft struct {
	config.Checker
	tok token
	connectionDraft
	interval, retryDelay, warmup opt[time.Duration]
	retry                        opt[int]
	alpha, logAll                opt[bool]
	urls                         []*urlDraft
	hosts                        []*connectionDraft // SMTP_CHECK host {}
	command                      opt[config.Command]
	owner                        config.Owner
	runTime                      opt[time.Duration]
	file                         opt[string]
	fileWeight                   opt[int]
	wrong                        bool // something it needs could not be read
}

// connectionDraft is where a check goes to, and where from.
type connectionDraft struct {
	addr, bind     opt[netip.Addr]
	port, bindPort opt[int]
	bindInterface  string
	timeout        opt[time.Duration]
	mark           uint32
	given          bool
}

type urlDraft struct {
	config.CheckURL
	tok         token
	pattern     opt[string]
	options     []token
	noMatch     bool
	pathWrong   bool
	offsetGiven opt[int]
}

// addressGroup is a virtual_server_group.
type addressGroup struct {
	name    token
	entries []groupEntry
	size    int // addresses in them
	wrong   bool
}

// groupEntry is a line of it: addresses from first to last, or a mark.
type groupEntry struct {
	tok         token
	first, last netip.Addr
	port        uint16
	mark        uint32
	ipv6        opt[bool] // of a mark
}

type trackFileDraft struct {
	config.TrackFile
	weight  int
	reverse bool
}
