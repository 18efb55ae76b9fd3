package differential

import "strings"

// six are six requests on one connection, three the servers they may go to.
var six = wordGet("/1") + wordGet("/1") + wordGet("/2") + wordGet("/2") + wordGet("/3") + wordGet("/5")

const three = "server a ORIGIN\nserver b ORIGIN\nserver c ORIGIN\n"

// wordGet is a request for a path that says who asks.
func wordGet(path string) string {
	return "GET " + path + "?q=" + path[1:] + " HTTP/1.1\r\nHost: x\r\nWho: " + path[1:] + "\r\n\r\n"
}

const (
	post       = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"
	noServer   = "server a 127.0.0.1:1\nserver b ORIGIN\n"
	twoServers = "server a ORIGIN\nserver b ORIGIN\n"
)

var proxyWords = []exchange{
	{name: "proxy: mode", settings: "mode [[tcp||http]]\noption tcplog", serverCloses: true},
	{name: "proxy: bind", settings: "bind 127.0.0.1:PORT"},
	{name: "proxy: disabled", settings: "disabled"},
	{name: "proxy: enabled", settings: "disabled\nenabled"},
	{name: "proxy: default_backend", settings: "default_backend spare"},
	{name: "proxy: use_backend", settings: "use_backend spare if { path_beg /a }"},
	{name: "proxy: acl", settings: "acl a path_beg [[/a||/z]]\nhttp-request deny if a"},
	{name: "proxy: log", settings: "no log\n[[log LOGS local1||log LOGS local2]]", header: true, only: "DFL"},
	{name: "proxy: log, at most a level", settings: "no log\n[[log LOGS local1 notice||log LOGS local1]]", requests: -1,
		until: "hello", only: "DFL"},
	{name: "proxy: log-format", settings: "log-format \"%ft case %HM %ST %{+Q}r\""},
	{name: "proxy: log-tag", settings: "log-tag mine", header: true, only: "DFL"},
	{name: "proxy: log-tag, of checks", settings: "log-tag mine\nserver s 127.0.0.1:1 check inter 2s fall 1",
		checks: true, header: true, only: "B"},
	{name: "proxy: log, of checks",
		settings: "no log\n[[log LOGS local1||log LOGS local2]]\nserver s 127.0.0.1:1 check inter 2s fall 1",
		checks:   true, header: true, only: "B"},
	{name: "proxy: unique-id-format", settings: "unique-id-format [[id-%[path]||%ci]]\nunique-id-header X-Id"},
	{name: "proxy: unique-id-header", settings: "unique-id-format id-%[path]\nunique-id-header X-Id"},
	{name: "proxy: capture", settings: "capture request header X-A len 4\ncapture response header X-Origin len 4"},
	{name: "proxy: capture, a cookie", settings: "capture cookie t= len 9"},
	{name: "proxy: declare", settings: "declare capture request len [[4||2]]\nhttp-request capture req.hdr(x-a) id 0"},
	{name: "proxy: monitor-uri", settings: "monitor-uri /a/b.html?q=1&r=2", requests: -1, until: "</html>"},
	{name: "proxy: monitor", settings: "monitor-uri /a/b.html?q=1&r=2\nmonitor fail if { path_beg /a }", requests: -1,
		until: "</html>", finds: "503 Service Unavailable"},
	{name: "proxy: redirect", settings: "redirect location http://y/ code 301"},
	{name: "proxy: redirect, a scheme", settings: "redirect scheme https if { path_beg /a }"},
	{name: "proxy: server", settings: "server [[t||s]] ORIGIN"},
	{name: "proxy: server-template", settings: "[[server-template t 2||server s]] ORIGIN",
		send: wordGet("/1") + wordGet("/2"), requests: 2},
	{name: "proxy: default-server", settings: "default-server send-proxy\nserver s ORIGIN"},
	{name: "proxy: hash-type", settings: "balance uri\nhash-type [[consistent||map-based]]\n" + three, send: six,
		requests: 6},
	{name: "proxy: hash-type, a function", settings: "balance uri\nhash-type map-based [[djb2||sdbm]]\n" + three,
		send: six, requests: 6},
	{name: "proxy: hash-type, wt6 avalanche",
		settings: "balance hdr(who)\nhash-type [[consistent wt6 avalanche||map-based]]\n" + three, send: six,
		requests: 6},
	{name: "proxy: hash-type, crc32", settings: "balance hdr(who)\nhash-type [[map-based crc32||map-based]]\n" + three,
		send: six, requests: 6},
	{name: "proxy: cookie", settings: "cookie SRV insert indirect nocache\nserver s ORIGIN cookie c1"},
	{name: "proxy: retries", settings: "retries 0\nlog-format \"%ft case %ST %rc\"", refuse: true},
	{name: "proxy: source", settings: "source 127.0.0.2\nlog-format \"%ft case %bi\""},
	{name: "proxy: use-server", settings: "use-server b if { path_beg /a }\n" + twoServers},
	{name: "proxy: http-reuse", settings: "http-reuse [[never||always]]", times: 3, counts: true},
	{name: "proxy: http-reuse, always", settings: "http-reuse [[always||never]]", times: 3, counts: true},
	{name: "proxy: http-reuse, aggressive", settings: "http-reuse [[aggressive||never]]", times: 3, counts: true},
	{name: "proxy: http-reuse, safe", settings: "http-reuse [[safe||never]]", send: wordGet("/1") + wordGet("/2"),
		requests: 2, times: 2, counts: true},
	{name: "proxy: errorfile", settings: "http-request deny\nerrorfile 403 FILES/403.http"},
	{name: "proxy: errorloc", settings: "http-request deny\nerrorloc 403 http://sorry/"},
	{name: "proxy: errorloc302", settings: "http-request deny\nerrorloc302 403 http://sorry/"},
	{name: "proxy: errorloc303", settings: "http-request deny\nerrorloc303 403 http://sorry/"},
	{name: "proxy: redispatch", settings: "redispatch\nretries 1\n" + noServer, alone: []string{"/b N/N/N/N/N 200"}},
	{name: "proxy: block", settings: "block if { path_beg /a }", alone: []string{"HTTP/1.1 403"}},
	{name: "proxy: reqadd", settings: "reqadd X-B:\\ 1", alone: []string{"server:   x-b: 1"}},
	{name: "proxy: rspadd", settings: "rspadd X-B:\\ 1", alone: []string{"client:   x-b: 1"}},
	{name: "proxy: reqdel", settings: "reqdel ^X-A:", alone: []string{"server:   host"}},
	{name: "proxy: reqidel", settings: "reqidel ^x-a:", alone: []string{"server:   host"}},
	{name: "proxy: rspdel", settings: "rspdel ^X-Origin:", alone: []string{"HTTP/1.1 200"}},
	{name: "proxy: rspidel", settings: "rspidel ^x-origin:", alone: []string{"HTTP/1.1 200"}},
	{name: "proxy: reqrep", settings: "reqrep ^X-A:\\ (.*) X-A:\\ <\\1>", alone: []string{"server:   x-a: <one, two>"}},
	{name: "proxy: reqirep", settings: "reqirep ^x-a:\\ (.*) X-A:\\ <\\1>",
		alone: []string{"server:   x-a: <one, two>"}},
	{name: "proxy: rsprep", settings: "rsprep ^X-Origin:\\ (.*) X-Origin:\\ <\\1>",
		alone: []string{"client:   x-origin: <a>"}},
	{name: "proxy: rspirep", settings: "rspirep ^x-origin:\\ (.*) X-Origin:\\ <\\1>",
		alone: []string{"client:   x-origin: <a>"}},
	{name: "proxy: monitor-net", settings: "monitor-net 127.0.0.0/8", alone: []string{"HTTP/1.1 200"}},
	{name: "proxy: contimeout", settings: "contimeout 100ms\nretries 0", deaf: true, alone: []string{"503"}},
	{name: "proxy: clitimeout", settings: "clitimeout 100ms", send: "GET / HTTP/1.1\r\n", alone: []string{"408"}},
	{name: "proxy: srvtimeout", settings: "srvtimeout 100ms", mute: true, alone: []string{"504"}},
}

var optionWords = []exchange{
	{name: "option: httplog", settings: "option [[httplog||tcplog]]"},
	{name: "option: httplog, clf", settings: "option httplog[[ clf||]]"},
	{name: "option: tcplog", settings: "option tcplog"},
	{name: "option: dontlognull", settings: "option dontlognull", send: nothing, clientCloses: true, requests: -1},
	{name: "option: dontlog-normal", settings: "option dontlog-normal", requests: -1, until: "hello"},
	{name: "option: log-separate-errors", settings: "option log-separate-errors\nretries 0", refuse: true,
		header: true},
	{name: "option: logasap", settings: "option logasap"},
	{name: "option: log-health-checks", settings: "option log-health-checks\nserver s ORIGIN check inter 2s",
		checks: true},
	{name: "option: tcpka", settings: "option tcpka", timers: true},
	{name: "option: clitcpka", settings: "option clitcpka", timers: true},
	{name: "option: srvtcpka", settings: "option srvtcpka", timers: true},
	{name: "option: forwardfor", settings: "option forwardfor"},
	{name: "option: forwardfor, with a name", settings: "option forwardfor header X-Client if-none"},
	{name: "option: originalto", settings: "option originalto"},
	{name: "option: http-keep-alive", settings: "option [[http-keep-alive||httpclose]]"},
	{name: "option: http-server-close", settings: "option http-server-close"},
	{name: "option: httpclose", settings: "option httpclose"},
	{name: "option: forceclose", settings: "option forceclose", alone: []string{"server:   connection: close"}},
	{name: "option: redispatch", settings: "option redispatch\nretries 1\n" + noServer},
	{name: "option: abortonclose", settings: "option abortonclose", clientCloses: true, mute: true},
	{name: "option: allbackups", settings: "option allbackups\nserver a ORIGIN backup\nserver b ORIGIN backup",
		send: six, requests: 6},
	{name: "option: prefer-last-server, connections that are not shared",
		settings: "http-reuse never\nbalance roundrobin\noption prefer-last-server\n" + three, send: six, requests: 6},
	{name: "option: prefer-last-server", settings: "balance roundrobin\noption prefer-last-server\n" + three, send: six,
		requests: 6},
	{name: "option: prefer-last-server, after a redispatch",
		settings: "http-reuse never\nbalance roundrobin\noption redispatch 1\noption prefer-last-server\nserver dead " +
			"127.0.0.1:1\n" + three, send: six, requests: 6},
	{name: "option: http-ignore-probes", settings: "option http-ignore-probes", send: nothing, clientCloses: true,
		requests: -1},
}

var timeoutWords = []exchange{
	{name: "timeout: client", settings: "timeout client 100ms", send: "GET / HTTP/1.1\r\n"},
	{name: "timeout: client, mode tcp", settings: "mode tcp\noption tcplog\ntimeout client 100ms", mute: true},
	{name: "timeout: server", settings: "timeout server 100ms", mute: true},
	{name: "timeout: connect", settings: "retries 0\ntimeout connect 100ms", deaf: true},
	{name: "timeout: tunnel", settings: "mode tcp\noption tcplog\ntimeout tunnel 100ms"},
	{name: "timeout: tunnel, upgrade", settings: "timeout tunnel 100ms",
		send:    "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n",
		replies: []string{"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: foo\r\nX-Origin: a\r\n\r\nfrom the server"}},
	{name: "timeout: http-request", settings: "timeout http-request 100ms", send: "GET / HTTP/1.1\r\n", only: "DFL"},
	{name: "timeout: http-keep-alive", settings: "timeout http-keep-alive 100ms", closes: true, only: "DFL"},
	{name: "timeout: tarpit", settings: "timeout tarpit 100ms\nhttp-request tarpit"},
	{name: "timeout: client-fin", settings: "mode tcp\noption tcplog\ntimeout client-fin 100ms", serverCloses: true,
		lingers: true},
	{name: "timeout: server-fin", settings: "mode tcp\noption tcplog\ntimeout server-fin 100ms", clientCloses: true,
		mute: true, holds: true},
	{name: "timeout: clitimeout", settings: "timeout clitimeout 100ms", send: "GET / HTTP/1.1\r\n",
		alone: []string{"408"}},
	{name: "timeout: srvtimeout", settings: "timeout srvtimeout 100ms", mute: true, alone: []string{"504"}},
	{name: "timeout: contimeout", settings: "retries 0\ntimeout contimeout 100ms\nretries 0", deaf: true,
		alone: []string{"503"}},
}

var balanceWords = []exchange{
	{name: "balance: roundrobin", settings: "balance [[roundrobin||first]]\n" + three, send: six, requests: 6},
	{name: "balance: roundrobin, weights",
		settings: "balance [[roundrobin||first]]\nserver a ORIGIN weight 3\nserver b ORIGIN weight 1", send: six,
		requests: 6},
	{name: "balance: static-rr", settings: "balance [[static-rr||first]]\nserver a ORIGIN weight 3\nserver b ORIGIN " +
		"weight 2", send: six, requests: 6},
	{name: "balance: leastconn", settings: "balance [[leastconn||first]]\n" + three, send: six, requests: 6},
	{name: "balance: first", settings: "balance first\n" + three, send: six, requests: 6},
	{name: "balance: source", settings: "balance source\n" + three, send: six, requests: 6},
	{name: "balance: uri", settings: "balance uri\n" + three, send: six, requests: 6},
	{name: "balance: uri, whole", settings: "balance uri whole\n" + three, send: six, requests: 6},
	{name: "balance: uri, depth and len", settings: "balance uri depth 1 len 3\n" + three, send: six, requests: 6},
	{name: "balance: url_param", settings: "balance url_param q\n" + three, send: six, requests: 6},
	{name: "balance: hdr", settings: "[[balance hdr(who)||balance first]]\n" + three, send: six, requests: 6},
	{name: "balance: hash", settings: "balance hash req.hdr(who)\n" + three, send: six, requests: 6},
}

var serverWords = []exchange{
	{name: "server: weight", settings: "balance roundrobin\nserver a ORIGIN[[ weight 3||]]\nserver b ORIGIN", send: six,
		requests: 6},
	{name: "server: weight, zero", settings: "server a ORIGIN[[ weight 0||]]\nserver b ORIGIN", send: six, requests: 6},
	{name: "server: backup", settings: "server a ORIGIN[[ backup||]]\nserver b ORIGIN"},
	{name: "server: no-backup", settings: "default-server backup\nserver a ORIGIN[[ no-backup||]]\nserver b ORIGIN " +
		"no-backup"},
	{name: "server: disabled", settings: "server a ORIGIN[[ disabled||]]\nserver b ORIGIN"},
	{name: "server: enabled", settings: "default-server disabled\nserver a ORIGIN[[ enabled||]]\nserver b ORIGIN " +
		"enabled"},
	{name: "server: cookie", settings: "cookie SRV insert indirect\nserver s ORIGIN[[ cookie c1||]]"},
	{name: "server: cookie, shared by two",
		settings: "cookie SRV insert indirect\nserver s ORIGIN[[ cookie c1||]]\nserver t ORIGIN cookie c1",
		send:     "GET / HTTP/1.1\r\nHost: x\r\nCookie: SRV=c1\r\n\r\n"},
	{name: "server: redir", settings: "server s ORIGIN[[ redir http://y:8080||]]"},
	{name: "server: send-proxy", settings: "server s ORIGIN[[ send-proxy||]]"},
	{name: "server: no-send-proxy", settings: "default-server send-proxy\nserver s ORIGIN[[ no-send-proxy||]]"},
	{name: "server: source", settings: "server s ORIGIN[[ source 127.0.0.2||]]\nlog-format \"%ft case %bi\""},
	{name: "server: id", settings: "balance hdr(who)\nhash-type consistent\nserver a ORIGIN[[ id 9||]]\nserver b " +
		"ORIGIN id 7\nserver c ORIGIN", send: six, requests: 6},
	{name: "server: check", settings: "server s 127.0.0.1:1[[ check inter 2s fall 1||]]", checks: true},
	{name: "server: no-check", settings: "retries 0\ndefault-server check inter 300ms fall 1\nserver a 127.0.0.1:1[[ " +
		"no-check||]]\nserver b ORIGIN backup no-check"},
	{name: "server: fall", settings: "server s ORIGIN check inter 2s[[ fall 1||]]\noption log-health-checks",
		checks: true},
	{name: "server: rise", settings: "server s 127.0.0.1:1 check inter 2s[[ rise 4||]]\noption log-health-checks",
		checks: true},
	{name: "server: port", settings: "server s ORIGIN check inter 2s[[ port 1||]]\noption log-health-checks",
		checks: true},
	{name: "server: addr", settings: "server s 127.0.0.1:1 check inter 2s[[ addr ORIGIN||]]\noption log-health-checks",
		checks: true},
	{name: "server: check-send-proxy",
		settings: "server s ORIGIN check[[ check-send-proxy||]] inter 2s\noption httpchk\noption log-health-checks",
		checks:   true},
}

var checkWords = []exchange{
	{name: "option: httpchk", settings: "option httpchk HEAD /alive\noption log-health-checks\nserver s ORIGIN check " +
		"inter 2s", checks: true},
	{name: "option: tcp-check", settings: "option tcp-check\ntcp-check send-lf \"PING\\r\\n\\r\\n\"\ntcp-check " +
		"expect string hello\noption log-health-checks\nserver s ORIGIN check inter 2s", checks: true},
	{name: "option: redis-check", settings: "option redis-check\noption log-health-checks\nserver s ORIGIN check " +
		"inter 2s", checks: true, early: true, serverCloses: true, replies: []string{"+PONG\r\n"}},
	{name: "option: smtpchk", settings: "option smtpchk EHLO x.org\noption log-health-checks\nserver s ORIGIN check " +
		"inter 2s", checks: true, early: true, replies: []string{"554 no\r\n"}},
	{name: "option: mysql-check", settings: "option mysql-check\noption log-health-checks\nserver s ORIGIN check " +
		"inter 2s", checks: true, early: true, replies: []string{"J\x00\x00\x00\xff\x10\x04no entry for you, sir"},
		serverCloses: true},
	{name: "option: pgsql-check", settings: "option pgsql-check user x\noption log-health-checks\nserver s ORIGIN " +
		"check inter 2s", checks: true, early: true, replies: []string{"E\x00\x00\x00\x08no!\x00"}, serverCloses: true},
	{name: "option: ldap-check", settings: "option ldap-check\noption log-health-checks\nserver s ORIGIN check inter " +
		"2s", checks: true, early: true, replies: []string{"0\x0c\x02\x01\x01a\x07\x0a\x01\x31\x04\x00\x04\x00"},
		serverCloses: true},
	{name: "option: ssl-hello-chk",
		settings: "option ssl-hello-chk\noption log-health-checks\nserver s ORIGIN check inter 2s", checks: true,
		early: true, replies: []string{"nonsense"}, serverCloses: true},
	// By itself: haproxy is late with checks that end while others begin.
	{name: "timeout: check", global: "spread-checks 0",
		settings: "timeout check 1100ms\noption httpchk\noption log-health-checks\nserver s ORIGIN check inter 2300ms",
		checks:   true, mute: true},
	{name: "timeout: check, of the connection", global: "spread-checks 0",
		settings: "timeout check 5s\ntimeout connect 100ms\noption log-health-checks\nserver s ORIGIN check inter " +
			"1300ms", checks: true, deaf: true},
	{name: "http-check: send", settings: "option httpchk\nhttp-check send meth OPTIONS uri /alive ver HTTP/1.1 hdr " +
		"Host x body abc\noption log-health-checks\nserver s ORIGIN check inter 2s", checks: true},
	{name: "http-check: expect", settings: "option httpchk\nhttp-check expect status 204\noption " +
		"log-health-checks\nserver s ORIGIN check inter 2s", checks: true},
	{name: "http-check: expect, a string",
		settings: "option httpchk\nhttp-check expect ! string hello\noption log-health-checks\nserver s ORIGIN check " +
			"inter 2s", checks: true},
	{name: "http-check: expect, a header",
		settings: "option httpchk\nhttp-check expect hdr name x-origin value b\noption log-health-checks\nserver s " +
			"ORIGIN check inter 2s", checks: true},
	{name: "http-check: connect", settings: "option httpchk\nhttp-check connect port 1\nhttp-check send meth GET uri " +
		"/\noption log-health-checks\nserver s ORIGIN check inter 2s", checks: true},
	{name: "http-check: disable-on-404",
		settings: "option httpchk\nhttp-check disable-on-404\noption log-health-checks\nserver s ORIGIN check inter 2s",
		checks:   true, replies: []string{"HTTP/1.0 404 Not Found\r\n\r\n"}, serverCloses: true},
	{name: "http-check: send-state",
		settings: "option httpchk\nhttp-check send-state\noption log-health-checks\nserver s ORIGIN check inter 2s",
		checks:   true},
	{name: "http-check: comment", settings: "option httpchk\nhttp-check send meth GET uri /\nhttp-check comment " +
		"told\nhttp-check expect status 204\noption log-health-checks\nserver s ORIGIN check inter 2s", checks: true},
	{name: "tcp-check: connect", settings: "option tcp-check\ntcp-check connect port 1\noption " +
		"log-health-checks\nserver s ORIGIN check inter 2s", checks: true},
	{name: "tcp-check: send", settings: "option tcp-check\ntcp-check send PING\\r\\n\\r\\n\ntcp-check expect string " +
		"hello\noption log-health-checks\nserver s ORIGIN check inter 2s", checks: true},
	{name: "tcp-check: send-lf", settings: "option tcp-check\ntcp-check send-lf PING\\r\\n\\r\\n\ntcp-check expect " +
		"string hello\noption log-health-checks\nserver s ORIGIN check inter 2s", checks: true},
	{name: "tcp-check: send-binary",
		settings: "option tcp-check\ntcp-check send-binary 50494e470d0a0d0a\ntcp-check expect string hello\noption " +
			"log-health-checks\nserver s ORIGIN check inter 2s", checks: true},
	{name: "tcp-check: expect", settings: "option tcp-check\ntcp-check expect string hallo\noption " +
		"log-health-checks\nserver s ORIGIN check inter 2s", checks: true, early: true, serverCloses: true},
	{name: "tcp-check: comment", settings: "option tcp-check\ntcp-check comment told\ntcp-check expect string " +
		"hallo\noption log-health-checks\nserver s ORIGIN check inter 2s", checks: true, early: true,
		serverCloses: true},
}

// statsPage is what both statistics pages have, each in its words.
const statsPage = "Statistics Report|<title>Evenkeel"

const statsRequest = "GET /haproxy?stats HTTP/1.1\r\nHost: x\r\n\r\n"

const statsOrder = "POST /haproxy?stats HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\ns=s"

var statsWords = []exchange{
	{name: "stats: enable", settings: "stats enable", send: "GET /haproxy?stats;csv HTTP/1.1\r\nHost: x\r\n\r\n",
		finds: "# pxname,svname"},
	{name: "stats: uri", settings: "stats enable\nstats scope .\nstats uri /a", finds: statsPage},
	{name: "stats: realm", settings: "stats enable\nstats scope .\nstats auth a:b\nstats realm mine",
		send: statsRequest, finds: "mine"},
	{name: "stats: auth", settings: "stats enable\nstats scope .\nstats auth a:b", send: statsRequest,
		finds: statsPage},
	{name: "stats: refresh", settings: "stats enable\nstats scope .\nstats refresh 7s", send: statsRequest,
		finds: "(?i)refresh: 7|http-equiv=.refresh. content=.7"},
	{name: "stats: hide-version", settings: "stats enable\nstats scope .\nstats hide-version", send: statsRequest,
		finds: "HAProxy version|class=.version"},
	{name: "stats: show-node", settings: "stats enable\nstats scope .\nstats show-node nodename", send: statsRequest,
		finds: "nodename"},
	{name: "stats: show-desc", settings: "stats enable\nstats scope .\nstats show-desc words", send: statsRequest,
		finds: "words"},
	{name: "stats: scope", settings: "stats enable\nstats scope ready",
		send: "GET /haproxy?stats;csv HTTP/1.1\r\nHost: x\r\n\r\n", finds: "(?m)^spare,BACKEND"},
	{name: "stats: http-request", settings: "stats enable\nstats scope .\nstats http-request deny", send: statsRequest,
		finds: statsPage},
	{name: "stats http-request: deny", settings: "stats enable\nstats scope .\nstats http-request deny",
		send: statsRequest, finds: statsPage},
	{name: "stats http-request: allow",
		settings: "stats enable\nstats scope .\nstats http-request allow\nstats http-request deny", send: statsRequest,
		finds: statsPage},
}

// bindWords are words of bind lines; globalWords are played by processes of their own.
var bindWords = []exchange{
	{name: "bind: name", settings: "bind 127.0.0.1:PORT[[ name front||]]\nhttp-request set-header X-V <%[so_name]>"},
	{name: "bind: v6only", settings: "bind [::]:PORT[[ v6only||]]\n"},
	{name: "bind: v4v6", settings: "bind [::]:PORT[[ v4v6|| v6only]]"},
	{name: "bind: defer-accept", settings: "bind 127.0.0.1:PORT[[ defer-accept||]]\nmode tcp\noption tcplog\ntimeout " +
		"client 50ms", send: nothing, stuck: true},
	{name: "server: send-proxy-v2", settings: "server s ORIGIN[[ send-proxy-v2||]]"},
	{name: "server: no-send-proxy-v2",
		settings: "default-server send-proxy-v2\nserver s ORIGIN[[ no-send-proxy-v2||]]"},
	// haproxy keeps for a while what it expects to need: how many it has closed by then is a matter of chance.
	{name: "server: pool-purge-delay", settings: "http-reuse always\nserver s ORIGIN[[ pool-purge-delay 50ms||]]",
		times: 4, counts: true, alone: []string{"server: 2 connections"}},
	{name: "server: pool-max-conn", settings: "server s ORIGIN[[ pool-max-conn 0||]]", times: 3, counts: true},
	{name: "server: no-check-send-proxy",
		settings: "option httpchk\ndefault-server check-send-proxy\nserver s ORIGIN check[[ no-check-send-proxy||]] " +
			"inter 2s\noption log-health-checks", checks: true},
	{name: "server: observe", settings: "server s ORIGIN check inter 2s[[ observe layer7 error-limit 1 on-error " +
		"mark-down||]]", replies: []string{"HTTP/1.1 500 No\r\nContent-Length: 0\r\nX-Origin: a\r\n\r\n"}, times: 2},
	{name: "server: observe, the next request of the connection",
		settings: "server s ORIGIN check inter 2s[[ observe layer7 error-limit 1 on-error mark-down||]]",
		replies:  []string{"HTTP/1.1 500 No\r\nContent-Length: 0\r\nX-Origin: a\r\n\r\n"},
		send:     wordRequest + wordRequest, requests: 2},
	{name: "server: error-limit, failures apart",
		settings: "option http-server-close\nserver s ORIGIN check inter 2s observe layer7 on-error mark-down[[ " +
			"error-limit 2|| error-limit 1]]",
		replies: []string{"HTTP/1.1 500 No\r\nContent-Length: 0\r\nX-Origin: a\r\n\r\n", hello,
			"HTTP/1.1 500 No\r\nContent-Length: 0\r\nX-Origin: a\r\n\r\n", hello}, send: strings.Repeat(wordRequest, 5),
		requests: 5},
	{name: "server: error-limit", settings: "server s ORIGIN check inter 2s observe layer7 on-error mark-down[[ " +
		"error-limit 1||]]", replies: []string{"HTTP/1.1 500 No\r\nContent-Length: 0\r\nX-Origin: a\r\n\r\n"},
		times: 2},
	{name: "server: on-error", settings: "server s ORIGIN check inter 2s observe layer7 error-limit 1[[ on-error " +
		"mark-down|| on-error fastinter]]",
		replies: []string{"HTTP/1.1 500 No\r\nContent-Length: 0\r\nX-Origin: a\r\n\r\n"}, times: 2},
	{name: "stats: show-legends", settings: "stats enable\nstats scope spare\nstats show-legends", send: statsRequest,
		finds: "127\\.0\\.0\\.1:\\d+"},
	{name: "proxy: description", settings: "stats enable\nstats scope .\ndescription mywords", send: statsRequest,
		finds: "mywords"},
	{name: "proxy: id", settings: "stats enable\nstats scope .\nid NUMBER",
		send: "GET /haproxy?stats;csv HTTP/1.1\r\nHost: x\r\n\r\n", finds: ",70000\\d\\d\\d,"},
	{name: "stats: admin", settings: "stats enable\nstats scope .\nstats admin if TRUE",
		send: "POST /haproxy?stats HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 20\r\n\r\ns=s&action=x&b=none1", finds: "st=DENY"},
}

var globalWords = []exchange{
	{name: "global: log", global: "log LOGS local3", header: true, settings: "log-format \"%ft case %ST\"",
		requests: 2},
	{name: "global: log-tag", global: "log-tag mine", header: true},
	{name: "global: log-send-hostname", global: "log-send-hostname myhost", header: true},
	{name: "global: node", global: "node nodename", settings: "stats enable\nstats scope .\nstats show-node",
		send: statsRequest, finds: "nodename"},
	{name: "global: description", global: "description mywords",
		settings: "stats enable\nstats scope .\nstats show-desc", send: statsRequest, finds: "mywords"},
	{name: "global: setenv", global: "setenv SHOWN 1", settings: "http-request set-header X-A \"<$SHOWN>\""},
	{name: "global: presetenv", global: "presetenv SHOWN 1\npresetenv HOME x",
		settings: "http-request set-header X-A \"<$SHOWN$HOME>\""},
	{name: "global: unsetenv", global: "setenv SHOWN 1\nunsetenv SHOWN",
		settings: "http-request set-header X-A \"<$SHOWN>\""},
	{name: "global: resetenv", global: "setenv SHOWN 1\nsetenv KEPT 2\nresetenv KEPT",
		settings: "http-request set-header X-A \"<$SHOWN$KEPT>\""},
	{name: "global: tune.bufsize", global: "tune.bufsize 8192",
		send: "GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("v", 9000) + "\r\n\r\n"},
	{name: "global: tune.maxrewrite", global: "tune.maxrewrite 100",
		send: "GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("v", 15600) + "\r\n\r\n"},
	{name: "global: tune.http.maxhdr", global: "tune.http.maxhdr 10",
		send: "GET / HTTP/1.1\r\nHost: x\r\n" + manyFields(20) + "\r\n"},
}

// holdingWords are words about more than one connection, and about servers that are down.
var holdingWords = []exchange{
	{name: "timeout: queue", settings: "timeout queue 100ms\nserver s ORIGIN maxconn 1", mute: true, holders: 1},
	{name: "server: maxconn", settings: "timeout queue 100ms\nserver s ORIGIN[[ maxconn 1||]]", mute: true, holders: 1},
	{name: "server: maxqueue", settings: "timeout queue 2s\ncookie C\nserver s ORIGIN maxconn 1[[ maxqueue 1||]] " +
		"cookie s", mute: true, holders: 2, send: "GET / HTTP/1.1\r\nHost: x\r\nCookie: C=s\r\n\r\n"},
	{name: "server: minconn", settings: "timeout queue 100ms\nfullconn 1000\nserver s ORIGIN maxconn 100[[ minconn " +
		"1||]]", mute: true, holders: 1},
	{name: "proxy: fullconn", settings: "timeout queue 100ms\nfullconn [[1000||1]]\nserver s ORIGIN maxconn 100 " +
		"minconn 1", mute: true, holders: 1},
	{name: "proxy: maxconn", settings: "maxconn 1\nhttp-request deny", holders: 1, stuck: true},
	{name: "proxy: rate-limit", settings: "rate-limit sessions 1\nhttp-request deny", holders: 3, stuck: true},
	{name: "bind: maxconn", settings: "bind 127.0.0.1:PORT[[ maxconn 1||]]\nhttp-request deny", holders: 1,
		stuck: true},
	{name: "option: persist", settings: "option persist\nretries 0\ncookie SRV insert\nserver a 127.0.0.1:1 check " +
		"inter 300ms fall 1 cookie a\nserver b ORIGIN cookie b", awaits: "is DOWN",
		send: "GET / HTTP/1.1\r\nHost: x\r\nCookie: SRV=a\r\n\r\n"},
	{name: "option: persist, with a retry",
		settings: "option persist\nretries 1\ntimeout connect 100ms\ncookie SRV insert\nserver a 127.0.0.1:1 check " +
			"inter 300ms fall 1 cookie a\nserver b ORIGIN cookie b", awaits: "is DOWN",
		send: "GET / HTTP/1.1\r\nHost: x\r\nCookie: SRV=a\r\n\r\n"},
	{name: "server: track", settings: "server a 127.0.0.1:1 check inter 300ms fall 1\nserver b ORIGIN[[ track " +
		"a||]]\nserver c ORIGIN backup", awaits: "a is DOWN"},
	{name: "balance: random", settings: "balance [[random||first]]\n" + three, send: strings.Repeat(wordGet("/1"), 12),
		requests: 12, alone: []string{"/b N", "/c N"}},
}
