package keepalived

import (
	"fmt"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/config/verdict"
)

// statement is a word with its arguments and, if braces followed, its block.
type statement struct {
	word  token
	args  []token
	block bool // braces followed
	body  []*statement
}

// maxDepth bounds the nesting of braces and of includes. Keepalived's deepest block is 5.
const maxDepth = 32

// loader turns files into one list of statements.
type loader struct {
	opts   Options
	report *verdict.Report
	chain  []string // files being read, to see a circle
	read   int      // files included so far
}

// tree builds the statements of one file and of those it includes. Its nesting is
// by braces alone: what the words mean is not known here.
func (l *loader) tree(file string, data []byte) []*statement {
	l.chain = append(l.chain, file)
	defer func() { l.chain = l.chain[:len(l.chain)-1] }()
	t := nester{loader: l, file: file}
	var root []*statement
	t.open = []*[]*statement{&root}
	for _, tokens := range lex(file, data, l.report) {
		tokens = l.condition(tokens)
		if len(tokens) > 0 && !l.preprocessor(tokens) {
			t.line(tokens)
		}
	}
	t.finish()
	return root
}

// nester places the statements of one file in each other. open is the stack of
// lists being filled, opened the words whose blocks they are.
type nester struct {
	loader *loader
	file   string
	open   []*[]*statement
	opened []*statement
	tooFar int // braces opened beyond maxDepth
	last   *statement
}

func (t *nester) report() *verdict.Report { return t.loader.report }

// line adds the statements of one line. A brace ends a statement as the end of the
// line does, so `{ word value }` is a block with one statement in it.
func (t *nester) line(tokens []token) {
	if tokens[0].kind == wordToken && isInclude(tokens[0].text) {
		t.last = nil
		t.add(t.loader.include(t.file, tokens))
		return
	}
	var s *statement
	for _, tok := range tokens {
		switch tok.kind {
		case wordToken:
			if s == nil {
				s = &statement{word: tok}
				t.add([]*statement{s})
				t.last = s
			} else {
				s.args = append(s.args, tok)
			}
		case openToken:
			t.push(tok)
			s = nil
		case closeToken:
			t.pop(tok)
			s = nil
		}
	}
}

func (t *nester) add(list []*statement) {
	top := t.open[len(t.open)-1]
	*top = append(*top, list...)
}

// push opens the block of the last statement, which may be on an earlier line.
func (t *nester) push(brace token) {
	switch {
	case len(t.open) > maxDepth:
		if t.tooFar == 0 {
			t.report().Bad(brace.pos, "nesting", fmt.Sprintf("blocks are nested more than %d deep", maxDepth), "")
		}
		t.tooFar++
		return
	case t.last == nil || t.last.block:
		t.report().Bad(brace.pos, "unexpected-brace", `unexpected "{"`, "no word stands before it")
		// Kept as a nameless block, so that its "}" finds a partner.
		t.last = &statement{word: brace}
	}
	t.last.block = true
	t.opened = append(t.opened, t.last)
	t.open = append(t.open, &t.last.body)
	t.last = nil
}

func (t *nester) pop(brace token) {
	t.last = nil
	switch {
	case t.tooFar > 0:
		t.tooFar--
	case len(t.opened) == 0:
		t.report().Bad(brace.pos, "unexpected-brace", `unexpected "}"`, "every block is closed already")
	default:
		t.opened = t.opened[:len(t.opened)-1]
		t.open = t.open[:len(t.open)-1]
	}
}

// finish reports the blocks left open at the end of the file.
func (t *nester) finish() {
	for _, s := range slices.Backward(t.opened) {
		t.report().Bad(s.word.pos, "missing-brace",
			fmt.Sprintf(`%s is not closed: a "}" is missing before the end of the file`, q(s.word.text)), "")
	}
}

// condition keeps or drops a line that starts with @id or @^id, and takes the
// condition off a line that stays.
func (l *loader) condition(tokens []token) []token {
	first := tokens[0]
	if first.kind != wordToken || first.quoted || len(first.text) < 2 || first.text[0] != '@' {
		return tokens
	}
	id, not := strings.CutPrefix(first.text[1:], "^")
	if (id == l.opts.ID) == not {
		return nil
	}
	return tokens[1:]
}

// preprocessor refuses the features that rewrite lines, naming them. A $NAME that no
// line defines is plain text, as in Keepalived.
func (l *loader) preprocessor(tokens []token) bool {
	refuse := func(t token, what, hint string) bool {
		l.report.Refuse(t.pos, "preprocessor", what+": known, but not supported yet", hint)
		return true
	}
	if first := tokens[0]; !first.quoted {
		if name, _, found := strings.Cut(first.text, "="); found && len(name) > 1 && name[0] == '$' &&
			isName(name[1:]) {
			return refuse(first, "definition of "+q(name), "let the tool that writes the file put the value in")
		}
	}
	for _, t := range tokens {
		if i := strings.Index(t.raw, "${_"); i >= 0 {
			name, _, _ := strings.Cut(t.raw[i:], "}")
			return refuse(t, q(name+"}"), "let the tool that writes the file put the value in")
		}
		if !t.quoted && (strings.Contains(t.text, "~SEQ") || strings.Contains(t.text, "~LST")) {
			return refuse(t, q(t.text[strings.IndexByte(t.text, '~'):][:4])+" (repeated lines)", "write the lines out")
		}
	}
	return false
}

func isName(s string) bool {
	for _, c := range s {
		if c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return s != ""
}
