package haproxy

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/config"
)

// serverDraft is a server being read.
type serverDraft struct {
	config.Server
	at       word // its address as written
	family   family
	track    word
	initAddr word
	// isDefault: the parameters of default-server.
	isDefault bool
}

func (s serverDraft) clone() serverDraft { return s }

// setServer adds a server.
func setServer(a *args) {
	name := a.need("a name")
	a.checkServerName(name)
	at := a.need("an address")
	if a.failed {
		return
	}
	if s := a.newServer(name, at); s != nil {
		a.addServer(s)
	}
}

func (a *args) checkServerName(w word) {
	if !a.failed {
		a.checkName(w, "server")
	}
}

// newServer reads the address and the parameters; nil after an error.
func (a *args) newServer(name, at word) *serverDraft {
	s := a.draft.server
	s.Name, s.Pos, s.at, s.isDefault = name.text, name.pos, at, false
	a.serverAddress(&s)
	a.serverParameters(&s)
	if !a.done() {
		a.draft.lostServers[s.Name] = true
		return nil
	}
	return &s
}

// addServer adds a server whose name must be new.
func (a *args) addServer(s *serverDraft) {
	d := a.draft
	if other := d.byName[s.Name]; other != nil {
		a.report.Bad(s.Pos, "duplicate-name",
			fmt.Sprintf("there is another server %s in this %s", q(s.Name), d.proxy.Kind),
			fmt.Sprintf("on line %d", other.Pos.Line))
		return
	}
	if other := d.byID[s.ID]; other != nil && s.ID != 0 {
		a.report.Bad(s.Pos, "duplicate-id", fmt.Sprintf("server %s: id %d is taken", q(s.Name), s.ID),
			fmt.Sprintf("by server %s on line %d", other.Name, other.Pos.Line))
		return
	}
	d.servers = append(d.servers, s)
	d.byName[s.Name], d.byID[s.ID] = s, s
}

// serverAddress takes the address apart; a name in it is looked up when everything has been read.
func (a *args) serverAddress(s *serverDraft) {
	e := a.endpoint(s.at, s.at.text)
	switch {
	case a.failed:
		return
	case e.fd >= 0:
		a.bad(s.at, "a server is no descriptor")
		return
	case e.path != "":
		s.Path = e.path
		return
	}
	port := 0
	switch {
	case e.port == "":
		s.PortMapped = true
	case e.port[0] == '+' || e.port[0] == '-':
		s.PortMapped = true
		s.PortOffset = a.portNumber(s.at, e.port[1:], 0)
		if e.port[0] == '-' {
			s.PortOffset = -s.PortOffset
		}
	case strings.Contains(e.port, "-"):
		a.bad(s.at, "a server has one port")
	default:
		port = a.portNumber(s.at, e.port, 0)
		s.PortMapped = port == 0
	}
	s.family = e.family
	if e.host == "" || e.host == "*" {
		e.host = "0.0.0.0"
	}
	addr, err := netip.ParseAddr(e.host)
	if err != nil || e.family == ipv4 && !addr.Is4() || e.family == ipv6 && !addr.Is6() {
		if !isHostName(e.host) {
			a.bad(s.at, "is not an address")
			return
		}
		s.Host = e.host
		addr = netip.Addr{}
	}
	if addr.IsValid() && addr.IsUnspecified() {
		a.unsupported(s.at, "a server at the address the client connected to")
		return
	}
	s.Addr = netip.AddrPortFrom(addr, uint16(port))
}

// serverParameters reads what follows the address.
func (a *args) serverParameters(s *serverDraft) {
	for a.more() && !a.failed {
		b := *a
		b.head, b.server = a.next(), s
		b.list, b.at = a.list[a.at:], 0
		a.word(inServer, a.name, &b)
		a.at += b.at
		a.failed = a.failed || b.failed
	}
}

// setDefaultServer sets the parameters of servers that follow.
func setDefaultServer(a *args) {
	s := a.draft.server
	s.isDefault = true
	a.serverParameters(&s)
	if a.done() {
		a.draft.server = s
		return
	}
	// The line has had its message: that its servers' names are not found shall not be another for each of them.
	for i := range len(a.list) - 1 {
		if a.list[i].text == "init-addr" {
			a.draft.server.initAddr = a.list[i+1]
		}
	}
}

// maxTemplate bounds server-template.
const maxTemplate = 65535

// setServerTemplate adds servers NAME1 to NAMEn.
func setServerTemplate(a *args) {
	name, count, at := a.need("a prefix of names"), a.need("a number or range"), a.need("an address")
	a.checkServerName(name)
	if a.failed {
		return
	}
	lo, hi, isRange := strings.Cut(count.text, "-")
	if !isRange {
		lo, hi = "1", lo
	}
	first, err1 := strconv.Atoi(lo)
	last, err2 := strconv.Atoi(hi)
	if err1 != nil || err2 != nil || first < 1 || last < first || last > maxTemplate {
		a.bad(count, "must be a number or a range like 1-5")
		return
	}
	s := a.newServer(name, at)
	if s == nil {
		for i := first; i <= last; i++ {
			a.draft.lostServers[name.text+strconv.Itoa(i)] = true
		}
		return
	}
	for i := first; i <= last; i++ {
		each := *s
		each.Name = name.text + strconv.Itoa(i)
		if i > first {
			each.ID = 0
		}
		a.addServer(&each)
	}
}

// serverFlag is the setter of a switch of a server line.
func serverFlag(set func(*serverDraft)) func(*args) {
	return func(a *args) { set(a.server) }
}

func serverWeight(a *args)   { a.server.Weight = a.careless(0, 256, false) }
func serverMaxConn(a *args)  { a.server.MaxConn = a.careless(0, many, true) }
func serverMinConn(a *args)  { a.server.MinConn = a.careless(0, many, true) }
func serverMaxQueue(a *args) { a.server.MaxQueue = a.careless(0, many, true) }

// careless reads a number where HAProxy takes anything; a number out of range it refuses unless loose.
func (a *args) careless(lo, hi int, loose bool) int {
	w := a.carelessWord()
	_, err := strconv.Atoi(w.text)
	return a.integer(w, lo, hi, loose || err != nil)
}

// carelessWord takes a word that HAProxy does not insist on.
func (a *args) carelessWord() word {
	if !a.more() && !a.failed {
		a.report.Refuse(a.head.pos, "missing-value", a.name+": a value is missing", "")
		a.failed = true
	}
	return a.next()
}

func serverRise(a *args)       { a.server.Check.Rise = a.positive() }
func serverFall(a *args)       { a.server.Check.Fall = a.positive() }
func serverErrorLimit(a *args) { a.server.Check.ErrorLimit = a.positive() }

// positive reads a number that HAProxy wants to be above 0.
func (a *args) positive() int {
	w := a.need("a number")
	careless := w.text != "" && w.text[0] >= '1' && w.text[0] <= '9'
	return a.integer(w, 1, many, careless)
}

func serverInter(a *args) {
	a.server.Check.Inter = a.duration(a.need("a time"), 1)
}

func serverFastInter(a *args) { a.server.Check.FastInter = a.duration(a.need("a time"), 1) }
func serverDownInter(a *args) { a.server.Check.DownInter = a.duration(a.need("a time"), 1) }
func serverSlowStart(a *args) { a.server.SlowStart = a.duration(a.need("a time"), 0) }
func serverPurge(a *args)     { a.server.PoolPurgeDelay = a.duration(a.need("a time"), 0) }
func serverPoolMax(a *args)   { a.server.PoolMax = a.integer(a.need("a number"), -1, many, false) }
func serverTrack(a *args)     { a.server.track = a.need("[BACKEND/]SERVER") }
func serverCookie(a *args)    { a.server.Cookie = a.need("a value").text }
func serverRedir(a *args)     { a.server.Redir = a.need("a prefix").text }
func serverInitAddr(a *args) {
	w := a.carelessWord()
	for m := range strings.SplitSeq(w.text, ",") {
		if _, err := netip.ParseAddr(m); err != nil && !slices.Contains([]string{"last", "libc", "none", ""}, m) {
			a.bad(w, "the methods are last, libc, none and an address")
			return
		}
	}
	a.server.initAddr = w
}

func serverID(a *args) {
	if a.server.isDefault {
		a.report.Warn(a.head.pos, "misplaced-word", "id in default-server is not read", "")
		a.carelessWord()
		return
	}
	a.server.ID = a.integer(a.need("a number"), 1, many, false)
}

func serverPort(a *args) {
	w := a.need("a port")
	n := a.integer(w, 0, 65535, true)
	a.server.Check.Addr = withPort(a.server.Check.Addr, n)
}

// serverCheckAddr takes the address that is checked instead of the server's own.
func serverCheckAddr(a *args) {
	w := a.need("an address")
	e := a.endpoint(w, w.text)
	if a.failed {
		return
	}
	if e.path != "" || e.fd >= 0 {
		a.unsupported(w, "checks of a UNIX socket beside the server's own address")
		return
	}
	port := int(a.server.Check.Addr.Port())
	if e.port != "" {
		port = a.portNumber(w, e.port, 0)
	}
	a.server.Check.Addr = netip.AddrPortFrom(a.address(w, e), uint16(port))
}

func serverObserve(a *args) {
	modes := map[string]config.Observe{"none": config.ObserveNone, "layer4": config.ObserveLayer4,
		"layer7": config.ObserveLayer7}
	w := a.need("a layer")
	mode, ok := modes[w.text]
	if !ok {
		a.oneOf(w, "none", "layer4", "layer7")
	}
	a.server.Check.Observe = mode
}

func serverOnError(a *args) {
	modes := map[string]config.ErrorReaction{"fastinter": config.FastInter, "fail-check": config.FailCheck,
		"sudden-death": config.SuddenDeath, "mark-down": config.MarkDown}
	w := a.need("a reaction")
	mode, ok := modes[w.text]
	if !ok {
		a.oneOf(w, "fastinter", "fail-check", "sudden-death", "mark-down")
	}
	a.server.Check.OnError = mode
}

func serverMarkedDown(a *args) {
	if w := a.need("shutdown-sessions"); w.text != "shutdown-sessions" {
		a.oneOf(w, "shutdown-sessions")
	}
	a.server.OnMarkedDown = true
}

func serverMarkedUp(a *args) {
	if w := a.need("shutdown-backup-sessions"); w.text != "shutdown-backup-sessions" {
		a.oneOf(w, "shutdown-backup-sessions")
	}
	a.server.OnMarkedUp = true
}

func serverSource(a *args) { a.server.Source, a.server.Interface = a.source() }

// source reads ADDRESS[:PORT] [interface NAME].
func (a *args) source() (netip.AddrPort, string) {
	addr := a.sourceAddress(a.need("an address"))
	iface := ""
	for !a.failed && (a.peek() == "usesrc" || a.peek() == "interface") {
		w := a.next()
		if w.text == "usesrc" {
			a.unsupported(w, "connections in the name of the client")
			break
		}
		iface = a.need("an interface").text
	}
	return addr, iface
}

// serverProto takes h1, which is what there is.
func serverProto(a *args) { bindProto(a) }

// serverNeedsWord is a parameter without effect that takes one word.
func serverNeedsWord(a *args) { a.carelessWord() }
