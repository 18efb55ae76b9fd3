package logformat

import "slices"

// An alias is what a piece of a format writes.
type alias uint8

const (
	verbatim alias = iota
	expression
	options // %o: nothing, its flags hold for what follows
	dateUTC
	dateLocal
	epoch
	date
	millis
	begun
	begunUTC
	begunLocal
	timeActive
	timeConnect
	timeData
	timeHandshake
	timeIdle
	timeToRequest
	timeRequest
	timeResponse
	timeTotal
	timeUser
	timeQueue
	bytesDown
	bytesUp
	requestCookie
	setCookie
	hostName
	httpMethod
	httpTarget
	httpPath
	httpQuery
	httpURI
	httpVersion
	uniqueName
	statusCode
	activeConns
	backendName
	backendConns
	backendIP
	backendPort
	backendQueue
	clientIP
	clientPort
	frontendName
	frontendConns
	frontendIP
	frontendPort
	frontendTransport
	requestHeaders
	requestHeaderList
	responseHeaders
	responseHeaderList
	logCounter
	processID
	requestLine
	retries
	requestCounter
	serverAlias
	serverConns
	serverIP
	serverPort
	serverQueue
	tlsCipher
	tlsVersion
	termination
	terminationCookies
)

// aliases by their names; http ones are for mode http only.
var aliases = map[string]struct {
	alias alias
	http  bool
}{
	"o": {options, false}, "T": {dateUTC, false}, "Tl": {dateLocal, false}, "Ts": {epoch, false}, "t": {date, false},
	"ms": {millis, false}, "tr": {begun, true}, "trg": {begunUTC, true}, "trl": {begunLocal, true},
	"Ta": {timeActive, true}, "Tc": {timeConnect, false}, "Td": {timeData, false}, "Th": {timeHandshake, false},
	"Ti": {timeIdle, true}, "Tq": {timeToRequest, true}, "TR": {timeRequest, true}, "Tr": {timeResponse, true},
	"Tt": {timeTotal, false}, "Tu": {timeUser, false}, "Tw": {timeQueue, false},
	"B": {bytesDown, false}, "U": {bytesUp, false}, "CC": {requestCookie, true}, "CS": {setCookie, true},
	"H": {hostName, false}, "HM": {httpMethod, true}, "HP": {httpTarget, true}, "HPO": {httpPath, true},
	"HQ": {httpQuery, true}, "HU": {httpURI, true}, "HV": {httpVersion, true}, "ID": {uniqueName, false},
	"ST": {statusCode, false}, "ac": {activeConns, false}, "b": {backendName, false}, "bc": {backendConns, false},
	"bi": {backendIP, false}, "bp": {backendPort, false}, "bq": {backendQueue, false}, "ci": {clientIP, false},
	"cp": {clientPort, false}, "f": {frontendName, false}, "fc": {frontendConns, false}, "fi": {frontendIP, false},
	"fp": {frontendPort, false}, "ft": {frontendTransport, false}, "hr": {requestHeaders, false},
	"hrl": {requestHeaderList, false}, "hs": {responseHeaders, false}, "hsl": {responseHeaderList, false},
	"lc": {logCounter, false}, "pid": {processID, false}, "r": {requestLine, true}, "rc": {retries, false},
	"rt": {requestCounter, false}, "s": {serverAlias, false}, "sc": {serverConns, false}, "si": {serverIP, false},
	"sp": {serverPort, false}, "sq": {serverQueue, false}, "sslc": {tlsCipher, false}, "sslv": {tlsVersion, false},
	"ts": {termination, false}, "tsc": {terminationCookies, false},
}

// aliasNames are the names in order.
var aliasNames = func() []string {
	names := make([]string, 0, len(aliases))
	for n := range aliases {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}()
