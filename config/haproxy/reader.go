package haproxy

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/verdict"
	"github.com/evenkeel/evenkeel/config/words"
	"github.com/evenkeel/evenkeel/sample"
)

// reader goes through the lines of all files with the table in hand: it names what is
// unknown, checks arguments, and keeps what is right until everything has been read.
type reader struct {
	opts   Options
	report *verdict.Report
	// env holds the variables that setenv and its like have changed; nil: unset.
	env      map[string]*string
	bare     bool // resetenv: nothing of the environment but env
	line     int
	file     string
	branches []branch

	section place  // of the current section
	opened  word   // the word that began it
	quiet   bool   // inside a section that is refused as a whole
	draft   *draft // the proxy or defaults section being read
	// skipped: the section's own line was wrong, and its lines are only checked for being known.
	global   global
	defaults []*draft
	proxies  []*draft
	// frontends and backends by name; a listen is both.
	frontends, backends map[string]*draft
	resolved            map[string]resolution
	references          []reference
}

// reference is a proxy or server that an expression names.
type reference struct {
	pos   config.Position
	name  string // of the rule
	draft *draft
	to    sample.Reference
}

// global collects the global section.
type global struct {
	config.ProxyGlobal
	user, group word // where they were given
	nbproc      int
	logTargets  []*logLine
	listenSeen  bool // there is a stats socket line or a log-forward section, right or wrong
}

func newReader(opts Options, r *verdict.Report) *reader {
	return &reader{opts: opts, report: r, env: make(map[string]*string), section: topLevel,
		resolved:  make(map[string]resolution),
		frontends: make(map[string]*draft), backends: make(map[string]*draft),
		global: global{ProxyGlobal: config.ProxyGlobal{BufSize: 16384, MaxRewrite: 1024, MaxHeaders: 101,
			LogTag: "haproxy", StatsTimeout: defaultStatsTimeout, StatsMaxConn: 10}}}
}

// variable gives the value of an environment or pseudo variable.
func (r *reader) variable(name string) (string, bool) {
	switch name {
	case ".LINE":
		return strconv.Itoa(r.line), true
	case ".FILE":
		return r.file, true
	case ".SECTION":
		if r.section == topLevel {
			return "", true
		}
		return r.opened.text, true
	}
	if v, ok := r.env[name]; ok {
		if v == nil {
			return "", false
		}
		return *v, true
	}
	return r.opts.Getenv(name)
}

// read goes through one file. A section goes on in the next file, as in HAProxy.
func (r *reader) read(f File) {
	r.file, r.line = f.Name, 0
	for data := f.Data; len(data) > 0; {
		r.line++
		text, rest, found := bytes.Cut(data, []byte{'\n'})
		s := scanner{text: string(text), pos: config.Position{File: f.Name, Line: r.line, Col: 1}, report: r.report,
			variable: r.variable}
		if r.line == 1 && strings.HasPrefix(s.text, byteOrderMark) {
			// Differs from HAProxy: a byte order mark at the start of a file is skipped. There it
			// becomes part of the first word, which is then unknown.
			r.report.Tolerate(s.pos, "byte-order-mark", "the file starts with a UTF-8 byte order mark",
				"save it without one")
			s.at = len(byteOrderMark)
		}
		if !found {
			// Differs from HAProxy: the last line needs no end. There the file is refused.
			r.report.Tolerate(s.place(len(text)), "no-newline", "the last line does not end in a newline",
				"haproxy refuses such a file")
		}
		words, ok := s.scan()
		data = rest
		if ok && len(words) > 0 {
			r.statement(words)
		}
	}
	r.endBranches()
}

// statement carries out one line.
func (r *reader) statement(words []word) {
	if strings.HasPrefix(words[0].text, ".") {
		r.directive(words)
		return
	}
	if !r.active() {
		return
	}
	words = r.untilEmpty(words)
	if len(words) == 0 {
		return
	}
	not, reset := words[0].text == "no", words[0].text == "default"
	prefix := words[0]
	if not || reset {
		words = words[1:]
		if len(words) == 0 {
			r.report.Bad(prefix.pos, "missing-value", fmt.Sprintf("%s: a word is missing", q(prefix.text)), "")
			return
		}
	}
	head := words[0]
	if k, ok := table.Lookup(topLevel, head.text); ok && !not && !reset {
		r.begin(k, head, words[1:])
		return
	}
	if r.section == topLevel {
		message := fmt.Sprintf("unknown word %s outside of a section", q(head.text))
		cure := hint(topLevel, head.text)
		r.report.Bad(head.pos, "unknown-word", message, cure)
		return
	}
	a := &args{reader: r, head: head, list: words[1:], not: not, reset: reset}
	r.word(r.section, "", a)
}

// untilEmpty drops an empty word and those after it: HAProxy reads no further than that.
// Differs from HAProxy: an empty word ends the line with a warning. 2.6 says nothing, 3.x refuses.
func (r *reader) untilEmpty(words []word) []word {
	for i, w := range words {
		if w.text == "" {
			if i > 0 {
				r.report.Warn(w.pos, "empty-word", "an empty word ends the line; nothing after it is read",
					"is a variable not set?")
			}
			return words[:i]
		}
	}
	return words
}

// word looks a word up in p and carries it out with its arguments. before is what stands before it.
func (r *reader) word(p place, before string, a *args) {
	k, ok := table.Lookup(p, a.head.text)
	if !ok {
		r.unknown(p, before, a)
		return
	}
	a.k, a.name = k, strings.TrimSpace(before+" "+k.word)
	if p == inProxy && k.word == "bind" && r.draft != nil {
		r.draft.bindSeen = true
	}
	if r.quiet || !r.fits(a) || !r.announce(a) {
		return
	}
	if len(a.list) < k.min {
		a.at = len(a.list)
		a.missing("a value")
		return
	}
	if k.state != refused {
		k.set(a)
	}
}

// unknown reports a word that may not stand in p.
func (r *reader) unknown(p place, before string, a *args) {
	where := before
	if where == "" {
		where = r.opened.text
	}
	message := fmt.Sprintf("unknown word %s in %s", q(a.head.text), where)
	switch {
	case before != "":
		message = fmt.Sprintf("unknown word %s after %s", q(a.head.text), q(before))
	case strings.Contains(a.head.text, "{{") || strings.Contains(a.head.text, "{%"):
		r.report.Bad(a.head.pos, "unknown-word", message, "is this a template that has not been filled in?")
		return
	}
	cure := hint(p, a.head.text)
	if near := nearestSection(a.head.text); cure == "" && near != "" && before == "" {
		cure = words.Suggest(near)
	}
	if strings.HasSuffix(a.head.text, "{") || len(a.list) > 0 && a.list[len(a.list)-1].text == "{" {
		cure = "haproxy.cfg has no blocks in braces"
	}
	r.report.Bad(a.head.pos, "unknown-word", message, cure)
	a.failed = true
}

// fits checks that a word may stand in this kind of section and with the prefix it has. It
// reports false if there is nothing more to do with it.
func (r *reader) fits(a *args) bool {
	k := a.k
	if (a.not || a.reset) && !k.negate {
		prefix := "no"
		if a.reset {
			prefix = "default"
		}
		a.fail(a.head.pos, "negated", fmt.Sprintf("%s cannot have %s before it", q(a.name), q(prefix)), "")
		return false
	}
	if r.draft == nil || k.in == 0 || k.in&r.draft.kind != 0 || k.instead != "" {
		if r.draft != nil && r.draft.kind == capD && k.named && r.draft.name.text == "" {
			a.fail(a.head.pos, "misplaced-word",
				fmt.Sprintf("%s may not stand in a defaults section without a name", q(a.name)), "write defaults NAME")
			return false
		}
		return true
	}
	message := fmt.Sprintf("%s has no meaning in a %s section", q(a.name), r.opened.text)
	if k.strictIn || r.draft.kind == capD {
		a.fail(a.head.pos, "misplaced-word", message, "it belongs in: "+kinds(k.in))
		return false
	}
	// It is read as anywhere else, for mistakes in it are mistakes here, too.
	r.report.Warn(a.head.pos, "misplaced-word", message+" and is ignored", "it belongs in: "+kinds(k.in))
	return k.state == done
}

// kinds lists kinds of sections for people.
func kinds(c caps) string {
	var list []string
	for i, name := range []string{"defaults", "frontend", "listen", "backend"} {
		if c&(1<<i) != 0 {
			list = append(list, name)
		}
	}
	return strings.Join(list, ", ")
}

// announce says what is to be said about the word itself, before its arguments. It reports
// false if there is nothing more to do with it.
func (r *reader) announce(a *args) bool {
	k := a.k
	gone := k.instead != ""
	switch {
	case gone && k.state == refused:
		a.fail(a.head.pos, "dead-word", q(a.name)+" is gone from haproxy", "today's word is "+k.instead)
		return false
	case gone:
		// Differs from HAProxy: words that HAProxy has given up load with a warning where today's words say the same.
		r.report.Tolerate(a.head.pos, "dead-word", q(a.name)+" is gone from haproxy", "today's word is "+k.instead)
	case k.absent != "" && k.state == refused && !a.not:
		a.fail(a.head.pos, "not-supported", fmt.Sprintf("%s %s, and not supported yet", q(a.name), k.absent), k.why)
		return false
	case k.absent != "":
		r.report.StrictOnly(a.head.pos, "absent-word", q(a.name)+" "+k.absent, "")
	}
	switch k.state {
	case harmless:
		if !k.quiet && !a.not {
			r.report.Warn(a.head.pos, "no-effect", q(a.name)+" is known, but has no effect here", k.why)
		}
	case refused:
		if a.not || a.reset {
			return false
		}
		// Differs from HAProxy: what follows a word that is not supported yet is not judged, and neither are
		// sections of such a kind.
		r.report.Refuse(a.head.pos, "not-supported", q(a.name)+" is known to haproxy, but not supported yet", k.why)
		a.failed = true
		return false
	}
	return true
}

// sub carries out the next word by the words of p.
func (a *args) sub(p place) {
	w := a.need("a word")
	if a.failed {
		return
	}
	if _, known := table.Lookup(p, w.text); !known {
		w.text, _, _ = strings.Cut(w.text, "(") // set-var(NAME)
	}
	b := *a
	b.head, b.list, b.at = w, a.list[a.at:], 0
	a.rest()
	a.word(p, a.name, &b)
	a.failed = b.failed
}

// begin opens a section.
func (r *reader) begin(k keyword, head word, rest []word) {
	r.draft, r.quiet = nil, false
	r.opened = head
	a := &args{reader: r, k: k, name: k.word, head: head, list: rest}
	if k.absent != "" {
		// A section HAProxy 2.6 does not know is refused by both.
		r.report.Bad(head.pos, "not-supported",
			fmt.Sprintf("section %s %s, and not supported yet", q(k.word), k.absent), k.why)
		r.section, r.quiet = place(k.word), true
		return
	}
	switch k.state {
	case refused:
		r.report.Refuse(head.pos, "not-supported",
			fmt.Sprintf("section %s is known to haproxy, but not supported yet", q(k.word)), k.why)
		r.section, r.quiet = place(k.word), true
		r.global.listenSeen = r.global.listenSeen || k.word == "log-forward"
	default:
		k.set(a)
	}
}

// resolution is what a host name was found to be.
type resolution struct {
	addr netip.Addr
	err  error
}

// host asks for the address of a name, once for each name.
func (r *reader) host(name string) (netip.Addr, error) {
	known, ok := r.resolved[name]
	if !ok {
		known.addr, known.err = r.opts.Resolve(name)
		known.addr = known.addr.Unmap()
		if known.err == nil && !known.addr.IsValid() {
			known.err = fmt.Errorf("has no address")
		}
		r.resolved[name] = known
	}
	return known.addr, known.err
}
