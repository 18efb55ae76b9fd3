package keepalived

// The words of virtual servers. They are known, so that a wrong one in a block that
// is refused anyway is still named, and refused as a whole with virtual_server.

// timing is what every checker understands.
var timing = []keyword{
	{word: "delay_loop", args: []arg{seconds(0, 4294)}, state: refused, help: "time between checks"},
	{word: "retry", args: []arg{integer(0, 4294967295)}, state: refused, def: "1", help: "failures in a row that count"},
	{word: "delay_before_retry", args: []arg{seconds(0, 4294)}, state: refused, def: "1", help: "time between retries"},
	{word: "warmup", args: []arg{seconds(0, 4294)}, state: refused, help: "longest wait before the first check"},
	{word: "alpha", args: []arg{onOff()}, state: refused, help: "down until a check passes"},
	{word: "log_all_failures", args: []arg{onOff()}, state: refused, help: "log each failed check"},
}

// connection is what checkers that connect understand as well.
var connection = []keyword{
	{word: "connect_ip", args: []arg{address()}, state: refused, def: "the real server", help: "where to connect"},
	{word: "connect_port", args: []arg{integer(1, 65535)}, state: refused, def: "the real server's", help: "where to connect"},
	{word: "bindto", args: []arg{address()}, state: refused, help: "address to connect from"},
	{word: "bind_port", args: []arg{integer(1, 65535)}, state: refused, help: "port to connect from"},
	{word: "bind_if", args: []arg{word("INTERFACE")}, state: refused, help: "interface to connect from"},
	{word: "connect_timeout", args: []arg{seconds(0, 4294)}, state: refused, def: "5", help: "time allowed"},
	{word: "fwmark", args: []arg{integer(0, 4294967295)}, state: refused, help: "mark of its packets"},
}

func withTiming(words ...keyword) []keyword { return append(words[:len(words):len(words)], timing...) }

func withConnection(words ...keyword) []keyword {
	return append(withTiming(words...), connection...)
}

// lvs makes a row without more ado.
func lvs(word, help string, args ...arg) keyword {
	return keyword{word: word, help: help, args: args, state: refused, multi: true}
}

// lvsBlock makes a row for a word that opens a block.
func lvsBlock(word string, p place, help string, args ...arg) keyword {
	return keyword{word: word, help: help, args: args, block: p, state: refused, multi: true}
}

// serverDefaults may stand in virtual_server for all its servers, or in one real_server.
var serverDefaults = []keyword{
	lvs("delay_loop", "time between checks", seconds(0, 4294)),
	lvs("retry", "failures in a row that count", integer(0, 4294967295)),
	lvs("delay_before_retry", "time between retries", seconds(0, 4294)),
	lvs("connect_timeout", "time allowed", seconds(0, 4294)),
	lvs("warmup", "longest wait before the first check", seconds(0, 4294)),
	lvs("weight", "share of connections", integer(0, 65535)),
	lvs("alpha", "down until a check passes", onOff()),
	lvs("inhibit_on_failure", "weight 0 instead of removal", onOff()),
	lvs("virtualhost", "Host header of checks", word("NAME")),
	lvs("smtp_alert", "mail on changes", onOff()),
	lvs("snmp_name", "name in SNMP", word("NAME")),
	lvs("lvs_method", "how packets are forwarded", choice("NAT", "DR", "TUN"), restOrNone()),
}

// schedulers of the kernel.
var schedulers = []string{"rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq", "twos"}

var virtualWords = append([]keyword{
	lvs("lb_algo", "how connections are spread", choice(schedulers...)),
	lvs("lvs_sched", "how connections are spread", choice(schedulers...)),
	lvs("lb_kind", "how packets are forwarded", choice("NAT", "DR", "TUN"), restOrNone()),
	lvs("protocol", "of the service", choice("TCP", "UDP", "SCTP")),
	lvs("ip_family", "family of a fwmark service", word("FAMILY")),
	lvs("persistence_timeout", "how long a client stays with a server", seconds(0, 4294).opt()),
	lvs("persistence_granularity", "how much of the client's address counts", word("MASK")),
	lvs("persistence_engine", "module that tells clients apart", word("NAME")),
	lvs("ops", "one packet scheduling for UDP", onOff()),
	lvs("hashed", "old word for hashing", onOff()),
	lvs("flag-1", "flag of the scheduler"), lvs("flag-2", "flag of the scheduler"), lvs("flag-3", "flag of the scheduler"),
	lvs("sh-port", "source hashing takes the port too"), lvs("sh-fallback", "source hashing passes over a dead server"),
	lvs("mh-port", "Maglev hashing takes the port too"), lvs("mh-fallback", "Maglev hashing passes over a dead server"),
	lvs("quorum", "weight that must be alive", integer(1, 4294967295)),
	lvs("hysteresis", "margin of the quorum", integer(0, 4294967295)),
	lvs("quorum_up", "runs when the quorum is gained", rest("COMMAND")),
	lvs("quorum_down", "runs when the quorum is lost", rest("COMMAND")),
	lvs("omega", "run the scripts at the end too", onOff()),
	lvs("ha_suspend", "check only while the address is here", onOff()),
	lvs("sorry_server", "server of last resort", rest("ADDRESS PORT")),
	lvs("sorry_server_inhibit", "weight 0 instead of removal", onOff()),
	lvs("sorry_server_lvs_method", "how packets reach it", rest("METHOD")),
	{word: "nat_mask", args: []arg{word("MASK")}, state: refused, absent: gone, help: "old word without use"},
	lvsBlock("real_server", inReal, "a server behind the service", rest("ADDRESS PORT")),
}, serverDefaults...)

var realWords = append([]keyword{
	lvs("uthreshold", "most connections", integer(0, 4294967295)),
	lvs("lthreshold", "connections from which it takes new ones again", integer(0, 4294967295)),
	lvs("notify_up", "runs when it comes up", rest("COMMAND")),
	lvs("notify_down", "runs when it goes down", rest("COMMAND")),
	lvsBlock("TCP_CHECK", inTCPCheck, "well if it accepts a connection"),
	lvsBlock("HTTP_GET", inHTTPGet, "well if it gives the right pages"),
	lvsBlock("SSL_GET", inSSLGet, "the same over TLS"),
	lvsBlock("MISC_CHECK", inMiscCheck, "well if a program says so"),
	lvsBlock("SMTP_CHECK", inSMTPCheck, "well if it greets as a mail server"),
	lvsBlock("DNS_CHECK", inDNSCheck, "well if it answers a query"),
	lvsBlock("UDP_CHECK", inUDPCheck, "well if a datagram raises no error"),
	lvsBlock("PING_CHECK", inPingCheck, "well if it answers a ping"),
	lvsBlock("FILE_CHECK", inFileCheck, "a number in a file moves its weight"),
	lvsBlock("BFD_CHECK", inBFDCheck, "well if a BFD session is up"),
}, serverDefaults...)

var sslWords = []keyword{
	lvs("password", "of the key", word("PASSWORD")), lvs("ca", "certificate authority", word("PATH")),
	lvs("certificate", "our certificate", word("PATH")), lvs("key", "our key", word("PATH")),
}

var httpWords = []keyword{
	lvsBlock("url", inURL, "a page to ask for"),
	lvs("http_protocol", "version of HTTP", word("VERSION")),
	lvs("virtualhost", "Host header", word("NAME")),
	lvs("fast_recovery", "all pages at once after a failure", onOff()),
	{word: "nb_get_retry", args: []arg{integer(0, 4294967295)}, state: refused, instead: "retry", help: "old name of retry"},
}

var sslGetWords = []keyword{
	lvs("enable_sni", "name the host in the handshake", onOff()),
	{word: "sni_name", args: []arg{word("NAME")}, state: refused, absent: newer, help: "the name it names"},
	{word: "tls_compliant", args: []arg{onOff()}, state: refused, absent: newer, help: "a missing end of TLS is an error"},
}

var urlWords = []keyword{
	lvs("path", "of the page", word("PATH")), lvs("status_code", "that are well", rest("CODE")), lvs("digest", "MD5 of the page", word("DIGEST")),
	lvs("virtualhost", "Host header", word("NAME")), lvs("regex", "pattern the page must match", word("PATTERN")),
	lvs("regex_no_match", "the page must not match", onOff()), lvs("regex_options", "of the pattern", rest("OPTION")),
	lvs("regex_min_offset", "first byte searched", integer(0, 4294967295)), lvs("regex_max_offset", "last byte searched", integer(0, 4294967295)),
	lvs("regex_stack", "memory of the pattern", rest("START MAX")),
	{word: "tls_compliant", args: []arg{onOff()}, state: refused, absent: newer, help: "a missing end of TLS is an error"},
}

var miscWords = []keyword{
	lvs("misc_path", "program to run", rest("COMMAND")), lvs("misc_timeout", "time allowed", seconds(0, 4294)),
	lvs("misc_dynamic", "its exit code is a weight", onOff()), lvs("user", "who runs it", rest("USER")),
}

var smtpWords = []keyword{
	lvs("helo_name", "name told to the server", word("NAME")),
	{word: "host", block: inSMTPHost, state: refused, multi: true, help: "another place to connect to"},
}

var dnsWords = []keyword{
	lvs("type", "of the query", word("TYPE")), lvs("name", "in the query", word("NAME")),
}

var udpWords = []keyword{
	lvs("payload", "bytes to send", rest("HEX")), lvs("require_reply", "an answer is needed", restOrNone()),
	lvs("min_reply_length", "of the answer", integer(0, 65535)), lvs("max_reply_length", "of the answer", integer(0, 65535)),
}

var fileCheckWords = []keyword{
	lvs("track_file", "the file", word("NAME")), lvs("weight", "what its number is multiplied with", integer(-2147483647, 2147483647), restOrNone()),
	{word: "dynamic", args: []arg{onOff()}, state: refused, absent: newer, help: "its number is the weight"},
}

var bfdCheckWords = []keyword{
	lvs("name", "of the session", word("NAME")), lvs("alpha", "down until it is up", onOff()),
}
