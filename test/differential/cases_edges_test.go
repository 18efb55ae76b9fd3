package differential

const inspecting = "mode tcp\noption tcplog\ntcp-request inspect-delay 5s\n"

// getWith is a request with fields.
func getWith(fields string) string {
	return "GET /a/b?q=1 HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n"
}

// edges are what a trial by an operator found at the edges of words that were done.
func edges() (all []exchange) {
	for _, r := range edgeCases {
		r.name, r.whole = "edges: "+r.name, true
		all = append(all, r)
	}
	return all
}

var edgeCases = []exchange{
	{name: "a cookie twice, insert indirect", settings: "cookie SRV insert indirect\nserver s ORIGIN cookie c1",
		send: getWith("Cookie: SRV=c1; a=b; SRV=c2\r\n")},
	{name: "a cookie twice, the first unknown", settings: "cookie SRV insert indirect\nserver s ORIGIN cookie c1",
		send: getWith("Cookie: SRV=zz; a=b; SRV=c1\r\n")},
	{name: "a cookie in two fields, insert indirect", settings: "cookie SRV insert indirect\nserver s ORIGIN cookie c1",
		send: getWith("Cookie: SRV=c1\r\nCookie: a=b; SRV=c2; c=d\r\n")},
	{name: "a cookie twice, prefix", settings: "cookie SRV prefix\nserver s ORIGIN cookie c1",
		send: getWith("Cookie: SRV=c1~u; a=b; SRV=c1~v\r\n")},
	{name: "a cookie twice, rewrite", settings: "cookie SRV rewrite\nserver s ORIGIN cookie c1",
		send: getWith("Cookie: SRV=c1; SRV=c2\r\n")},
	{name: "a cookie with blanks", settings: "cookie SRV insert indirect\nserver s ORIGIN cookie c1",
		send: getWith("Cookie:  a = b ;  SRV = c1  ; c=d\r\n")},
	{name: "a cookie behind a comma", settings: "cookie SRV insert indirect\nserver s ORIGIN cookie c1",
		send: getWith("Cookie: a=b, SRV=c1, c=d\r\n")},
	{name: "a cookie in quotes", settings: "cookie SRV insert indirect\nserver s ORIGIN cookie c1",
		send: getWith("Cookie: a=\"x; SRV=c2\"; SRV=c1\r\n")},
	{name: "a quote in a cookie's name",
		settings: "cookie SRV insert indirect\nhttp-request set-header X-C %[req.cook(SRV)]\nserver s ORIGIN cookie c1",
		send:     getWith("Cookie: x\"y=1; SRV=c1\r\n")},
	{name: "a quote that is not closed", settings: "cookie SRV insert indirect\nserver s ORIGIN cookie c1",
		send: getWith("Cookie: SRV=c1; a=\";\r\n")},
	{name: "captured cookie without a value", settings: "capture cookie a len 9", send: getWith("Cookie: ab; b=2\r\n")},
	{name: "cookies empty", settings: "cookie SRV insert indirect\nserver s ORIGIN cookie c1",
		send: getWith("Cookie: ; ;SRV=c1;;\r\n")},
	{name: "cook() of a cookie twice", settings: "http-request set-header X-C %[req.cook(a)],%[req.cook_cnt(a)]",
		send: getWith("Cookie: a=1; b=2; a=3\r\n")},
	{name: "captured cookie twice", settings: "capture cookie a= len 9", send: getWith("Cookie: a=1; b=2; a=3\r\n")},
	{name: "a cookie of a server that refuses",
		settings: "cookie SRV insert indirect\noption redispatch\nserver a 127.0.0.1:1 cookie a\nserver s ORIGIN " +
			"cookie c1", send: getWith("Cookie: SRV=a\r\n")},
	{name: "a cookie of a server that refuses, rewrite",
		settings: "cookie SRV rewrite\noption redispatch\nserver a 127.0.0.1:1 cookie a\nserver s ORIGIN cookie c1",
		send:     getWith("Cookie: SRV=a\r\n")},
	{name: "times of a request that does not come", settings: "log-format \"%ft case %ST Ti %Ti %tsc\"", hasty: true},
	{name: "tarpit for a client that closes its sending side",
		settings: "timeout tarpit 300ms\nhttp-request tarpit deny_status 429", send: getWith(""), clientCloses: true,
		mute: true},
	{name: "the first of a queue", settings: "server s ORIGIN maxconn 1", send: getWith(""), mute: true, hasty: true,
		holders: 1, requests: 2},
	{name: "the second of a queue whose first gives up", settings: "timeout queue 300ms\nserver s ORIGIN maxconn 1",
		send: getWith(""), mute: true, holders: 2, requests: 2},
	{name: "client-fin for a client that waits for the answer",
		settings: "mode tcp\noption tcplog\ntimeout client 60s\ntimeout client-fin 200ms",
		send:     getWith(""), mute: true, holds: true, clientCloses: true, hasty: true},
	{name: "a hash and a server that refuses",
		settings: "timeout connect 100ms\nbalance hdr(x-k)\noption redispatch\nserver a 127.0.0.1:1\nserver s " +
			"127.0.0.1:1", send: getWith("X-K: 1\r\n")},
	{name: "what rules see of connections",
		settings: "http-request set-header X-C " +
			"\"%[req.hdr(connection)]|%[req.hdr_cnt(connection)]|%[req.hdr_names]\"\nhttp-response set-header Y-C " +
			"\"%[res.hdr(connection)]|%[res.hdr_names]\"",
		send:         getWith("Connection: close\r\n"),
		replies:      []string{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\nX-Origin: a\r\n\r\n"},
		serverCloses: true},
	{name: "what rules see of connections that name fields",
		settings: "http-request set-header X-C " +
			"\"%[req.fhdr(connection)]|%[req.hdr(te)]|%[req.hdr_names]\"\nhttp-response set-header Y-C " +
			"\"%[res.fhdr(connection)]|%[res.hdr_names]\"",
		send:    getWith("Connection: keep-alive, TE\r\nTE: gzip, trailers\r\n"),
		replies: []string{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x-b, Keep-Alive\r\nX-B: 1\r\nX-Origin: a\r\n\r\n"}},
	{name: "what rules see of an upgrade",
		settings: "http-request set-header X-C \"%[req.fhdr(connection)]\"\nhttp-response set-header Y-C " +
			"\"%[res.fhdr(connection)]\"",
		send: getWith("Connection: keep-alive, Upgrade\r\nUpgrade: foo\r\n")},
	{name: "a kept connection that the server closes", settings: "", requests: 1, whole: true, closes: true,
		send: getWith("") + "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", replies: []string{hello, ""}},
	{name: "redirect prefix append-slash", settings: "redirect prefix http://y append-slash drop-query",
		send: getWith("")},
	{name: "redirect prefix append-slash keeps the query", settings: "redirect prefix http://y append-slash",
		send: getWith("")},
	{name: "redirect prefix of a lone slash", settings: "redirect prefix /", send: getWith("")},
	{name: "redirect scheme of a target with a query", settings: "redirect scheme https code 307", send: getWith("")},
	{name: "redirect location is empty", settings: "http-request redirect location %[req.hdr(none)]",
		send: getWith("")},
	{name: "set-query to nothing", settings: "http-request set-query %[req.hdr(none)]", send: getWith("")},
	{name: "set-path to nothing", settings: "http-request set-path %[req.hdr(none)]", send: getWith("")},
	{name: "method after set-method",
		settings: "http-request set-method PUT\nhttp-request set-header X-M %[method]\nhttp-request set-header X-P 1 " +
			"if { method PUT }", send: getWith("")},
	{name: "method of a response",
		settings: "http-request set-method PUT if { path /a/c }\nhttp-response set-header X-M " +
			"%[method]\nhttp-after-response set-header X-A %[method]", send: getWith("")},
	{name: "method of a response made here",
		settings: "http-request return status 200\nhttp-after-response set-header X-A %[method]", send: getWith("")},
	{name: "path after set-path", settings: "http-request set-path /new\nhttp-request set-header X-P " +
		"%[path]\nhttp-request set-header X-U %[url]\nhttp-request set-header X-B %[base]", send: getWith("")},
	{name: "lf-string with a line end",
		settings: "http-request return status 200 content-type text/plain lf-string \"a %[req.hdr(x)] %[str(a\\nb)] " +
			"b\"", send: getWith("X: c\td\r\n")},
	{name: "http-after-response on a malformed request", settings: "http-after-response set-header X-A 1",
		send: "GET / HTTP/1.1\r\nHo st: x\r\n\r\n", closes: true},
	{name: "http-after-response on a missing server", settings: "http-after-response set-header X-A 1",
		send: getWith(""), refuse: true},
	{name: "a status without a reason of its own", settings: "http-response set-status 299", send: getWith("")},
	{name: "a status of 3.x", settings: "http-response set-status 451", send: getWith("")},
	{name: "set-header Host", settings: "http-request set-header Host other", send: getWith("")},
	{name: "del-header Host", settings: "http-request del-header Host", send: getWith("")},
	{name: "add-header Host", settings: "http-request add-header Host other", send: getWith("")},
	{name: "replace-value with groups", settings: "http-request replace-value X-L ^(.)(.*)$ \\2\\1",
		send: getWith("X-L: ab, cd ,ef\r\n")},
	{name: "replace-header with groups", settings: "http-request replace-header X-L ^(.)(.*)$ \\2\\1",
		send: getWith("X-L: ab, cd ,ef\r\n")},
	{name: "order of written headers",
		settings: "option forwardfor\nhttp-request set-header X-B 1\nhttp-request add-header X-A 2\nhttp-request " +
			"set-header X-R 3", send: getWith("X-R: old\r\nX-Z: 9\r\n")},
	{name: "a dot in a pattern and a line end", settings: "http-request deny if { req.hdr(x),b64dec -m reg ^a.b$ }",
		send: getWith("X: YQpi\r\n")},
	{name: "a blank class and a vertical tab", settings: "http-request deny if { req.hdr(x),b64dec -m reg ^a\\sb$ }",
		send: getWith("X: YQti\r\n")},
	{name: "bytes of an answer cut short", settings: "", send: getWith(""),
		replies: []string{"HTTP/1.1 200 OK\r\nContent-Length: 50\r\nX-Origin: a\r\n\r\nhello"}, serverCloses: true,
		closes: true},
	{name: "deny with a status that has no page", settings: "http-request deny status 418", send: getWith("")},
	{name: "deny with a status that has one", settings: "http-request deny status 429", send: getWith("")},
	{name: "deny with a status of success", settings: "http-request deny status 299", send: getWith("")},
	{name: "a response denied with a status that has no page", settings: "http-response deny status 451",
		send: getWith("")},
	{name: "tarpit with a status that has no page", settings: "timeout tarpit 10ms\nhttp-request tarpit status 451",
		send: getWith("")},
	{name: "tarpit with a page of its own",
		settings: "timeout tarpit 10ms\nhttp-request tarpit status 403 content-type text/plain lf-string \"to %[src] " +
			"for %[path]\" hdr X-A %[path] hdr X-S %[src]", send: getWith("")},
	{name: "tarpit with the error page", settings: "timeout tarpit 10ms\nhttp-request tarpit deny_status 429",
		send: getWith("")},
	{name: "mode tcp, a path", settings: inspecting + "tcp-request content reject if { path_beg /a }",
		send: getWith("")},
	{name: "mode tcp, another path", settings: inspecting + "tcp-request content reject if { path_beg /b }",
		send: getWith(""), serverCloses: true, closes: true},
	{name: "mode tcp, a host", settings: inspecting + "tcp-request content reject if HTTP { hdr(host) -i X }",
		send: getWith("")},
	{name: "mode tcp, a method", settings: inspecting + "tcp-request content reject if METH_POST", send: getWith(""),
		serverCloses: true, closes: true},
	{name: "mode tcp, a cookie", settings: inspecting + "tcp-request content reject if { req.cook(a) 1 }",
		send: getWith("Cookie: a=1\r\n")},
	{name: "mode tcp, a version", settings: inspecting + "tcp-request content reject if HTTP_1.1", send: getWith("")},
	{name: "times in rules", settings: "http-request set-header X-T \"%T %Ts %t\"\nhttp-request deny unless { " +
		"req.hdr(x-t) -m reg '^[0-3][0-9]/[A-Z][a-z]{2}/20[0-9]{2}:[0-9:]{8} .0000 [0-9]{10} " +
		"[0-3][0-9]/[A-Z][a-z]{2}/20[0-9]{2}:[0-9:]{8}.[0-9]{3}$' }\nhttp-request del-header X-T", send: getWith("")},
	{name: "the environment in rules", settings: "http-request set-header X-E \"%[env(HOME)] <%[env(NO_SUCH)]>\"",
		send: getWith("")},
	{name: "a client that leaves a server that refuses", settings: "option abortonclose", send: getWith(""),
		clientCloses: true, refuse: true},
	{name: "bytes of a POST", settings: "log-format \"%ft case %ST %B %U\"",
		send: "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\nabcdefg"},
	{name: "bytes of a chunked answer", settings: "log-format \"%ft case %ST %B %U\"", send: getWith(""),
		replies: []string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Origin: a\r\n\r\n5\r\nhello\r\n0\r\n\r\n"}},
	{name: "bytes of a returned page",
		settings: "log-format \"%ft case %ST %B %U\"\nhttp-request return status 200 content-type text/plain string " +
			"hello", send: getWith("")},
	{name: "bytes of a denial", settings: "log-format \"%ft case %ST %B %U\"\nhttp-request deny", send: getWith("")},
	{name: "a statistics page that is denied", settings: "stats enable\nstats http-request deny", send: statsRequest},
	{name: "a statistics page without the password", settings: "stats enable\nstats auth a:b", send: statsRequest},
	{name: "an order to a statistics page that takes none", settings: "stats enable", send: statsOrder},
}
