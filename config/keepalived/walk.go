package keepalived

import (
	"fmt"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/verdict"
	"github.com/evenkeel/evenkeel/config/words"
	"github.com/evenkeel/evenkeel/spelling"
)

// walker goes through the statements of a file with the table in hand: it names
// what is unknown, checks arguments, and applies what is right to the builder.
type walker struct {
	*builder
	// quiet: inside a block that is refused as a whole; only unknown words are named.
	quiet bool
}

// block walks the statements of one place.
func (w *walker) block(p place, body []*statement) {
	given := make(map[string]token)
	for _, s := range body {
		if s.word.kind != wordToken {
			continue // a nameless block, reported when it was nested
		}
		k, ok := vocabulary.Lookup(p, s.word.text)
		if !ok {
			w.unknown(p, s)
			continue
		}
		if first, again := given[k.word]; again && !k.multi && !w.quiet {
			w.report.Warn(s.word.pos, "repeated", fmt.Sprintf("%s is given again; the last one counts", q(k.word)),
				"the first is on line "+fmt.Sprint(first.pos.Line))
		}
		given[k.word] = s.word
		w.statement(p, k, s)
	}
}

// statement checks one known word of p and applies it.
func (w *walker) statement(p place, k keyword, s *statement) {
	if w.quiet {
		if w.shape(k, s) && len(k.args) > 0 && k.args[0].kind == aChoice && len(s.args) > 0 {
			w.argument(k, k.args[0], s.args[0])
		}
		w.inside(p, k, s, false)
		return
	}
	apply := w.announce(k, s) && w.shape(k, s) && k.state != refused
	var values []value
	if apply {
		values, apply = w.arguments(k, s)
	}
	apply = apply && k.state == done
	if apply && k.set != nil {
		k.set(w.builder, s, values)
	}
	if !apply && k.state == done {
		w.blame(k.word)
	}
	w.inside(p, k, s, apply)
	if apply && k.end != nil {
		k.end(w.builder, s)
	}
}

// inside walks the block of a word. If the word itself was not applied, there is
// nothing to apply its block to, and only unknown words in it are named.
func (w *walker) inside(p place, k keyword, s *statement, apply bool) {
	switch {
	case k.block != "":
		inner := walker{builder: w.builder, quiet: !apply}
		inner.block(k.block, s.body)
	case apply && k.entry != nil:
		for i, e := range s.body {
			if w.runaway(p, e) {
				w.report.Bad(e.word.pos, "misplaced-word", fmt.Sprintf("%s stands inside %s", q(e.word.text), k.word),
					`a "}" is missing before it`)
				w.block(p, s.body[i:])
				return
			}
			if e.word.kind == wordToken {
				k.entry(w.builder, e)
			}
		}
	}
}

// runaway reports whether an entry of a block in p is no entry, but a word of p or of
// the top level with a block of its own: the block of entries was not closed.
func (w *walker) runaway(p place, e *statement) bool {
	if !e.block {
		return false
	}
	_, here := vocabulary.Lookup(p, e.word.text)
	_, top := vocabulary.Lookup(topLevel, e.word.text)
	return here || top
}

// announce says what is to be said about the word itself, before its arguments.
// It reports false if there is nothing more to do with it.
func (w *walker) announce(k keyword, s *statement) bool {
	switch {
	case k.instead != "":
		w.report.StrictOnly(s.word.pos, "deprecated", q(k.word)+" is deprecated in keepalived",
			"today's word is "+k.instead)
	case k.own:
		w.report.StrictOnly(s.word.pos, "own-word", q(k.word)+" is a word of evenkeel; keepalived does not know it", "")
	case k.absent != "":
		w.report.StrictOnly(s.word.pos, "absent-word", q(k.word)+" "+k.absent, "")
	}
	switch k.state {
	case harmless:
		message := q(k.word) + " is known, but has no effect here"
		hint := k.why
		if k.instead != "" {
			hint += "; today's word is " + k.instead
		}
		w.report.Warn(s.word.pos, "no-effect", message, hint)
	case refused:
		if w.switchedOff(k, s) {
			return false
		}
		w.report.Refuse(s.word.pos, "not-supported", q(k.word)+" is known, but not supported yet", k.why)
	}
	return true
}

// switchedOff reports whether a flag is given as off, which asks for nothing.
func (w *walker) switchedOff(k keyword, s *statement) bool {
	if len(k.args) != 1 || len(s.args) != 1 || k.args[0].kind != aFlag && k.args[0].kind != aSwitch {
		return false
	}
	on, ok := readFlag(s.args[0].text)
	if ok && !on && k.args[0].kind == aSwitch {
		w.unreadOff(k, s.args[0])
	}
	return ok && !on
}

// unreadOff warns of a switch that Keepalived takes as on whatever follows it.
// Differs from Keepalived: off means off after every switch. 2.2.7 does not read what
// follows many of them, and no_accept off is on.
func (w *walker) unreadOff(k keyword, tok token) {
	w.report.Warn(tok.pos, "switch-off",
		fmt.Sprintf("%s %s: keepalived 2.2.7 does not read the %s and switches it on", q(k.word), tok.text,
			q(tok.text)), "leave the line out")
}

// shape checks that a block is where one belongs and nowhere else.
func (w *walker) shape(k keyword, s *statement) bool {
	wants := k.block != "" || k.entries
	switch {
	case wants && !s.block:
		w.report.Bad(s.word.pos, "missing-brace", fmt.Sprintf(`%s needs a block: "{" is missing`, q(k.word)), "")
		return false
	case !wants && s.block:
		w.report.Bad(s.word.pos, "unexpected-brace", fmt.Sprintf(`%s takes no block: unexpected "{"`, q(k.word)), "")
		return false
	}
	return true
}

// foreign are words at the start of a line that betray what the file really is.
var foreign = map[string]string{
	"frontend": "is a word of haproxy.cfg", "backend": "is a word of haproxy.cfg", "listen": "is a word of haproxy.cfg",
	"defaults": "is a word of haproxy.cfg",
	"global":   "is a word of haproxy.cfg; keepalived's is global_defs",
	"server":   "is a word of haproxy.cfg or nginx", "bind": "is a word of haproxy.cfg",
	"upstream": "is a word of nginx",
	"location": "is a word of nginx",
	"<<<<<<<":  "is the mark of a merge that was not finished",
	"=======":  "is the mark of a merge that was not finished",
	">>>>>>>":  "is the mark of a merge that was not finished",
}

// unknown names a word that may not stand in p, once for it and its whole block.
func (w *walker) unknown(p place, s *statement) {
	text := s.word.text
	message := fmt.Sprintf("unknown word %s", q(text))
	if p == topLevel {
		message += " at the top level"
	} else {
		message += " in " + string(p)
	}
	if why, ok := foreign[text]; ok {
		w.report.Bad(s.word.pos, "unknown-word", message, "it "+why)
		return
	}
	if k, ok := vocabulary.Lookup(topLevel, text); ok && p != topLevel && (k.block != "" || k.entries) && s.block {
		// Most likely a "}" was lost above. Reading on at the top level finds what else
		// is wrong without a landslide of unknown words.
		w.report.Bad(s.word.pos, "misplaced-word", fmt.Sprintf("%s stands inside %s", q(text), p),
			fmt.Sprintf(`a "}" is missing before it; %s belongs at the top level`, text))
		if !w.quiet {
			w.recover(k, s)
		}
		return
	}
	if w.astray(p, s) {
		return
	}
	near, cure := hint(p, text)
	if near != "" && !w.quiet {
		w.blame(near)
	}
	if p == inGroup && cure == "" && len(s.args) == 0 {
		cure = fmt.Sprintf("members go into a block of their own: group { %s }", verdict.Bare(text))
	}
	w.report.Bad(s.word.pos, "unknown-word", message, cure)
	if p == topLevel && s.block {
		w.skipped(s)
	}
}

// checking are the places where a line that belongs into another of them is passed over, as Keepalived passes over it.
// Elsewhere a misplaced word is an error: there it mostly betrays a lost brace, and an instance without what it
// lost could become master with it.
var checking = []place{inReal, inVirtual, inTCPCheck, inHTTPGet, inSSLGet, inURL, inMiscCheck, inSMTPCheck, inSMTPHost,
	inDNSCheck, inUDPCheck, inPingCheck, inFileCheck}

// astray warns of a line in a checker or a server that belongs into another kind of them; false: it is none.
func (w *walker) astray(p place, s *statement) bool {
	text := s.word.text
	known := func(p place) bool {
		k, ok := vocabulary.Lookup(p, text)
		return ok && k.block == "" && !k.entries
	}
	if s.block || !slices.Contains(checking, p) || !slices.ContainsFunc(checking, known) {
		return false
	}
	cure := fmt.Sprintf("%s belongs in %s", q(text), strings.Join(homesOf(text), " or "))
	if today := todaysWord(p, text); today != "" {
		cure = "write " + q(today)
	}
	w.report.Tolerate(s.word.pos, "misplaced-word", fmt.Sprintf("%s is no word of %s and is not read", q(text), p),
		cure)
	return true
}

// skipped keeps the name of a misspelt definition, so that its users are not
// reported as well.
func (w *walker) skipped(s *statement) {
	if len(s.args) == 1 {
		w.builder.lost[s.args[0].text] = true
	}
}

// recover reads a top-level block that stands inside another.
func (w *walker) recover(k keyword, s *statement) {
	saved := w.builder.current
	w.builder.current = current{}
	w.statement(topLevel, k, s)
	w.builder.current = saved
}

// hint gives the nearest word that is known, if it is one of this place, and the
// advice to use it, or one of another place.
func hint(p place, text string) (near, advice string) {
	if near = vocabulary.Nearest(p, text); near != "" {
		return near, words.Suggest(near)
	}
	if today := todaysWord(p, text); today != "" {
		return today, fmt.Sprintf("write %s", q(today))
	}
	if homes := homesOf(text); len(homes) > 0 {
		return "", fmt.Sprintf("%s belongs in %s", q(text), strings.Join(homes, " or "))
	}
	if near = spelling.Nearest(text, everyWord); near != "" {
		return "", fmt.Sprintf("%s it belongs in %s", words.Suggest(near), homesOf(near)[0])
	}
	return "", ""
}

// todaysWord is the word of p that has taken the place of an old one of other places.
func todaysWord(p place, old string) string {
	for _, other := range places {
		if k, ok := vocabulary.Lookup(other, old); ok && k.instead != "" {
			if _, here := vocabulary.Lookup(p, k.instead); here {
				return k.instead
			}
		}
	}
	return ""
}

// homesOf lists the places that know a word, at most three.
func homesOf(text string) []string {
	var homes []string
	for _, p := range places {
		if _, ok := vocabulary.Lookup(p, text); ok && len(homes) < 3 {
			homes = append(homes, string(p))
		}
	}
	return homes
}

// extraWords warns of words that nothing reads.
func (w *walker) extraWords(k keyword, tok token) {
	w.report.Warn(tok.pos, "extra-word", fmt.Sprintf("%s after %s is not read", q(tok.text), q(k.word)), "")
}

// missing reports an argument that is not there.
func (w *walker) missing(k keyword, pos config.Position, a arg) {
	w.report.Bad(pos, "missing-value", fmt.Sprintf("%s needs a value", q(k.word)), "write "+k.word+" "+a.String())
}
