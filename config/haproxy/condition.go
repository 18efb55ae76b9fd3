package haproxy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/config/verdict"
	"github.com/evenkeel/evenkeel/config/words"
	"github.com/evenkeel/evenkeel/spelling"
)

// branch is one open .if: whether its lines count now, whether any branch has counted, and whether .else was seen.
type branch struct {
	line         word
	on, taken    bool
	elseSeen     bool
	parentActive bool
}

// active reports whether lines count.
func (r *reader) active() bool {
	return len(r.branches) == 0 || r.branches[len(r.branches)-1].on
}

// directive carries out a line that begins with a dot.
func (r *reader) directive(line []word) {
	head, rest := line[0], line[1:]
	switch head.text {
	case ".if":
		b := branch{line: head, parentActive: r.active()}
		b.on = b.parentActive && r.holds(head, rest)
		b.taken = b.on
		r.branches = append(r.branches, b)
		return
	case ".elif", ".else", ".endif":
		r.turn(head, rest)
		return
	}
	if !r.active() {
		return
	}
	switch head.text {
	case ".notice", ".warning", ".alert", ".diag":
		r.say(head, rest)
	default:
		known := []string{".if", ".elif", ".else", ".endif", ".notice", ".warning", ".alert", ".diag"}
		r.report.Bad(head.pos, "unknown-word", "unknown directive "+q(head.text), words.DidYouMean(head.text, known))
	}
}

// turn carries out .elif, .else and .endif.
func (r *reader) turn(head word, rest []word) {
	if len(r.branches) == 0 {
		r.report.Bad(head.pos, "condition", fmt.Sprintf("%s without an .if before it", q(head.text)), "")
		return
	}
	b := &r.branches[len(r.branches)-1]
	if head.text != ".elif" && len(rest) > 0 {
		r.report.Bad(rest[0].pos, "extra-word", fmt.Sprintf("%s after %s", q(rest[0].text), q(head.text)), "")
	}
	if head.text != ".endif" && b.elseSeen {
		r.report.Bad(head.pos, "condition", fmt.Sprintf("%s after .else", q(head.text)), "")
		return
	}
	switch head.text {
	case ".elif":
		b.on = b.parentActive && !b.taken && r.holds(head, rest)
		b.taken = b.taken || b.on
	case ".else":
		b.on = b.parentActive && !b.taken
		b.elseSeen = true
	case ".endif":
		r.branches = r.branches[:len(r.branches)-1]
	}
}

// endBranches reports the .if left open at the end of a file.
func (r *reader) endBranches() {
	for _, b := range slices.Backward(r.branches) {
		r.report.Bad(b.line.pos, "condition", "this .if has no .endif", "")
	}
	r.branches = nil
}

// say prints the message of .notice, .warning and .alert.
func (r *reader) say(head word, rest []word) {
	if len(rest) > 1 {
		r.report.Bad(rest[1].pos, "extra-word",
			fmt.Sprintf("%s after the message of %s", q(rest[1].text), q(head.text)), "put the message in quotes")
		return
	}
	text := ""
	if len(rest) == 1 {
		text = verdict.Bare(rest[0].text)
	}
	switch head.text {
	case ".alert":
		r.report.Bad(head.pos, "alert", "the file says: "+text, "")
	case ".warning", ".notice":
		r.report.Warn(head.pos, "notice", "the file says: "+text, "")
	}
}

// holds judges the condition of .if and .elif. The words are those of the line, so that
// what stood in quotes is one of them.
func (r *reader) holds(head word, words []word) bool {
	if len(words) == 0 {
		return false
	}
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = w.text
	}
	p := predicate{text: strings.Join(texts, " "), lookup: r.variable}
	v := p.or()
	p.spaces()
	if p.problem == "" && p.at < len(p.text) {
		p.fail(fmt.Sprintf("unexpected %s after the condition", q(p.text[p.at:])), false)
	}
	if p.problem != "" {
		add := r.report.Bad
		if p.unsupported {
			add = r.report.Refuse
		}
		add(words[0].pos, "condition", head.text+": "+p.problem, "")
		return false
	}
	return v
}

// predicate evaluates a condition: numbers, predicates with arguments, !, &&, ||, parentheses.
type predicate struct {
	text        string
	at          int
	depth       int
	lookup      func(string) (string, bool)
	problem     string
	unsupported bool
}

func (p *predicate) fail(problem string, unsupported bool) {
	if p.problem == "" {
		p.problem, p.unsupported = problem, unsupported
	}
	p.at = len(p.text)
}

func (p *predicate) spaces() {
	for p.at < len(p.text) && isSpace(p.text[p.at]) {
		p.at++
	}
}

func (p *predicate) token(t string) bool {
	p.spaces()
	if strings.HasPrefix(p.text[p.at:], t) {
		p.at += len(t)
		return true
	}
	return false
}

func (p *predicate) or() bool {
	v := p.and()
	for p.token("||") {
		w := p.and()
		v = v || w
	}
	return v
}

func (p *predicate) and() bool {
	v := p.term()
	for p.token("&&") {
		w := p.term()
		v = v && w
	}
	return v
}

// maxDepth bounds the nesting of parentheses and negations.
const maxDepth = 64

func (p *predicate) term() bool {
	if p.depth++; p.depth > maxDepth {
		p.fail("the condition is nested too deep", false)
		return false
	}
	defer func() { p.depth-- }()
	switch {
	case p.token("!"):
		return !p.term()
	case p.token("("):
		v := p.or()
		if !p.token(")") {
			p.fail(`")" is missing`, false)
		}
		return v
	}
	from := p.at
	for p.at < len(p.text) && strings.IndexByte(" \t()!&|", p.text[p.at]) < 0 {
		p.at++
	}
	name := p.text[from:p.at]
	if n, err := strconv.ParseInt(name, 0, 64); err == nil {
		return n != 0
	}
	if n, err := strconv.Atoi(name); err == nil {
		return n != 0
	}
	return p.call(name)
}

// call evaluates a predicate by its name.
func (p *predicate) call(name string) bool {
	known := []string{"defined", "feature", "streq", "strneq", "strstr", "version_atleast", "version_before", "enabled",
		"openssl_version_atleast", "openssl_version_before", "ssllib_name_startswith", "awslc_api_atleast",
		"awslc_api_before"}
	if !slices.Contains(known, name) {
		problem := "unknown condition " + q(name)
		if near := spelling.Nearest(name, known); near != "" {
			problem += ", did you mean " + q(near) + "?"
		}
		p.fail(problem, false)
		return false
	}
	args := p.arguments()
	arg := func(i int) string {
		if i < len(args) {
			return args[i]
		}
		return ""
	}
	switch name {
	case "defined":
		_, ok := p.lookup(arg(0))
		return ok
	case "streq":
		return arg(0) == arg(1)
	case "strneq":
		return arg(0) != arg(1)
	case "version_atleast":
		return compareVersions(referenceVersion, arg(0)) >= 0
	case "version_before":
		return compareVersions(referenceVersion, arg(0)) < 0
	case "feature":
		return slices.Contains([]string{"EPOLL", "POLL", "THREAD", "LINUX_SPLICE", "TFO", "NS", "RT", "PRCTL",
			"ACCEPT4", "GETADDRINFO"}, arg(0))
	}
	// Differs from HAProxy: conditions about a TLS library are refused or false: there is none to ask about.
	p.fail(q(name)+" is known to haproxy, but not supported yet", strings.HasPrefix(name, "openssl_") ||
		strings.HasPrefix(name, "ssllib_"))
	return false
}

// arguments reads "(a,b)"; a missing list is empty.
func (p *predicate) arguments() []string {
	if p.at >= len(p.text) || p.text[p.at] != '(' {
		return nil
	}
	p.at++
	end := strings.IndexByte(p.text[p.at:], ')')
	if end < 0 {
		p.fail(`")" is missing after the arguments`, false)
		return nil
	}
	list := strings.Split(p.text[p.at:p.at+end], ",")
	p.at += end + 1
	for i := range list {
		list[i] = strings.Trim(list[i], `"'`)
	}
	return list
}

// referenceVersion is whose language is read; conditions on the version are about it.
const referenceVersion = "2.6.12"

// compareVersions compares dotted numbers; what cannot be read counts as 0, and a -dev
// version stands before its release.
func compareVersions(a, b string) int {
	x, y := versionParts(a), versionParts(b)
	return slices.Compare(x[:], y[:])
}

func versionParts(v string) [4]int {
	var out [4]int
	release, dev, isDev := strings.Cut(v, "-dev")
	for i, part := range strings.SplitN(release, ".", 3) {
		out[i], _ = strconv.Atoi(part) // what is no number counts as 0
	}
	out[3] = 1 << 30
	if isDev {
		out[3], _ = strconv.Atoi(dev)
	}
	return out
}
