package haproxy

import "github.com/evenkeel/evenkeel/config/words"

const (
	noTLS       = "TLS is not there yet"
	noMachinery = "it tunes machinery that is built in another way here"
	noLua       = "there is no Lua"
	noTables    = "there are no stick tables yet"
	noDNS       = "names are looked up when the file is read"
	noState     = "which servers are down is kept over a reload"
	alwaysOurs  = "it is always so here"
	onlyTLS     = "it matters for TLS only, which is refused where it is used"
)

// group makes rows of words that share their state and reason: word, values and help of each.
func group(s words.State, why string, rows ...[3]string) []keyword {
	var list []keyword
	for _, r := range rows {
		k := keyword{word: r[0], args: r[1], help: r[2], state: s, why: why, loose: true}
		if s == harmless {
			k.set = noEffect
		}
		if r[1] != "" && r[1][0] != '[' {
			k.min = 1
		}
		list = append(list, k)
	}
	return list
}

// each changes every row of a list.
func each(list []keyword, change func(*keyword)) []keyword {
	for i := range list {
		change(&list[i])
	}
	return list
}

// sectionWords begin sections.
var sectionWords = []keyword{
	{word: "global", help: "settings of the process", set: setGlobalSection},
	{word: "defaults", args: "[NAME] [from NAME]", help: "settings of the proxies that follow", set: setDefaults},
	{word: "frontend", args: "NAME [from NAME]", help: "accepts connections and chooses a backend",
		set: setProxySection},
	{word: "backend", args: "NAME [from NAME]", help: "servers and how they are used", set: setProxySection},
	{word: "listen", args: "NAME [from NAME]", help: "a frontend and a backend in one", set: setProxySection},
	{word: "peers", args: "NAME", state: refused, help: "proxies that share stick tables", why: noTables},
	{word: "userlist", args: "NAME", state: refused, help: "users and passwords", why: "stats auth is what there is"},
	{word: "resolvers", args: "NAME", state: refused, help: "DNS servers", why: noDNS},
	{word: "cache", args: "NAME", state: refused, help: "a cache of small responses"},
	{word: "http-errors", args: "NAME", state: refused, help: "a set of error files",
		why: "errorfile names them one by one"},
	{word: "mailers", args: "NAME", state: refused, help: "mail servers for alerts"},
	{word: "ring", args: "NAME", state: refused, help: "a buffer of log lines"},
	{word: "log-forward", args: "NAME", state: refused, help: "a relay for logs"},
	{word: "program", args: "NAME", state: refused, help: "a program that runs beside the workers",
		why: "the service manager does that"},
	{word: "fcgi-app", args: "NAME", state: refused, help: "a FastCGI application"},
	{word: "log-profile", args: "NAME", state: refused, absent: newer, help: "log formats for each step"},
	{word: "crt-store", args: "[NAME]", state: refused, absent: newer, help: "certificates by name", why: noTLS},
	{word: "acme", args: "NAME", state: refused, absent: newer, help: "certificates from an authority", why: noTLS},
	{word: "traces", state: refused, absent: newer, help: "debugging traces"},
	{word: "healthcheck", args: "NAME", state: refused, absent: newer, help: "a named health check"},
}

// globalWords may stand in the global section.
var globalWords = append([]keyword{
	{word: "user", args: "NAME", help: "who the worker becomes", set: setUser, min: 1},
	{word: "group", args: "NAME", help: "the worker's group", set: setGroup, min: 1},
	{word: "uid", args: "NUMBER", help: "who the worker becomes", set: setUser, min: 1},
	{word: "gid", args: "NUMBER", help: "the worker's group", set: setGroup, min: 1},
	{word: "chroot", args: "DIRECTORY", help: "the worker's root directory", set: setChroot, min: 1},
	{word: "daemon", help: "go to the background", set: setDaemon,
		state: harmless, quiet: true, why: "the service manager sees to that"},
	{word: "pidfile", args: "FILE", help: "where the process number is written", set: setPIDFile, min: 1},
	{word: "maxconn", args: "NUMBER", def: "from the descriptor limit", help: "connections at the same time",
		set: setGlobalMaxConn, min: 1},
	{word: "maxconnrate", args: "NUMBER", def: "unlimited", help: "connections accepted in a second",
		set: setMaxConnRate, min: 1},
	{word: "nbthread", args: "NUMBER(1..64)", def: "one for each CPU", help: "threads of the worker", set: setThreads,
		min: 1},
	{word: "nbproc", args: "NUMBER", help: "processes; they become threads", instead: "nbthread", set: setProcesses,
		min: 1},
	{word: "ulimit-n", args: "NUMBER", def: "derived", help: "limit of descriptors", set: setDescriptors, min: 1},
	{word: "hard-stop-after", args: "TIME", def: "none", help: "how long a replaced worker may drain", set: setHardStop,
		min: 1},
	{word: "log", args: "TARGET [len N] [format F] FACILITY [MAX [MIN]]", help: "where logs go", set: setLog,
		negate: true},
	{word: "log-tag", args: "TAG", def: "haproxy", help: "the program's name in logs", set: setLogTag, min: 1},
	{word: "log-send-hostname", args: "[NAME]", help: "put the host's name into log lines", set: setLogSendHostname},
	{word: "stats", args: "WORD …", help: "the runtime socket", set: setGlobalStats, min: 1},
	{word: "spread-checks", args: "PERCENT(0..50)", def: "0", help: "vary the interval of checks", set: setSpreadChecks,
		min: 1},
	{word: "max-spread-checks", args: "TIME", def: "none", help: "the longest time over which first checks are spread",
		set: setMaxSpreadChecks, min: 1},
	{word: "cluster-secret", args: "SECRET", help: "a secret that nodes share",
		state: harmless, quiet: true, why: "what it is for, QUIC among it, is not there", set: noEffect, min: 1},
	{word: "node", args: "NAME", def: "host name", help: "this node's name on the statistics page", set: setNode,
		min: 1},
	{word: "description", args: "TEXT", help: "text on the statistics page", set: setGlobalDescription, min: 1},
	{word: "setenv", args: "NAME VALUE", help: "set a variable for the lines that follow", set: setEnv, min: 2},
	{word: "presetenv", args: "NAME VALUE", help: "set a variable that has no value", set: setEnv, min: 2},
	{word: "unsetenv", args: "NAME…", help: "forget variables", set: unsetEnv, min: 1},
	{word: "resetenv", args: "[NAME…]", help: "forget all variables but these", set: resetEnv},
	{word: "tune.bufsize", args: "BYTES", def: "16384", help: "size of a stream's buffer", set: setBufSize, min: 1},
	{word: "tune.maxrewrite", args: "BYTES", def: "1024", help: "room kept in a buffer for changed headers",
		set: setMaxRewrite, min: 1},
	{word: "tune.http.maxhdr", args: "NUMBER(1..32767)", def: "101", help: "most headers of a message",
		set: setMaxHeaders, min: 1},
	{word: "tune.chksize", args: "BYTES", help: "size of a check's buffer", instead: "tune.bufsize",
		state: harmless, quiet: true, why: "checks read as much as they need", set: noEffect, loose: true},
	{word: "debug", help: "stay in the foreground and talk", instead: "the option -d of the command line",
		state: harmless, quiet: true, why: "the command line decides", set: noEffect, loose: true},
	{word: "default-path", args: "current|config|parent|origin", help: "what names of files are relative to",
		set: setDefaultPath, min: 1,
		state: harmless, quiet: true, why: "current is what they are relative to anyway, and what else it may say is " +
			"refused"},
}, append(globalRefused, globalHarmless...)...)

var globalRefused = each(group(refused, "",
	[3]string{"set-var", "NAME EXPRESSION", "a variable of the process"},
	[3]string{"set-var-fmt", "NAME FORMAT", "a variable of the process"},
	[3]string{"h1-case-adjust", "FROM TO", "the case of a header's name"},
	[3]string{"h1-case-adjust-file", "FILE", "the case of headers' names"},
	[3]string{"unix-bind", "WORDS", "prefix and owner of UNIX sockets"},
	[3]string{"maxsessrate", "NUMBER", "sessions accepted in a second"},
	[3]string{"lua-load", "FILE", "a Lua script"},
	[3]string{"lua-load-per-thread", "FILE", "a Lua script for each thread"},
	[3]string{"lua-prepend-path", "PATH", "where Lua looks for modules"},
	[3]string{"51degrees-data-file", "FILE", "device detection"},
	[3]string{"deviceatlas-json-file", "FILE", "device detection"},
	[3]string{"wurfl-data-file", "FILE", "device detection"},
	[3]string{"http-err-codes", "RANGES", "statuses counted as errors"},
	[3]string{"http-fail-codes", "RANGES", "statuses counted as failures"},
	[3]string{"stats-file", "FILE", "counters from an earlier run"},
), func(k *keyword) {
	switch k.word {
	case "51degrees-data-file", "deviceatlas-json-file", "wurfl-data-file":
		k.absent = notBuilt
	case "http-err-codes", "http-fail-codes", "stats-file":
		k.absent = newer
	}
})

var globalHarmless = each(append(append(group(harmless, noMachinery,
	[3]string{"quiet", "", "say nothing at start"},
	[3]string{"cpu-map", "THREADS CPUS", "threads tied to processors"},
	[3]string{"cpu-policy", "POLICY", "how threads are spread over processors"},
	[3]string{"cpu-set", "WORDS", "processors that may be used"},
	[3]string{"thread-group", "N THREADS", "a group of threads"},
	[3]string{"thread-groups", "N", "number of groups of threads"},
	[3]string{"numa-cpu-mapping", "", "keep to one NUMA node"},
	[3]string{"noepoll", "", "do not use epoll"},
	[3]string{"nopoll", "", "do not use poll"},
	[3]string{"nokqueue", "", "do not use kqueue"},
	[3]string{"noevports", "", "do not use event ports"},
	[3]string{"nosplice", "", "do not use splice"},
	[3]string{"nogetaddrinfo", "", "do not use getaddrinfo"},
	[3]string{"noreuseport", "", "one listening socket for all threads"},
	[3]string{"busy-polling", "", "never sleep in the poller"},
	[3]string{"maxpipes", "N", "pipes used by splice"},
	[3]string{"maxcomprate", "N", "compression in kilobytes per second"},
	[3]string{"maxcompcpuusage", "N", "processor use at which compression stops"},
	[3]string{"maxzlibmem", "N", "memory of compression"},
	[3]string{"fd-hard-limit", "N", "upper bound of descriptors"},
	[3]string{"strict-limits", "", "fail where a limit cannot be set"},
	[3]string{"set-dumpable", "", "allow core dumps"},
	[3]string{"insecure-fork-wanted", "", "allow new processes"},
	[3]string{"insecure-setuid-wanted", "", "allow setuid programs"},
	[3]string{"setcap", "CAPABILITIES", "capabilities that are kept"},
	[3]string{"external-check", "", "allow checks by programs"},
	[3]string{"profiling.tasks", "on|off|auto", "measure tasks"},
	[3]string{"profiling.memory", "on|off", "measure memory"},
	[3]string{"no-memory-trimming", "", "keep freed memory"},
	[3]string{"zero-warning", "", "refuse a configuration with warnings"},
	[3]string{"localpeer", "NAME", "this node's name among peers"},
	[3]string{"grace", "TIME", "wait before a soft stop"},
	[3]string{"close-spread-time", "TIME", "spread the closing of connections"},
	[3]string{"master-worker", "", "a master process with workers"},
	[3]string{"mworker-max-reloads", "N", "reloads an old worker may live"},
	[3]string{"server-state-base", "DIRECTORY", "where states of servers lie"},
	[3]string{"expose-experimental-directives", "", "allow words on trial"},
	[3]string{"expose-deprecated-directives", "", "allow words about to go"},
	[3]string{"anonkey", "N", "key of anonymous dumps"},
	[3]string{"pp2-never-send-local", "", "checks send PROXY headers as connections do"},
	[3]string{"prealloc-fd", "", "allocate descriptors at start"},
	[3]string{"h2-workaround-bogus-websocket-clients", "", "no WebSockets over HTTP/2"},
	[3]string{"h1-accept-payload-with-any-method", "", "let GET and its like have a body"},
	[3]string{"h1-do-not-close-on-insecure-transfer-encoding", "", "keep connections after odd codings"},
	[3]string{"httpclient.resolvers.id", "NAME", "DNS of the built-in client"},
	[3]string{"httpclient.resolvers.prefer", "ipv4|ipv6", "family for the built-in client"},
	[3]string{"httpclient.ssl.ca-file", "FILE", "authorities of the built-in client"},
	[3]string{"httpclient.ssl.verify", "[none|required]", "what the built-in client verifies"},
	[3]string{"httpclient.retries", "N", "retries of the built-in client"},
	[3]string{"httpclient.timeout.connect", "TIME", "time allowed to the built-in client"},
	[3]string{"dns-accept-family", "ipv4|ipv6|auto", "families of addresses from DNS"},
	[3]string{"warn-blocked-traffic-after", "TIME", "warn of stuck threads"},
	[3]string{"force-cfg-parser-pause", "TIME", "sleep while reading the file"},
	[3]string{"limited-quic", "", "QUIC with an old library"},
	[3]string{"harden.reject-privileged-ports.tcp", "on|off", "refuse clients from ports below 1024"},
	[3]string{"harden.reject-privileged-ports.quic", "on|off", "refuse clients from ports below 1024"},
), group(harmless, noState, [3]string{"server-state-file", "FILE", "state of servers from an earlier run"})...),
	group(harmless, onlyTLS, [3]string{"maxsslconn", "N", "TLS connections at the same time"},
		[3]string{"maxsslrate", "N", "TLS sessions in a second"})...),
	func(k *keyword) {
		switch k.word {
		case "cpu-policy", "cpu-set", "setcap", "expose-deprecated-directives", "anonkey", "prealloc-fd",
			"h1-do-not-close-on-insecure-transfer-encoding",
			"httpclient.retries", "httpclient.timeout.connect", "dns-accept-family", "warn-blocked-traffic-after",
			"force-cfg-parser-pause", "limited-quic",
			"harden.reject-privileged-ports.tcp", "harden.reject-privileged-ports.quic", "profiling.memory":
			k.absent = newer
		case "strict-limits", "set-dumpable", "busy-polling", "insecure-fork-wanted", "numa-cpu-mapping":
			k.negate = true
		}
		switch k.word {
		case "quiet", "set-dumpable", "strict-limits", "external-check", "localpeer", "noepoll", "nopoll", "nokqueue",
			"noevports", "zero-warning", "master-worker",
			"expose-experimental-directives", "insecure-fork-wanted", "maxsslconn", "maxsslrate", "server-state-base",
			"thread-group", "thread-groups":
			k.quiet = true
		}
	})

// globalTLSWords are about TLS; without a TLS listener they have no effect in HAProxy either.
var globalTLSWords = each(group(harmless, onlyTLS,
	[3]string{"ca-base", "DIRECTORY", "where files of authorities lie"},
	[3]string{"crt-base", "DIRECTORY", "where certificates lie"},
	[3]string{"key-base", "DIRECTORY", "where private keys lie"},
	[3]string{"issuers-chain-path", "DIRECTORY", "intermediate certificates"},
	[3]string{"ssl-default-bind-ciphers", "CIPHERS", "ciphers up to TLS 1.2"},
	[3]string{"ssl-default-bind-ciphersuites", "CIPHERS", "ciphers of TLS 1.3"},
	[3]string{"ssl-default-bind-client-sigalgs", "ALGORITHMS", "signatures of client certificates"},
	[3]string{"ssl-default-bind-curves", "CURVES", "elliptic curves"},
	[3]string{"ssl-default-bind-options", "OPTIONS", "versions and options"},
	[3]string{"ssl-default-bind-sigalgs", "ALGORITHMS", "signatures"},
	[3]string{"ssl-default-server-ciphers", "CIPHERS", "ciphers up to TLS 1.2, to servers"},
	[3]string{"ssl-default-server-ciphersuites", "CIPHERS", "ciphers of TLS 1.3, to servers"},
	[3]string{"ssl-default-server-client-sigalgs", "ALGORITHMS", "signatures of our certificate, to servers"},
	[3]string{"ssl-default-server-curves", "CURVES", "elliptic curves, to servers"},
	[3]string{"ssl-default-server-options", "OPTIONS", "versions and options, to servers"},
	[3]string{"ssl-default-server-sigalgs", "ALGORITHMS", "signatures, to servers"},
	[3]string{"ssl-dh-param-file", "FILE", "Diffie-Hellman parameters"},
	[3]string{"ssl-engine", "NAME", "a cryptographic engine"},
	[3]string{"ssl-load-extra-del-ext", "", "how files beside certificates are named"},
	[3]string{"ssl-load-extra-files", "TYPES", "files looked for beside certificates"},
	[3]string{"ssl-mode-async", "", "asynchronous engines"},
	[3]string{"ssl-propquery", "TEXT", "properties of algorithms"},
	[3]string{"ssl-provider", "NAME", "a provider of the library"},
	[3]string{"ssl-provider-path", "DIRECTORY", "where providers lie"},
	[3]string{"ssl-security-level", "N", "security level of the library"},
	[3]string{"ssl-server-verify", "none|required", "whether servers' certificates are verified"},
	[3]string{"ssl-skip-self-issued-ca", "", "do not send self-issued authorities"},
	[3]string{"ocsp-update.disable", "", "do not fetch OCSP answers"},
	[3]string{"ocsp-update.httpproxy", "ADDRESS", "proxy for OCSP"},
	[3]string{"ocsp-update.maxdelay", "TIME", "longest wait between OCSP answers"},
	[3]string{"ocsp-update.mindelay", "TIME", "shortest wait between OCSP answers"},
	[3]string{"ocsp-update.mode", "on|off", "fetch OCSP answers"},
	[3]string{"acme.scheduler", "auto|off", "renew certificates"},
), func(k *keyword) {
	k.quiet = true
	switch k.word {
	case "ssl-engine":
		k.absent = notBuilt
	case "key-base", "ssl-default-bind-client-sigalgs", "ssl-default-bind-sigalgs", "ssl-default-server-client-sigalgs",
		"ssl-default-server-sigalgs", "ssl-default-server-curves",
		"ssl-security-level", "ocsp-update.disable", "ocsp-update.httpproxy", "ocsp-update.maxdelay",
		"ocsp-update.mindelay", "ocsp-update.mode", "acme.scheduler":
		k.absent = newer
	}
})

// globalStatsWords follow stats in the global section.
var globalStatsWords = []keyword{
	{word: "socket", args: "ADDRESS [mode M] [user U] [group G] [level user|operator|admin] [expose-fd listeners]",
		help: "a socket for commands", set: setStatsSocket, min: 1},
	{word: "timeout", args: "TIME", def: "10s", help: "time an idle client of the socket may stay",
		set: setStatsTimeout, min: 1},
	{word: "maxconn", args: "NUMBER", def: "10", help: "clients of the socket at the same time", set: setStatsMaxConn,
		min: 1},
	{word: "bind-process", args: "PROCESSES", help: "processes the socket belongs to",
		state: harmless, quiet: true, why: "there is one process", set: noEffect, loose: true},
}

// setDefaultPath takes the one mode there is.
func setDefaultPath(a *args) {
	switch w := a.next(); w.text {
	case "current":
	case "config", "parent", "origin":
		a.unsupported(w, "names of files are relative to the working directory")
	default:
		a.oneOf(w, "current", "config", "parent", "origin")
	}
	a.k.loose = true
	a.done()
}
