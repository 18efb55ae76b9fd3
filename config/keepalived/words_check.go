package keepalived

import (
	"time"
)

// The words of checkers.

// timing is what every checker understands but BFD_CHECK and FILE_CHECK.
var timing = []keyword{
	{word: "delay_loop", args: []arg{interval()}, def: "the server's", help: "time between checks",
		set: setCheckTime(func(c *checkDraft) *opt[time.Duration] { return &c.interval })},
	{word: "retry", args: []arg{integer(0, longest)}, def: "the server's",
		help: "repetitions before the server counts as failed", set: (*builder).setCheckRetry},
	{word: "delay_before_retry", args: []arg{seconds(0, longest)}, def: "the server's",
		help: "time before a repetition",
		set:  setCheckTime(func(c *checkDraft) *opt[time.Duration] { return &c.retryDelay })},
	{word: "warmup", args: []arg{seconds(0, longest)}, def: "the server's",
		help: "longest random wait before the first check",
		set:  setCheckTime(func(c *checkDraft) *opt[time.Duration] { return &c.warmup })},
	{word: "alpha", args: []arg{onOff()}, def: "the server's", help: "down until this check passes",
		set: (*builder).setCheckAlpha},
	{word: "log_all_failures", args: []arg{onOff()}, def: "checker_log_all_failures", help: "log each failed check",
		set: (*builder).setLogAll},
}

// connection is what checkers that connect understand as well.
var connection = []keyword{
	{word: "connect_ip", args: []arg{address()}, def: "the real server", help: "where to connect",
		set: (*builder).setConnectAddress},
	{word: "connect_port", args: []arg{integer(1, 65535)}, def: "the real server's", help: "where to connect",
		set: (*builder).setConnectPort},
	{word: "bindto", args: []arg{address()}, help: "address to connect from", set: (*builder).setBind},
	{word: "bind_port", args: []arg{integer(1, 65535)}, help: "port to connect from", set: (*builder).setBindPort},
	{word: "bind_if", args: []arg{word("INTERFACE")}, help: "interface to connect from",
		set: (*builder).setBindInterface},
	{word: "connect_timeout", args: []arg{seconds(0.000001, 4294.967295)}, def: "the server's",
		help: "time allowed for a connection, and for each answer", set: (*builder).setConnectTimeout},
	{word: "fwmark", args: []arg{integer(0, 4294967295)}, help: "mark of its packets", set: (*builder).setCheckMark},
}

func withTiming(words ...keyword) []keyword { return append(words[:len(words):len(words)], timing...) }

func withConnection(words ...keyword) []keyword {
	return append(withTiming(words...), connection...)
}

var httpWords = []keyword{
	{word: "url", block: inURL, multi: true, help: "a page to ask for", set: (*builder).openURL,
		end: (*builder).closeURL},
	{word: "http_protocol", args: []arg{choice("1.0", "1.0C", "1.1").inAnyCase()}, def: "1.0",
		help: "version of HTTP; 1.0C is 1.0 with Connection: close", set: (*builder).setHTTPVersion},
	{word: "virtualhost", args: []arg{word("NAME")}, def: "the server's", help: "Host header",
		set: (*builder).setCheckHost},
	// Differs from Keepalived: a check asks for all its pages, one after the other. There,
	// delay_loop passes between two pages, for ever, or until the server is up (fast_recovery).
	{word: "fast_recovery", args: []arg{onOff()}, help: "all pages at once after a failure, as always",
		set: (*builder).setFastRecovery},
	{word: "nb_get_retry", args: []arg{integer(0, longest)}, instead: "retry", help: "old name of retry",
		set: (*builder).setCheckRetry},
	{word: "enable_sni", args: []arg{onOff()}, def: "off", help: "name the virtual host in the handshake",
		set: (*builder).setSNI},
}

var sslGetWords = []keyword{
	{word: "sni_name", args: []arg{word("NAME")}, state: refused, absent: newer, help: "the name in the handshake",
		why: "use virtualhost and enable_sni"},
	{word: "tls_compliant", args: []arg{onOff()}, state: refused, absent: newer,
		help: "a missing end of TLS is an error"},
}

var urlWords = []keyword{
	{word: "path", args: []arg{word("PATH")}, help: "of the page", set: (*builder).setURLPath},
	{word: "status_code", args: []arg{rest("CODE or FROM-TO, several")}, def: "200-299", help: "that are well",
		set: (*builder).setStatusCodes},
	// Differs from Keepalived: a digest may be that of a page or, as there, of its chunks as they come;
	// and an answer that ends early is a failure. There it is only logged.
	{word: "digest", args: []arg{word("MD5")}, help: "MD5 of the page's body, 32 hexadecimal digits",
		set: (*builder).setDigest},
	{word: "virtualhost", args: []arg{word("NAME")}, def: "the checker's", help: "Host header",
		set: (*builder).setURLHost},
	{word: "regex", args: []arg{word("PATTERN")}, help: "pattern that the body must match, in RE2's syntax",
		set: (*builder).setRegex},
	{word: "regex_no_match", args: []arg{alone()}, def: "off", help: "the body must not match",
		set: (*builder).setRegexNoMatch},
	{word: "regex_options", args: []arg{rest("OPTION, several")}, help: "of the pattern",
		set: (*builder).setRegexOptions},
	{word: "regex_min_offset", args: []arg{integer(0, 4294967295)}, def: "0",
		help: "first byte at which a match may begin", set: (*builder).setRegexOffset},
	{word: "regex_max_offset", args: []arg{integer(0, 4294967295)}, def: "the end",
		help: "byte before which a match must begin", set: (*builder).setRegexOffset},
	{word: "regex_stack", args: []arg{rest("START MAX")}, state: harmless, help: "memory of the pattern",
		why: "patterns need no stack here"},
	{word: "tls_compliant", args: []arg{onOff()}, state: refused, absent: newer,
		help: "a missing end of TLS is an error"},
}

var miscWords = []keyword{
	{word: "misc_path", args: []arg{rest("COMMAND")}, help: "program to run", set: (*builder).setMiscPath},
	{word: "misc_timeout", args: []arg{wholeSeconds(0, 4294967295)}, def: "delay_loop", help: "time allowed",
		set: (*builder).setMiscTimeout},
	{word: "misc_dynamic", args: []arg{alone()}, def: "off", help: "exit codes from 2 on are a weight, plus 2",
		set: (*builder).setDynamic},
	{word: "user", args: []arg{word("USER"), word("GROUP").opt()}, def: "script_user", help: "who runs it",
		set: (*builder).setCheckUser},
}

var smtpWords = []keyword{
	{word: "helo_name", args: []arg{word("NAME")}, def: "smtpchecker.keepalived.org", help: "name told to the server",
		set: (*builder).setHelo},
	{word: "host", block: inSMTPHost, multi: true, help: "another place to ask", set: (*builder).openHost,
		end: (*builder).closeHost},
}

var dnsWords = []keyword{
	{word: "type", args: []arg{choice("A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA").inAnyCase()}, def: "SOA",
		help: "of the query", set: (*builder).setDNSType},
	{word: "name", args: []arg{word("NAME")}, def: ".", help: "in the query", set: (*builder).setDNSName},
}

var udpWords = []keyword{
	{word: "payload", args: []arg{rest("HEX")}, def: "64 random bytes", help: "bytes to send",
		set: (*builder).setPayload},
	{word: "require_reply", args: []arg{{kind: theRest, name: "HEX, x for any digit", optional: true}},
		help: "an answer is needed, and what it begins with", set: (*builder).setReply},
	{word: "min_reply_length", args: []arg{integer(0, 65535)}, def: "0", help: "of the answer",
		set: (*builder).setReplyLength},
	{word: "max_reply_length", args: []arg{integer(0, 65535)}, def: "255", help: "of the answer",
		set: (*builder).setReplyLength},
}

var fileCheckWords = []keyword{
	{word: "track_file", args: []arg{word("NAME")}, help: "the file, by the name of its block",
		set: (*builder).setCheckFile},
	{word: "weight", args: []arg{integer(-2147483647, 2147483647), choice("reverse", "noreverse").opt()},
		def: "the file's", help: "what its number is multiplied with", set: (*builder).setFileWeight},
	{word: "dynamic", args: []arg{onOff()}, state: harmless, absent: newer, help: "its number is added to the weight",
		why: "it always is"},
}

var bfdCheckWords = []keyword{
	{word: "name", args: []arg{word("NAME")}, state: refused, help: "of the session"},
	{word: "alpha", args: []arg{onOff()}, state: refused, help: "down until it is up"},
}
