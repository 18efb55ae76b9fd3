package ipvsadm

// A verb is a command of the first option.
type verb uint8

const (
	addService verb = iota
	editService
	deleteService
	flush
	list
	addServer
	deleteServer
	editServer
	startDaemon
	stopDaemon
	restore
	save
	zero
	setTimeouts
	help
	version
	verbs
)

// An option is what the rules of combination know one by; several spellings may be one option.
type option uint8

// In the order in which ipvsadm complains.
const (
	optNumeric option = iota
	optConnection
	optService
	optScheduler
	optPersistent
	optNetmask
	optServer
	optMethod
	optWeight
	optUpper
	optLower
	optInterface
	optTimeout
	optDaemon
	optStats
	optRate
	optThresholds
	optPersistentConn
	optNoSort
	optSyncID
	optExact
	optOnePacket
	optEngine
	optSchedFlags
	optGroup
	optPort
	optTTL
	optMaxLen
	optTunInfo
	optTunType
	optTunPort
	optTunNoCsum
	optTunCsum
	optTunRemCsum
	options
	optSort // may be anywhere and does nothing
	optIPv6
	none // of a verb
)

// optionNames are those of complaints.
var optionNames = [options]string{
	"numeric", "connection", "service-address", "scheduler", "persistent", "netmask", "real-server",
	"forwarding-method", "weight", "u-threshold", "l-threshold", "mcast-interface", "timeout", "daemon", "stats",
	"rate", "thresholds", "persistent-conn", "nosort", "syncid", "exact", "ops", "pe", "sched-flags",
	"mcast-group", "mcast-port", "mcast-ttl", "sync-maxlen", "tun-info", "tun-type", "tun-port", "tun-nocsum",
	"tun-csum", "tun-remcsum",
}

type set uint64

func of(opts ...option) (s set) {
	for _, o := range opts {
		s |= 1 << o
	}
	return s
}

func (s set) has(o option) bool { return s&(1<<o) != 0 }

// A rule says what options a verb needs, takes, and which of them exclude each other.
type rule struct {
	name      string
	needs     set
	takes     set
	exclusive set
}

var tunnelOptions = of(optTunType, optTunPort, optTunNoCsum, optTunCsum, optTunRemCsum)

var rules = [verbs]rule{
	addService:    {name: "add-service", needs: of(optService), takes: serviceOptions},
	editService:   {name: "edit-service", needs: of(optService), takes: serviceOptions},
	deleteService: {name: "delete-service", needs: of(optService)},
	flush:         {name: "flush"},
	list: {name: "list", takes: of(optNumeric, optStats, optRate, optThresholds, optPersistentConn, optNoSort,
		optSyncID, optExact, optTunInfo),
		exclusive: of(optConnection, optService, optTimeout, optDaemon)},
	addServer:    {name: "add-server", needs: of(optService, optServer), takes: serverOptions},
	deleteServer: {name: "delete-server", needs: of(optService, optServer)},
	editServer:   {name: "edit-server", needs: of(optService, optServer), takes: serverOptions},
	startDaemon:  {name: "start-daemon", takes: of(optInterface, optSyncID, optGroup, optPort, optTTL, optMaxLen)},
	stopDaemon:   {name: "stop-daemon", takes: of(optSyncID)},
	restore:      {name: "restore"},
	save:         {name: "save", takes: of(optNumeric)},
	zero:         {name: "zero", takes: of(optService)},
	setTimeouts:  {name: "set"},
}

var (
	serviceOptions = of(optScheduler, optPersistent, optNetmask, optOnePacket, optEngine, optSchedFlags)
	serverOptions  = of(optMethod, optWeight, optUpper, optLower) | tunnelOptions
)

// tunnelRules are the same for the types of tunnels.
var tunnelRules = [...]rule{
	{name: "ipip"},
	{name: "gue", needs: of(optTunPort), exclusive: of(optTunNoCsum, optTunCsum, optTunRemCsum)},
	{name: "gre", exclusive: of(optTunNoCsum, optTunCsum)},
}

// check returns a complaint about given, or "". kind is "command" or "tunnel type".
func (r rule) check(given set, kind string) string {
	excluded := options
	for o := option(0); o < options; o++ {
		switch {
		case !given.has(o) && r.needs.has(o):
			return "You need to supply the '" + optionNames[o] + "' option for the '" + r.name + "' " + kind
		case !given.has(o):
		case r.exclusive.has(o) && excluded != options:
			return "The option '" + optionNames[o] + "' conflicts with the '" + optionNames[excluded] +
				"' option in the '" + r.name + "' " + kind
		case r.exclusive.has(o):
			excluded = o
		case !(r.needs | r.takes).has(o):
			return "Illegal '" + optionNames[o] + "' option with the '" + r.name + "' " + kind
		}
	}
	return ""
}

// Whether a spelling takes an argument.
type arity uint8

const (
	alone arity = iota
	needsArgument
	mayHaveArgument // the next word, unless it begins with a dash
)

// A spelling is one way to write a verb or an option.
type spelling struct {
	long  string
	short byte
	arity arity
	verb  verb   // where option is none
	opt   option // none for a verb
	value string // what the spelling itself says
	arg   string // what its argument is called in the help
	help  string
}

var spellings = []spelling{
	{long: "add-service", short: 'A', verb: addService, opt: none, help: "add a virtual service"},
	{long: "edit-service", short: 'E', verb: editService, opt: none, help: "set a virtual service anew"},
	{long: "delete-service", short: 'D', verb: deleteService, opt: none,
		help: "remove a virtual service and its servers"},
	{long: "clear", short: 'C', verb: flush, opt: none, help: "empty the table"},
	{long: "restore", short: 'R', verb: restore, opt: none, help: "read commands from standard input, one a line"},
	{long: "save", short: 'S', verb: save, opt: none, help: "print the commands that make this table"},
	{long: "add-server", short: 'a', verb: addServer, opt: none, help: "add a real server to a service"},
	{long: "edit-server", short: 'e', verb: editServer, opt: none, help: "set a real server anew"},
	{long: "delete-server", short: 'd', verb: deleteServer, opt: none, help: "remove a real server from a service"},
	{long: "list", short: 'L', verb: list, opt: none, help: "print the table, or one service; also -l"},
	{short: 'l', verb: list, opt: none},
	{long: "zero", short: 'Z', verb: zero, opt: none, help: "set counters to zero, of one service or all"},
	{long: "set", verb: setTimeouts, opt: none, arg: "TCP TCPFIN UDP",
		help: "set timeouts in seconds; 0 leaves one as it is"},
	{long: "start-daemon", arity: needsArgument, verb: startDaemon, opt: none, arg: "master|backup",
		help: "start a synchronisation daemon"},
	{long: "stop-daemon", arity: needsArgument, verb: stopDaemon, opt: none, arg: "master|backup", help: "stop it"},
	{long: "help", short: 'h', verb: help, opt: none, help: "print this"},
	{long: "version", short: 'v', verb: version, opt: none, help: "print the version"},

	{long: "tcp-service", short: 't', arity: needsArgument, opt: optService, value: "tcp", arg: "HOST[:PORT]",
		help: "the service of this TCP address"},
	{long: "udp-service", short: 'u', arity: needsArgument, opt: optService, value: "udp", arg: "HOST[:PORT]",
		help: "the service of this UDP address"},
	{long: "sctp-service", arity: needsArgument, opt: optService, value: "sctp", arg: "HOST[:PORT]",
		help: "the service of this SCTP address"},
	{long: "fwmark-service", short: 'f', arity: needsArgument, opt: optService, value: "mark", arg: "MARK",
		help: "the service of packets with this mark"},
	{long: "ipv6", short: '6', opt: optIPv6, help: "after -f: the mark is on IPv6 packets"},

	{long: "scheduler", short: 's', arity: needsArgument, opt: optScheduler, arg: "NAME",
		help: "how servers are chosen (wlc)"},
	{long: "sched-flags", short: 'b', arity: needsArgument, opt: optSchedFlags, arg: "FLAG,…",
		help: "flags of the scheduler: flag-1 to flag-3, sh-fallback, sh-port, mh-fallback, mh-port"},
	{long: "persistent", short: 'p', arity: mayHaveArgument, opt: optPersistent, arg: "[SECONDS]",
		help: "a client stays with its server (360 s)"},
	{long: "netmask", short: 'M', arity: needsArgument, opt: optNetmask, arg: "MASK",
		help: "clients of one network stay together; IPv6: a prefix length"},
	{long: "pe", arity: needsArgument, opt: optEngine, arg: "NAME", help: "persistence engine (sip)"},
	{long: "ops", short: 'o', opt: optOnePacket, help: "schedule each UDP packet by itself"},

	{long: "real-server", short: 'r', arity: needsArgument, opt: optServer, arg: "HOST[:PORT]",
		help: "the real server"},
	{long: "gatewaying", short: 'g', opt: optMethod, value: "g", help: "reach it by direct routing (the default)"},
	{long: "ipip", short: 'i', opt: optMethod, value: "i", help: "reach it by a tunnel"},
	{long: "masquerading", short: 'm', opt: optMethod, value: "m", help: "reach it by address translation"},
	{long: "weight", short: 'w', arity: needsArgument, opt: optWeight, arg: "N",
		help: "its weight (1); 0: no new connections"},
	{long: "u-threshold", short: 'x', arity: needsArgument, opt: optUpper, arg: "N",
		help: "no new connections above N"},
	{long: "l-threshold", short: 'y', arity: needsArgument, opt: optLower, arg: "N", help: "new ones again below N"},
	{long: "tun-type", arity: needsArgument, opt: optTunType, arg: "ipip|gue|gre", help: "kind of tunnel (ipip)"},
	{long: "tun-port", arity: needsArgument, opt: optTunPort, arg: "PORT", help: "UDP port of a gue tunnel"},
	{long: "tun-nocsum", opt: optTunNoCsum, help: "no checksum in the tunnel's header"},
	{long: "tun-csum", opt: optTunCsum, help: "a checksum in it"},
	{long: "tun-remcsum", opt: optTunRemCsum, help: "remote checksum offload (gue)"},

	{long: "numeric", short: 'n', opt: optNumeric, help: "numbers instead of names"},
	{long: "connection", short: 'c', opt: optConnection, help: "list connections"},
	{long: "timeout", opt: optTimeout, help: "list timeouts"},
	{long: "daemon", opt: optDaemon, help: "list synchronisation daemons"},
	{long: "stats", opt: optStats, help: "list counters"},
	{long: "rate", opt: optRate, help: "list rates"},
	{long: "exact", opt: optExact, help: "counters to the last digit"},
	{long: "thresholds", opt: optThresholds, help: "list thresholds"},
	{long: "persistent-conn", opt: optPersistentConn, help: "list bound clients; with -c: engines' data"},
	{long: "tun-info", opt: optTunInfo, help: "list tunnels too"},
	{long: "nosort", opt: optNoSort, help: "in the table's own order"},
	{long: "sort", opt: optSort, help: "sorted, which is the default"},

	{long: "mcast-interface", arity: needsArgument, opt: optInterface, arg: "NAME",
		help: "interface of synchronisation (eth0)"},
	{long: "syncid", arity: needsArgument, opt: optSyncID, arg: "N", help: "0 to 255; a backup with 0 hears all"},
	{long: "sync-maxlen", arity: needsArgument, opt: optMaxLen, arg: "BYTES", help: "longest message (from the MTU)"},
	{long: "mcast-group", arity: needsArgument, opt: optGroup, arg: "ADDRESS", help: "multicast group (224.0.0.81)"},
	{long: "mcast-port", arity: needsArgument, opt: optPort, arg: "PORT", help: "UDP port (8848)"},
	{long: "mcast-ttl", arity: needsArgument, opt: optTTL, arg: "N", help: "time to live (1)"},
}
