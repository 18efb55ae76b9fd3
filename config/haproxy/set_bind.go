package haproxy

import (
	"fmt"
	"strconv"

	"github.com/evenkeel/evenkeel/config"
)

// listenDraft collects the parameters of a bind or stats socket line.
type listenDraft struct {
	config.Bind
	level config.Level
}

// setBind adds the listeners of a bind line.
func setBind(a *args) {
	w := a.need("an address")
	addrs := a.listenAddresses(w)
	var l listenDraft
	a.listenParameters(&l)
	if l.ID != 0 && len(addrs) > 1 {
		a.fail(w.pos, "bad-value", "bind: id can only be given to a single listener", "")
	}
	if !a.done() {
		return
	}
	p := a.draft.proxy
	for _, other := range p.Binds {
		if l.ID != 0 && other.ID == l.ID {
			a.fail(w.pos, "duplicate-id", fmt.Sprintf("bind: id %d is taken", l.ID),
				fmt.Sprintf("by the listener on line %d", other.Pos.Line))
			return
		}
	}
	for _, at := range addrs {
		b := l.Bind
		text, pos, addr, path, fd := at.Text, at.Pos, at.Addr, at.Path, at.FD
		b.Text, b.Pos, b.Addr, b.Path, b.FD = text, pos, addr, path, fd
		p.Binds = append(p.Binds, &b)
	}
}

// listenParameters reads what follows the address.
func (a *args) listenParameters(l *listenDraft) {
	for a.more() && !a.failed {
		b := *a
		b.head, b.listen = a.next(), l
		b.list, b.at = a.list[a.at:], 0
		a.word(inBind, a.name, &b)
		a.at += b.at
		a.failed = a.failed || b.failed
	}
}

func bindName(a *args)      { a.listen.Name = a.need("a name").text }
func bindInterface(a *args) { a.listen.Interface = a.need("an interface").text }
func bindUser(a *args)      { a.listen.User = a.need("a user").text }
func bindGroup(a *args)     { a.listen.Group = a.need("a group").text }

// Differs from HAProxy: a client of IPv4 on an IPv6 socket is told by its IPv4 address, not as ::ffff:192.0.2.1.
func bindV4V6(a *args) { a.listen.V4V6 = true }

func bindV6Only(a *args)      { a.listen.V6Only = true }
func bindTransparent(a *args) { a.listen.Transparent = true }
func bindDefer(a *args)       { a.listen.DeferAccept = true }
func bindTFO(a *args)         { a.listen.FastOpen = true }
func bindID(a *args)          { a.listen.ID = a.integer(a.need("a number"), 1, many, false) }
func bindMaxConn(a *args)     { a.listen.MaxConn = a.integer(a.need("a number"), 0, many, true) }
func bindBacklog(a *args)     { a.listen.Backlog = a.integer(a.need("a number"), 0, many, true) }

func bindMode(a *args) {
	w := a.need("an octal number")
	n, err := strconv.ParseUint(w.text, 8, 32)
	if err != nil || n > 0o7777 {
		a.bad(w, "must be an octal number")
	}
	a.listen.Mode = uint32(n)
}

func bindLevel(a *args) {
	w := a.need("a level")
	switch w.text {
	case "user":
		a.listen.level = config.LevelUser
	case "operator":
		a.listen.level = config.LevelOperator
	case "admin":
		a.listen.level = config.LevelAdmin
	default:
		a.oneOf(w, "user", "operator", "admin")
	}
}

func bindExposeFD(a *args) {
	if w := a.need("listeners"); w.text != "listeners" {
		a.oneOf(w, "listeners")
	}
}

// bindProto takes h1, which is what there is.
func bindProto(a *args) {
	switch w := a.need("a protocol"); w.text {
	case "h1", "none":
	case "h2", "fcgi":
		a.unsupported(w, "HTTP/1 is spoken")
	default:
		a.oneOf(w, "h1", "h2", "none")
	}
}

// bindOne is a parameter without effect that takes one word.
func bindOne(a *args) { a.need("a value") }

// bindNone is one that stands alone.
func bindNone(*args) {}
