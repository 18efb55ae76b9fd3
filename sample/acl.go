package sample

import (
	"fmt"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/sample/literal"
	"github.com/evenkeel/evenkeel/sample/pattern"
)

// Files reads the files of -f patterns and of maps, by their names as written.
type Files func(name string) ([]byte, error)

// ACLs are the named ACLs of one proxy (acl NAME …), with the predefined ones.
type ACLs struct {
	files Files
	named map[string]*acl
}

// An acl is a named one: the OR of its criteria.
type acl struct {
	name  string
	tests []*test
}

// A test is one criterion with its patterns.
type test struct {
	expr     *Expr
	word     string // the criterion as written, without arguments
	patterns *pattern.Set
}

// predefined are the ACLs every proxy has.
var predefined = map[string]string{
	"TRUE": "always_true", "FALSE": "always_false", "LOCALHOST": "src 127.0.0.1/8 ::1", "HTTP": "req.proto_http",
	"HTTP_1.0": "req.ver 1.0", "HTTP_1.1": "req.ver 1.1", "HTTP_2.0": "req.ver 2.0",
	"HTTP_CONTENT": "req.hdr_val(content-length) gt 0", "HTTP_URL_ABS": "url_reg ^[^/:]*://",
	"HTTP_URL_SLASH": "url_beg /", "HTTP_URL_STAR": "url *",
	"METH_CONNECT": "method CONNECT", "METH_DELETE": "method DELETE", "METH_GET": "method GET HEAD",
	"METH_HEAD": "method HEAD", "METH_OPTIONS": "method OPTIONS", "METH_POST": "method POST", "METH_PUT": "method PUT",
	"METH_TRACE": "method TRACE", "RDP_COOKIE": "req.rdp_cookie_cnt gt 0", "REQ_CONTENT": "req.len gt 0",
	"WAIT_END": "wait_end",
}

// NewACLs returns the predefined ones (TRUE, FALSE, LOCALHOST, METH_GET, HTTP_1.1, …). files may be nil: then no
// file can be named.
func NewACLs(files Files) *ACLs { return &ACLs{files: files, named: map[string]*acl{}} }

// Declare adds `acl NAME CRITERION [flags] [operator] values…`; args are the words after
// "acl". A name declared twice is the OR of both. Warnings are problems that do not prevent use.
func (a *ACLs) Declare(args []string) (warnings []string, err error) {
	if len(args) == 0 || args[0] == "" {
		return nil, &Error{Message: "acl wants a name and a criterion"}
	}
	name := args[0]
	for i, b := range []byte(name) {
		if !isNameByte(b) || b == '+' {
			return nil, &Error{Offset: i, Message: fmt.Sprintf("%s is not permitted in the name of an acl",
				quote(name[i:i+1])),
				Hint: "letters, digits, - _ . and : are"}
		}
	}
	if strings.EqualFold(name, "or") {
		return nil, &Error{Message: "acl " + quote(name) + " can never be asked for: or stands between conditions",
			Hint: "choose another name"}
	}
	t, warnings, err := a.parseTest(args[1:], 1)
	if err != nil {
		return warnings, err
	}
	x := a.named[name]
	if x == nil {
		x = &acl{name: name}
		a.named[name] = x
	}
	x.tests = append(x.tests, t)
	return warnings, nil
}

// find gives a named ACL; the predefined ones are made when first asked for.
func (a *ACLs) find(name string) (*acl, error) {
	if x := a.named[name]; x != nil {
		return x, nil
	}
	words, ok := predefined[name]
	if !ok {
		return nil, a.unknown(name)
	}
	t, _, err := a.parseTest(strings.Fields(words), 0)
	if err != nil {
		return nil, err
	}
	return &acl{name: name, tests: []*test{t}}, nil
}

func (a *ACLs) unknown(name string) *Error {
	e := &Error{Message: "no such acl: " + quote(name)}
	names := make([]string, 0, len(a.named)+len(predefined))
	for n := range a.named {
		names = append(names, n)
	}
	for n := range predefined {
		names = append(names, n)
	}
	slices.Sort(names)
	if near := nearest(name, names); near != "" {
		e.Hint = "did you mean " + near + "?"
	}
	return e
}

// at adds the number of an argument to an error.
func at(err error, arg int) error {
	if e, ok := err.(*Error); ok && e != nil {
		e.Arg += arg
		return e
	}
	return err
}

// parseTest compiles a criterion, its flags and values; first is the number of args[0] among the caller's.
func (a *ACLs) parseTest(args []string, first int) (*test, []string, error) {
	if len(args) == 0 || args[0] == "" {
		return nil, nil, &Error{Arg: first, Message: "a criterion is missing, such as path_beg /static"}
	}
	calls, used, bad := splitCalls(args[0])
	if bad != nil {
		return nil, nil, at(bad, first)
	}
	if used < len(args[0]) {
		return nil, nil, &Error{Arg: first, Offset: used,
			Message: fmt.Sprintf("unexpected %s after %s", quote(args[0][used:]), quote(args[0][:used]))}
	}
	t := &test{word: calls[0].name}
	implied := ""
	if k, ok := findCriterion(calls[0].name); ok {
		calls[0].name = k.fetch
		if len(calls) == 1 {
			implied = k.method
		}
	}
	e, err := compile(calls, a.files)
	if err != nil {
		if e, ok := err.(*Error); ok && strings.HasPrefix(e.Message, "unknown fetch") && calls[0].name == t.word {
			e.Message = "unknown criterion " + quote(t.word)
		}
		return nil, nil, at(err, first)
	}
	e.text = args[0]
	t.expr = e
	p := parser{acls: a, args: args[1:], first: first + 1, test: t, word: args[0]}
	if err := p.run(implied); err != nil {
		return nil, p.warnings, err
	}
	return t, p.warnings, nil
}

// A parser reads flags and patterns.
type parser struct {
	acls     *ACLs
	args     []string
	first    int
	test     *test
	word     string
	fold     bool
	filed    bool // a file has been read
	warnings []string
}

func (p *parser) run(implied string) error {
	if implied == "" {
		implied = defaultWay(p.test.expr.kind)
	}
	i, how, err := p.flags(implied)
	if err != nil {
		return err
	}
	if p.test.patterns == nil {
		if err := p.use(how, i); err != nil {
			return err
		}
	}
	if err := p.values(i); err != nil {
		return err
	}
	p.test.patterns.Finish()
	return nil
}

// use decides how values are compared.
func (p *parser) use(how string, arg int) *Error {
	e := p.test.expr
	if how == "" {
		return &Error{Arg: p.first + arg,
			Message: fmt.Sprintf("%s gives %s: say with -m how to compare it", quote(p.word), kindName(e.kind))}
	}
	w, ok := pattern.FindWay(how)
	if !ok {
		return &Error{Arg: p.first + arg, Message: "unknown matching method " + quote(how),
			Hint: "there are found bool int ip bin len str sub reg beg end dir and dom"}
	}
	if !castable(e.kind, compared[w]) {
		return &Error{Arg: p.first + arg,
			Message: fmt.Sprintf("%s gives %s, which -m %s cannot compare", quote(p.word), kindName(e.kind), how)}
	}
	p.test.patterns = &pattern.Set{Way: w, Dotted: w == pattern.Int && strings.HasSuffix(p.test.word, "ssl_ver")}
	return nil
}

// flags reads everything in front of the patterns, and returns where those begin.
func (p *parser) flags(how string) (int, string, error) {
	for i := 0; i < len(p.args); i++ {
		flag := p.args[i]
		if len(flag) == 0 || flag[0] != '-' {
			return i, how, nil
		}
		value := func() (string, error) {
			if i+1 >= len(p.args) {
				return "", &Error{Arg: p.first + i, Message: "the flag " + flag + " wants a value"}
			}
			i++
			return p.args[i], nil
		}
		switch flag {
		case "--":
			return i + 1, how, nil
		case "-i":
			p.fold = true
		case "-n":
		case "-m":
			if p.filed {
				return i, how, &Error{Arg: p.first + i, Message: "-m must stand before -f"}
			}
			v, err := value()
			if err != nil {
				return i, how, err
			}
			if _, ok := pattern.FindWay(v); !ok {
				return i, how, p.use(v, i)
			}
			how = v
		case "-f":
			v, err := value()
			if err != nil {
				return i, how, err
			}
			if err := p.useFile(how, v, i); err != nil {
				return i, how, err
			}
		case "-u":
			v, err := value()
			if err != nil {
				return i, how, err
			}
			if _, ok := literal.Number(v); !ok {
				return i, how, &Error{Arg: p.first + i, Message: "-u wants a number, not " + quote(v)}
			}
		case "-M":
			return i, how, &Error{Arg: p.first + i,
				Message: "the flag -M (a map file as patterns) is not supported yet", Unsupported: true}
		default:
			return i, how, &Error{Arg: p.first + i, Message: quote(flag) + " is not a flag of an acl",
				Hint: "put -- before patterns that begin with -"}
		}
	}
	return len(p.args), how, nil
}

// useFile adds the patterns of a file, the first of which says how they compare.
func (p *parser) useFile(how, name string, arg int) error {
	if p.test.patterns == nil {
		if err := p.use(how, arg); err != nil {
			return err
		}
	}
	return p.load(name, arg)
}

// load adds a file's lines.
func (p *parser) load(name string, arg int) error {
	p.filed = true
	if p.acls.files == nil {
		return &Error{Arg: p.first + arg, Message: "files are not read here"}
	}
	data, err := p.acls.files(name)
	if err != nil {
		message := fmt.Sprintf("cannot read the pattern file %s: %s", quote(name), literal.Printable(err.Error()))
		return &Error{Arg: p.first + arg, Message: message}
	}
	for n, line := range strings.Split(string(data), "\n") {
		if line != "" && line[0] == '#' {
			continue
		}
		line = strings.TrimLeft(strings.TrimRight(line, "\r"), " \t")
		if line == "" {
			continue
		}
		if err := p.test.patterns.Add(line, p.fold && !p.isMethod(line)); err != nil {
			return &Error{Arg: p.first + arg, Message: fmt.Sprintf("%s line %d: %s", quote(name), n+1, err.Message),
				Hint: err.Hint}
		}
	}
	return nil
}

// values adds the patterns from args[i] on.
func (p *parser) values(i int) error {
	start, set := i, p.test.patterns
	for ; i < len(p.args); i++ {
		word := p.args[i]
		if word == "" {
			p.warnings = append(p.warnings,
				fmt.Sprintf("%s: an empty pattern ends the list and is probably a mistake", quote(p.word)))
			break
		}
		if set.Way.Numeric() && set.Operator(word) {
			if i+1 < len(p.args) && p.args[i+1] == "--" {
				i++
			}
			continue
		}
		if err := set.Add(word, p.fold && !p.isMethod(word)); err != nil {
			return at(refused(err), p.first+i)
		}
	}
	if i == start && !set.Way.Bare() && !p.filed && len(p.args) == 0 {
		p.warnings = append(p.warnings, fmt.Sprintf("%s has no pattern and can never match", quote(p.word)))
	}
	return nil
}

// isMethod reports whether a pattern of the criterion method is a well-known one, whose case -i does not hide.
func (p *parser) isMethod(word string) bool {
	if p.test.expr.kind != verb || p.test.patterns.Way != pattern.Str {
		return false
	}
	switch strings.ToUpper(word) {
	case "OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "CONNECT":
		return true
	}
	return false
}
