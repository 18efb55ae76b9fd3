package differential

import (
	"encoding/base64"
	"strings"
)

// writing are rules that put what a client has encoded into a head: no byte of it may end a line or divide one.
func writing() (all []exchange) {
	const decoded = "%[req.hdr(x-b64),b64dec]"
	at := func(value string) string {
		return "GET /a/b?q=1 HTTP/1.1\r\nHost: x\r\nX-R: one, two\r\nX-B64: " +
			base64.StdEncoding.EncodeToString([]byte(value)) + "\r\n\r\n"
	}
	for _, r := range [][2]string{
		{"set-header", "http-request set-header X-A " + decoded},
		{"add-header", "http-request add-header X-A " + decoded},
		{"replace-header", "http-request replace-header X-R (.*) " + decoded},
		{"replace-value", "http-request replace-value X-R t(.*) " + decoded},
		{"set-method", "http-request set-method " + decoded},
		{"set-path", "http-request set-path /" + decoded},
		{"set-pathq", "http-request set-pathq /" + decoded},
		{"set-query", "http-request set-query " + decoded},
		{"set-uri", "http-request set-uri /" + decoded},
		{"replace-path", "http-request replace-path (.*) /" + decoded},
		{"replace-uri", "http-request replace-uri (.*) /" + decoded},
		{"redirect", "http-request redirect location " + decoded},
		{"return", "http-request return status 200 hdr X-A " + decoded + " content-type text/plain string hello"},
		{"unique-id", "unique-id-format " + decoded + "\nunique-id-header X-Id"},
		{"response set-header", "capture request header X-B64 len 200\nhttp-response set-header X-A " +
			"%[capture.req.hdr(0),b64dec]"},
		{"after-response set-header", "capture request header X-B64 len 200\nhttp-after-response set-header X-A " +
			"%[capture.req.hdr(0),b64dec]"},
		{"response redirect", "capture request header X-B64 len 200\nhttp-response redirect location " +
			"%[capture.req.hdr(0),b64dec]"},
	} {
		for _, v := range [][2]string{
			{"line end", "x\r\nX:y"},
			{"request", "x\r\nX:y\r\n\r\nGET\t/admin\tHTTP/1.1\r\nHost:a\r\n\r\n"},
			{"control bytes", "a\x01\x08\x0b\x1b\x1f\x7fz"},
			{"NUL", "a\x00b"},
			{"space", "a b HTTP/1.1"},
		} {
			if v[0] == "request" {
				v[1] = strings.ReplaceAll(v[1], "\t", "")
			}
			all = append(all, exchange{name: "written by " + r[0] + ": " + v[0], settings: r[1], send: at(v[1]),
				whole: true})
		}
	}
	return all
}

// facts are what rules see of their own stream: two requests of one connection say different things.
func facts() (all []exchange) {
	two := "GET /1?a=b HTTP/1.1\r\nHost: x\r\nWho: alice\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
	for _, r := range [][2]string{
		{"captures", "capture request header who len 3\ncapture response header x-origin len 9\nhttp-request " +
			"set-header X-C <%[capture.req.hdr(0)]>\nhttp-response set-header Y-C " +
			"<%[capture.req.hdr(0)]><%[capture.res.hdr(0)]>"},
		{"captures by rules", "http-request capture req.hdr(who) len 3\nhttp-request capture src len 9\nhttp-request " +
			"capture nbsrv len 9\nhttp-request set-header X-C " +
			"<%[capture.req.hdr(0)]><%[capture.req.hdr(1)]>\nhttp-response set-header Y-C " +
			"<%[capture.req.hdr(0)]><%[capture.req.hdr(1)]>"},
		{"captures into declared slots",
			"declare capture request len 4\ncapture request header host len 9\ndeclare capture response len " +
				"2\nhttp-request capture req.hdr(who) id 0\nhttp-response capture res.hdr(x-origin) id " +
				"0\nhttp-response set-header Y-C <%[capture.req.hdr(0)]><%[capture.req.hdr(1)]><%[capture.res.hdr(0)]>"},
		{"captures by content", "tcp-request content capture req.hdr(who) len 9\nhttp-request set-header X-C " +
			"<%[capture.req.hdr(0)]>"},
		{"unique-id", "unique-id-format id-%[req.hdr(who)]\nhttp-request set-header X-Id " +
			"%[unique-id]-%ID\nhttp-response set-header Y-Id %[unique-id]-%ID"},
		{"unique-id for the response alone",
			"unique-id-format id-%[req.hdr(who)]\nhttp-response set-header Y-Id %[unique-id]"},
		{"unique-id of a request that is denied",
			"unique-id-format id-%[req.hdr(who)]\nhttp-request deny\nlog-format \"%ft case %ST %ID\""},
		{"the line", "http-request set-header X-L \"%HM %HP %HQ %HU %HV %r\"\nhttp-response set-header Y-L \"%HM %HP " +
			"%HQ %HU %HV %r %[capture.req.method] %[capture.req.uri] %[capture.req.ver]\""},
		{"the client", "http-request set-header X-Ip %ci\nhttp-response set-header Y-Ip \"%ci %[src]\""},
		{"names", "http-request set-header X-N \"%f %b %s %ft\"\nhttp-response set-header Y-N \"%f %b %s %[be_name] " +
			"%[fe_name] %[srv_name]\""},
		{"counts and states", "http-request set-header X-S \"%ST %rc %ts %tsc %bq %sq\"\nhttp-response set-header " +
			"Y-S \"%ST %rc %ts %bq %sq\""},
		{"the server connection", "http-response set-header Y-B \"%bi %si %[bc_src] %[bc_dst]\"\nlog-format \"%ft " +
			"case %bi %si %[bc_src]\""},
		{"the first request", "http-request set-header X-F %[http_first_req]"},
		{"counters", "log-format \"%ft case %lc\""},
		{"in conditions", "capture request header who len 9\nhttp-request deny if { capture.req.hdr(0) alice }"},
		{"in a redirect", "http-request redirect location http://y%HU code 301"},
		{"in a returned page", "capture request header who len 9\nhttp-request return status 200 content-type " +
			"text/plain lf-string \"%[capture.req.hdr(0)] %ci %HM\" hdr X-C %[capture.req.hdr(0)]"},
		{"after the response", "capture request header who len 9\nhttp-after-response set-header Y-C " +
			"\"%[capture.req.hdr(0)] %ci %HM %ST\"\nhttp-request deny if { method POST }"},
		{"in use_backend", "capture request header who len 9\nuse_backend none if { capture.req.hdr(0) nobody }"},
	} {
		x := exchange{name: "facts: " + r[0], settings: r[1], send: two, requests: 2, whole: true}
		if strings.HasPrefix(r[0], "in use_backend") {
			continue
		}
		all = append(all, x)
	}
	return all
}

// Ends of requests, and whole replies.
const (
	plainFields  = " HTTP/1.1\r\nHost: x\r\n"
	withLength   = plainFields + "Content-Length: 5\r\n\r\nhello"
	withChunks   = plainFields + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
	withoutBody  = plainFields + "\r\n"
	chunkedReply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Origin: a\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
	sizedReply   = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Origin: a\r\n\r\nhello"
	endedReply   = "HTTP/1.1 200 OK\r\nX-Origin: a\r\n\r\nhello"
)

// framedRequests are rules of requests: name, rule, what is sent.
var framedRequests = []struct{ name, rule, send string }{
	{"length removed", "del-header Content-Length", "POST /" + withLength},
	{"length removed, 1.0", "del-header Content-Length", "POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello"},
	{"length of nothing", "set-header Content-Length 0", "POST /" + withLength},
	{"length too short", "set-header Content-Length 3", "POST /" + withLength},
	{"length as it is", "set-header Content-Length 5", "POST /" + withLength},
	{"length that is no number", "set-header Content-Length x", "POST /" + withLength},
	{"length for chunks", "set-header Content-Length 5", "POST /" + withChunks},
	{"length for no body", "set-header Content-Length 5", "GET /" + withoutBody},
	{"coding removed", "del-header Transfer-Encoding", "POST /" + withChunks},
	{"coding for a length", "set-header Transfer-Encoding chunked", "POST /" + withLength},
	{"coding for no body", "set-header Transfer-Encoding chunked", "GET /" + withoutBody},
	{"close towards the server", "set-header Connection close", "GET /" + withoutBody},
	{"HEAD to GET", "set-method GET", "HEAD /" + withoutBody},
	{"GET to HEAD", "set-method HEAD", "GET /" + withoutBody},
	{"GET to CONNECT", "set-method CONNECT", "GET /" + withoutBody},
	{"no method", "set-method %[req.hdr(none)]", "GET /" + withoutBody},
	{"no target", "set-uri %[req.hdr(none)]", "GET /" + withoutBody},
	{"target that is none", "set-path a", "GET /" + withoutBody},
	{"target of another host", "set-uri http://other.example%[pathq]", "GET /a?b" + withoutBody},
}

// framedResponses are rules of responses, and what the server says.
var framedResponses = []struct{ name, rule, send, reply string }{
	{"length removed", "del-header Content-Length", "GET /" + withoutBody, sizedReply},
	{"length removed, 1.0", "del-header Content-Length", "GET / HTTP/1.0\r\n\r\n", sizedReply},
	{"length removed, HEAD", "del-header Content-Length", "HEAD /" + withoutBody,
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Origin: a\r\n\r\n"},
	{"length too short", "set-header Content-Length 3", "GET /" + withoutBody, sizedReply},
	{"length too long", "set-header Content-Length 9", "GET /" + withoutBody, sizedReply},
	{"length as it is", "set-header Content-Length 5", "GET /" + withoutBody, sizedReply},
	{"length for chunks", "set-header Content-Length 5", "GET /" + withoutBody, chunkedReply},
	{"coding removed", "del-header Transfer-Encoding", "GET /" + withoutBody, chunkedReply},
	{"coding for a length", "set-header Transfer-Encoding chunked", "GET /" + withoutBody, sizedReply},
	{"status 204 for a body", "set-status 204", "GET /" + withoutBody, sizedReply},
	{"status 204 for chunks", "set-status 204", "GET /" + withoutBody, chunkedReply},
	{"status 304 for a body", "set-status 304", "GET /" + withoutBody, sizedReply},
	{"status 200 for 204", "set-status 200", "GET /" + withoutBody, "HTTP/1.1 204 No Content\r\nX-Origin: a\r\n\r\n"},
	{"status 200 for 304", "set-status 200", "GET /" + withoutBody,
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 17\r\nX-Origin: a\r\n\r\n"},
	{"status 103 for 200", "set-status 103", "GET /" + withoutBody, sizedReply},
	{"close towards the client", "set-header Connection close", "GET /" + withoutBody, sizedReply},
	{"until the end, with a length", "set-header Content-Length 5", "GET /" + withoutBody, endedReply},
}

// framing are rules that touch what tells a body's end.
func framing() (all []exchange) {
	for _, r := range framedRequests {
		all = append(all, exchange{
			name: "framing: " + r.name, settings: "http-request " + r.rule, send: r.send, whole: true,
		})
	}
	for _, r := range framedResponses {
		all = append(all, exchange{
			name: "framing: " + r.name, settings: "http-response " + r.rule, send: r.send, whole: true,
			replies: []string{r.reply}, serverCloses: r.reply == endedReply,
		})
	}
	for i := range all {
		switch strings.TrimPrefix(all[i].name, "framing: ") {
		case "length too short", "length too long", "length for chunks", "status 103 for 200":
			if strings.HasPrefix(all[i].settings, "http-response") {
				all[i].name += ", response"
				all[i].closes = !strings.Contains(all[i].name, "too long")
			}
		case "length removed", "length removed, 1.0", "length as it is", "coding removed", "coding for a length":
			if strings.HasPrefix(all[i].settings, "http-response") {
				all[i].name += ", response"
			}
		}
	}
	all = append(all,
		exchange{name: "framing: length of our own page removed",
			settings: "http-after-response del-header Content-Length\nhttp-request return status 200 content-type " +
				"text/plain string hello", send: "GET /" + withoutBody, whole: true},
		exchange{name: "framing: status of our own page",
			settings: "http-after-response set-status 204\nhttp-request return status 200 content-type text/plain " +
				"string hello", send: "GET /" + withoutBody, whole: true},
		exchange{name: "framing: upgrade by a rule",
			settings: "http-request set-header Connection upgrade\nhttp-request set-header Upgrade foo",
			send:     "GET /" + withoutBody,
			replies:  []string{"HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n"},
			whole:    true})
	return all
}

// dropping are the places of silent-drop.
func dropping() (all []exchange) {
	for _, r := range [][2]string{
		{"http-request", "http-request silent-drop"},
		{"http-request, among others", "http-request silent-drop if { path / }\nhttp-request deny"},
		{"tcp-request content", "tcp-request content silent-drop if HTTP"},
		{"http-response", "http-response silent-drop"},
		{"http-request reject", "http-request reject"},
	} {
		all = append(all, exchange{name: "dropped by " + r[0], settings: r[1], send: get, whole: true,
			silent: r[0] != "http-request reject"})
	}
	all = append(all,
		exchange{name: "dropped by tcp-request connection", settings: "tcp-request connection silent-drop",
			requests: -1, whole: true, silent: true},
		exchange{name: "dropped by tcp-request content, tcp",
			settings: "mode tcp\noption tcplog\ntcp-request inspect-delay 30s\ntcp-request content silent-drop if { " +
				"req.len gt 3 }", send: get, whole: true, silent: true})
	return all
}

// targets are requests to pages that are known by their path, in both forms of a target; and upgrades where the
// connection to the server is to be closed.
func targets() (all []exchange) {
	for _, mode := range []string{"http-server-close", "httpclose"} {
		all = append(all, exchange{name: "upgrade with " + mode, settings: "option " + mode,
			send: "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n", whole: true})
	}
	for _, target := range []string{"/alive", "http://x/alive", "/alive?x", "http://x/", "*"} {
		method := "GET"
		if target == "*" {
			method = "OPTIONS"
		}
		for _, uri := range []string{"/alive", "http://x/alive"} {
			x := exchange{name: "monitor-uri " + uri + ": " + target, settings: "monitor-uri " + uri,
				send: method + " " + target + " HTTP/1.1\r\nHost: x\r\n\r\n", whole: true}
			if target == uri || target == "http://x/alive" {
				x.requests, x.until = -1, "</html>"
			}
			all = append(all, x)
		}
	}
	return all
}

// hosts are rules on Host and on targets with a host: both say the same then, also to the rules that follow.
func hosts() (all []exchange) {
	const seen = "\nhttp-request set-header X-Seen \"%[req.hdr(host)] %[url] %[base]\""
	for _, r := range []string{"set-header Host new.example", "replace-header Host (.*) new.example",
		"replace-value Host (.*) new.example",
		"set-uri http://new.example/x", "set-path /x", "replace-uri /a(.*) http://new.example/b\\1"} {
		for _, target := range []string{"/a?b", "http://x/a?b"} {
			all = append(all, exchange{name: "host: " + r + ": " + target, settings: "http-request " + r + seen,
				send: "GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n", whole: true})
		}
	}
	return all
}

// telling are what log lines, pages and captures tell of an exchange.
func telling() (all []exchange) {
	const cookie = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: SRV=appval; path=/\r\nX-Origin: a\r\n\r\nok"
	return []exchange{
		{name: "tells: capture cookie of the answer alone", settings: "capture cookie SRV len 20", send: get,
			replies: []string{cookie}, whole: true},
		{name: "tells: version of the answer", settings: "log-format \"%ft case %ST %[capture.res.ver]\"", send: get,
			whole: true},
		{name: "tells: unique-id with a blank before it",
			settings: "unique-id-format %{+X}o\\ %ci\nunique-id-header X-Id\nlog-format \"%ft case <%ID>\"", send: get,
			whole: true},
		{name: "tells: 204 by a rule", settings: "http-request return status 204 hdr X-A b", send: get, whole: true},
		{name: "tells: hdr beside default-errorfiles",
			settings: "http-request return status 503 default-errorfiles hdr X-Q 1", send: get, whole: true},
		{name: "tells: status in a page",
			settings: "http-request return status 404 content-type text/plain lf-string \"%ST\" hdr X-Origin a",
			send:     get, whole: true},
		{name: "tells: logasap and dontlog-normal, an answer cut short",
			settings: "option logasap\noption dontlog-normal", send: get,
			replies: []string{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nX-Origin: a\r\n\r\nfour"}, serverCloses: true,
			whole: true},
	}
}

// replacing are rules that answer something else than the server did.
func replacing() (all []exchange) {
	for _, r := range [][2]string{
		{"redirect", "http-response redirect location http://y/%[res.hdr(x-origin)]"},
		{"redirect ignore-empty", "http-response redirect location %[res.hdr(none)] ignore-empty"},
		{"redirect if", "http-response redirect location /other code 301 if { status 200 }"},
		{"redirect if not", "http-response redirect location /other code 301 if { status 404 }"},
		{"return", "http-response return status 200 content-type text/plain lf-string \"was %[status]\" hdr X-Origin b"},
		{"deny", "http-response deny deny_status 403"},
		{"allow", "http-response allow if { status 200 }\nhttp-response deny"},
	} {
		all = append(all, exchange{name: "response: " + r[0], settings: r[1],
			send: get + "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n", requests: 2, whole: true})
	}
	return all
}
