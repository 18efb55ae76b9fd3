package haproxy

// Words of sections that are refused as a whole: they are only checked for being known.

var peersWords = group(refused, noTables,
	[3]string{"peer", "NAME ADDRESS", "a proxy that shares tables"},
	[3]string{"server", "NAME [ADDRESS]", "a proxy that shares tables"},
	[3]string{"bind", "ADDRESS", "where we listen for others"},
	[3]string{"default-bind", "WORDS", "parameters of bind"},
	[3]string{"default-server", "WORDS", "parameters of servers"},
	[3]string{"table", "NAME type T size N", "a table"}, [3]string{"log", "TARGET FACILITY", "where logs go"},
	[3]string{"shards", "N", "parts of the tables"},
	[3]string{"disabled", "", "off"}, [3]string{"enabled", "", "on"})

var userlistWords = group(refused, "",
	[3]string{"user", "NAME [password HASH|insecure-password TEXT] [groups G]", "a user"},
	[3]string{"group", "NAME [users U]", "a group"})

var resolversWords = group(refused, noDNS,
	[3]string{"nameserver", "NAME ADDRESS:PORT", "a DNS server"},
	[3]string{"parse-resolv-conf", "", "those of the system"},
	[3]string{"hold", "STATUS TIME", "how long answers hold"},
	[3]string{"resolve_retries", "N", "attempts"}, [3]string{"timeout", "resolve|retry TIME", "times"},
	[3]string{"accepted_payload_size", "BYTES", "size of answers"})

var cacheWords = group(refused, "",
	[3]string{"total-max-size", "MEGABYTES", "size"}, [3]string{"max-object-size", "BYTES", "largest response"},
	[3]string{"max-age", "SECONDS", "longest life"},
	[3]string{"process-vary", "on|off", "look at Vary"},
	[3]string{"max-secondary-entries", "N", "variants of a response"},
	[3]string{"early-hints", "on|off", "103 responses"})

var httpErrorsWords = group(refused, "", [3]string{"errorfile", "STATUS FILE", "a response"})

var mailersWords = group(refused, "", [3]string{"mailer", "NAME ADDRESS:PORT", "a mail server"},
	[3]string{"timeout", "mail TIME", "a time"})

var ringWords = group(refused, "",
	[3]string{"description", "TEXT", "what it is for"}, [3]string{"format", "NAME", "header of lines"},
	[3]string{"maxlen", "BYTES", "longest line"}, [3]string{"size", "BYTES", "size"},
	[3]string{"server", "NAME ADDRESS", "where lines go"}, [3]string{"timeout", "connect|server TIME", "times"},
	[3]string{"backing-file", "FILE", "where it lies"})

var logForwardWords = group(refused, "",
	[3]string{"bind", "ADDRESS", "listen for TCP"}, [3]string{"dgram-bind", "ADDRESS", "listen for UDP"},
	[3]string{"log", "TARGET FACILITY", "where logs go"}, [3]string{"maxconn", "N", "connections"},
	[3]string{"backlog", "N", "waiting connections"}, [3]string{"timeout", "client TIME", "a time"},
	[3]string{"option", "NAME", "a switch"}, [3]string{"no", "option NAME", "a switch"})

var logProfileWords = group(refused, "", [3]string{"on", "STEP format F", "a format"},
	[3]string{"log-tag", "TAG", "the program's name"})

var programWords = group(refused, "",
	[3]string{"command", "COMMAND", "what runs"}, [3]string{"user", "NAME", "as whom"},
	[3]string{"group", "NAME", "as whom"}, [3]string{"option", "start-on-reload", "a switch"})

var fcgiWords = group(refused, "",
	[3]string{"docroot", "PATH", "documents"}, [3]string{"index", "NAME", "index"},
	[3]string{"path-info", "PATTERN", "parts of the path"}, [3]string{"log-stderr", "TARGET", "errors"},
	[3]string{"set-param", "NAME FORMAT", "a parameter"}, [3]string{"pass-header", "NAME", "a header"},
	[3]string{"option", "NAME", "a switch"}, [3]string{"acl", "NAME …", "a condition"})

var crtStoreWords = group(refused, noTLS, [3]string{"crt-base", "DIRECTORY", "certificates"},
	[3]string{"key-base", "DIRECTORY", "keys"}, [3]string{"load", "WORDS", "a certificate"})

var acmeWords = group(refused, noTLS,
	[3]string{"directory", "URL", "the authority"}, [3]string{"account-key", "FILE", "our key"},
	[3]string{"contact", "MAIL", "our address"}, [3]string{"keytype", "RSA|ECDSA", "kind of keys"},
	[3]string{"bits", "N", "size of keys"}, [3]string{"curves", "NAME", "curve of keys"},
	[3]string{"challenge", "TYPE", "how we prove ourselves"}, [3]string{"map", "NAME", "where tokens lie"})

var tracesWords = group(refused, "", [3]string{"trace", "WORDS", "a trace"},
	[3]string{"default-trace", "WORDS", "a trace"})

var healthcheckWords = group(refused, "", [3]string{"type", "NAME", "kind"}, [3]string{"http-check", "WORDS", "a step"},
	[3]string{"tcp-check", "WORDS", "a step"})
