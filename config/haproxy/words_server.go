package haproxy

import "github.com/evenkeel/evenkeel/config"

// bindWords may follow the address of a bind or stats socket line.
var bindWords = append([]keyword{
	{word: "name", args: "NAME", help: "the listener's name in statistics", set: bindName},
	{word: "id", args: "NUMBER", help: "its number in statistics", set: bindID,
		state: harmless, quiet: true, why: "statistics have no rows of listeners"},
	{word: "maxconn", args: "NUMBER", help: "connections at the same time", set: bindMaxConn},
	{word: "backlog", args: "NUMBER", help: "connections the kernel keeps waiting", set: bindBacklog},
	{word: "interface", args: "NAME", help: "only connections from this interface", set: bindInterface},
	{word: "mode", args: "OCTAL", help: "permissions of a UNIX socket", set: bindMode},
	{word: "user", args: "NAME", help: "owner of a UNIX socket", set: bindUser},
	{word: "uid", args: "NUMBER", help: "owner of a UNIX socket", set: bindUser},
	{word: "group", args: "NAME", help: "group of a UNIX socket", set: bindGroup},
	{word: "gid", args: "NUMBER", help: "group of a UNIX socket", set: bindGroup},
	{word: "level", args: "user|operator|admin", def: "operator", help: "what clients of the runtime socket may do",
		set: bindLevel},
	{word: "expose-fd", args: "listeners", help: "let a new process have the listeners", set: bindExposeFD,
		state: harmless, quiet: true, why: "they are handed over anyway"},
	{word: "v4v6", help: "IPv4 on an IPv6 socket", set: bindV4V6},
	{word: "v6only", help: "no IPv4 on an IPv6 socket", set: bindV6Only},
	{word: "transparent", help: "listen on addresses of others", set: bindTransparent},
	{word: "defer-accept", help: "wait for the first byte", set: bindDefer},
	{word: "tfo", help: "TCP Fast Open", set: bindTFO},
	{word: "proto", args: "h1", help: "the protocol", set: bindProto,
		state: harmless, quiet: true, why: "h1 is what there is, and others are refused"},
}, append(group(refused, "",
	[3]string{"accept-proxy", "", "the PROXY protocol from clients"},
	[3]string{"accept-netscaler-cip", "MAGIC", "the NetScaler protocol from clients"},
	[3]string{"namespace", "NAME", "a network namespace"},
), each(group(harmless, noMachinery,
	[3]string{"mss", "BYTES", "size of segments"},
	[3]string{"tcp-ut", "TIME", "how long sent data may stay unacknowledged"},
	[3]string{"nice", "NUMBER", "priority of its streams"},
	[3]string{"process", "THREADS", "threads that accept"},
	[3]string{"thread", "THREADS", "threads that accept"},
	[3]string{"shards", "N", "number of sockets"},
	[3]string{"severity-output", "none|number|string", "severities in the runtime socket's answers"},
	[3]string{"cc", "NAME", "congestion control"},
	[3]string{"tcp-ss", "N", "saved SYN packets"},
	[3]string{"tcp-md5sig", "KEY", "signed segments"},
	[3]string{"idle-ping", "TIME", "pings on idle connections"},
	[3]string{"guid-prefix", "TEXT", "a lasting name"},
	[3]string{"label", "TEXT", "a label"},
	[3]string{"nbconn", "N", "reverse connections"},
), func(k *keyword) {
	k.set = bindOne
	switch k.word {
	case "cc", "tcp-ss", "tcp-md5sig", "idle-ping", "guid-prefix", "label", "nbconn":
		k.absent = newer
	}
	if k.word == "tcp-md5sig" {
		k.state, k.set, k.why = refused, nil, ""
	}
})...)...)

// bindTLSWords are about TLS. Those with an effect of their own are refused; those that only
// say how TLS is done have none without it.
var bindTLSWords = append(group(refused, noTLS,
	[3]string{"ssl", "", "speak TLS"},
	[3]string{"crt", "FILE", "certificate"},
	[3]string{"crt-list", "FILE", "list of certificates"},
	[3]string{"ca-file", "FILE", "authorities of clients"},
	[3]string{"crl-file", "FILE", "revoked certificates"},
	[3]string{"ca-verify-file", "FILE", "authorities for verification"},
	[3]string{"ca-sign-file", "FILE", "authority for generated certificates"},
	[3]string{"ca-sign-pass", "TEXT", "its password"},
	[3]string{"tls-ticket-keys", "FILE", "keys of tickets"},
	[3]string{"generate-certificates", "", "make certificates"},
), each(group(harmless, onlyTLS,
	[3]string{"allow-0rtt", "", "early data"},
	[3]string{"alpn", "PROTOCOLS", "protocols offered"},
	[3]string{"ca-ignore-err", "ERRORS", "errors that are ignored"},
	[3]string{"ciphers", "CIPHERS", "ciphers up to TLS 1.2"},
	[3]string{"ciphersuites", "CIPHERS", "ciphers of TLS 1.3"},
	[3]string{"client-sigalgs", "ALGORITHMS", "signatures of clients"},
	[3]string{"crt-ignore-err", "ERRORS", "errors that are ignored"},
	[3]string{"curves", "CURVES", "elliptic curves"},
	[3]string{"default-crt", "FILE", "certificate for other names"},
	[3]string{"ecdhe", "CURVE", "elliptic curve"},
	[3]string{"force-sslv3", "", "version"},
	[3]string{"force-tlsv10", "", "version"},
	[3]string{"force-tlsv11", "", "version"},
	[3]string{"force-tlsv12", "", "version"},
	[3]string{"force-tlsv13", "", "version"},
	[3]string{"ktls", "on|off", "TLS in the kernel"},
	[3]string{"no-alpn", "", "offer no protocol"},
	[3]string{"no-ca-names", "", "do not name authorities"},
	[3]string{"no-sslv3", "", "version"},
	[3]string{"no-strict-sni", "", "take other names"},
	[3]string{"no-tls-tickets", "", "no tickets"},
	[3]string{"no-tlsv10", "", "version"},
	[3]string{"no-tlsv11", "", "version"},
	[3]string{"no-tlsv12", "", "version"},
	[3]string{"no-tlsv13", "", "version"},
	[3]string{"npn", "PROTOCOLS", "protocols offered"},
	[3]string{"prefer-client-ciphers", "", "the client's order of ciphers"},
	[3]string{"sigalgs", "ALGORITHMS", "signatures"},
	[3]string{"ssl-max-ver", "VERSION", "version"},
	[3]string{"ssl-min-ver", "VERSION", "version"},
	[3]string{"strict-sni", "", "refuse other names"},
	[3]string{"verify", "none|optional|required", "certificates of clients"},
), tlsParameter)...)

// tlsParameter makes a row take one word, or none, without effect.
func tlsParameter(k *keyword) {
	k.quiet, k.set = true, bindNone
	if k.args != "" {
		k.set = bindOne
	}
	switch k.word {
	case "client-sigalgs", "default-crt", "ktls", "no-alpn", "no-strict-sni", "sigalgs", "tls-tickets", "renegotiate",
		"no-renegotiate":
		k.absent = newer
	}
}

// serverWords may follow the address of a server line.
var serverWords = append([]keyword{
	{word: "check", help: "check whether it lives", set: serverFlag(func(s *serverDraft) { s.Check.On = true })},
	{word: "inter", args: "TIME", def: "2s", help: "between checks", set: serverInter},
	{word: "fastinter", args: "TIME", def: "inter", help: "between checks while its state changes",
		set: serverFastInter},
	{word: "downinter", args: "TIME", def: "inter", help: "between checks while it is down", set: serverDownInter},
	{word: "rise", args: "NUMBER", def: "2", help: "good checks until it is up", set: serverRise},
	{word: "fall", args: "NUMBER", def: "3", help: "bad checks until it is down", set: serverFall},
	{word: "port", args: "PORT", def: "the server's", help: "where it is checked", set: serverPort},
	{word: "addr", args: "ADDRESS[:PORT]", def: "the server's", help: "where it is checked", set: serverCheckAddr},
	{word: "weight", args: "NUMBER(0..256)", def: "1", help: "its share of the load", set: serverWeight},
	{word: "maxconn", args: "NUMBER", def: "0, unlimited", help: "connections at the same time", set: serverMaxConn},
	{word: "minconn", args: "NUMBER", def: "maxconn", help: "that limit at low load", set: serverMinConn},
	{word: "maxqueue", args: "NUMBER", def: "0, unlimited", help: "requests that wait for it", set: serverMaxQueue},
	{word: "backup", help: "only used when no other server is",
		set: serverFlag(func(s *serverDraft) { s.Backup = true })},
	{word: "disabled", help: "begins in maintenance", set: serverFlag(func(s *serverDraft) { s.Disabled = true })},
	{word: "enabled", help: "does not begin in maintenance",
		set: serverFlag(func(s *serverDraft) { s.Disabled = false })},
	{word: "cookie", args: "VALUE", help: "its value of the cookie", set: serverCookie},
	{word: "redir", args: "PREFIX", help: "GET and HEAD are redirected to it", set: serverRedir},
	{word: "id", args: "NUMBER", help: "its number in statistics", set: serverID},
	{word: "track", args: "[BACKEND/]SERVER", help: "takes its state from another server", set: serverTrack},
	{word: "slowstart", args: "TIME", help: "grows to its full weight in this time", set: serverSlowStart},
	{word: "send-proxy", help: "tell it the client's address by the PROXY protocol",
		set: serverFlag(func(s *serverDraft) { s.SendProxy = 1 })},
	{word: "send-proxy-v2", help: "the same, version 2", set: serverFlag(func(s *serverDraft) { s.SendProxy = 2 })},
	{word: "check-send-proxy", help: "checks use the PROXY protocol",
		set: serverFlag(func(s *serverDraft) { s.Check.SendProxy = true })},
	{word: "source", args: "ADDRESS[:PORT] [interface NAME]", help: "where connections to it come from",
		set: serverSource},
	{word: "observe", args: "none|layer4|layer7", def: "none", help: "traffic counts as checks", set: serverObserve},
	{word: "error-limit", args: "NUMBER", def: "10", help: "errors until on-error", set: serverErrorLimit},
	{word: "on-error", args: "fastinter|fail-check|sudden-death|mark-down", def: "fail-check",
		help: "what errors in the traffic do", set: serverOnError},
	{word: "on-marked-down", args: "shutdown-sessions", help: "what happens to its connections when it goes down",
		set: serverMarkedDown},
	{word: "on-marked-up", args: "shutdown-backup-sessions",
		help: "what happens to backup servers' connections when it comes up", set: serverMarkedUp},
	{word: "init-addr", args: "[last],[libc],[none],[ADDRESS]", def: "last,libc",
		help: "where its address comes from at start", set: serverInitAddr},
	{word: "pool-max-conn", args: "NUMBER", def: "-1, unlimited", help: "idle connections kept", set: serverPoolMax},
	{word: "pool-purge-delay", args: "TIME", def: "5s", help: "time after which idle connections are closed",
		set: serverPurge},
	{word: "proto", args: "h1", help: "the protocol", set: serverProto,
		state: harmless, quiet: true, why: "h1 is what there is, and others are refused"},
	{word: "stick", help: "stick tables may name it", set: bindNone,
		state: harmless, quiet: true, why: "there are no stick tables"},
	{word: "non-stick", help: "stick tables do not name it", set: bindNone,
		state: harmless, quiet: true, why: "there are no stick tables"},
}, append(each(group(refused, "",
	[3]string{"agent-check", "", "ask an agent on the server"},
	[3]string{"agent-addr", "ADDRESS", "where the agent is"},
	[3]string{"agent-inter", "TIME", "between questions to the agent"},
	[3]string{"agent-port", "PORT", "where the agent is"},
	[3]string{"agent-send", "TEXT", "what the agent is sent"},
	[3]string{"resolvers", "NAME", "ask DNS while running"},
	[3]string{"send-proxy-v2-ssl", "", "PROXY protocol with TLS"},
	[3]string{"send-proxy-v2-ssl-cn", "", "PROXY protocol with TLS"},
	[3]string{"set-proxy-v2-tlv-fmt", "FORMAT", "fields of the PROXY protocol"},
	[3]string{"socks4", "ADDRESS", "through a SOCKS proxy"},
	[3]string{"namespace", "NAME", "a network namespace"},
	[3]string{"usesrc", "clientip", "connect in the client's name"},
	[3]string{"hash-key", "id|addr|addr-port", "what consistent hashing hashes"},
	[3]string{"init-state", "up|down|…", "state before the first check"},
	[3]string{"healthcheck", "NAME", "a named health check"},
	[3]string{"strict-maxconn", "", "count idle connections, too"},
	[3]string{"tcp-md5sig", "KEY", "signed segments"},
	[3]string{"shard", "N", "part of a table"},
	[3]string{"check-reuse-pool", "", "checks on idle connections"},
	[3]string{"check-pool-conn-name", "NAME", "checks on idle connections"},
	[3]string{"pool-conn-name", "NAME", "names of idle connections"},
), func(k *keyword) {
	switch k.word {
	case "set-proxy-v2-tlv-fmt", "hash-key", "init-state", "healthcheck", "strict-maxconn", "tcp-md5sig", "shard",
		"check-reuse-pool", "check-pool-conn-name", "pool-conn-name":
		k.absent = newer
	}
}), each(group(harmless, noMachinery,
	[3]string{"resolve-net", "NETWORKS", "addresses preferred from DNS"},
	[3]string{"resolve-opts", "OPTIONS", "how DNS is asked"},
	[3]string{"resolve-prefer", "ipv4|ipv6", "family preferred from DNS"},
	[3]string{"pool-low-conn", "NUMBER", "idle connections below which threads do not share"},
	[3]string{"max-reuse", "NUMBER", "requests on a connection"},
	[3]string{"tcp-ut", "TIME", "how long sent data may stay unacknowledged"},
	[3]string{"tfo", "", "TCP Fast Open"},
	[3]string{"log-proto", "legacy|octet-count", "framing of logs"},
	[3]string{"proxy-v2-options", "OPTIONS", "fields of the PROXY protocol"},
	[3]string{"check-proto", "NAME", "the protocol of checks"},
	[3]string{"check-via-socks4", "", "checks through a SOCKS proxy"},
	[3]string{"ws", "auto|h1|h2", "WebSockets over HTTP/2"},
	[3]string{"guid", "ID", "a lasting name"},
	[3]string{"cc", "NAME", "congestion control"},
	[3]string{"idle-ping", "TIME", "pings on idle connections"},
), func(k *keyword) {
	k.quiet, k.set = false, bindNone
	if k.args != "" {
		k.set = serverNeedsWord
	}
	switch k.word {
	case "guid", "cc", "idle-ping":
		k.absent = newer
	case "resolve-net", "resolve-opts", "resolve-prefer":
		k.quiet = true
	}
})...)...)

// serverTLSWords are about TLS to servers.
var serverTLSWords = append(group(refused, noTLS,
	[3]string{"ssl", "", "speak TLS"},
	[3]string{"check-ssl", "", "checks speak TLS"},
	[3]string{"crt", "FILE", "our certificate"},
), each(group(harmless, onlyTLS,
	[3]string{"allow-0rtt", "", "early data"},
	[3]string{"alpn", "PROTOCOLS", "protocols offered"},
	[3]string{"ca-file", "FILE", "authorities"},
	[3]string{"check-alpn", "PROTOCOLS", "protocols offered by checks"},
	[3]string{"check-sni", "NAME", "name in checks"},
	[3]string{"ciphers", "CIPHERS", "ciphers up to TLS 1.2"},
	[3]string{"ciphersuites", "CIPHERS", "ciphers of TLS 1.3"},
	[3]string{"client-sigalgs", "ALGORITHMS", "signatures of ours"},
	[3]string{"crl-file", "FILE", "revoked certificates"},
	[3]string{"curves", "CURVES", "elliptic curves"},
	[3]string{"force-sslv3", "", "version"},
	[3]string{"force-tlsv10", "", "version"},
	[3]string{"force-tlsv11", "", "version"},
	[3]string{"force-tlsv12", "", "version"},
	[3]string{"force-tlsv13", "", "version"},
	[3]string{"ktls", "on|off", "TLS in the kernel"},
	[3]string{"no-renegotiate", "", "no renegotiation"},
	[3]string{"no-ssl-reuse", "", "no sessions"},
	[3]string{"no-sslv3", "", "version"},
	[3]string{"no-tls-tickets", "", "no tickets"},
	[3]string{"no-tlsv10", "", "version"},
	[3]string{"no-tlsv11", "", "version"},
	[3]string{"no-tlsv12", "", "version"},
	[3]string{"no-tlsv13", "", "version"},
	[3]string{"npn", "PROTOCOLS", "protocols offered"},
	[3]string{"renegotiate", "", "renegotiation"},
	[3]string{"sigalgs", "ALGORITHMS", "signatures"},
	[3]string{"sni", "EXPRESSION", "name"},
	[3]string{"sni-auto", "", "name from the request"},
	[3]string{"no-sni-auto", "", "no name from the request"},
	[3]string{"check-sni-auto", "", "name in checks"},
	[3]string{"no-check-sni-auto", "", "no name in checks"},
	[3]string{"ssl-max-ver", "VERSION", "version"},
	[3]string{"ssl-min-ver", "VERSION", "version"},
	[3]string{"ssl-reuse", "", "sessions"},
	[3]string{"tls-tickets", "", "tickets"},
	[3]string{"verify", "none|required", "the server's certificate"},
	[3]string{"verifyhost", "NAME", "its name"},
), func(k *keyword) {
	tlsParameter(k)
	switch k.word {
	case "tls-tickets":
		k.absent = ""
	case "curves", "sni-auto", "no-sni-auto", "check-sni-auto", "no-check-sni-auto":
		k.absent = newer
	}
	if k.args != "" {
		k.set = serverNeedsWord
	}
})...)

// serverOffWords take back what default-server has set.
var serverOffWords = append([]keyword{
	{word: "no-check", help: "no checks", set: serverFlag(func(s *serverDraft) { s.Check.On = false })},
	{word: "no-backup", help: "an ordinary server", set: serverFlag(func(s *serverDraft) { s.Backup = false })},
	{word: "no-send-proxy", help: "no PROXY protocol", set: serverFlag(func(s *serverDraft) { s.SendProxy = 0 })},
	{word: "no-send-proxy-v2", help: "no PROXY protocol", set: serverFlag(func(s *serverDraft) { s.SendProxy = 0 })},
	{word: "no-check-send-proxy", help: "no PROXY protocol in checks",
		set: serverFlag(func(s *serverDraft) { s.Check.SendProxy = false })},
}, each(group(harmless, alwaysOurs,
	[3]string{"no-agent-check", "", "no agent"},
	[3]string{"no-check-ssl", "", "no TLS in checks"},
	[3]string{"no-send-proxy-v2-ssl", "", "no PROXY protocol with TLS"},
	[3]string{"no-send-proxy-v2-ssl-cn", "", "no PROXY protocol with TLS"},
	[3]string{"no-ssl", "", "no TLS"},
	[3]string{"no-tfo", "", "no TCP Fast Open"},
	[3]string{"no-strict-maxconn", "", "do not count idle connections"},
), func(k *keyword) {
	k.quiet, k.set = true, bindNone
	if k.word == "no-strict-maxconn" {
		k.absent = newer
	}
})...)

// balanceWords follow balance.
var balanceWords = []keyword{
	{word: "roundrobin", help: "in turn, by weight", set: algorithm(config.RoundRobin)},
	{word: "static-rr", help: "in turn, by fixed weight", set: algorithm(config.StaticRR)},
	{word: "leastconn", help: "the one with the fewest connections", set: algorithm(config.LeastConn)},
	{word: "first", help: "the first that has room", set: algorithm(config.First)},
	{word: "source", help: "by the client's address", set: algorithm(config.SourceHash)},
	{word: "uri", args: "[len N] [depth N] [whole] [path-only]", help: "by the URI", set: balanceURI},
	{word: "url_param", args: "NAME [check_post]", help: "by a parameter of the URI", set: balanceURLParam},
	{word: "hdr", args: "(NAME) [use_domain_only]", help: "by a header", set: balanceHeader},
	{word: "random", args: "[(DRAWS)]", help: "the better of some drawn at random", set: balanceRandom},
	{word: "hash", args: "EXPRESSION", help: "by an expression", set: balanceHash},
	{word: "rdp-cookie", args: "[(NAME)]", state: refused, help: "by an RDP cookie"},
	{word: "log-hash", args: "CONVERTERS", state: refused, absent: newer, help: "by a log line"},
	{word: "sticky", state: refused, absent: newer, help: "one server for all logs"},
}
