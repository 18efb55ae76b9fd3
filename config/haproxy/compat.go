package haproxy

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// WriteCompat writes docs/compat-haproxy.md: every word of the table with what we do with
// it, and the given intended differences.
func WriteCompat(out io.Writer, differences []string) error {
	var b bytes.Buffer
	b.WriteString(`# haproxy.cfg: what is understood

<!-- Generated from the keyword table by go test ./config/haproxy -update. Do not edit. -->

Every word of haproxy.cfg is known by name. **done**: it does what HAProxy's manual says.
**no effect**: it is accepted, with a warning where that could matter, and nothing is lost by leaving it out.
**refused**: the file does not load, and the message says so. A word that is not listed here is an error with
the nearest known word as a hint. The letters say in which sections a word has a meaning: defaults (D, and D*
where it needs a name), frontend (F), listen (L), backend (B).

`)
	writeCounts(&b)
	for _, p := range places {
		writePlace(&b, p)
	}
	b.WriteString(language)
	b.WriteString("\n## Intended differences from HAProxy\n\nThe reference is 2.6.12, as Debian 12 ships it.\n" +
		"`evenkeel check --strict` gives its verdict instead of ours; words that only we refuse are warnings then.\n\n")
	for _, d := range differences {
		fmt.Fprintf(&b, "- %s\n", d)
	}
	_, err := out.Write(b.Bytes())
	return err
}

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

// writeCounts sums the table up.
func writeCounts(b *bytes.Buffer) {
	counts := make(map[state]int)
	for _, p := range places {
		for _, k := range table[p] {
			counts[k.state]++
		}
	}
	fmt.Fprintf(b, "%d words are done, %d have no effect, %d are refused.\n", counts[done], counts[harmless], counts[refused])
}

// writePlace writes the words of one place as a table.
func writePlace(b *bytes.Buffer, p place) {
	fmt.Fprintf(b, "\n## %s\n\n| word | values | sections | default | | what it does |\n|---|---|---|---|---|---|\n", p)
	for _, k := range table[p] {
		sections := k.in.String()
		if k.named {
			sections = strings.Replace(sections, "D", "D*", 1)
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s | %s |\n", k.word, cell(k.args), sections, cell(k.def), k.state, cell(remarks(k)))
	}
}

// String gives the state as the manual says it.
func (s state) String() string {
	return [...]string{done: "done", harmless: "no effect", refused: "refused"}[s]
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

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
