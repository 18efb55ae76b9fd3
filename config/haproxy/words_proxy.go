package haproxy

import "github.com/evenkeel/evenkeel/config"

// proxyWords may stand in defaults, frontend, listen and backend sections.
var proxyWords = append([]keyword{
	{word: "mode", args: "tcp|http", in: dflb, def: "tcp", help: "layer it works at", set: setMode},
	{word: "bind", args: "ADDRESS:PORT[-PORT][,…] [WORD …]", in: fl, help: "listen here", set: setBind},
	{word: "maxconn", args: "NUMBER", in: dfl, def: "the global one", help: "clients at the same time", set: setMaxConn, min: 1},
	{word: "backlog", args: "NUMBER", in: dfl, def: "maxconn", help: "connections the kernel keeps waiting", set: setBacklog, min: 1},
	{word: "disabled", in: dflb, help: "do not run this proxy", set: setDisabled},
	{word: "enabled", in: dflb, help: "run this proxy", set: setEnabled},
	{word: "id", args: "NUMBER", in: flb, strictIn: true, help: "number in statistics", set: setID, min: 1},
	{word: "description", args: "TEXT", in: flb, strictIn: true, help: "text on the statistics page", set: setDescription, min: 1},
	{word: "default_backend", args: "BACKEND", in: dfl, help: "where requests go that no use_backend takes", set: setDefaultBackend, min: 1},
	{word: "use_backend", args: "BACKEND [if|unless CONDITION]", in: fl, help: "where requests go that fulfil a condition; the name may be a format", set: setUseBackend, min: 1},
	{word: "acl", args: "NAME CRITERION [FLAGS] [VALUE …]", in: dflb, named: true, help: "a named condition", set: setACL, min: 1},
	{word: "log", args: "global, or TARGET [len N] [format F] FACILITY [MAX [MIN]]", in: dflb, negate: true, help: "where logs go", set: setLog},
	{word: "log-format", args: "FORMAT", in: dfl, help: "what is logged", set: setLogFormat, min: 1},
	{word: "log-tag", args: "TAG", in: dflb, help: "the program's name in logs", set: setLogTag, min: 1, loose: true},
	{word: "unique-id-format", args: "FORMAT", in: dfl, help: "how requests are named", set: setUniqueIDFormat, min: 1},
	{word: "unique-id-header", args: "NAME", in: dfl, help: "header with the request's name", set: setUniqueIDHeader, min: 1, loose: true},
	{word: "capture", args: "cookie NAME len N, or request|response header NAME len N", in: fl, help: "keep a header for the log", set: setCapture, min: 1},
	{word: "declare", args: "capture request|response len N", in: fl, strictIn: true, help: "a slot that rules fill", set: setDeclare, min: 1},
	{word: "monitor-uri", args: "URI", in: dfl, help: "answered by the proxy itself", set: setMonitorURI, min: 1},
	{word: "monitor", args: "fail if|unless CONDITION", in: fl, help: "when monitor-uri answers 503", set: setMonitor, min: 1},
	{word: "rate-limit", args: "sessions NUMBER", in: dfl, help: "sessions in a second", set: setRateLimit, min: 1},
	{word: "tcp-request", args: "connection|content RULE, or inspect-delay TIME", in: dflb, named: true, help: "rules on connections and their first bytes", set: setTCPRequest},
	{word: "http-request", args: "ACTION [if|unless CONDITION]", in: dflb, named: true, help: "rules on requests", set: setHTTPRequest},
	{word: "http-response", args: "ACTION [if|unless CONDITION]", in: dflb, named: true, help: "rules on responses", set: setHTTPResponse},
	{word: "http-after-response", args: "ACTION [if|unless CONDITION]", in: dflb, named: true, help: "rules on all responses, also our own", set: setHTTPAfter},
	{word: "redirect", args: "location|prefix|scheme TARGET [code N] [WORD …] [if|unless CONDITION]", in: flb, help: "answer with a redirect", set: setRedirect},

	{word: "server", args: "NAME ADDRESS[:PORT] [WORD …]", in: lb, strictIn: true, help: "a server", set: setServer},
	{word: "server-template", args: "PREFIX NUMBER|RANGE ADDRESS[:PORT] [WORD …]", in: lb, strictIn: true, help: "several servers", set: setServerTemplate},
	{word: "default-server", args: "[WORD …]", in: dlb, help: "parameters of the servers that follow", set: setDefaultServer},
	{word: "balance", args: "[ALGORITHM]", in: dlb, def: "roundrobin", help: "how servers are chosen", set: setBalance},
	{word: "hash-type", args: "map-based|consistent [sdbm|djb2|wt6|crc32] [avalanche]", in: dlb, def: "map-based sdbm", help: "how hashes become servers", set: setHashType},
	{word: "cookie", args: "NAME [rewrite|insert|prefix] [WORD …]", in: dlb, help: "clients stay with a server by a cookie", set: setCookie, min: 1},
	{word: "retries", args: "NUMBER", in: dlb, def: "3", help: "attempts to reach a server after the first", set: setRetries, min: 1},
	{word: "retry-on", args: "WORD …", in: dlb, def: "conn-failure", help: "failures after which a request is retried", set: setRetryOn, min: 1,
		state: harmless, quiet: true, why: "after conn-failure it is retried anyway, and what else it may say is refused"},
	{word: "fullconn", args: "NUMBER", in: dlb, def: "derived", help: "load at which servers reach maxconn", set: setFullConn, min: 1},
	{word: "source", args: "ADDRESS[:PORT] [interface NAME]", in: dlb, help: "where server connections come from", set: setSource, min: 1},
	{word: "use-server", args: "SERVER if|unless CONDITION", in: lb, strictIn: true, help: "a server for requests that fulfil a condition", set: setUseServer, min: 1},
	{word: "http-reuse", args: "never|safe|aggressive|always", in: dlb, def: "safe", help: "sharing of server connections", set: setReuse},
	{word: "http-check", args: "WORD …", in: dlb, help: "steps of option httpchk", set: setHTTPCheck},
	{word: "tcp-check", args: "WORD …", in: dlb, help: "steps of option tcp-check", set: setTCPCheck},

	{word: "timeout", args: "NAME TIME", in: dflb, help: "a time that something may take", set: setTimeout},
	{word: "option", args: "NAME [VALUE …]", in: dflb, negate: true, help: "a switch", set: setOption},
	{word: "stats", args: "WORD …", in: dflb, help: "the statistics page", set: setStats},
	{word: "errorfile", args: "STATUS FILE", in: dflb, help: "a response sent instead of our own", set: setErrorFile, min: 2},
	{word: "errorloc", args: "STATUS URL", in: dflb, help: "a redirect instead of an error (302)", set: setErrorLoc, min: 2},
	{word: "errorloc302", args: "STATUS URL", in: dflb, help: "a redirect instead of an error (302)", set: setErrorLoc, min: 2},
	{word: "errorloc303", args: "STATUS URL", in: dflb, help: "a redirect instead of an error (303)", set: setErrorLoc, min: 2},
}, append(proxyRefused, proxyHarmless...)...)

var proxyRefused = each(group(refused, "",
	[3]string{"stick-table", "type TYPE size N [WORD …]", "counters and servers by key"},
	[3]string{"stick", "on|match|store-request|store-response …", "clients stay with a server by a table"},
	[3]string{"tcp-response", "WORD …", "rules on a server's first bytes"},
	[3]string{"compression", "WORD …", "compress responses"},
	[3]string{"filter", "NAME …", "a filter on the stream"},
	[3]string{"filter-sequence", "WORDS", "order of filters"},
	[3]string{"dispatch", "ADDRESS:PORT", "a single server without a name"},
	[3]string{"transparent", "", "connect to where the client wanted to go"},
	[3]string{"email-alert", "WORD …", "mail on changes"},
	[3]string{"errorfiles", "NAME", "error files of an http-errors section"},
	[3]string{"http-error", "status N …", "a response instead of an error"},
	[3]string{"external-check", "command|path VALUE", "the program of option external-check"},
	[3]string{"log-format-sd", "FORMAT", "structured data of RFC 5424 logs"},
	[3]string{"error-log-format", "FORMAT", "what is logged of failed connections"},
	[3]string{"persist", "rdp-cookie", "clients stay with a server by an RDP cookie"},
	[3]string{"force-persist", "if|unless CONDITION", "use servers that are down"},
	[3]string{"ignore-persist", "if|unless CONDITION", "do not look at cookies"},
	[3]string{"http-send-name-header", "NAME", "tell servers their name"},
	[3]string{"dynamic-cookie-key", "KEY", "key of dynamic cookies"},
	[3]string{"hash-balance-factor", "PERCENT", "bounded load of consistent hashing"},
	[3]string{"max-session-srv-conns", "N", "idle server connections of a client"},
	[3]string{"use-fcgi-app", "NAME", "speak FastCGI"},
	[3]string{"log-steps", "WORDS", "when lines are logged"},
	[3]string{"hash-preserve-affinity", "WORD", "hashing and full servers"},
	[3]string{"quic-initial", "RULE", "rules on QUIC's first packets"},
	[3]string{"guid", "ID", "a lasting name"},
	[3]string{"be-unpublished", "", "a backend not to be used"},
	[3]string{"force-be-switch", "if|unless CONDITION", "use an unpublished backend"},
), func(k *keyword) {
	k.in = dflb
	switch k.word {
	case "stick", "dispatch", "force-persist", "ignore-persist":
		k.in = lb
	case "transparent", "http-send-name-header", "dynamic-cookie-key", "hash-balance-factor", "max-session-srv-conns", "use-fcgi-app":
		k.in = dlb
	case "log-format-sd", "error-log-format":
		k.in = dfl
	case "log-steps", "hash-preserve-affinity", "quic-initial", "guid", "be-unpublished", "force-be-switch", "filter-sequence":
		k.absent = newer
	}
	if k.word == "max-session-srv-conns" {
		k.in = dfl
	}
})

var proxyHarmless = each(append(group(harmless, noMachinery,
	[3]string{"max-keep-alive-queue", "N", "queue length at which a client may change servers"},
	[3]string{"clitcpka-cnt", "N", "keepalive probes to clients"},
	[3]string{"clitcpka-idle", "TIME", "idle time before them"},
	[3]string{"clitcpka-intvl", "TIME", "time between them"},
	[3]string{"srvtcpka-cnt", "N", "keepalive probes to servers"},
	[3]string{"srvtcpka-idle", "TIME", "idle time before them"},
	[3]string{"srvtcpka-intvl", "TIME", "time between them"},
	[3]string{"bind-process", "PROCESSES", "processes the proxy runs in"},
), group(harmless, noState,
	[3]string{"load-server-state-from-file", "global|local|none", "state of servers from an earlier run"},
	[3]string{"server-state-file-name", "[FILE]", "where that state lies"},
)...), func(k *keyword) { k.in = dflb })

// deadProxyWords are gone from HAProxy; where today's words say the same they still work.
var deadProxyWords = []keyword{
	{word: "contimeout", args: "TIME", in: dlb, help: "time to connect to a server", instead: "timeout connect", set: deadTimeout, min: 1},
	{word: "clitimeout", args: "TIME", in: dfl, help: "time a client may be silent", instead: "timeout client", set: deadTimeout, min: 1},
	{word: "srvtimeout", args: "TIME", in: dlb, help: "time a server may be silent", instead: "timeout server", set: deadTimeout, min: 1},
	{word: "redispatch", in: dlb, help: "try another server in the end", instead: "option redispatch", set: optionRedispatch},
	{word: "block", args: "if|unless CONDITION", in: flb, help: "refuse requests", instead: "http-request deny", set: deadBlock},
	{word: "reqadd", args: "HEADER", in: dflb, help: "add a header to requests", instead: "http-request add-header", set: deadAdd, min: 1},
	{word: "rspadd", args: "HEADER", in: dflb, help: "add a header to responses", instead: "http-response add-header", set: deadAdd, min: 1},
	{word: "reqdel", args: "PATTERN", in: dflb, help: "remove headers of requests", instead: "http-request del-header", set: deadDelete, min: 1},
	{word: "reqidel", args: "PATTERN", in: dflb, help: "remove headers of requests, whatever their case", instead: "http-request del-header", set: deadDelete, min: 1},
	{word: "rspdel", args: "PATTERN", in: dflb, help: "remove headers of responses", instead: "http-response del-header", set: deadDelete, min: 1},
	{word: "rspidel", args: "PATTERN", in: dflb, help: "remove headers of responses, whatever their case", instead: "http-response del-header", set: deadDelete, min: 1},
	{word: "reqrep", args: "PATTERN TEXT", in: dflb, help: "change lines of requests", instead: "http-request replace-path, replace-uri or replace-header", set: deadReplace, min: 2},
	{word: "reqirep", args: "PATTERN TEXT", in: dflb, help: "change lines of requests, whatever their case", instead: "http-request replace-path, replace-uri or replace-header", set: deadReplace, min: 2},
	{word: "rsprep", args: "PATTERN TEXT", in: dflb, help: "change headers of responses", instead: "http-response replace-header", set: deadReplace, min: 2},
	{word: "rspirep", args: "PATTERN TEXT", in: dflb, help: "change headers of responses, whatever their case", instead: "http-response replace-header", set: deadReplace, min: 2},
	{word: "reqdeny", args: "PATTERN", in: dflb, help: "refuse requests by a pattern", instead: "http-request deny", state: refused},
	{word: "reqideny", args: "PATTERN", in: dflb, help: "refuse requests by a pattern, whatever its case", instead: "http-request deny", state: refused},
	{word: "reqallow", args: "PATTERN", in: dflb, help: "allow requests by a pattern", instead: "http-request allow", state: refused},
	{word: "reqiallow", args: "PATTERN", in: dflb, help: "allow requests by a pattern", instead: "http-request allow", state: refused},
	{word: "reqpass", args: "PATTERN", in: dflb, help: "leave headers as they are", instead: "conditions of http-request rules", state: refused},
	{word: "reqipass", args: "PATTERN", in: dflb, help: "leave headers as they are", instead: "conditions of http-request rules", state: refused},
	{word: "reqtarpit", args: "PATTERN", in: dflb, help: "hold requests by a pattern", instead: "http-request tarpit", state: refused},
	{word: "reqitarpit", args: "PATTERN", in: dflb, help: "hold requests by a pattern", instead: "http-request tarpit", state: refused},
	{word: "reqsetbe", args: "PATTERN BACKEND", in: dflb, help: "choose a backend by a pattern", instead: "use_backend", state: refused},
	{word: "reqisetbe", args: "PATTERN BACKEND", in: dflb, help: "choose a backend by a pattern", instead: "use_backend", state: refused},
	{word: "rspdeny", args: "PATTERN", in: dflb, help: "refuse responses by a pattern", instead: "http-response deny", state: refused},
	{word: "rspideny", args: "PATTERN", in: dflb, help: "refuse responses by a pattern", instead: "http-response deny", state: refused},
	{word: "monitor-net", args: "NETWORK", in: dfl, help: "answer 200 to monitors", instead: "http-request return status 200 if { src NETWORK }", set: deadMonitorNet, min: 1},
	{word: "appsession", args: "COOKIE …", in: dflb, help: "sessions by the application's cookie", instead: "cookie", state: refused},
	{word: "grace", args: "TIME", in: dflb, help: "time before a proxy stops", instead: "hard-stop-after in the global section", state: harmless, quiet: true, why: "old connections drain", set: noEffect, loose: true},
}

// timeoutWords follow timeout.
var timeoutWords = []keyword{
	{word: "client", args: "TIME", in: dfl, help: "a client may be silent", set: setOneTimeout},
	{word: "server", args: "TIME", in: dlb, help: "a server may be silent", set: setOneTimeout},
	{word: "connect", args: "TIME", in: dlb, help: "connecting to a server", set: setOneTimeout},
	{word: "queue", args: "TIME", in: dlb, def: "connect", help: "waiting for a server", set: setOneTimeout},
	{word: "check", args: "TIME", in: dlb, help: "an answer to a check, once connected", set: setOneTimeout},
	{word: "tunnel", args: "TIME", in: dlb, help: "both sides of a tunnel may be silent", set: setOneTimeout},
	{word: "http-request", args: "TIME", in: dflb, help: "a request's headers", set: setOneTimeout},
	{word: "http-keep-alive", args: "TIME", in: dflb, def: "http-request", help: "waiting for the next request", set: setOneTimeout},
	{word: "tarpit", args: "TIME", in: dflb, def: "connect", help: "how long a tarpit holds", set: setOneTimeout},
	{word: "client-fin", args: "TIME", in: dfl, help: "a client that has closed its side", set: setOneTimeout},
	{word: "server-fin", args: "TIME", in: dlb, help: "a server that has closed its side", set: setOneTimeout},
	{word: "client-hs", args: "TIME", in: dfl, help: "a client's handshake", state: harmless, absent: newer, why: "timeout client holds for it", set: noEffect, loose: true},
	{word: "clitimeout", args: "TIME", in: dfl, help: "a client may be silent", instead: "timeout client", set: setOneTimeout},
	{word: "srvtimeout", args: "TIME", in: dlb, help: "a server may be silent", instead: "timeout server", set: setOneTimeout},
	{word: "contimeout", args: "TIME", in: dlb, help: "connecting to a server", instead: "timeout connect", set: setOneTimeout},
}

// optionWords follow option.
var optionWords = append([]keyword{
	{word: "httplog", args: "[clf]", in: dfl, help: "log requests", set: optionHTTPLog},
	{word: "tcplog", in: dfl, help: "log connections", set: optionTCPLog},
	{word: "dontlognull", in: dfl, negate: true, help: "do not log connections without a byte", set: toggle(func(o *config.ProxyOptions) *bool { return &o.DontLogNull })},
	{word: "dontlog-normal", in: dfl, negate: true, help: "do not log what went well", set: toggle(func(o *config.ProxyOptions) *bool { return &o.DontLogNormal })},
	{word: "log-separate-errors", in: dfl, negate: true, help: "errors at level err", set: toggle(func(o *config.ProxyOptions) *bool { return &o.LogSeparateErrors })},
	{word: "logasap", in: dfl, negate: true, help: "log before the end", set: toggle(func(o *config.ProxyOptions) *bool { return &o.LogASAP })},
	{word: "log-health-checks", in: dlb, negate: true, help: "log every result of a check that is new", set: toggle(func(o *config.ProxyOptions) *bool { return &o.LogHealthChecks })},
	{word: "forwardfor", args: "[except NETWORK] [header NAME] [if-none]", in: dflb, help: "tell servers the client's address", set: optionForwardfor},
	{word: "originalto", args: "[except NETWORK] [header NAME]", in: dflb, help: "tell servers the address the client connected to", set: optionOriginalto},
	{word: "http-keep-alive", in: dflb, negate: true, help: "keep both connections", set: connection(config.KeepAlive)},
	{word: "http-server-close", in: dflb, negate: true, help: "close the server's connection after a response", set: connection(config.ServerClose)},
	{word: "httpclose", in: dflb, negate: true, help: "close both connections after a response", set: connection(config.Close)},
	{word: "redispatch", args: "[INTERVAL]", in: dlb, negate: true, help: "try another server in the end", set: optionRedispatch},
	// Differs from HAProxy: abortonclose of a backend holds behind every frontend. 2.6 hears of a client that has gone
	// only in a listen section, where frontend and backend are one.
	{word: "abortonclose", in: dlb, negate: true, help: "forget requests of clients that have gone", set: toggle(func(o *config.ProxyOptions) *bool { return &o.AbortOnClose })},
	{word: "allbackups", in: dlb, negate: true, help: "use all backup servers at once", set: toggle(func(o *config.ProxyOptions) *bool { return &o.AllBackups })},
	{word: "persist", in: dlb, negate: true, help: "stay with a server that is down", set: toggle(func(o *config.ProxyOptions) *bool { return &o.Persist })},
	// Differs from HAProxy: prefer-last-server knows the last server of a client's connection whatever http-reuse says.
	// 2.6 knows it only with connections that are not shared.
	{word: "prefer-last-server", in: dlb, negate: true, help: "stay with the last server", set: toggle(func(o *config.ProxyOptions) *bool { return &o.PreferLastServer })},
	{word: "nolinger", in: dflb, negate: true, help: "reset connections instead of closing them", set: toggle(func(o *config.ProxyOptions) *bool { return &o.NoLinger })},
	{word: "contstats", in: dfl, negate: true, help: "count bytes as they pass", state: harmless, why: "long connections are counted when they end", set: optionNone},
	{word: "socket-stats", in: dfl, negate: true, help: "statistics of each listener", state: harmless, why: "statistics are by frontend", set: optionNone},
	{word: "tcp-smart-accept", in: dfl, negate: true, help: "delay the first acknowledgement", state: harmless, why: "the kernel decides", set: optionNone},
	{word: "tcp-smart-connect", in: dlb, negate: true, help: "delay the last packet of the handshake", state: harmless, why: "the kernel decides", set: optionNone},
	{word: "tcpka", in: dflb, negate: true, help: "keepalive probes on both sides", set: optionTCPKA},
	{word: "clitcpka", in: dfl, negate: true, help: "keepalive probes to clients", set: toggle(func(o *config.ProxyOptions) *bool { return &o.ClientKeepalive })},
	{word: "srvtcpka", in: dlb, negate: true, help: "keepalive probes to servers", set: toggle(func(o *config.ProxyOptions) *bool { return &o.ServerKeepalive })},
	{word: "http-buffer-request", in: dflb, negate: true, help: "wait for a request's body", state: refused},
	{word: "http-ignore-probes", in: dfl, negate: true, help: "say nothing to clients that send nothing", set: toggle(func(o *config.ProxyOptions) *bool { return &o.IgnoreProbes })},
	{word: "accept-invalid-http-request", in: dfl, negate: true, help: "take odd requests", state: harmless, why: "what is malformed is refused all the same", set: optionNone},
	{word: "accept-invalid-http-response", in: dlb, negate: true, help: "take odd responses", state: harmless, why: "what is malformed is refused all the same", set: optionNone},
	{word: "accept-unsafe-violations-in-http-request", in: dfl, negate: true, absent: newer, help: "take odd requests", state: harmless, why: "what is malformed is refused all the same", set: optionNone},
	{word: "accept-unsafe-violations-in-http-response", in: dlb, negate: true, absent: newer, help: "take odd responses", state: harmless, why: "what is malformed is refused all the same", set: optionNone},
	{word: "independent-streams", in: dflb, negate: true, help: "time out each direction by itself", state: refused},
	{word: "splice-auto", in: dflb, negate: true, help: "let the kernel forward where it pays", state: harmless, why: "it does so where it pays", set: optionNone},
	{word: "splice-request", in: dflb, negate: true, help: "let the kernel forward requests", state: harmless, why: "it does so where it pays", set: optionNone},
	{word: "splice-response", in: dflb, negate: true, help: "let the kernel forward responses", state: harmless, why: "it does so where it pays", set: optionNone},
	{word: "httpchk", args: "[METHOD] [URI] [VERSION]", in: dlb, help: "check servers by a request", set: optionHTTPCheck},
	{word: "tcp-check", in: dlb, help: "check servers by a dialogue", set: optionTCPCheck},
	{word: "mysql-check", args: "[user NAME [post-41|pre-41]]", in: dlb, help: "check MySQL servers", set: optionMySQL},
	{word: "pgsql-check", args: "user NAME", in: dlb, help: "check PostgreSQL servers", set: optionPgSQL},
	{word: "redis-check", in: dlb, help: "check Redis servers", set: optionRedis},
	{word: "smtpchk", args: "[HELO|EHLO DOMAIN]", in: dlb, help: "check mail servers", set: optionSMTP, loose: true},
	{word: "ldap-check", in: dlb, help: "check LDAP servers", set: optionLDAP},
	{word: "ssl-hello-chk", in: dlb, help: "check that TLS is answered", set: optionSSLHello},
	{word: "http-restrict-req-hdr-names", args: "preserve|delete|reject", in: dflb, def: "preserve", help: "requests with odd names of headers", set: optionRestrictNames, min: 1,
		state: harmless, quiet: true, why: "preserve is what happens anyway, and what else it may say is refused"},
	{word: "forceclose", in: dflb, negate: true, help: "close both connections after a response", instead: "option httpclose", set: connection(config.Close)},
	{word: "http-tunnel", in: dflb, negate: true, help: "look at the first request only", instead: "none: leave it out", state: harmless, quiet: true, why: "every request is looked at", set: optionNone},
	{word: "http-use-htx", in: dflb, negate: true, help: "another representation of messages", instead: "none: leave it out", state: harmless, quiet: true, why: alwaysOurs, set: optionNone},
	{word: "http_proxy", in: dflb, negate: true, help: "connect to the address in the URI", instead: "http-request set-dst with do-resolve", state: refused},
	{word: "tcpsplice", in: dflb, negate: true, help: "let the kernel forward", instead: "option splice-auto", state: harmless, why: "it does so where it pays", set: optionNone},
}, append(optionRefused, optionHarmless...)...)

// optionNone is an option without effect.
func optionNone(a *args) { a.done() }

var optionRefused = each(group(refused, "",
	[3]string{"httpslog", "", "log requests with TLS"},
	[3]string{"external-check", "", "check servers by a program"},
	[3]string{"spop-check", "", "check SPOE agents"},
	[3]string{"transparent", "", "connect to where the client wanted to go"},
	[3]string{"checkcache", "", "refuse responses whose cookies could be cached"},
	[3]string{"http-use-proxy-header", "", "Proxy-Connection instead of Connection"},
	[3]string{"h1-case-adjust-bogus-client", "", "the case of headers' names"},
	[3]string{"h1-case-adjust-bogus-server", "", "the case of headers' names"},
	[3]string{"forwarded", "[WORD …]", "the header of RFC 7239"},
	[3]string{"http-drop-request-trailers", "", "drop trailers of requests"},
	[3]string{"http-drop-response-trailers", "", "drop trailers of responses"},
	[3]string{"assume-rfc6587-ntf", "", "framing of logs"},
	[3]string{"dont-parse-log", "", "relay logs as they are"},
), func(k *keyword) {
	k.in, k.negate = dflb, true
	switch k.word {
	case "httpslog", "spop-check", "external-check":
		k.negate = false
	case "forwarded", "http-drop-request-trailers", "http-drop-response-trailers", "assume-rfc6587-ntf", "dont-parse-log":
		k.absent = newer
	}
})

var optionHarmless = each(group(harmless, noMachinery,
	[3]string{"http-pretend-keepalive", "", "announce keep-alive to servers, and close"},
	[3]string{"http-no-delay", "", "send at once"},
	[3]string{"idle-close-on-response", "", "close idle connections late at a soft stop"},
	[3]string{"disable-h2-upgrade", "", "no HTTP/2 in the clear"},
	[3]string{"use-small-buffers", "[WORD …]", "smaller buffers"},
), func(k *keyword) {
	k.in, k.negate, k.quiet = dflb, true, true
	k.set = optionNone
	if k.word == "use-small-buffers" {
		k.absent = newer
	}
})
