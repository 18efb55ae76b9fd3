package haproxy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/config/words"
)

// place is a set of words: those of a section, or those that may follow a word.
type place = words.Place

// Places.
const (
	topLevel        place = "sections"
	inGlobal        place = "global"
	inGlobalStats   place = "stats (global)"
	inProxy         place = "defaults, frontend, listen and backend"
	inOption        place = "option"
	inTimeout       place = "timeout"
	inBind          place = "bind"
	inServer        place = "server, default-server and server-template"
	inBalance       place = "balance"
	inStats         place = "stats"
	inStatsRule     place = "stats http-request"
	inTCPRequest    place = "tcp-request"
	inTCPConnection place = "tcp-request connection"
	inTCPSession    place = "tcp-request session"
	inTCPContent    place = "tcp-request content"
	inTCPResponse   place = "tcp-response content"
	inHTTPRequest   place = "http-request"
	inHTTPResponse  place = "http-response"
	inHTTPAfter     place = "http-after-response"
	inHTTPCheck     place = "http-check"
	inTCPCheck      place = "tcp-check"
	inPeers         place = "peers"
	inUserlist      place = "userlist"
	inResolvers     place = "resolvers"
	inCache         place = "cache"
	inHTTPErrors    place = "http-errors"
	inMailers       place = "mailers"
	inRing          place = "ring"
	inLogForward    place = "log-forward"
	inLogProfile    place = "log-profile"
	inProgram       place = "program"
	inFCGIApp       place = "fcgi-app"
	inCrtStore      place = "crt-store"
	inACME          place = "acme"
	inTraces        place = "traces"
	inHealthcheck   place = "healthcheck"
)

// places in the order of the manual.
var places = []place{
	topLevel, inGlobal, inGlobalStats, inProxy, inOption, inTimeout, inBind, inServer, inBalance,
	inTCPRequest, inTCPConnection, inTCPSession, inTCPContent, inTCPResponse, inHTTPRequest, inHTTPResponse,
	inHTTPAfter,
	inStats, inStatsRule, inHTTPCheck, inTCPCheck,
	inPeers, inUserlist, inResolvers, inCache, inHTTPErrors, inMailers, inRing, inLogForward, inLogProfile,
	inProgram, inFCGIApp, inCrtStore, inACME, inTraces, inHealthcheck,
}

// caps are the kinds of proxy sections a word has a meaning in.
type caps uint8

// Kinds of sections, by the letters the manual uses.
const (
	capD caps = 1 << iota
	capF
	capL
	capB

	dflb = capD | capF | capL | capB
	dfl  = capD | capF | capL
	dlb  = capD | capL | capB
	flb  = capF | capL | capB
	fl   = capF | capL
	lb   = capL | capB
)

// What we do with a word. A harmless one is accepted with why in its row saying why that is safe; a refused one that
// is switched off with "no" passes.
const (
	done     = words.Done
	harmless = words.Harmless
	refused  = words.Refused
)

// keyword is a row of the table: everything there is to know about one word.
type keyword struct {
	word string
	args string // what follows it, as the manual writes it
	in   caps   // of words in proxy sections; 0: everywhere
	// strictIn: in a section of another kind it is an error; without, it is ignored with a warning there.
	strictIn bool
	// named: in defaults, only a section with a name may hold it.
	named bool
	// min is how many words must follow.
	min   int
	state words.State
	// quiet: harmless without a word about it.
	quiet bool
	// loose: HAProxy does not look at words that are left over.
	loose bool
	// negate: "no" and "default" may stand before it.
	negate bool
	def    string // the default as written in the manual
	help   string // one line, what it does
	why    string // for harmless and refused words
	absent string // why HAProxy 2.6.12 does not know it
	// instead is today's word, or what to do, for a word that HAProxy has given up.
	instead string

	set func(*args)
}

// Why HAProxy 2.6.12 does not know a word.
const (
	newer    = "is newer than haproxy 2.6"
	notBuilt = "is not built into Debian's haproxy"
)

// hint gives the advice for a word unknown in p: the nearest one there, else where it is known.
func hint(p place, text string) string {
	if near := table.Nearest(p, text); near != "" {
		return words.Suggest(near)
	}
	var homes []string
	for _, other := range places {
		if k, ok := table.Lookup(other, text); ok && k.state != refused && len(homes) < 5 {
			homes = append(homes, string(other))
		}
	}
	if len(homes) > 0 {
		return fmt.Sprintf("%s is known in: %s", q(text), strings.Join(homes, "; "))
	}
	return ""
}

// table holds every word of the dialect by its place. It is filled when the program starts, for the rows name
// functions that look words up.
var table *words.Table[keyword]

func init() {
	table = words.NewTable(map[place][]keyword{
		topLevel: sectionWords, inGlobal: slices.Concat(globalWords, globalTLSWords, tuningWords),
		inGlobalStats: globalStatsWords,
		inProxy:       slices.Concat(proxyWords, deadProxyWords), inOption: optionWords, inTimeout: timeoutWords,
		inBind:   slices.Concat(bindWords, bindTLSWords),
		inServer: slices.Concat(serverWords, serverTLSWords, serverOffWords), inBalance: balanceWords,
		inTCPRequest: tcpRequestWords, inTCPConnection: tcpConnectionWords, inTCPSession: tcpSessionWords,
		inTCPContent:  tcpContentWords,
		inTCPResponse: tcpResponseWords, inHTTPRequest: httpRequestWords, inHTTPResponse: httpResponseWords,
		inHTTPAfter: httpAfterWords,
		inStats:     statsWords, inStatsRule: statsRuleWords, inHTTPCheck: httpCheckWords, inTCPCheck: tcpCheckWords,
		inPeers: peersWords, inUserlist: userlistWords, inResolvers: resolversWords, inCache: cacheWords,
		inHTTPErrors: httpErrorsWords,
		inMailers:    mailersWords, inRing: ringWords, inLogForward: logForwardWords, inLogProfile: logProfileWords,
		inProgram: programWords,
		inFCGIApp: fcgiWords, inCrtStore: crtStoreWords, inACME: acmeWords, inTraces: tracesWords,
		inHealthcheck: healthcheckWords,
	}, func(k keyword) string { return k.word })
}
