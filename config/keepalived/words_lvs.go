package keepalived

import (
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/lvs/table"
)

// The words of virtual servers and real servers. Those of checkers are in words_check.go.

// longest bounds times that the reference hardly bounds at all.
const longest = 4294967295

// interval is a time between two checks.
func interval() arg { return seconds(0.000001, longest) }

// serverWords may stand in virtual_server for all its servers, or in one real_server. flag is how
// their switches are read, which is different there.
func serverWords(flag func() arg) []keyword {
	return []keyword{
		{word: "delay_loop", args: []arg{interval()}, def: "60", help: "time between checks",
			set: setTime(func(d *serverDefaults) *opt[time.Duration] { return &d.interval })},
		{word: "retry", args: []arg{integer(1, longest)}, def: "1; DNS_CHECK 3; MISC_CHECK 0",
			help: "checks repeated before a server counts as failed", set: (*builder).setServerRetry},
		{word: "delay_before_retry", args: []arg{seconds(0, longest)},
			def: "1; HTTP_GET and SSL_GET 3; DNS_CHECK delay_loop", help: "time before a check is repeated",
			set: setTime(func(d *serverDefaults) *opt[time.Duration] { return &d.retryDelay })},
		{word: "connect_timeout", args: []arg{seconds(0.000001, 4294.967295)}, def: "5",
			help: "time allowed for a connection, and for each answer",
			set:  setTime(func(d *serverDefaults) *opt[time.Duration] { return &d.timeout })},
		{word: "warmup", args: []arg{seconds(0, longest)}, def: "delay_loop",
			help: "longest random wait before the first check",
			set:  setTime(func(d *serverDefaults) *opt[time.Duration] { return &d.warmup })},
		{word: "alpha", args: []arg{flag()}, def: "off", help: "down until a check passes",
			set: (*builder).setServerAlpha},
		{word: "inhibit_on_failure", args: []arg{flag()}, def: "off", help: "weight 0 instead of removal",
			set: (*builder).setInhibit},
		{word: "virtualhost", args: []arg{word("NAME")}, help: "Host header of checks that name none",
			set: (*builder).setServerHost},
		{word: "smtp_alert", args: []arg{onOff()}, state: harmless, help: "mail on changes", why: noMail},
		{word: "snmp_name", args: []arg{word("NAME")}, state: harmless, help: "name in SNMP", why: noSNMP},
		{word: "lvs_method", args: method(), def: "NAT", help: "how packets reach the servers",
			set: (*builder).setMethod},
	}
}

// method is NAT, DR or TUN with the options of a tunnel.
func method() []arg {
	return []arg{choice("NAT", "DR", "TUN"),
		{kind: theRest, name: "type ipip|gue|gre, port NUMBER, nocsum|csum|remcsum", optional: true}}
}

// schedulers of the kernel.
var schedulers = []string{"rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq", "twos"}

// flagWord is a switch for hashing schedulers.
func flagWord(name, help string, f table.Flags) keyword {
	return keyword{word: name, args: []arg{alone()}, def: "off", help: help, set: setFlag(f)}
}

var virtualWords = append([]keyword{
	{word: "lb_algo", args: []arg{choice(schedulers...)}, def: "wlc", help: "how connections are spread",
		set: (*builder).setScheduler},
	{word: "lvs_sched", args: []arg{choice(schedulers...)}, def: "wlc", help: "the same as lb_algo",
		set: (*builder).setScheduler},
	{word: "lb_kind", args: method(), def: "NAT", help: "the same as lvs_method", set: (*builder).setMethod},
	{word: "protocol", args: []arg{choice("TCP", "UDP", "SCTP").inAnyCase()}, def: "UDP", help: "of the service",
		set: (*builder).setProtocol},
	{word: "ip_family", args: []arg{choice("inet", "inet6")}, def: "that of the servers",
		help: "family of a service by mark", set: (*builder).setFamily},
	{word: "persistence_timeout", args: []arg{wholeSeconds(0, 2678400).opt()}, def: "none; alone: 360",
		help: "how long a client stays with a server", set: (*builder).setPersistence},
	{word: "persistence_granularity", args: []arg{word("MASK")}, def: "255.255.255.255 or 128",
		help: "how much of the client's address counts: a mask, for IPv6 a number of bits",
		set:  (*builder).setGranularity},
	{word: "persistence_engine", args: []arg{word("NAME")}, help: "sip: clients are told apart by call, not address",
		set: (*builder).setEngine},
	{word: "ops", args: []arg{alone()}, def: "off", help: "every UDP packet is scheduled by itself",
		set: (*builder).setOnePacket},
	{word: "hashed", args: []arg{alone()}, state: harmless, help: "old word for hashing",
		why: "the kernel sets this flag by itself"},
	flagWord("flag-1", "first flag of the scheduler", table.Sched1),
	flagWord("flag-2", "second flag of the scheduler", table.Sched2),
	flagWord("flag-3", "third flag of the scheduler", table.Sched3),
	flagWord("sh-fallback", "source hashing passes over a server with weight 0", table.Sched1),
	flagWord("sh-port", "source hashing takes the port too", table.Sched2),
	flagWord("mh-fallback", "Maglev hashing passes over a server with weight 0", table.Sched1),
	flagWord("mh-port", "Maglev hashing takes the port too", table.Sched2),
	{word: "quorum", args: []arg{integer(1, longest)}, def: "1",
		help: "weight of live servers that makes the service available", set: (*builder).setQuorum},
	{word: "hysteresis", args: []arg{integer(0, longest)}, def: "0",
		help: "margin by which the quorum is gained and lost", set: (*builder).setHysteresis},
	{word: "quorum_up", args: []arg{rest("COMMAND [USER [GROUP]]")}, help: "runs when the quorum is gained",
		set: (*builder).setQuorumScript},
	{word: "quorum_down", args: []arg{rest("COMMAND [USER [GROUP]]")}, help: "runs when the quorum is lost",
		set: (*builder).setQuorumScript},
	{word: "omega", args: []arg{alone()}, def: "off", help: "run quorum_down and notify_down at the end too",
		set: (*builder).setOmega},
	{word: "ha_suspend", args: []arg{alone()}, def: "off", help: "check only while the address is here",
		set: (*builder).setSuspend},
	{word: "weight", args: []arg{integer(1, 2147483647)}, def: "1", help: "weight of servers that have none",
		set: (*builder).setWeight},
	{word: "sorry_server", args: []arg{rest("ADDRESS [PORT]")},
		help: "server of last resort, for when the quorum is lost", set: (*builder).setSorry},
	{word: "sorry_server_inhibit", args: []arg{alone()}, def: "off", help: "it stays in the table with weight 0",
		set: (*builder).setSorryInhibit},
	{word: "sorry_server_lvs_method", args: method(), def: "lvs_method", help: "how packets reach it",
		set: (*builder).setSorryMethod},
	{word: "nat_mask", args: []arg{word("MASK")}, state: harmless, absent: gone, help: "old word",
		why: "it has no use in any kernel of today"},
	{word: "real_server", args: []arg{rest("ADDRESS [PORT]")}, block: inReal, multi: true,
		help: "a server behind the service", set: (*builder).openReal, end: (*builder).closeReal},
}, serverWords(alone)...)

var realWords = append([]keyword{
	{word: "weight", args: []arg{integer(0, 2147483647)}, def: "1", help: "share of connections; 0: no new ones",
		set: (*builder).setWeight},
	{word: "uthreshold", args: []arg{integer(0, longest)}, def: "0",
		help: "connections from which it gets no new ones; 0: no limit", set: (*builder).setUpper},
	{word: "lthreshold", args: []arg{integer(0, longest)}, def: "0",
		help: "connections below which it gets new ones again", set: (*builder).setLower},
	{word: "notify_up", args: []arg{rest("COMMAND [USER [GROUP]]")}, help: "runs when it comes up",
		set: (*builder).setServerScript},
	{word: "notify_down", args: []arg{rest("COMMAND [USER [GROUP]]")}, help: "runs when it goes down",
		set: (*builder).setServerScript},
	checker("TCP_CHECK", inTCPCheck, "well if it accepts a connection", config.CheckerTCP),
	checker("HTTP_GET", inHTTPGet, "well if it gives the right pages", config.CheckerHTTP),
	checker("SSL_GET", inSSLGet, "the same over TLS", config.CheckerSSL),
	checker("MISC_CHECK", inMiscCheck, "well if a program says so", config.CheckerMisc),
	checker("SMTP_CHECK", inSMTPCheck, "well if it greets as a mail server", config.CheckerSMTP),
	checker("DNS_CHECK", inDNSCheck, "well if it answers a query", config.CheckerDNS),
	checker("UDP_CHECK", inUDPCheck, "well if a datagram raises no error", config.CheckerUDP),
	checker("PING_CHECK", inPingCheck, "well if it answers a ping", config.CheckerPing),
	checker("FILE_CHECK", inFileCheck, "a number in a file moves its weight", config.CheckerFile),
	{word: "BFD_CHECK", block: inBFDCheck, multi: true, state: refused, help: "well if a BFD session is up",
		why: "use PING_CHECK"},
}, serverWords(onOff)...)

func checker(name string, p place, help string, kind config.CheckerKind) keyword {
	return keyword{word: name, block: p, multi: true, help: help, set: openCheck(kind), end: (*builder).closeCheck}
}

var sslWords = []keyword{
	{word: "password", args: []arg{word("PASSWORD")}, help: "of the key", set: (*builder).setTLSWord},
	// Differs from Keepalived: with ca, a server whose certificate is not of that authority fails
	// SSL_GET, whatever its name. There the file is read and any certificate is taken.
	{word: "ca", args: []arg{word("PATH")}, help: "authority that servers' certificates must be of",
		set: (*builder).setTLSWord},
	{word: "certificate", args: []arg{word("PATH")}, help: "our certificate, for servers that ask for one",
		set: (*builder).setTLSWord},
	{word: "key", args: []arg{word("PATH")}, def: "in certificate", help: "our key", set: (*builder).setTLSWord},
}

var trackFileWords = []keyword{
	{word: "file", args: []arg{word("PATH")}, help: "the file", set: (*builder).setTrackedPath},
	{word: "weight", args: []arg{integer(-2147483647, 2147483647), choice("reverse", "noreverse").opt()}, def: "1",
		help: "what the number in it is multiplied with", set: (*builder).setTrackedWeight},
	{word: "init_file", args: []arg{restOrNone()}, state: refused, help: "write the file at start",
		why: "write it before evenkeel starts"},
}
