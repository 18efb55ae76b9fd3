package differential

// wordDifferences are the cases of words in which we mean to behave otherwise than haproxy 2.6, as differences are.
var wordDifferences = map[string]difference{
	"tcp-request connection: reject in defaults":      {"2.6 takes rules for connections in defaults and never applies them", []string{"client: closed"}},
	"tcp-request connection: silent-drop in defaults": {"2.6 takes rules for connections in defaults and never applies them", []string{"client: closed"}},
}

func init() {
	wordDifferences["tcp-request: inspect-delay in defaults"] = difference{"2.6 forgets the delay of defaults", []string{"PR"}}
	alike := func(name, why, sections string, want ...string) {
		for _, kind := range sections {
			wordDifferences[name+" in "+kinds[byte(kind)]] = difference{why, want}
		}
	}
	alike("option: ssl-hello-chk", "the greeting is of TLS 1.2, not of SSL 3.0, which servers of today refuse", "DLB", "Evenkeel asks")
	wordDifferences["http-response: set-header, scook_cnt in listen"] = difference{"2.6 counts attributes as cookies", []string{"<2>"}}
	wordDifferences["bind: v4v6"] = difference{"a client of IPv4 is told as such", []string{"log: ADDRESS"}}
	alike("option: prefer-last-server", "2.6 remembers only connections that it shares with nobody", "DLB", "/a ")
	alike("proxy: http-reuse, safe", "a first request that is idempotent may go over a used connection: it is repeated if need be", "DLB", "server: 1 connections")
	alike("option: abortonclose", "2.6 hears of the client only where the frontend is the same section", "DB", "CH--")
}

// wordFaults are the cases in which we do otherwise than haproxy 2.6 and should not: each is to be mended. A word
// counts as shown only where a case without a fault shows it.
var wordFaults = map[string]string{
	"tcp-request content: accept, mode tcp in backend":           "inspect-delay of a backend does not hold in mode tcp",
	"tcp-request content: reject, mode tcp in backend":           "inspect-delay of a backend does not hold in mode tcp",
	"tcp-request content: reject, mode tcp by a host in backend": "inspect-delay of a backend does not hold in mode tcp",
	"tcp-request: inspect-delay in backend":                      "inspect-delay of a backend does not hold in mode tcp",
	"tcp-request content: reject in backend":                     "the log says <BADREQ> for the request",
	"tcp-request content: silent-drop in backend":                "the log says <BADREQ> for the request",
	"timeout: client-fin in defaults":                            "it counts from the end of its own side alone, not from the end of either",
	"timeout: client-fin in frontend":                            "it counts from the end of its own side alone, not from the end of either",
	"timeout: client-fin in listen":                              "it counts from the end of its own side alone, not from the end of either",
	"timeout: server-fin in defaults":                            "it counts from the end of its own side alone, not from the end of either",
	"timeout: tunnel in defaults":                                "it does not hold in mode tcp",
	"timeout: server-fin in listen":                              "it counts from the end of its own side alone, not from the end of either",
	"timeout: tunnel in listen":                                  "it does not hold in mode tcp",
	"timeout: server-fin in backend":                             "it counts from the end of its own side alone, not from the end of either",
	"timeout: tunnel in backend":                                 "it does not hold in mode tcp",
	"proxy: disabled in backend":                                 "the log says that the request waited in a queue",
	"option: httpclose in backend":                               "the client's connection is closed, too",
	"http-check: send-state in defaults":                         "the server's address and port are missing",
	"http-check: send-state in listen":                           "the server's address and port are missing",
	"http-check: send-state in backend":                          "the server's address and port are missing",
	"timeout: queue in defaults":                                 "the log does not say how long a request waited in the queue, nor where",
	"timeout: queue in listen":                                   "the log does not say how long a request waited in the queue, nor where",
	"timeout: queue in backend":                                  "the log does not say how long a request waited in the queue, nor where",
	"server: maxconn":                                            "the log does not say how long a request waited in the queue, nor where",
	"server: minconn":                                            "the log does not say how long a request waited in the queue, nor where",
	"proxy: fullconn in defaults":                                "the log does not say how long a request waited in the queue, nor where",
	"proxy: fullconn in listen":                                  "the log does not say how long a request waited in the queue, nor where",
	"proxy: fullconn in backend":                                 "the log does not say how long a request waited in the queue, nor where",
	"option: persist in defaults":                                "the log says V and not D of a cookie whose server is down",
	"option: persist in listen":                                  "the log says V and not D of a cookie whose server is down",
	"option: persist in backend":                                 "the log says V and not D of a cookie whose server is down",
	"proxy: http-reuse, aggressive in defaults":                  "a connection need not have served two requests before",
	"proxy: http-reuse, aggressive in listen":                    "a connection need not have served two requests before",
	"proxy: http-reuse, aggressive in backend":                   "a connection need not have served two requests before",
	"http-request: set-header, so_name in listen":                "of a bind line without a name it gives the address",
}
