package haproxy

import "github.com/evenkeel/evenkeel/config"

// tcpRequestWords follow tcp-request.
var tcpRequestWords = []keyword{
	{word: "connection", args: "ACTION [if|unless CONDITION]", in: capD | fl, strictIn: true,
		help: "rules on new connections", set: setTCPConnection},
	{word: "session", args: "ACTION [if|unless CONDITION]", in: capD | fl, strictIn: true, state: refused,
		help: "rules on sessions", why: "tcp-request connection is what there is"},
	{word: "content", args: "ACTION [if|unless CONDITION]", in: dflb, help: "rules on the first bytes",
		set: setTCPContent},
	{word: "inspect-delay", args: "TIME", in: dflb, help: "how long to wait for the first bytes", set: setInspectDelay},
}

// counting are the actions that need stick tables, variables or what else is not there, by rule sets.
func counting(more ...[3]string) []keyword {
	return group(refused, "", append([][3]string{
		{"sc-inc-gpc", "(…)", "count in a stick table"},
		{"sc-inc-gpc0", "(…)", "count in a stick table"},
		{"sc-inc-gpc1", "(…)", "count in a stick table"},
		{"sc-set-gpt", "(…)", "mark in a stick table"},
		{"sc-set-gpt0", "(…)", "mark in a stick table"},
		{"set-var", "(NAME) EXPRESSION", "set a variable"},
		{"set-var-fmt", "(NAME) FORMAT", "set a variable"},
		{"unset-var", "(NAME)", "forget a variable"},
	}, more...)...)
}

var addressActions = [][3]string{
	{"set-dst", "EXPRESSION", "change where the client connected to"},
	{"set-dst-port", "EXPRESSION", "change where the client connected to"},
	{"set-src", "EXPRESSION", "change the client's address"},
	{"set-src-port", "EXPRESSION", "change the client's address"},
	{"set-mark", "MARK", "mark packets"},
	{"set-tos", "TOS", "set the TOS of packets"},
}

var trackActions = [][3]string{
	{"track-sc0", "KEY [table T]", "count in a stick table"},
	{"track-sc1", "KEY [table T]", "count in a stick table"},
	{"track-sc2", "KEY [table T]", "count in a stick table"},
}

var tableActions = [][3]string{
	{"add-acl", "(FILE) FORMAT", "add to an ACL"},
	{"del-acl", "(FILE) FORMAT", "remove from an ACL"},
	{"set-map", "(FILE) FORMAT FORMAT", "add to a map"},
	{"del-map", "(FILE) FORMAT", "remove from a map"},
}

func concat(lists ...[][3]string) [][3]string {
	var all [][3]string
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

var tcpConnectionWords = append([]keyword{
	{word: "accept", help: "take the connection", set: action(config.ActAllow)},
	{word: "reject", help: "close it", set: action(config.ActDeny)},
	{word: "silent-drop", help: "forget it without telling the client", set: action(config.ActSilentDrop)},
}, counting(concat(addressActions, trackActions, [][3]string{
	{"expect-proxy", "layer4", "the PROXY protocol"},
	{"expect-netscaler-cip", "layer4", "the NetScaler protocol"},
	{"capture", "EXPRESSION len N", "keep a value for the log"},
})...)...)

var tcpSessionWords = append(group(refused, "", [3]string{"accept", "", "take the session"},
	[3]string{"reject", "", "close it"}, [3]string{"silent-drop", "", "forget it"}),
	counting(concat(addressActions, trackActions)...)...)

var tcpContentWords = append([]keyword{
	{word: "accept", help: "go on", set: action(config.ActAllow)},
	{word: "reject", help: "close the connection", set: action(config.ActDeny)},
	{word: "silent-drop", help: "forget it without telling the client", set: action(config.ActSilentDrop)},
	{word: "capture", args: "EXPRESSION len N", help: "keep a value for the log", set: ruleCapture},
	{word: "set-log-level", args: "LEVEL|silent", help: "level of its log line", set: ruleSetLogLevel},
}, counting(concat(addressActions, trackActions, [][3]string{
	{"do-resolve", "(…) EXPRESSION", "ask DNS"},
	{"send-spoe-group", "ENGINE GROUP", "ask an agent"},
	{"ot-group", "ID GROUP", "OpenTracing"},
	{"set-nice", "N", "priority"},
	{"set-priority-class", "EXPRESSION", "place in the queue"},
	{"set-priority-offset", "EXPRESSION", "place in the queue"},
	{"switch-mode", "http", "go on in mode http"},
	{"use-service", "NAME", "a built-in service"},
})...)...)

// tcpResponseWords are known and refused as a whole.
var tcpResponseWords = append(group(refused, "", [3]string{"accept", "", "go on"},
	[3]string{"reject", "", "close the connection"}, [3]string{"close", "", "close the connection"},
	[3]string{"silent-drop", "", "forget it"}, [3]string{"set-log-level", "LEVEL", "level of its log line"},
	[3]string{"set-nice", "N", "priority"},
	[3]string{"set-mark", "MARK", "mark packets"}, [3]string{"set-tos", "TOS", "TOS of packets"},
	[3]string{"send-spoe-group", "ENGINE GROUP", "ask an agent"}, [3]string{"ot-group", "ID GROUP", "OpenTracing"}),
	counting()...)

const replyArgs = "[status N] [content-type T string|lf-string|file|lf-file VALUE | errorfile FILE] [hdr NAME FORMAT …]"

// headerWords are the actions on headers that all rule sets on messages have.
func headerWords() []keyword {
	return []keyword{
		{word: "set-header", args: "NAME FORMAT", help: "set a header", set: headerAction(config.ActSetHeader)},
		{word: "add-header", args: "NAME FORMAT", help: "add a header", set: headerAction(config.ActAddHeader)},
		{word: "del-header", args: "NAME [-m str|beg|end|sub|reg]", help: "remove headers", set: ruleDelHeader},
		{word: "replace-header", args: "NAME PATTERN FORMAT", help: "change whole headers",
			set: replaceHeaderAction(config.ActReplaceHeader)},
		{word: "replace-value", args: "NAME PATTERN FORMAT", help: "change values in headers",
			set: replaceHeaderAction(config.ActReplaceValue)},
	}
}

var httpRequestWords = append(append(headerWords(), []keyword{
	{word: "allow", help: "no further rules", set: action(config.ActAllow)},
	{word: "deny", args: replyArgs, help: "refuse the request (403)", set: denial(config.ActDeny, 403)},
	{word: "tarpit", args: replyArgs, help: "refuse the request after timeout tarpit (500)",
		set: denial(config.ActTarpit, 500)},
	{word: "reject", help: "close the connection without an answer", set: action(config.ActClose)},
	{word: "silent-drop", help: "forget the client without telling it", set: action(config.ActSilentDrop)},
	{word: "return", args: replyArgs, help: "answer here", set: ruleReturn},
	{word: "redirect", args: "location|prefix|scheme FORMAT [code N] [WORD …]", help: "answer with a redirect",
		set: ruleRedirect},
	{word: "set-method", args: "FORMAT", help: "change the method", set: formatAction(config.ActSetMethod)},
	{word: "set-path", args: "FORMAT", help: "change the path", set: formatAction(config.ActSetPath)},
	{word: "set-pathq", args: "FORMAT", help: "change the path and the query",
		set: formatAction(config.ActSetPathQuery)},
	{word: "set-query", args: "FORMAT", help: "change the query", set: formatAction(config.ActSetQuery)},
	{word: "set-uri", args: "FORMAT", help: "change the URI", set: formatAction(config.ActSetURI)},
	{word: "replace-path", args: "PATTERN FORMAT", help: "change the path by a pattern",
		set: replaceAction(config.ActReplacePath)},
	{word: "replace-pathq", args: "PATTERN FORMAT", help: "change the path and the query by a pattern", state: refused},
	{word: "replace-uri", args: "PATTERN FORMAT", help: "change the URI by a pattern",
		set: replaceAction(config.ActReplaceURI)},
	{word: "set-log-level", args: "LEVEL|silent", help: "level of its log line", set: ruleSetLogLevel},
	{word: "capture", args: "EXPRESSION len N|id N", help: "keep a value for the log", set: ruleCapture},
	{word: "wait-for-handshake", state: harmless, quiet: true, help: "wait for the TLS handshake", why: onlyTLS,
		set: noRule},
	{word: "strict-mode", args: "on|off", state: refused, help: "what happens when a change does not fit"},
	{word: "auth", args: "[realm R]", state: refused, help: "ask for a user", why: "there are no userlists yet"},
}...), each(counting(concat(addressActions, trackActions, tableActions, [][3]string{
	{"cache-use", "NAME", "answer from a cache"},
	{"disable-l7-retry", "", "no second attempt"},
	{"do-resolve", "(…) EXPRESSION", "ask DNS"},
	{"early-hint", "NAME FORMAT", "a 103 response"},
	{"normalize-uri", "NORMALIZER", "write the URI in one way"},
	{"ot-group", "ID GROUP", "OpenTracing"},
	{"pause", "TIME", "wait"},
	{"sc-add-gpc", "(…)", "count in a stick table"},
	{"send-spoe-group", "ENGINE GROUP", "ask an agent"},
	{"set-bandwidth-limit", "NAME", "limit the bandwidth"},
	{"set-bc-mark", "MARK", "mark packets to servers"},
	{"set-bc-tos", "TOS", "TOS of packets to servers"},
	{"set-fc-mark", "MARK", "mark packets to clients"},
	{"set-fc-tos", "TOS", "TOS of packets to clients"},
	{"set-nice", "N", "priority"},
	{"set-priority-class", "EXPRESSION", "place in the queue"},
	{"set-priority-offset", "EXPRESSION", "place in the queue"},
	{"set-retries", "N", "attempts"},
	{"set-timeout", "NAME TIME", "another timeout"},
	{"use-service", "NAME", "a built-in service"},
	{"wait-for-body", "time TIME", "wait for the body"},
	{"do-log", "", "a log line now"},
	{"set-headers-bin", "FORMAT", "headers from bytes"},
	{"add-headers-bin", "FORMAT", "headers from bytes"},
	{"del-headers-bin", "FORMAT", "headers from bytes"},
})...), afterReference)...)

// afterReference marks actions that are newer than the reference.
func afterReference(k *keyword) {
	switch k.word {
	case "pause", "sc-add-gpc", "set-bandwidth-limit", "set-bc-mark", "set-bc-tos", "set-fc-mark", "set-fc-tos",
		"set-retries", "do-log", "set-headers-bin", "add-headers-bin", "del-headers-bin":
		k.absent = newer
	}
}

var httpResponseWords = append(append(headerWords(), []keyword{
	{word: "allow", help: "no further rules", set: action(config.ActAllow)},
	{word: "deny", args: replyArgs, help: "refuse the response (502)", set: denial(config.ActDeny, 502)},
	{word: "silent-drop", help: "forget the client without telling it", set: action(config.ActSilentDrop)},
	{word: "return", args: replyArgs, help: "answer something else", set: ruleReturn},
	{word: "redirect", args: "location|prefix|scheme FORMAT [code N] [WORD …]", help: "answer with a redirect",
		set: ruleRedirect},
	{word: "set-status", args: "STATUS [reason TEXT]", help: "change the status", set: ruleSetStatus},
	{word: "set-log-level", args: "LEVEL|silent", help: "level of its log line", set: ruleSetLogLevel},
	{word: "capture", args: "EXPRESSION id N", help: "keep a value for the log", set: ruleCapture},
	{word: "strict-mode", args: "on|off", state: refused, help: "what happens when a change does not fit"},
}...), each(counting(concat(trackActions, tableActions, [][3]string{
	{"cache-store", "NAME", "put into a cache"},
	{"ot-group", "ID GROUP", "OpenTracing"},
	{"pause", "TIME", "wait"},
	{"sc-add-gpc", "(…)", "count in a stick table"},
	{"send-spoe-group", "ENGINE GROUP", "ask an agent"},
	{"set-mark", "MARK", "mark packets"},
	{"set-tos", "TOS", "set the TOS of packets"},
	{"set-nice", "N", "priority"},
	{"set-timeout", "NAME TIME", "another timeout"},
	{"set-bandwidth-limit", "NAME", "limit the bandwidth"},
	{"wait-for-body", "time TIME", "wait for the body"},
	{"do-log", "", "a log line now"},
})...), func(k *keyword) {
	afterReference(k)
	if k.word == "set-timeout" {
		k.absent = newer
	}
})...)

var httpAfterWords = append(append(headerWords(), []keyword{
	{word: "allow", help: "no further rules", set: action(config.ActAllow)},
	{word: "set-status", args: "STATUS [reason TEXT]", help: "change the status", set: ruleSetStatus},
	{word: "capture", args: "EXPRESSION id N", help: "keep a value for the log", set: ruleCapture},
	{word: "strict-mode", args: "on|off", state: refused, help: "what happens when a change does not fit"},
	{word: "set-log-level", args: "LEVEL|silent", absent: newer, help: "level of its log line", set: ruleSetLogLevel},
	{word: "ot-group", args: "ID GROUP", state: refused, help: "OpenTracing"},
	{word: "do-log", state: refused, absent: newer, help: "a log line now"},
}...), each(counting(tableActions...), func(k *keyword) {
	switch k.word {
	case "set-var", "set-var-fmt", "unset-var":
	default:
		k.absent = newer
	}
})...)

// noRule is an action without effect.
func noRule(a *args) { a.rest() }

// statsWords follow stats in a proxy.
var statsWords = []keyword{
	{word: "enable", in: dflb, help: "there is a page", set: statsEnable, loose: true},
	{word: "uri", args: "URI", in: dflb, def: "/haproxy?stats", help: "where the page is", set: statsURI, min: 1,
		loose: true},
	{word: "realm", args: "NAME", in: dflb, def: "HAProxy Statistics",
		help: "what a browser shows when it asks for a user", set: statsRealm, min: 1, loose: true},
	{word: "auth", args: "USER:PASSWORD", in: dflb, help: "who may see it", set: statsAuth, min: 1, loose: true},
	{word: "refresh", args: "SECONDS", in: dflb, help: "the page asks for itself again", set: statsRefresh, min: 1,
		loose: true},
	{word: "hide-version", in: dflb, help: "do not show the version", set: statsHideVersion, loose: true},
	{word: "show-legends", in: dflb, help: "show more", set: statsShowLegends, loose: true},
	{word: "show-node", args: "[NAME]", in: dflb, help: "show the node's name", set: statsShowNode, loose: true},
	{word: "show-desc", args: "[TEXT]", in: dflb, help: "show a description", set: statsShowDesc},
	{word: "scope", args: "PROXY|.", in: dflb, help: "proxies that are shown", set: statsScope, min: 1, loose: true},
	{word: "admin", args: "if|unless CONDITION", in: flb, help: "who may change things", set: statsAdmin},
	{word: "http-request", args: "allow|deny|auth [if|unless CONDITION]", in: flb, help: "rules on who may see it",
		set: statsHTTPRequest},
	{word: "show-modules", in: dflb, state: harmless, quiet: true, help: "show more columns",
		why: "there are none more", set: noEffect, loose: true},
	{word: "show-version", in: dflb, state: harmless, quiet: true, absent: newer, help: "show the version",
		why: "it is shown unless hidden", set: noEffect, loose: true},
}

// statsRuleWords follow stats http-request.
var statsRuleWords = []keyword{
	{word: "allow", help: "show it", set: action(config.ActAllow)},
	{word: "deny", help: "do not show it", set: denial(config.ActDeny, 403)},
	{word: "auth", args: "[realm NAME]", help: "ask for a user", state: refused, why: "stats auth asks for users"},
}

// httpCheckWords follow http-check.
var httpCheckWords = append([]keyword{
	{word: "send", args: "[meth M] [uri U] [ver V] [hdr NAME VALUE …] [body TEXT] [comment TEXT]", help: "a request",
		set: httpCheckSend},
	{word: "expect", args: "[!] status|rstatus|string|rstring|hdr …", help: "what must come back", set: checkExpect},
	{word: "connect", args: "[port P] [addr A] [send-proxy] [linger] [default] [comment TEXT]", help: "a connection",
		set: checkConnect},
	{word: "disable-on-404", help: "404 lets a server finish", set: checkDisableOn404},
	{word: "send-state", help: "tell the server its state", set: checkSendState},
	{word: "comment", args: "TEXT", help: "named when the following step fails", set: checkComment},
}, group(refused, "", [3]string{"set-var", "(NAME) EXPRESSION", "a variable"},
	[3]string{"set-var-fmt", "(NAME) FORMAT", "a variable"}, [3]string{"unset-var", "(NAME)", "forget a variable"})...)

// tcpCheckWords follow tcp-check.
var tcpCheckWords = append([]keyword{
	{word: "connect", args: "[port P] [addr A] [send-proxy] [linger] [default] [comment TEXT]", help: "a connection",
		set: checkConnect},
	{word: "send", args: "TEXT [comment TEXT]", help: "bytes", set: checkSend},
	{word: "send-lf", args: "FORMAT [comment TEXT]", help: "bytes from a format without variables", set: checkSend},
	{word: "send-binary", args: "HEX [comment TEXT]", help: "bytes in hexadecimal", set: checkSend},
	{word: "expect", args: "[min-recv N] [!] string|rstring|binary|rbinary VALUE", help: "what must come back",
		set: checkExpect},
	{word: "comment", args: "TEXT", help: "named when the following step fails", set: checkComment},
}, group(refused, "", [3]string{"send-binary-lf", "FORMAT", "bytes in hexadecimal from a format"},
	[3]string{"set-var", "(NAME) EXPRESSION", "a variable"}, [3]string{"set-var-fmt", "(NAME) FORMAT", "a variable"},
	[3]string{"unset-var", "(NAME)", "forget a variable"})...)
