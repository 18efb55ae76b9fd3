package keepalived

import "github.com/evenkeel/evenkeel/config/words"

// vocabulary holds every word of the dialect by the place it may stand in. The parser,
// its hints and docs/compat.md all come from it.
var vocabulary = words.NewTable(map[place][]keyword{
	topLevel:     topWords,
	inGlobal:     globalWords,
	inInstance:   instanceWords,
	inAuth:       authWords,
	inGroup:      groupWords,
	inScript:     scriptWords,
	inTrackFile:  trackFileWords,
	inProcess:    processWords,
	inAuthHMAC:   hmacWords,
	inGARPGroup:  garpGroupWords,
	inTrackGroup: trackGroupWords,
	inBFD:        bfdWords,
	inVirtual:    virtualWords,
	inReal:       realWords,
	inSSL:        sslWords,
	inTCPCheck:   withConnection(),
	inHTTPGet:    withConnection(httpWords...),
	inSSLGet:     withConnection(append(sslGetWords, httpWords...)...),
	inURL:        urlWords,
	inMiscCheck:  withTiming(miscWords...),
	inSMTPCheck:  withConnection(smtpWords...),
	inSMTPHost:   withConnection(),
	inDNSCheck:   withConnection(dnsWords...),
	inUDPCheck:   withConnection(udpWords...),
	inPingCheck:  withConnection(),
	inFileCheck:  fileCheckWords,
	inBFDCheck:   bfdCheckWords,
}, func(k keyword) string { return k.word })

// places is the order of the table in the manual.
var places = []place{topLevel, inGlobal, inInstance, inAuth, inAuthHMAC, inGroup, inScript, inTrackFile, inProcess,
	inTrackGroup, inGARPGroup, inBFD, inVirtual, inReal, inTCPCheck, inHTTPGet, inSSLGet, inURL, inMiscCheck,
	inSMTPCheck, inSMTPHost, inDNSCheck, inUDPCheck, inPingCheck, inFileCheck, inBFDCheck, inSSL}

// everyWord lists the words of all places, in their order.
var everyWord = func() (all []string) {
	for _, p := range places {
		all = append(all, vocabulary.Words(p)...)
	}
	return all
}()

const (
	noVMAC  = "virtual MAC addresses are not supported yet"
	process = "there is one process, and it schedules itself"
)

var topWords = []keyword{
	{word: "global_defs", block: inGlobal, multi: true, help: "settings of the node as a whole"},
	{word: "vrrp_instance", args: []arg{word("NAME")}, block: inInstance, multi: true,
		help: "a virtual router: addresses that one of several nodes holds",
		set:  (*builder).openInstance, end: (*builder).closeInstance},
	{word: "vrrp_sync_group", args: []arg{word("NAME")}, block: inGroup, multi: true,
		help: "instances that change state together",
		set:  (*builder).openGroup, end: (*builder).closeGroup},
	{word: "vrrp_script", args: []arg{word("NAME")}, block: inScript, multi: true,
		help: "a check that runs again and again",
		set:  (*builder).openScript, end: (*builder).closeScript},
	{word: "vrrp_track_process", args: []arg{word("NAME")}, block: inProcess, multi: true, state: refused,
		help: "a check that a process runs",
		why:  "use a vrrp_script with pidof or pgrep"},
	{word: "track_file", args: []arg{word("NAME")}, block: inTrackFile, multi: true,
		help: "a number in a file that moves the weights of real servers (FILE_CHECK)",
		set:  (*builder).openTrackFile, end: (*builder).closeTrackFile},
	{word: "vrrp_track_file", args: []arg{word("NAME")}, block: inTrackFile, multi: true,
		help: "old name of track_file",
		set:  (*builder).openTrackFile, end: (*builder).closeTrackFile},
	{word: "bfd_instance", args: []arg{word("NAME")}, block: inBFD, multi: true, state: refused,
		help: "a BFD session with a neighbour"},
	{word: "virtual_server", args: []arg{rest("ADDRESS [PORT], fwmark NUMBER or group NAME")}, block: inVirtual,
		multi: true, help: "a service spread over real servers",
		set: (*builder).openVirtual, end: (*builder).closeVirtual},
	{word: "virtual_server_group", args: []arg{word("NAME")}, entries: true, multi: true,
		help: "addresses that share one virtual_server",
		set:  (*builder).openGroupOfAddresses, entry: (*builder).addGroupEntry, end: (*builder).closeGroupOfAddresses},
	{word: "SSL", block: inSSL, help: "client certificate of SSL_GET, and the authority of servers",
		set: (*builder).openTLS, end: (*builder).closeTLS},
	{word: "static_ipaddress", entries: true, multi: true, state: refused, help: "addresses that stay in every state"},
	{word: "static_routes", entries: true, multi: true, state: refused, help: "routes that stay in every state"},
	{word: "static_rules", entries: true, multi: true, state: refused, help: "routing rules that stay in every state"},
	{word: "track_group", args: []arg{word("NAME")}, block: inTrackGroup, multi: true, state: refused,
		help: "instances that fail with a static address or route"},
	{word: "garp_group", block: inGARPGroup, multi: true, state: refused,
		help: "a rate limit for announcements on several interfaces"},
	{word: "interface_up_down_delays", entries: true, multi: true, state: refused,
		help: "how long an interface must be up or down to count"},
	{word: "linkbeat_interfaces", entries: true, state: harmless, help: "interfaces to poll for carrier",
		why: "the kernel reports carrier by itself"},
	{word: "linkbeat_use_polling", state: harmless, help: "poll interfaces for carrier",
		why: "the kernel reports carrier by itself"},
	{word: "net_namespace", args: []arg{word("NAME")}, state: refused, help: "run in this network namespace",
		why: "start evenkeel in it: ip netns exec NAME"},
	{word: "net_namespace_ipvs", args: []arg{word("NAME")}, state: refused,
		help: "network namespace of the kernel's virtual servers", why: "start evenkeel in it: ip netns exec NAME"},
	{word: "namespace_with_ipsets", args: []arg{alone()}, state: harmless, help: "allow ipsets with a namespace",
		why: "no ipsets are used"},
	{word: "instance", args: []arg{word("NAME")}, state: harmless, help: "name of this process among several",
		why: "it only names pid files there"},
	{word: "use_pid_dir", args: []arg{alone()}, state: harmless, help: "where pid files go",
		why: "there are no pid files"},
	{word: "child_wait_time", args: []arg{seconds(0, 4294)}, state: harmless, def: "5",
		help: "how long a stop waits for processes", why: process},
}

var authWords = []keyword{
	{word: "auth_type", args: []arg{choice("PASS", "AH")}, def: "PASS",
		help: "how adverts are authenticated; AH is not supported yet", set: (*builder).setAuthType},
	{word: "auth_pass", args: []arg{word("PASSWORD")}, help: "the shared password, of which 8 bytes count",
		set: (*builder).setAuthPass},
}

var hmacWords = []keyword{
	{word: "key", args: []arg{rest("ID KEY")}, state: refused, absent: newer, multi: true,
		help: "a key and its number"},
	{word: "active_key", args: []arg{integer(1, 255)}, state: refused, absent: newer, help: "the key that signs"},
	{word: "mode", args: []arg{word("MODE")}, state: refused, absent: newer, def: "enforce",
		help: "what happens to unsigned adverts"},
	{word: "anti_replay", args: []arg{word("MODE")}, state: refused, absent: newer, def: "time",
		help: "how repeated adverts are seen"},
	{word: "time_window", args: []arg{seconds(1, 300)}, state: refused, absent: newer,
		help: "how far clocks may differ"},
}

var processWords = []keyword{
	{word: "process", args: []arg{rest("NAME")}, state: refused, help: "the process to look for"},
	{word: "param_match", args: []arg{word("MODE")}, state: refused, help: "how parameters are compared"},
	{word: "full_command", args: []arg{alone()}, state: refused, help: "compare the whole command line"},
	{word: "weight", args: []arg{integer(-254, 254), restOrNone()}, state: refused, def: "0",
		help: "change of priority"},
	{word: "quorum", args: []arg{integer(1, 65535)}, state: refused, def: "1", help: "how many must run"},
	{word: "quorum_max", args: []arg{integer(0, 65535)}, state: refused, help: "how many may run"},
	{word: "delay", args: []arg{seconds(0, 3600)}, state: refused, help: "how long a change must last"},
	{word: "fork_delay", args: []arg{seconds(0, 3600)}, state: refused, help: "how long a start must last"},
	{word: "terminate_delay", args: []arg{seconds(0, 3600)}, state: refused, help: "how long an end must last"},
}

var garpGroupWords = []keyword{
	{word: "interface", args: []arg{word("INTERFACE")}, state: refused, help: "the interface it is for"},
	{word: "interfaces", entries: true, state: refused, help: "the interfaces it is for"},
	{word: "garp_interval", args: []arg{seconds(0, 4294)}, state: refused, help: "time between ARP announcements"},
	{word: "gna_interval", args: []arg{seconds(0, 4294)}, state: refused, help: "time between neighbour announcements"},
}

var trackGroupWords = []keyword{
	{word: "group", entries: true, state: refused, help: "the instances in it"},
}

var bfdWords = []keyword{
	{word: "neighbor_ip", args: []arg{address()}, state: refused, help: "the neighbour"},
	{word: "neighbour_ip", args: []arg{address()}, state: refused, help: "the neighbour"},
	{word: "source_ip", args: []arg{address()}, state: refused, help: "our address"},
	{word: "min_rx", args: []arg{integer(1, 4294)}, state: refused, def: "10", help: "shortest interval we take, ms"},
	{word: "min_tx", args: []arg{integer(1, 4294)}, state: refused, def: "10", help: "shortest interval we send, ms"},
	{word: "idle_tx", args: []arg{integer(1000, 10000)}, state: refused, def: "1000", help: "interval while down, ms"},
	{word: "multiplier", args: []arg{integer(1, 255)}, state: refused, def: "5", help: "packets missed before down"},
	{word: "passive", args: []arg{alone()}, state: refused, help: "wait for the neighbour to begin"},
	{word: "ttl", args: []arg{integer(1, 255)}, state: refused, def: "255", help: "TTL sent"},
	{word: "hoplimit", args: []arg{integer(1, 255)}, state: refused, def: "64", help: "hop limit sent"},
	{word: "max_hops", args: []arg{integer(-1, 255)}, state: refused, def: "0", help: "routers allowed between"},
	{word: "multihop", args: []arg{onOff()}, state: refused, absent: newer, help: "use the multihop port"},
	{word: "weight", args: []arg{integer(-253, 253), restOrNone()}, state: refused, def: "0",
		help: "change of priority"},
	{word: "vrrp", args: []arg{alone()}, state: refused, help: "only instances use it"},
	{word: "checker", args: []arg{alone()}, state: refused, help: "only real servers use it"},
}
