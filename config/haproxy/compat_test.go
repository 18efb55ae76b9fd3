package haproxy

import (
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/config/words"
	"github.com/evenkeel/evenkeel/test/compat"
)

// TestCompat fails when docs/compat-haproxy.md is not what the table says.
func TestCompat(t *testing.T) {
	differences, err := compat.Differences(".", "HAProxy")
	if err != nil {
		t.Fatal(err)
	}
	page := compat.Page{Head: head, Columns: []string{"values", "sections", "default"}, Foot: language,
		Program: "HAProxy", Differences: differences,
		Reference: "The reference is 2.6.12, as Debian 12 ships it.\n" +
			"`evenkeel check --strict` gives its verdict instead of ours; words that only we refuse are warnings then."}
	for _, p := range places {
		place := compat.Place{Name: string(p)}
		for _, k := range table.Rows(p) {
			place.Words = append(place.Words, row(k))
		}
		page.Places = append(page.Places, place)
	}
	golden(t, "../../docs/compat-haproxy.md", page.Markdown())
}

// head says how to read the page.
const head = `# haproxy.cfg: what is understood

<!-- Generated from the keyword table by go test ./config/haproxy -update. Do not edit. -->

Every word of haproxy.cfg is known by name. **done**: it does what HAProxy's manual says, and a case shows it beside
HAProxy in each kind of section where it may stand (TestWords in test/differential), or a test of its own does; what
has neither yet is listed in test/differential/testdata/words.unshown.
**no effect**: it is accepted, with a warning where that could matter, and nothing is lost by leaving it out.
**refused**: the file does not load, and the message says so. A word that is not listed here is an error with
the nearest known word as a hint. The letters say in which sections a word has a meaning: defaults (D, and D*
where it needs a name), frontend (F), listen (L), backend (B).

`

// language says what is not in the table.
const language = `
## Lines and files

| what | | how |
|---|---|---|
| several files | done | they are read one after the other as one configuration; a directory stands for its *.cfg files |
| ` + "`#`" + ` | done | comment to the end of the line, outside quotes |
| ` + "`\"…\"`" + ` | done | holds a word together; variables and backslashes mean something inside |
| ` + "`'…'`" + ` | done | holds a word together; nothing inside means anything |
| ` + "`\\ `, `\\#`, `\\\"`, `\\n`, `\\r`, `\\t`, `\\xHH`" + ` | done | one character |
| ` + "`\"$NAME\"`, `\"${NAME}\"`, `\"${NAME[*]}\"`, `\"${NAME-default}\"`" + ` | done | a variable of the environment, in double quotes; [*] makes several words of it |
| ` + "`.if`, `.elif`, `.else`, `.endif`" + ` | done | with defined, feature, streq, strneq, version_atleast, version_before, !, &&, \|\| and parentheses |
| ` + "`.notice`, `.warning`, `.alert`, `.diag`" + ` | done | a message |
| times | done | a whole number with us, ms, s, m, h or d; milliseconds without, seconds for stats refresh, maxidle and maxlife |
| ACLs, expressions, log formats | | fetches and converters that are not there yet are refused by name |
`

// states are the words of the manual.
var states = map[words.State]compat.State{done: compat.Done, harmless: compat.NoEffect, refused: compat.Refused}

// row is a word as the manual has it.
func row(k keyword) compat.Word {
	sections := letters(k.in)
	if k.named {
		sections = strings.Replace(sections, "D", "D*", 1)
	}
	return compat.Word{Word: k.word, Cells: []string{k.args, sections, k.def}, State: states[k.state], Help: remarks(k)}
}

// letters gives the set as the manual writes it.
func letters(c caps) string {
	text := ""
	for i, letter := range []string{"D", "F", "L", "B"} {
		if c&(1<<i) != 0 {
			text += letter
		}
	}
	return text
}

// remarks is everything the table says about a word, in prose.
func remarks(k keyword) string {
	text := k.help
	if k.why != "" {
		text += "; " + k.why
	}
	if k.instead != "" {
		text += "; gone from haproxy, today's word is " + k.instead
	}
	if k.absent != "" {
		text += "; " + k.absent
	}
	return text
}

// TestTable checks the table against itself.
func TestTable(t *testing.T) {
	if len(places) != table.Len() {
		t.Errorf("%d places in the manual, %d in the table", len(places), table.Len())
	}
	for _, p := range places {
		seen := make(map[string]bool)
		for _, k := range table.Rows(p) {
			if seen[k.word] {
				t.Errorf("%s is twice in %s", k.word, p)
			}
			seen[k.word] = true
			if k.help == "" {
				t.Errorf("%s in %s has no help", k.word, p)
			}
			if k.state == harmless && k.why == "" {
				t.Errorf("%s in %s does not say why it has no effect", k.word, p)
			}
			if (k.set == nil) != (k.state == refused) {
				t.Errorf("%s in %s is %v, does something: %v", k.word, p, states[k.state], k.set != nil)
			}
			if p == inProxy && k.in == 0 {
				t.Errorf("%s stands in no section", k.word)
			}
		}
	}
	for _, k := range table.Rows(topLevel) {
		if k.state == refused && table.Rows(place(k.word)) == nil {
			t.Errorf("section %s has no words", k.word)
		}
	}
}
