package logformat

import (
	"fmt"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/sample"
	"github.com/evenkeel/evenkeel/sample/literal"
	"github.com/evenkeel/evenkeel/spelling"
)

// Format is a compiled log-format string.
type Format struct {
	text    string
	ops     []op
	refs    []sample.Reference
	line    bool // a log line: blanks are merged, what is empty is written as "-"
	aliases bool // at least one op is an alias
}

// An op writes one piece of a format.
type op struct {
	alias  alias
	flags  flags
	before byte         // a literal of one byte in front of it, or 0
	text   []byte       // of literal
	expr   *sample.Expr // of expression
}

// flags are those of %{+Q+X+E}.
type flags uint8

const (
	quoted flags = 1 << iota
	hexadecimal
	escaped
)

// Formats of the reference's options (notes: log formats).
const (
	TCPLog  = "%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq"
	HTTPLog = "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs " +
		"%{+Q}r"
	// CLFLog is option httplog clf.
	CLFLog = `%{+Q}o %{-Q}ci - - [%trg] %r %ST %B "" "" %cp %ms %ft %b %s %TR %Tw %Tc %Tr %Ta %tsc %ac %fc %bc %sc %rc %sq %bq %CC %CS %hrl %hsl`
	// HTTPSLog is option httpslog.
	HTTPSLog   = HTTPLog + ` %[fc_err]/%[ssl_fc_err,hex]/%[ssl_c_err]/%[ssl_c_ca_err]/%[ssl_fc_is_resumed] %[ssl_fc_sni]/%sslv/%sslc`
	DefaultLog = "Connect from %ci:%cp to %fi:%fp (%f/%{}mode)" // written by the engine; see Record
)

// Parse compiles a log-format string: %aliases, %[expressions], %{flags}. With http false, HTTP-only aliases are an
// error, as in a tcp proxy. At sample.Log, runs of blanks become one and what has no value is written as "-". acls, of
// the proxy it is for, may be nil: then no map can be named.
func Parse(text string, at sample.Point, http bool, acls *sample.ACLs) (*Format, error) {
	p := parser{text: text, at: at, http: http, acls: acls, out: &Format{text: text, line: at&sample.Log != 0}}
	if err := p.run(); err != nil {
		return nil, err
	}
	return p.out, nil
}

// Literal is the format that is exactly text, in which a percent sign means nothing.
func Literal(text string) *Format {
	f := &Format{text: text}
	if text != "" {
		f.ops = []op{{alias: verbatim, text: []byte(text)}}
	}
	return f
}

// A parser walks through the text.
type parser struct {
	text    string
	at      sample.Point
	http    bool
	acls    *sample.ACLs
	out     *Format
	literal []byte
	global  flags // set by %{…}o
}

func (p *parser) run() error {
	for pos := 0; pos < len(p.text); {
		b := p.text[pos]
		if b != '%' {
			p.addByte(b)
			pos++
			continue
		}
		next, err := p.item(pos)
		if err != nil {
			return err
		}
		pos = next
	}
	p.flush()
	return nil
}

// addByte adds to the literal. In a log line a run of blanks becomes one.
func (p *parser) addByte(b byte) {
	if n := len(p.literal); p.out.line && b == ' ' && n > 0 && p.literal[n-1] == ' ' {
		return
	}
	p.literal = append(p.literal, b)
}

func (p *parser) flush() {
	if len(p.literal) > 0 {
		p.out.ops = append(p.out.ops, op{alias: verbatim, text: p.literal})
		p.literal = nil
	}
}

// add adds an op and, if it is short, the literal in front of it.
func (p *parser) add(o op) {
	if len(p.literal) == 1 && p.literal[0] != 0 {
		o.before, p.literal = p.literal[0], nil
	}
	p.flush()
	p.out.ops = append(p.out.ops, o)
}

// item reads what a percent sign at pos begins, and returns where it ends.
func (p *parser) item(pos int) (int, error) {
	start, pos := pos, pos+1
	if pos == len(p.text) {
		return 0, p.bad(start, "nothing follows the last %")
	}
	if p.text[pos] == '%' {
		p.addByte('%')
		return pos + 1, nil
	}
	f, braces := p.global, false
	if p.text[pos] == '{' {
		end := strings.IndexByte(p.text[pos:], '}')
		if end < 0 {
			return 0, p.bad(start, "the closing } is missing")
		}
		f, braces = withFlags(f, p.text[pos+1:pos+end]), true
		pos += end + 1
	}
	if pos < len(p.text) && p.text[pos] == '[' {
		return p.expression(pos+1, f)
	}
	end := pos
	for end < len(p.text) && isAliasByte(p.text[end]) {
		end++
	}
	name := p.text[pos:end]
	if name == "" {
		if braces {
			return 0, p.bad(start, "%{…} must be followed by an alias or by [")
		}
		return 0, p.bad(start, "a % must be followed by an alias")
	}
	return end, p.alias(start, name, f)
}

func isAliasByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
}

func (p *parser) bad(offset int, message string) *sample.Error {
	return &sample.Error{Offset: offset, Message: "format: " + message, Hint: "write %% for a percent sign"}
}

// withFlags changes flags by text such as "+Q,-E"; letters it does not know are ignored, as by the reference.
func withFlags(f flags, text string) flags {
	sign := byte(0)
	for _, b := range []byte(text) {
		var bit flags
		switch b {
		case '+', '-':
			sign = b
			continue
		case ',', ' ':
			sign = 0
			continue
		case 'Q':
			bit = quoted
		case 'X':
			bit = hexadecimal
		case 'E':
			bit = escaped
		}
		switch sign {
		case '+':
			f |= bit
		case '-':
			f &^= bit
		}
	}
	return f
}

// expression reads "expr]" from pos on.
func (p *parser) expression(pos int, f flags) (int, error) {
	e, used, err := p.acls.ParsePrefix(p.text[pos:], p.at)
	if err != nil {
		if e, ok := err.(*sample.Error); ok {
			e.Offset += pos
		}
		return 0, err
	}
	end := pos + used
	for end < len(p.text) && p.text[end] == ' ' {
		end++
	}
	if end >= len(p.text) || p.text[end] != ']' {
		if end < len(p.text) {
			return 0, p.bad(end, fmt.Sprintf("] is expected after %s, not %s",
				literal.Quote(e.String()), literal.Quote(p.text[end:])))
		}
		return 0, p.bad(end, "the closing ] is missing after "+literal.Quote(e.String()))
	}
	p.add(op{alias: expression, flags: f, expr: e})
	p.out.refs = append(p.out.refs, e.References()...)
	return end + 1, nil
}

// longAliases are those of more than a letter: between single ones everything is near.
func longAliases() []string {
	return slices.DeleteFunc(slices.Clone(aliasNames), func(n string) bool { return len(n) < 2 })
}

func (p *parser) alias(start int, name string, f flags) error {
	a, ok := aliases[name]
	if !ok {
		e := p.bad(start, "there is no alias %"+name)
		if near := spelling.Within(1, name, longAliases()); near != "" && len(name) > 1 {
			e.Hint = "did you mean %" + near + "? A percent sign is written %%"
		}
		return e
	}
	if a.http && !p.http {
		return &sample.Error{Offset: start, Message: "format: the alias %" + name + " needs mode http"}
	}
	if a.alias == options {
		p.global = f
		return nil
	}
	p.add(op{alias: a.alias, flags: f})
	p.out.aliases = true
	return nil
}

// Constant gives the text of a format that depends on nothing.
func (f *Format) Constant() (string, bool) {
	switch {
	case len(f.ops) == 0:
		return "", true
	case len(f.ops) == 1 && f.ops[0].alias == verbatim:
		return string(f.ops[0].text), true
	}
	return "", false
}

// String gives the format as written.
func (f *Format) String() string { return f.text }

// References are the proxies and servers the format asks for by name.
func (f *Format) References() []sample.Reference { return f.refs }
