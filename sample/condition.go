package sample

import (
	"fmt"
	"strings"
)

// Condition is a compiled `if …` or `unless …`.
type Condition struct {
	text   string
	unless bool
	any    [][]term // OR of ANDs
	refs   []Reference
	layer6 string
}

// A term is an ACL, possibly negated.
type term struct {
	not   bool
	tests []*test // any
}

// ParseCondition compiles the words beginning with "if" or "unless"; no words give nil, which is always true.
// Names must have been declared; anonymous { … } ACLs, !, or and || are understood. Expressions that have no
// value at the point are an error or, as in the reference, a warning.
func (a *ACLs) ParseCondition(args []string, at Point) (c *Condition, warnings []string, err error) {
	if len(args) == 0 {
		return nil, nil, nil
	}
	c = &Condition{text: strings.Join(args, " ")}
	switch args[0] {
	case "if":
	case "unless":
		c.unless = true
	default:
		return nil, nil, &Error{Message: fmt.Sprintf("if or unless is expected here, not %s", quote(args[0]))}
	}
	b := conditionBuilder{acls: a, at: at, c: c}
	if err := b.run(args); err != nil {
		return nil, b.warnings, err
	}
	return c, b.warnings, nil
}

// A conditionBuilder reads the words of a condition.
type conditionBuilder struct {
	acls     *ACLs
	at       Point
	c        *Condition
	terms    []term
	warnings []string
}

func (b *conditionBuilder) run(args []string) error {
	not := false
	for i := 1; i < len(args); i++ {
		word := args[i]
		if word == "" {
			b.warnings = append(b.warnings, "an empty word ends the condition; what follows it is ignored")
			break
		}
		for strings.HasPrefix(word, "!") {
			not, word = !not, word[1:]
		}
		switch {
		case word == "":
			continue // the name follows
		case strings.EqualFold(word, "or") || word == "||":
			b.endTerms()
			not = false
			continue
		case word == "{":
			end := i + 1
			for end < len(args) && args[end] != "}" && args[end] != "" {
				end++
			}
			if end == len(args) || args[end] == "" {
				return &Error{Arg: i, Message: "the closing } is missing, as a word of its own"}
			}
			t, warnings, err := b.acls.parseTest(args[i+1:end], i+1)
			b.warnings = append(b.warnings, warnings...)
			if err != nil {
				return err
			}
			if err := b.add("", []*test{t}, not); err != nil {
				return at(err, i)
			}
			i = end
		default:
			x, err := b.acls.find(word)
			if err != nil {
				return b.unknown(at(err, i), word)
			}
			if err := b.add(x.name, x.tests, not); err != nil {
				return at(err, i)
			}
		}
		not = false
	}
	b.endTerms()
	return nil
}

// unknown adds what probably went wrong to the error of a name.
func (b *conditionBuilder) unknown(err error, word string) error {
	if e, ok := err.(*Error); ok && e.Hint == "" {
		switch {
		case strings.HasPrefix(word, "{") || strings.HasSuffix(word, "}"):
			e.Hint = "braces must be words of their own: { path / }"
		case strings.EqualFold(word, "and") || word == "&&":
			e.Hint = "leave it out: conditions beside each other must all be true"
		}
	}
	return err
}

func (b *conditionBuilder) endTerms() {
	if len(b.terms) > 0 {
		b.c.any = append(b.c.any, b.terms)
		b.terms = nil
	}
}

// add keeps the tests that can have a value at the point, and says which cannot.
func (b *conditionBuilder) add(name string, tests []*test, not bool) error {
	t := term{not: not}
	var missing []*test
	for _, x := range tests {
		if x.expr.implied && b.at&Front != 0 {
			return x.expr.mayStand(b.at)
		}
		points, backend := x.expr.fetch.where()
		if b.at&^Front&^points != 0 || backend && b.at&Front != 0 {
			missing = append(missing, x)
			continue
		}
		t.tests = append(t.tests, x)
		b.c.refs = append(b.c.refs, x.expr.refs...)
		if x.expr.from.layer6 {
			b.c.layer6 = x.word
		}
	}
	b.terms = append(b.terms, t)
	for _, x := range missing {
		who := "an anonymous acl"
		if name != "" {
			who = "acl " + name
		}
		points, _ := x.expr.fetch.where()
		b.warnings = append(b.warnings,
			fmt.Sprintf("%s: %s never matches here, because it needs %s", who, x.word, needName(points)))
	}
	return nil
}

// A ternary is what is known about a test: it may depend on bytes that have not come yet.
type ternary uint8

const (
	no ternary = iota
	maybe
	yes
)

// Match judges; a nil Condition is true.
func (c *Condition) Match(ctx *Context) bool {
	return c == nil || c.judge(ctx) == yes != c.unless
}

// Decide is Match for tcp-request content rules: decided is false while more bytes could change the result.
func (c *Condition) Decide(ctx *Context) (match, decided bool) {
	if c == nil {
		return true, true
	}
	v := c.judge(ctx)
	if v == maybe {
		return false, ctx.Complete
	}
	return v == yes != c.unless, true
}

func (c *Condition) judge(ctx *Context) ternary {
	mark := len(ctx.scratch)
	result := no
	for _, terms := range c.any {
		if v := all(terms, ctx); v > result {
			if result = v; v == yes {
				break
			}
		}
	}
	ctx.scratch = ctx.scratch[:mark]
	return result
}

// all is the AND of terms.
func all(terms []term, ctx *Context) ternary {
	result := yes
	for i := range terms {
		v := terms[i].judge(ctx)
		if v < result {
			if result = v; v == no {
				return no
			}
		}
	}
	return result
}

func (t *term) judge(ctx *Context) ternary {
	result := no
	for _, x := range t.tests {
		if v := x.judge(ctx); v > result {
			if result = v; v == yes {
				break
			}
		}
	}
	if t.not {
		return yes - result
	}
	return result
}

// judge compares the values of a fetch until one matches.
func (t *test) judge(ctx *Context) ternary {
	e, mark := t.expr, len(ctx.scratch)
	ctx.pending = false
	if e.from.next == nil {
		v := e.from.get(ctx)
		if len(e.steps) > 0 {
			v = e.apply(ctx, v)
		}
		if v.Kind != None && match(t.patterns, ctx, v) >= 0 {
			return yes
		}
	} else {
		for ctx.cursor = (cursor{}); ; ctx.scratch = ctx.scratch[:mark] {
			v := e.from.next(ctx)
			if v.Kind == None {
				break
			}
			if v = e.apply(ctx, v); v.Kind != None && match(t.patterns, ctx, v) >= 0 {
				return yes
			}
		}
	}
	if ctx.pending && !ctx.Complete {
		return maybe
	}
	return no
}

// References are the proxies and servers the condition asks for by name.
func (c *Condition) References() []Reference {
	if c == nil {
		return nil
	}
	return c.refs
}

// Layer6 gives a criterion that looks at raw bytes, which an HTTP proxy's rules never match; "" if there is none.
func (c *Condition) Layer6() string {
	if c == nil {
		return ""
	}
	return c.layer6
}

// String gives the condition as written.
func (c *Condition) String() string {
	if c == nil {
		return ""
	}
	return c.text
}
