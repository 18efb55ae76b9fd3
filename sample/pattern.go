package sample

import (
	"bytes"
	"regexp"
	"strings"
)

// A way is how values are compared with patterns (-m).
type way struct {
	name string
	code wayCode
	in   Kind // what values are turned into first; Any: as they are
	bare bool // takes no patterns
}

// A wayCode is a way for the hot path.
type wayCode uint8

const (
	byPresence wayCode = iota
	byTruth
	byNumber
	byAddress
	byBytes
	byLength
	byText
	byBegin
	byEnd
	byPart
	byDirectory
	byDomain
	byRegexp
)

var ways = []way{
	{"found", byPresence, Any, true}, {"bool", byTruth, Bool, true}, {"int", byNumber, Int, false}, {"ip", byAddress, IP, false},
	{"bin", byBytes, Bin, false}, {"len", byLength, Str, false}, {"str", byText, Str, false}, {"beg", byBegin, Str, false},
	{"sub", byPart, Str, false}, {"end", byEnd, Str, false}, {"dir", byDirectory, Str, false}, {"dom", byDomain, Str, false},
	{"reg", byRegexp, Str, false},
}

func findWay(name string) (way, bool) {
	for _, w := range ways {
		if w.name == name {
			return w, true
		}
	}
	return way{}, false
}

// defaultWay is the way of an expression's kind; bytes have none.
func defaultWay(k Kind) (way, bool) {
	switch k {
	case Bool:
		return findWay("bool")
	case Int:
		return findWay("int")
	case IP, ip6:
		return findWay("ip")
	case Str, verb:
		return findWay("str")
	}
	return way{}, false
}

// patterns are the values of one criterion or the keys of one map. They are filled, then
// finished, then only read.
type patterns struct {
	way    way
	count  int
	dotted bool // numbers may be major.minor

	operator string // of the numbers that follow
	texts    []textPattern
	exact    map[string]int // texts by themselves, when they are many
	folded   map[string]int // lower case of those with -i
	ranges   []intRange
	nets     netSet
	regexps  []pattern
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

// A pattern is a regular expression, or what it comes down to.
type pattern struct {
	re    *regexp.Regexp
	plain *plainRegexp
	index int
}

// add parses one pattern.
func (p *patterns) add(s string, fold bool) *Error {
	index := p.count
	p.count++
	switch p.way.name {
	case "found", "bool":
		return nil
	case "int", "len":
		return p.addNumber(s, index)
	case "ip":
		return p.nets.add(s, index)
	case "bin":
		b, err := parseHex(s)
		if err != nil {
			return err
		}
		p.texts = append(p.texts, textPattern{text: b, index: index})
		return nil
	case "reg":
		return p.addRegexp(s, fold, index)
	case "dir", "dom":
		s = trimDelimiters(s, p.way.code == byDomain)
	}
	t := textPattern{text: []byte(s), fold: fold, index: index}
	if fold {
		t.text = appendLower(nil, t.text)
	}
	p.texts = append(p.texts, t)
	return nil
}

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

func (p *patterns) addRegexp(s string, fold bool, index int) *Error {
	re, err := compileRegexp(s, fold)
	if err != nil {
		return err
	}
	p.regexps = append(p.regexps, pattern{re: re, plain: plainOf(s, fold), index: index})
	return nil
}

const (
	minInt = -1 << 63
	maxInt = 1<<63 - 1
)

// addNumber parses "5", "5:7", "5:", ":7" and, after an operator, "5".
func (p *patterns) addNumber(s string, index int) *Error {
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
func (p *patterns) parseNumber(s string) (int64, bool) {
	if p.dotted {
		for i := range len(s) {
			if s[i] == '.' {
				major, ok := wholeNumber(s[:i])
				minor, ok2 := wholeNumber(s[i+1:])
				return major<<16 | minor, ok && ok2
			}
		}
		n, ok := wholeNumber(s)
		return n << 16, ok
	}
	return wholeNumber(s)
}

// few is how many strings are compared one by one.
const few = 4

// finish builds what makes many patterns fast.
func (p *patterns) finish() {
	p.nets.finish()
	if p.way.name != "str" && p.way.name != "bin" || len(p.texts) <= few {
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

// match gives the number of a pattern that v is equal to in the criterion's way, or -1. Unused patterns cost nothing.
func (p *patterns) match(c *Context, v Value) int {
	if v.Kind != p.way.in && p.way.in != Any {
		if v = cast(c, v, p.way.in); v.Kind == None {
			return -1
		}
	}
	switch p.way.code {
	case byPresence:
		return 0
	case byTruth:
		return int(v.Int) - 1
	case byNumber:
		return p.matchInt(v.Int)
	case byLength:
		return p.matchInt(int64(len(v.Bytes)))
	case byAddress:
		return p.nets.find(v.Addr)
	case byRegexp:
		return p.matchRegexp(v.Bytes)
	case byText:
		// A NUL ends a text for the reference. One that a client has encoded must not carry the rest past a rule.
		if i := p.equal(c, v.Bytes); i >= 0 || bytes.IndexByte(v.Bytes, 0) < 0 {
			return i
		}
		return p.equal(c, untilNUL(v.Bytes))
	case byBytes:
		return p.equal(c, v.Bytes)
	}
	return p.matchText(v.Bytes)
}

// equal finds a pattern that is the whole value.
func (p *patterns) equal(c *Context, b []byte) int {
	if p.exact != nil {
		return p.lookup(c, b)
	}
	return p.matchText(b)
}

func (p *patterns) matchInt(n int64) int {
	for i := range p.ranges {
		if r := &p.ranges[i]; n >= r.low && n <= r.high {
			return r.index
		}
	}
	return -1
}

// matchRegexp tries the expressions. As with PCRE a line end at a value's end does not keep $ from matching before it.
func (p *patterns) matchRegexp(b []byte) int {
	i := p.matchExpressions(b)
	if n := len(b) - 1; i < 0 && n >= 0 && b[n] == '\n' {
		i = p.matchExpressions(b[:n])
	}
	return i
}

func (p *patterns) matchExpressions(b []byte) int {
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

func (p *patterns) lookup(c *Context, b []byte) int {
	if i, ok := p.exact[string(b)]; ok {
		return i
	}
	if len(p.folded) == 0 {
		return -1
	}
	at := len(c.scratch)
	c.scratch = appendLower(c.scratch, b)
	i, ok := p.folded[string(c.scratch[at:])]
	c.scratch = c.scratch[:at]
	if !ok {
		return -1
	}
	return i
}

func (p *patterns) matchText(b []byte) int {
	for i := range p.texts {
		t := &p.texts[i]
		matched := false
		switch p.way.code {
		case byText, byBytes:
			matched = len(b) == len(t.text) && t.at(b)
		case byBegin:
			matched = len(b) >= len(t.text) && t.at(b[:len(t.text)])
		case byEnd:
			matched = len(b) >= len(t.text) && t.at(b[len(b)-len(t.text):])
		case byPart:
			matched = t.within(b)
		case byDirectory, byDomain:
			matched = t.part(b, p.way.code == byDomain)
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
