package differential

// wordLists are the cases of words: "place: word", and what is told of it where that is not enough.
var wordLists = [][]exchange{requestWords, responseWords, afterWords, tcpWords, proxyWords, optionWords, timeoutWords, serverWords, balanceWords, checkWords, statsWords, bindWords, globalWords, holdingWords, fetchWords()}

var requestWords = []exchange{
	{name: "http-request: set-header", settings: "http-request set-header X-A %[src]"},
	{name: "http-request: add-header", settings: "http-request add-header X-A three"},
	{name: "http-request: del-header", settings: "http-request del-header X-A"},
	{name: "http-request: del-header, by a part of its name", settings: "http-request del-header -a -m end"},
	{name: "http-request: replace-header", settings: "http-request replace-header X-A (.*),(.*) \\2+\\1"},
	{name: "http-request: replace-value", settings: "http-request replace-value X-A o(.*) 0\\1"},
	{name: "http-request: allow", settings: "http-request allow if { path_beg /a }\nhttp-request deny"},
	{name: "http-request: deny", settings: "http-request deny"},
	{name: "http-request: deny, with a page", settings: "http-request deny status 429 content-type text/plain lf-string \"no %[path]\" hdr X-Origin us"},
	{name: "http-request: tarpit", settings: "timeout tarpit 50ms\nhttp-request tarpit"},
	{name: "http-request: tarpit, with a page", settings: "timeout tarpit 50ms\nhttp-request tarpit status 403 content-type text/plain string slow hdr X-Origin us"},
	{name: "http-request: reject", settings: "http-request reject"},
	{name: "http-request: silent-drop", settings: "http-request silent-drop", silent: true},
	{name: "http-request: return", settings: "http-request return status 200 content-type text/plain lf-string %[path] hdr X-Origin us"},
	{name: "http-request: return, a file", settings: "http-request return status 200 content-type text/plain file FILES/403.http hdr X-Origin us"},
	{name: "http-request: redirect", settings: "http-request redirect location http://y%[path] code 307"},
	{name: "http-request: redirect, prefix", settings: "http-request redirect prefix http://y drop-query"},
	{name: "http-request: set-method", settings: "http-request set-method OPTIONS"},
	{name: "http-request: set-path", settings: "http-request set-path /new%[path]"},
	{name: "http-request: set-pathq", settings: "http-request set-pathq /new?%[query]"},
	{name: "http-request: set-query", settings: "http-request set-query %[query]&s=3"},
	{name: "http-request: set-uri", settings: "http-request set-uri /u?v"},
	{name: "http-request: set-uri, with a host", settings: "http-request set-uri http://y.org/u?v"},
	{name: "http-request: replace-path", settings: "http-request replace-path /a/(.*) /z/\\1"},
	{name: "http-request: replace-uri", settings: "http-request replace-uri /a/(.*) /z/\\1"},
	{name: "http-request: set-log-level", settings: "http-request set-log-level warning", header: true},
	{name: "http-request: capture", settings: "http-request capture req.hdr(x-a) len 4", only: "DFL"},
	{name: "http-request: capture, into a slot", settings: "declare capture request len 6\nhttp-request capture req.hdr(host) id 0", only: "FLB"},
}

var responseWords = []exchange{
	{name: "http-response: set-header", settings: "http-response set-header X-Origin %[status]"},
	{name: "http-response: add-header", settings: "http-response add-header X-More c"},
	{name: "http-response: del-header", settings: "http-response del-header X-Origin"},
	{name: "http-response: replace-header", settings: "http-response replace-header X-Origin (.*) <\\1>"},
	{name: "http-response: replace-value", settings: "http-response replace-value X-L ^b(.*) c\\1",
		replies: []string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Origin: a\r\nX-L: ax, bx\r\n\r\nok"}},
	{name: "http-response: allow", settings: "http-response allow\nhttp-response deny"},
	{name: "http-response: deny", settings: "http-response deny"},
	{name: "http-response: silent-drop", settings: "http-response silent-drop", silent: true},
	{name: "http-response: return", settings: "http-response return status 200 content-type text/plain string other hdr X-Origin us"},
	{name: "http-response: redirect", settings: "http-response redirect location http://y/ code 303"},
	{name: "http-response: set-status", settings: "http-response set-status 418 reason \"I am a teapot\""},
	{name: "http-response: set-log-level", settings: "http-response set-log-level err", header: true},
	{name: "http-response: capture", settings: "declare capture response len 6\nhttp-response capture res.hdr(x-origin) id 0", only: "FLB"},
}

var afterWords = []exchange{
	{name: "http-after-response: set-header", settings: "http-after-response set-header X-Origin %[status]"},
	{name: "http-after-response: set-header, on a denial", settings: "http-request deny\nhttp-after-response set-header X-Origin %[status]", only: "DFL", finds: "x-origin: 403"},
	{name: "http-after-response: add-header", settings: "http-after-response add-header X-More c"},
	{name: "http-after-response: del-header", settings: "http-after-response del-header X-Origin"},
	{name: "http-after-response: replace-header", settings: "http-after-response replace-header X-Origin (.*) <\\1>"},
	{name: "http-after-response: replace-value", settings: "http-after-response replace-value X-L ^b(.*) c\\1",
		replies: []string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Origin: a\r\nX-L: ax, bx\r\n\r\nok"}},
	{name: "http-after-response: allow", settings: "http-after-response allow\nhttp-after-response set-status 418"},
	{name: "http-after-response: set-status", settings: "http-after-response set-status 418"},
	{name: "http-after-response: capture", settings: "declare capture response len 6\nhttp-after-response capture res.hdr(x-origin) id 0", only: "FLB"},
	{name: "http-after-response: set-log-level", settings: "http-after-response set-log-level err", header: true, alone: []string{"<131>"}},
}

const tcpMode = "mode tcp\noption tcplog\ntcp-request inspect-delay 30s\n"

var tcpWords = []exchange{
	{name: "tcp-request connection: accept", settings: "tcp-request connection accept if { src 127.0.0.0/8 }\ntcp-request connection reject"},
	{name: "tcp-request connection: reject", settings: "tcp-request connection reject", requests: -1},
	{name: "tcp-request connection: silent-drop", settings: "tcp-request connection silent-drop", send: nothing, requests: -1, silent: true},
	{name: "tcp-request content: accept", settings: "tcp-request content accept if { path_beg /a }\ntcp-request content reject"},
	{name: "tcp-request content: reject", settings: "tcp-request content reject if { path_beg /a }"},
	{name: "tcp-request content: silent-drop", settings: "tcp-request content silent-drop if HTTP", silent: true},
	{name: "tcp-request content: capture", settings: "tcp-request content capture req.hdr(x-a) len 4", only: "DFL"},
	{name: "tcp-request content: set-log-level", settings: "tcp-request content set-log-level err", header: true},
	{name: "tcp-request content: accept, mode tcp", settings: tcpMode + "tcp-request content accept if { req.len gt 3 }\ntcp-request content reject", serverCloses: true, only: "FLB"},
	{name: "tcp-request content: reject, mode tcp", settings: tcpMode + "tcp-request content reject if { req.len gt 3 }", only: "FLB"},
	{name: "tcp-request content: reject, mode tcp by a host", settings: tcpMode + "tcp-request content reject if { hdr(host) -m found }", only: "FLB"},
	{name: "tcp-request: inspect-delay", settings: "mode tcp\noption tcplog\ntcp-request inspect-delay [[100ms||60s]]\ntcp-request content reject if WAIT_END"},
}
