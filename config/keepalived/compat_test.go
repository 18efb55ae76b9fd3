package keepalived

import (
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/config/words"
	"github.com/evenkeel/evenkeel/test/compat"
)

// TestCompat fails when docs/compat.md is not what the table says.
func TestCompat(t *testing.T) {
	differences, err := compat.Differences(".", "Keepalived")
	if err != nil {
		t.Fatal(err)
	}
	page := compat.Page{Head: head, Columns: []string{"values", "default"}, Foot: linesAndFiles, Program: "Keepalived",
		Differences: differences,
		Reference: "The reference is 2.2.7, as Debian 12 ships it.\n" +
			"`evenkeel check --strict` gives its verdict instead of ours."}
	for _, p := range places {
		place := compat.Place{Name: string(p)}
		for _, k := range vocabulary.Rows(p) {
			place.Words = append(place.Words, row(k))
		}
		page.Places = append(page.Places, place)
	}
	golden(t, "../../docs/compat.md", page.Markdown())
}

// head says how to read the page.
const head = `# keepalived.conf: what is understood

<!-- Generated from the keyword table by go test ./config/keepalived -update. Do not edit. -->

Every word of keepalived.conf is known by name. **done**: it does what keepalived's manual says, and a test shows it
(test/differential/testdata/words.tests); what has none yet is listed in test/differential/testdata/words.unshown.
**no effect**: it is accepted with a warning, and nothing is lost by leaving it out.
**refused**: the file does not load, and the message says so; a switch that is given as off passes.
A word that is not listed here is an error with the nearest known word as a hint.

`

// linesAndFiles says what is not in the table.
const linesAndFiles = `
## Lines and files

| what | | how |
|---|---|---|
| ` + "`include`" + ` PATTERN | done | files by name, wildcard or {a,b}, relative to the including file; a circle is an error. ` + "`includer`, `includem`, `includew`, `includeb`, `includea`" + ` are the same: what is missing is always reported |
| ` + "`@id`, `@^id`" + ` | done | the line counts if id is, or is not, that of the node (default: the host name up to the first dot) |
| ` + "`$NAME=value`, `${_NAME}`, `~SEQ`, `~LST`" + ` | refused | let the tool that writes the file put the values in; ` + "`$NAME`" + ` that nothing defines is plain text |
| ` + "`#`, `!`" + ` | done | comment to the end of the line, outside quotes |
| ` + "`\"…\"`, `'…'`" + ` | done | hold a word together; touching pieces join |
| address lines | done | ADDRESS[/LENGTH] [dev NAME] [label LABEL] [scope SCOPE] [brd +, - or ADDRESS] [no_track] |
| | refused | peer, use_vmac, home, -nodad, mngtmpaddr, noprefixroute, autojoin, preferred_lft |
| tracker lines | done | NAME [weight NUMBER(-253..253)] [reverse, noreverse] |
| peer lines | done | ADDRESS [min_ttl NUMBER(0..255)] [max_ttl NUMBER(0..255)] |
`

// states are the words of the manual.
var states = map[words.State]compat.State{done: compat.Done, harmless: compat.NoEffect, refused: compat.Refused}

// row is a word as the manual has it.
func row(k keyword) compat.Word {
	var values []string
	for _, a := range k.args {
		values = append(values, a.String())
	}
	switch {
	case k.entries:
		values = append(values, "{ lines }")
	case k.block != "":
		values = append(values, "{ words }")
	}
	return compat.Word{Word: k.word, Cells: []string{strings.Join(values, " "), k.def}, State: states[k.state],
		Help: remarks(k)}
}

// remarks is everything the table says about a word, in prose.
func remarks(k keyword) string {
	text := k.help
	if k.why != "" {
		text += "; " + k.why
	}
	if k.instead != "" {
		text += "; today's word is " + k.instead
	}
	if k.absent != "" {
		text += "; " + k.absent
	}
	if k.own {
		text += " (evenkeel's own)"
	}
	return text
}

// TestTable checks the table against itself.
func TestTable(t *testing.T) {
	if len(places) != vocabulary.Len() {
		t.Errorf("%d places in the manual, %d in the table", len(places), vocabulary.Len())
	}
	opened := map[place]bool{topLevel: true}
	for _, p := range places {
		seen := make(map[string]bool)
		for _, k := range vocabulary.Rows(p) {
			if seen[k.word] {
				t.Errorf("%s is twice in %s", k.word, p)
			}
			seen[k.word] = true
			opened[k.block] = true
			if k.help == "" {
				t.Errorf("%s in %s has no help", k.word, p)
			}
			if k.state == harmless && k.why == "" {
				t.Errorf("%s in %s does not say why it has no effect", k.word, p)
			}
			if k.state != done && (k.set != nil || k.entry != nil || k.end != nil) {
				t.Errorf("%s in %s is %v but does something", k.word, p, states[k.state])
			}
			if k.state == done && k.set == nil && k.entry == nil && k.block == "" {
				t.Errorf("%s in %s is done but does nothing", k.word, p)
			}
			for i, a := range k.args {
				if a.kind == theRest && i != len(k.args)-1 {
					t.Errorf("%s in %s: nothing can follow the rest", k.word, p)
				}
			}
		}
	}
	for _, p := range places {
		if !opened[p] {
			t.Errorf("no word opens %s", p)
		}
	}
}
