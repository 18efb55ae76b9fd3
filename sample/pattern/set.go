package pattern

import (
	"bytes"
	"cmp"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/sample/literal"
)

// A Way is how values are compared with patterns (-m).
type Way uint8

// Ways, as the reference names them. The first two take no patterns.
const (
	Found Way = iota // there is a value
	Bool             // it is true
	Int
	IP
	Bin
	Len // of a text
	Str
	Beg
	Sub
	End
	Dir // a part between slashes
	Dom // a part between the delimiters of host names
	Reg
)

var names = [...]string{"found", "bool", "int", "ip", "bin", "len", "str", "beg", "sub", "end", "dir", "dom", "reg"}

// FindWay gives the way of a name.
func FindWay(name string) (Way, bool) {
	i := slices.Index(names[:], name)
	return Way(max(i, 0)), i >= 0
}

// String gives the way's name.
func (w Way) String() string { return names[w] }

// Bare ways take no patterns.
func (w Way) Bare() bool { return w <= Bool }

// Numeric ways take numbers, ranges and operators.
func (w Way) Numeric() bool { return w == Int || w == Len }

// Error is what is wrong with a pattern.
type Error struct {
	Message string // lower case, one line, no full stop
	Hint    string // the cure; may be empty
	// Unsupported: the reference takes it, we do not yet.
	Unsupported bool
}

func (e *Error) Error() string { return e.Message }

// A Set is the patterns of one criterion or the keys of one map. It is filled, then finished, then only read.
type Set struct {
	Way    Way
	Dotted bool // numbers may be major.minor

	operator string // of the numbers that follow
	count    int
	texts    []textPattern
	exact    map[string]int // texts by themselves, when they are many
	folded   map[string]int // lower case of those with -i
	ranges   []intRange
	nets     netSet
	regexps  []expression
}

// A textPattern is a string to compare with.
type textPattern struct {
	text  []byte // lower case with fold
	fold  bool
	index int
}

// An intRange includes both ends.
type intRange struct {
	low, high int64
	index     int
}

// An expression is a regular expression, or what it comes down to.
type expression struct {
	re    *regexp.Regexp
	plain *plainRegexp
	index int
}

// Add parses one pattern; fold: letter case does not matter. Patterns are numbered from 0 as they come.
func (p *Set) Add(s string, fold bool) *Error {
	index := p.count
	p.count++
	switch p.Way {
	case Found, Bool:
		return nil
	case Int, Len:
		return p.addNumber(s, index)
	case IP:
		return p.nets.add(s, index)
	case Bin:
		b, err := literal.Hex(s)
		if err != nil {
			return &Error{Message: err.Error()}
		}
		p.texts = append(p.texts, textPattern{text: b, index: index})
		return nil
	case Reg:
		return p.addRegexp(s, fold, index)
	case Dir, Dom:
		s = trimDelimiters(s, p.Way == Dom)
	}
	t := textPattern{text: []byte(s), fold: fold, index: index}
	if fold {
		t.text = literal.AppendLower(nil, t.text)
	}
	p.texts = append(p.texts, t)
	return nil
}

// quote gives text for a message.
func quote(text string) string { return literal.Quote(text) }

// delimits reports whether b ends a part of a text for dir and dom.
func delimits(b byte, domain bool) bool {
	return b == '/' || domain && (b == '.' || b == ':' || b == '?')
}

func trimDelimiters(s string, domain bool) string {
	for s != "" && delimits(s[0], domain) {
		s = s[1:]
	}
	for s != "" && delimits(s[len(s)-1], domain) {
		s = s[:len(s)-1]
	}
	return s
}

func (p *Set) addRegexp(s string, fold bool, index int) *Error {
	re, err := Regexp(s, fold)
	if err != nil {
		return err
	}
	p.regexps = append(p.regexps, expression{re: re, plain: plainOf(s, fold), index: index})
	return nil
}

const (
	minInt = -1 << 63
	maxInt = 1<<63 - 1
)

// Operator takes word as the operator of the numbers that follow it, and says whether it is one.
func (p *Set) Operator(word string) bool {
	switch word {
	case "eq", "ge", "gt", "le", "lt":
		p.operator = word
		return true
	}
	return false
}

// addNumber parses "5", "5:7", "5:", ":7" and, after an operator, "5".
func (p *Set) addNumber(s string, index int) *Error {
	low, high, isRange := s, s, false
	for i := range len(s) {
		if s[i] == ':' {
			low, high, isRange = s[:i], s[i+1:], true
			break
		}
	}
	r := intRange{low: minInt, high: maxInt, index: index}
	if s == ":" || strings.HasPrefix(s, "+") {
		return &Error{Message: quote(s) + " is not a number"}
	}
	for _, end := range []struct {
		text string
		to   *int64
	}{{low, &r.low}, {high, &r.high}} {
		if end.text == "" && isRange {
			continue
		}
		n, ok := p.parseNumber(end.text)
		if !ok {
			return &Error{Message: quote(s) + " is not a number"}
		}
		*end.to = n
	}
	if r.low > r.high {
		return &Error{Message: quote(s) + " is not a range: its ends are the wrong way round"}
	}
	switch p.operator {
	case "gt":
		if r.low == maxInt {
			return nil
		}
		r.low, r.high = r.low+1, maxInt
	case "ge":
		r.high = maxInt
	case "lt":
		if r.low == minInt {
			return nil
		}
		r.low, r.high = minInt, r.low-1
	case "le":
		r.low = minInt
	}
	p.ranges = append(p.ranges, r)
	return nil
}

// parseNumber reads a number, or major.minor where the criterion is a version.
func (p *Set) parseNumber(s string) (int64, bool) {
	if p.Dotted {
		for i := range len(s) {
			if s[i] == '.' {
				major, ok := literal.Number(s[:i])
				minor, ok2 := literal.Number(s[i+1:])
				return major<<16 | minor, ok && ok2
			}
		}
		n, ok := literal.Number(s)
		return n << 16, ok
	}
	return literal.Number(s)
}

// few is how many strings are compared one by one.
const few = 4

// Finish builds what makes many patterns fast.
func (p *Set) Finish() {
	p.nets.finish()
	if p.Way != Str && p.Way != Bin || len(p.texts) <= few {
		return
	}
	p.exact, p.folded = map[string]int{}, map[string]int{}
	for _, t := range p.texts {
		to := p.exact
		if t.fold {
			to = p.folded
		}
		if _, twice := to[string(t.text)]; !twice {
			to[string(t.text)] = t.index
		}
	}
	p.texts = nil
}

// Number finds a pattern that holds n, -1 if none does.
func (p *Set) Number(n int64) int {
	for i := range p.ranges {
		if r := &p.ranges[i]; n >= r.low && n <= r.high {
			return r.index
		}
	}
	return -1
}

// Addr finds the longest network that holds a, -1 if none does.
func (p *Set) Addr(a netip.Addr) int { return p.nets.find(a) }

// Text finds a pattern that b is equal to in the way of the set, -1 if none is. What it has to write down meanwhile it
// appends to scratch, and takes off again.
func (p *Set) Text(b []byte, scratch *[]byte) int {
	switch p.Way {
	case Reg:
		return p.matchRegexp(b)
	case Str:
		// A NUL ends a text for the reference. One that a client has encoded must not carry the rest past a rule.
		if i := p.equal(b, scratch); i >= 0 || bytes.IndexByte(b, 0) < 0 {
			return i
		}
		return p.equal(literal.UntilNUL(b), scratch)
	case Bin:
		return p.equal(b, scratch)
	}
	return p.matchText(b)
}

// equal finds a pattern that is the whole value.
func (p *Set) equal(b []byte, scratch *[]byte) int {
	if p.exact != nil {
		return p.lookup(b, scratch)
	}
	return p.matchText(b)
}

// matchRegexp tries the expressions. As with PCRE a line end at a value's end does not keep $ from matching before it.
func (p *Set) matchRegexp(b []byte) int {
	i := p.matchExpressions(b)
	if n := len(b) - 1; i < 0 && n >= 0 && b[n] == '\n' {
		i = p.matchExpressions(b[:n])
	}
	return i
}

func (p *Set) matchExpressions(b []byte) int {
	for i := range p.regexps {
		r := &p.regexps[i]
		if r.plain != nil {
			if r.plain.match(b) {
				return r.index
			}
		} else if r.re.Match(b) {
			return r.index
		}
	}
	return -1
}

func (p *Set) lookup(b []byte, scratch *[]byte) int {
	if i, ok := p.exact[string(b)]; ok {
		return i
	}
	if len(p.folded) == 0 {
		return -1
	}
	at := len(*scratch)
	*scratch = literal.AppendLower(*scratch, b)
	i, ok := p.folded[string((*scratch)[at:])]
	*scratch = (*scratch)[:at]
	if !ok {
		return -1
	}
	return i
}

func (p *Set) matchText(b []byte) int {
	for i := range p.texts {
		t := &p.texts[i]
		matched := false
		switch p.Way {
		case Str, Bin:
			matched = len(b) == len(t.text) && t.at(b)
		case Beg:
			matched = len(b) >= len(t.text) && t.at(b[:len(t.text)])
		case End:
			matched = len(b) >= len(t.text) && t.at(b[len(b)-len(t.text):])
		case Sub:
			matched = t.within(b)
		case Dir, Dom:
			matched = t.part(b, p.Way == Dom)
		}
		if matched {
			return t.index
		}
	}
	return -1
}

// at compares with b, which has the pattern's length.
func (t *textPattern) at(b []byte) bool {
	if !t.fold {
		return bytes.Equal(b, t.text)
	}
	for i, x := range b {
		if x >= 'A' && x <= 'Z' {
			x |= 0x20
		}
		if x != t.text[i] {
			return false
		}
	}
	return true
}

func (t *textPattern) within(b []byte) bool {
	if !t.fold {
		return bytes.Contains(b, t.text)
	}
	for i := 0; i+len(t.text) <= len(b); i++ {
		if t.at(b[i : i+len(t.text)]) {
			return true
		}
	}
	return false
}

// part looks for the pattern between delimiters.
func (t *textPattern) part(b []byte, domain bool) bool {
	n := len(t.text)
	if n == 0 {
		return false
	}
	for i := 0; i+n <= len(b); i++ {
		if (i == 0 || delimits(b[i-1], domain)) && (i+n == len(b) || delimits(b[i+n], domain)) && t.at(b[i:i+n]) {
			return true
		}
	}
	return false
}

// FinishKeys is Finish for the keys of a map, and lets the longest key win where the beginning of a text decides.
func (p *Set) FinishKeys() {
	if p.Way == Beg {
		sortLongest(p.texts)
	}
	p.Finish()
}

func sortLongest(t []textPattern) {
	slices.SortStableFunc(t, func(a, b textPattern) int { return cmp.Compare(len(b.text), len(a.text)) })
}
