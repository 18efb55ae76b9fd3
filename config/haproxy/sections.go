package haproxy

import (
	"fmt"
	"strings"

	"github.com/evenkeel/evenkeel/config/verdict"
	"github.com/evenkeel/evenkeel/config/words"
)

// setGlobalSection opens the global section; several of them are one.
func setGlobalSection(a *args) {
	a.section = inGlobal
	a.k.loose = true
	a.done()
}

// badNameByte finds a byte that a name may not hold: it takes letters, digits and .:_-
func badNameByte(name string) (byte, bool) {
	for i := range len(name) {
		c := name[i]
		if c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("_-.:", c) >= 0 {
			continue
		}
		return c, true
	}
	return 0, false
}

// checkName refuses a name with a byte that none may hold.
func (a *args) checkName(w word, what string) {
	if c, bad := badNameByte(w.text); bad {
		a.fail(w.pos, "bad-name", fmt.Sprintf("%s is not permitted in the name %s of a %s", q(string(c)), q(w.text),
			what), "letters, digits and .:_- are")
	}
}

// setDefaults opens a defaults section.
func setDefaults(a *args) {
	r := a.reader
	r.section = inProxy
	var name word
	if a.more() && a.peek() != "from" {
		name = a.next()
		a.checkName(name, "defaults section")
	}
	d := r.newDraft(capD, a.head, name)
	r.draft = d
	if from, ok := a.from("defaults"); ok && from != nil {
		if from.httpRules {
			a.fail(a.head.pos, "inherit", "a defaults section cannot take over from one that holds rules", "")
		}
		d.inherit(from)
	}
	a.k.loose = true
	a.done()
	r.defaults = append(r.defaults, d)
}

// from reads "from NAME" and finds the section. It reports whether a section was named.
func (a *args) from(what string) (*draft, bool) {
	if _, ok := a.accept("from"); !ok {
		return nil, false
	}
	if !a.more() {
		a.missing("the name of a defaults section")
		return nil, true
	}
	name := a.next()
	var found *draft
	var names []string
	for _, d := range a.defaults {
		names = append(names, d.name.text)
		if d.name.text != name.text {
			continue
		}
		if found != nil {
			a.fail(name.pos, "ambiguous", fmt.Sprintf("there are several defaults sections %s", q(name.text)),
				fmt.Sprintf("lines %d and %d", found.head.pos.Line, d.head.pos.Line))
			return nil, true
		}
		found = d
	}
	if found == nil {
		a.fail(name.pos, "unknown-name", fmt.Sprintf("%s: there is no defaults section %s", what, q(name.text)),
			words.DidYouMean(name.text, names))
	}
	return found, true
}

// setProxySection opens a frontend, backend or listen.
func setProxySection(a *args) {
	r := a.reader
	r.section = inProxy
	kind := map[string]caps{"frontend": capF, "backend": capB, "listen": capL}[a.head.text]
	name := a.need("a name")
	a.checkName(name, a.head.text)
	d := r.newDraft(kind, a.head, name)
	r.draft = d
	explicit, named := a.from(a.head.text)
	switch {
	case named && explicit != nil:
		r.use(a, d, explicit, true)
	case !named && len(r.defaults) > 0:
		r.use(a, d, r.defaults[len(r.defaults)-1], false)
	}
	p := d.proxy
	p.Name, p.Pos, p.Kind = name.text, a.head.pos, a.head.text
	p.Front, p.Back = d.front(), d.back()
	p.ID = 0
	if a.more() && !a.failed {
		a.addressOnSection(d)
	}
	r.register(d)
}

// register keeps a proxy under its name, which no other of its kind may have.
func (r *reader) register(d *draft) {
	name := d.name.text
	var other *draft
	if d.front() {
		other = r.frontends[name]
	}
	if other == nil && d.back() {
		other = r.backends[name]
	}
	if other != nil {
		r.report.Bad(d.name.pos, "duplicate-name", fmt.Sprintf("there is another %s %s", other.head.text, q(name)),
			fmt.Sprintf("on line %d", other.head.pos.Line))
	}
	if d.front() && r.frontends[name] == nil {
		r.frontends[name] = d
	}
	if d.back() && r.backends[name] == nil {
		r.backends[name] = d
	}
	r.proxies = append(r.proxies, d)
}

// use gives a proxy its defaults section, and watches that one with rules is used for one kind of proxies.
func (r *reader) use(a *args, d, from *draft, explicit bool) {
	if from.name.text != "" && (explicit && from.used.implicit || !explicit && from.used.explicit) {
		r.report.Warn(a.head.pos, "ambiguous-defaults",
			fmt.Sprintf("defaults section %s is named by one proxy and taken by another because it is the last",
				q(from.name.text)), "name it in all of them")
	}
	if d.kind == capB && len(from.proxy.Rules.TCPConnection) > 0 {
		a.fail(a.head.pos, "inherit", "a backend cannot take over rules on connections from its defaults section",
			"tcp-request connection is for frontends")
	}
	if from.httpRules {
		if d.kind == capL {
			a.fail(a.head.pos, "inherit", "a listen section cannot take over rules from a defaults section", "")
		}
		for _, other := range r.proxies {
			if other.from == from && other.kind != d.kind {
				a.fail(a.head.pos, "inherit", "frontends and backends cannot take over rules from the same defaults "+
					"section",
					fmt.Sprintf("%s on line %d does, too", other.name.text, other.head.pos.Line))
				break
			}
		}
	}
	if len(from.proxy.Captures.Request) > 0 && !d.front() {
		a.fail(a.head.pos, "inherit", "only a frontend can take over captures from a defaults section", "")
	}
	from.used.explicit = from.used.explicit || explicit
	from.used.implicit = from.used.implicit || !explicit
	d.inherit(from)
}

// addressOnSection takes the address of the old form "listen NAME ADDRESS".
func (a *args) addressOnSection(d *draft) {
	w := a.list[a.at]
	if d.kind == capB {
		a.report.Warn(w.pos, "extra-word", fmt.Sprintf("%s after the name of the backend is not read", q(w.text)), "")
		return
	}
	if !strings.Contains(w.text, ":") && !strings.HasPrefix(w.text, "/") {
		a.fail(w.pos, "extra-word", fmt.Sprintf("%s after the name of the %s: an address belongs on a bind line of "+
			"its own", q(w.text), a.head.text), "")
		return
	}
	// Differs from HAProxy: an address on the section's line loads with a warning. It has been an error since 1.9
	// or so.
	a.report.Tolerate(w.pos, "dead-word",
		fmt.Sprintf("the address on the %s line is a form that haproxy has given up", a.head.text),
		"write bind "+verdict.Bare(w.text)+" on a line of its own")
	b := &args{reader: a.reader, head: a.head, list: a.list[a.at:], name: "bind"}
	b.k, _ = table.Lookup(inProxy, "bind")
	d.bindSeen = true
	setBind(b)
}
