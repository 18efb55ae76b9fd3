package differential

// An oddity is a case of a word, in some kinds of sections (none: where the manual names no kinds), that comes out
// otherwise than with haproxy 2.6.
type oddity struct {
	name, sections, why string
	want                []string // what must be seen of us
}

// byCase gives what is said of each case.
func byCase(list []oddity) map[string]oddity {
	all := make(map[string]oddity)
	for _, o := range list {
		if o.sections == "" {
			all[o.name] = o
		}
		for _, kind := range o.sections {
			all[o.name+" in "+kinds[byte(kind)]] = o
		}
	}
	return all
}

// wordDifferences are meant. The manual tells them under "Intended differences from HAProxy".
var wordDifferences = byCase([]oddity{
	{"tcp-request connection: reject", "D", "2.6 takes rules on connections in defaults, and never applies them",
		[]string{"client: closed"}},
	{"tcp-request connection: silent-drop", "D", "2.6 takes rules on connections in defaults, and never applies them",
		[]string{"held by the proxy: false"}},
	{"tcp-request: inspect-delay", "D", "2.6 forgets the delay of defaults", []string{"PR"}},
	{"option: ssl-hello-chk", "DLB", "the greeting is of TLS 1.2, not of SSL 3.0, which servers of today refuse",
		[]string{"Evenkeel asks"}},
	{"option: prefer-last-server", "DLB", "2.6 remembers only connections that it shares with nobody", []string{"/a "}},
	{"option: abortonclose", "DB", "2.6 hears of the client only where the frontend is the same section",
		[]string{"CH--"}},
	{"proxy: http-reuse, safe", "DLB", "a first request that is idempotent may go over a used connection",
		[]string{"server: 1 connections"}},
	{"proxy: http-reuse, aggressive", "DLB", "a first request that is idempotent may go over a used connection",
		[]string{"server: 1 connections"}},
	{"http-response: set-header, scook_cnt", "L", "2.6 counts attributes as cookies", []string{"<2>"}},
	{"bind: v4v6", "", "a client of IPv4 is told as such", []string{"log: ADDRESS"}},
})

// wordFaults are not meant: each is to be mended. A word counts as shown only where a case without a fault shows it.
var wordFaults = byCase(nil)
