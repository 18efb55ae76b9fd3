package haproxy

import (
	"errors"
	"fmt"
	"math"
	"regexp/syntax"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/verdict"
	"github.com/evenkeel/evenkeel/config/words"
	"github.com/evenkeel/evenkeel/sample"
	"github.com/evenkeel/evenkeel/sample/logformat"
	"github.com/evenkeel/evenkeel/sample/pattern"
	"github.com/evenkeel/evenkeel/spelling"
)

// args walks the words that follow a keyword. The first problem of a line is reported;
// after it failed is set, further ones are not, and the line is not applied.
type args struct {
	*reader
	k    keyword
	name string // the keyword with those before it, for messages: timeout client
	head word
	list []word
	at   int
	// not: "no" stands before the keyword; reset: "default" does.
	not, reset bool
	failed     bool
	// rule is filled by the words of rule sets, which are evaluated at point.
	rule  *config.Rule
	point sample.Point
	// server is filled by the parameters of server lines, listen by those of binds.
	server *serverDraft
	listen *listenDraft
}

func (a *args) more() bool { return a.at < len(a.list) }

// peek gives the text of the next word, or "".
func (a *args) peek() string {
	if !a.more() {
		return ""
	}
	return a.list[a.at].text
}

// end is the place after the last word.
func (a *args) endPos() config.Position {
	last := a.head
	if len(a.list) > 0 {
		last = a.list[len(a.list)-1]
	}
	return last.pos
}

// next gives the next word; at the end an empty one.
func (a *args) next() word {
	if !a.more() {
		return word{pos: a.endPos()}
	}
	a.at++
	return a.list[a.at-1]
}

// accept takes the next word if it is one of these.
func (a *args) accept(texts ...string) (word, bool) {
	for _, t := range texts {
		if a.more() && a.peek() == t {
			return a.next(), true
		}
	}
	return word{}, false
}

// rest takes all words that are left.
func (a *args) rest() []word {
	list := a.list[a.at:]
	a.at = len(a.list)
	return list
}

// need takes a word that must be there; what names it.
func (a *args) need(what string) word {
	if !a.more() {
		a.missing(what)
	}
	return a.next()
}

func (a *args) missing(what string) {
	hint := ""
	if a.k.args != "" {
		hint = "write " + a.name + " " + a.k.args
	}
	pos := a.head.pos
	if a.at > 0 && a.at <= len(a.list) {
		pos = a.list[a.at-1].pos
	}
	a.fail(pos, "missing-value", fmt.Sprintf("%s: %s is missing", a.name, what), hint)
}

// fail reports what neither we nor the reference take.
func (a *args) fail(pos config.Position, code, message, hint string) {
	if !a.failed {
		a.report.Bad(pos, code, message, hint)
	}
	a.failed = true
}

// bad reports a value that is wrong for everyone.
func (a *args) bad(w word, wanted string) {
	a.fail(w.pos, "bad-value", fmt.Sprintf("%s %s: %s", a.name, q(w.text), wanted), "")
}

// refuse reports a value that the reference takes and we do not.
func (a *args) refuse(w word, code, wanted, hint string) {
	if !a.failed {
		a.report.Refuse(w.pos, code, fmt.Sprintf("%s %s: %s", a.name, q(w.text), wanted), hint)
	}
	a.failed = true
}

// headerName takes the name of a header that will be written.
//
// Differs from HAProxy: names of headers that are written must be tokens (RFC 9110 §5.1). 2.6 writes any name, which
// makes a head that nobody can read, or two fields of one.
func (a *args) headerName() string {
	w := a.need("a name")
	if !isToken(w.text) && !a.failed {
		a.refuse(w, "bad-value", "no name of a header", "letters, digits and !#$%&'*+-.^_`|~ only")
	}
	return w.text
}

func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') &&
			strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// unsupported refuses a word that the reference knows.
func (a *args) unsupported(w word, why string) {
	a.refuse(w, "not-supported", "is known to haproxy, but not supported yet", why)
}

// oneOf reports a word that is none of the list, naming the nearest.
func (a *args) oneOf(w word, list ...string) {
	if near := spelling.Nearest(w.text, list); near != "" {
		a.fail(w.pos, "bad-value", fmt.Sprintf("%s: unknown word %s", a.name, q(w.text)), words.Suggest(near))
		return
	}
	a.bad(w, "must be one of "+strings.Join(list, ", "))
}

// done reports words that are left over. It gives whether the line can be applied.
func (a *args) done() bool {
	if a.more() && !a.failed {
		w := a.list[a.at]
		message := fmt.Sprintf("%s after %s is not read", q(w.text), q(a.name))
		if a.k.loose {
			a.report.Warn(w.pos, "extra-word", message, "")
		} else {
			a.fail(w.pos, "extra-word", message, "")
		}
	}
	return !a.failed
}

// integer reads a number. HAProxy reads most numbers as far as they go: "12x" is 12 and "x" is 0.
// Differs from HAProxy: what should be a number must be one in every place.
func (a *args) integer(w word, lo, hi int, careless bool) int {
	if a.failed {
		return 0
	}
	n, err := strconv.Atoi(w.text)
	if err != nil {
		if careless {
			a.refuse(w, "bad-number", "is not a number", "")
		} else {
			a.bad(w, "is not a number")
		}
		return 0
	}
	if n < lo || n > hi {
		wanted := fmt.Sprintf("must be from %d to %d", lo, hi)
		if hi == math.MaxInt32 {
			wanted = fmt.Sprintf("must be %d or more", lo)
		}
		if careless {
			a.refuse(w, "out-of-range", wanted, "")
		} else {
			a.fail(w.pos, "out-of-range", fmt.Sprintf("%s %s: %s", a.name, q(w.text), wanted), "")
		}
	}
	return n
}

// maxDuration is the longest time HAProxy holds, some 24.8 days.
const maxDuration = math.MaxInt32 * time.Millisecond

var timeUnits = map[string]time.Duration{
	"": time.Millisecond, "us": time.Microsecond, "ms": time.Millisecond, "s": time.Second, "m": time.Minute,
	"h": time.Hour, "d": 24 * time.Hour,
}

// duration reads a time: a whole number with a unit, of milliseconds without. A fraction of
// a millisecond is rounded up, as HAProxy does.
func (a *args) duration(w word, least time.Duration) time.Duration {
	return a.durationIn(w, least, time.Millisecond)
}

// durationIn is duration with another unit for plain numbers.
func (a *args) durationIn(w word, least, plain time.Duration) time.Duration {
	if a.failed {
		return 0
	}
	digits := len(w.text) - len(strings.TrimLeft(w.text, "0123456789"))
	n, err := strconv.ParseInt(w.text[:digits], 10, 64)
	if digits == 0 {
		a.fail(w.pos, "bad-time", fmt.Sprintf("%s %s: is not a time", a.name, q(w.text)),
			"write a whole number with us, ms, s, m, h or d")
		return 0
	}
	rest := w.text[digits:]
	unitEnd := len(rest) - len(strings.TrimLeft(rest, "dhmsu"))
	unit, ok := timeUnits[rest[:unitEnd]]
	if rest == "" {
		unit = plain
	}
	if !ok && unitEnd > 0 {
		// The longest unit that begins it, as far as HAProxy reads.
		for unitEnd--; unitEnd > 0 && !ok; {
			if unit, ok = timeUnits[rest[:unitEnd]]; !ok {
				unitEnd--
			}
		}
	}
	if unitEnd == 0 && rest != "" {
		a.fail(w.at(digits), "bad-time", fmt.Sprintf("%s %s: unknown unit %s", a.name, q(w.text), q(rest)),
			"the units are us, ms, s, m, h and d")
		return 0
	}
	if unitEnd < len(rest) {
		a.report.Warn(w.at(digits+unitEnd), "bad-time",
			fmt.Sprintf("%s %s: %s after the time is not read", a.name, q(w.text), q(rest[unitEnd:])),
			"write one unit only")
	}
	if err != nil || n > int64(maxDuration/unit) {
		a.fail(w.pos, "out-of-range", fmt.Sprintf("%s %s: is longer than 2147483647 ms (24.8 days)", a.name, q(w.text)),
			"")
		return 0
	}
	d := (time.Duration(n)*unit + time.Millisecond - 1).Truncate(time.Millisecond)
	if d < least {
		a.fail(w.pos, "out-of-range", fmt.Sprintf("%s %s: must be more than 0", a.name, q(w.text)), "")
	}
	return d
}

// pattern compiles a regular expression.
// Differs from HAProxy: regular expressions are Go's RE2, which takes time in proportion to the
// text and has no backreferences, look-around or possessive repetition; those are refused.
func (a *args) pattern(w word, fold bool) config.Pattern {
	if a.failed {
		return nil
	}
	re, err := pattern.CompileRegexp(w.text, fold)
	if err == nil {
		return re
	}
	var se *syntax.Error
	if errors.As(err, &se) && (se.Code == syntax.ErrInvalidPerlOp || se.Code == syntax.ErrInvalidEscape ||
		se.Code == syntax.ErrInvalidRepeatOp || se.Code == syntax.ErrInvalidRepeatSize) {
		a.refuse(w, "bad-pattern", fmt.Sprintf("is a regular expression that is not supported: %s: %s", se.Code,
			verdict.Bare(se.Expr)), "write it without look-around, backreferences and possessive repetition")
		return nil
	}
	reason := err.Error()
	if se != nil {
		reason = string(se.Code)
	}
	a.bad(w, "is not a regular expression: "+reason)
	return nil
}

// format compiles a log-format string evaluated at the given point.
func (a *args) format(w word, point sample.Point, http bool) *logformat.Format {
	if a.failed {
		return nil
	}
	f, err := logformat.Parse(w.text, a.front(point), http, a.parser())
	if err != nil {
		a.language([]word{w}, err)
		return nil
	}
	a.refer(w.pos, f.References())
	return f
}

// parser is what compiles expressions: the current section's, which knows how files are read.
func (a *args) parser() *sample.ACLs {
	if a.draft != nil {
		return a.draft.acls
	}
	return sample.NewACLs(a.opts.ReadFile)
}

// front adds to a place that it is a frontend's, where the backend is not known yet.
func (a *args) front(at sample.Point) sample.Point {
	if a.draft != nil && a.draft.kind == capF && at&(sample.Request|sample.Content) != 0 {
		at |= sample.Front
	}
	return at
}

// refer keeps the names of proxies and servers that an expression asks for, to check them in the end.
func (a *args) refer(pos config.Position, names []sample.Reference) {
	for _, n := range names {
		a.references = append(a.references, reference{pos: pos, name: a.name, draft: a.draft, to: n})
	}
}

// literal is a format that prints the word as it stands.
func (a *args) literal(w word) *logformat.Format { return logformat.Literal(w.text) }

// expression compiles a sample expression.
func (a *args) expression(w word, point sample.Point) *sample.Expr {
	if a.failed {
		return nil
	}
	e, err := a.parser().ParseExpr(w.text, a.front(point))
	if err != nil {
		a.language([]word{w}, err)
		return nil
	}
	a.refer(w.pos, e.References())
	return e
}

// language reports an error of the rules' language at the word it is about.
func (a *args) language(words []word, err error) {
	if a.failed {
		return
	}
	a.failed = true
	var e *sample.Error
	if !errors.As(err, &e) {
		a.report.Bad(a.head.pos, "rule", fmt.Sprintf("%s: %v", a.name, err), "")
		return
	}
	pos := a.head.pos
	if e.Arg >= 0 && e.Arg < len(words) {
		pos = words[e.Arg].at(e.Offset)
	} else if len(words) > 0 {
		pos = words[len(words)-1].pos
	}
	add, code := a.report.Bad, "rule"
	if e.Unsupported {
		add, code = a.report.Refuse, "not-supported"
	}
	add(pos, code, a.name+": "+e.Message, e.Hint)
}

// condition reads "if …" or "unless …" to the end of the line; nil where there is none.
func (a *args) condition(point sample.Point) *sample.Condition {
	if a.failed || !a.more() {
		return nil
	}
	if t := a.peek(); t != "if" && t != "unless" {
		w := a.next()
		a.fail(w.pos, "extra-word", fmt.Sprintf("%s after %s: if or unless is expected here", q(w.text), q(a.name)), "")
		return nil
	}
	words := a.rest()
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = w.text
	}
	for _, t := range texts {
		if a.draft.lostACLs[strings.TrimPrefix(t, "!")] {
			a.failed = true // said where the ACL is
			return nil
		}
	}
	c, warnings, err := a.draft.acls.ParseCondition(texts, a.front(point))
	for _, text := range warnings {
		a.report.Warn(words[0].pos, "condition", a.name+": "+text, "")
	}
	if err != nil {
		a.language(words, err)
		return nil
	}
	a.refer(words[0].pos, c.References())
	if l6 := c.Layer6(); l6 != "" {
		a.draft.rawBytes = append(a.draft.rawBytes, word{text: l6, pos: words[0].pos})
	}
	return c
}

// needCondition is condition where one must be there.
func (a *args) needCondition(point sample.Point) *sample.Condition {
	if t := a.peek(); t != "if" && t != "unless" {
		a.missing("if or unless with a condition")
	}
	return a.condition(point)
}
