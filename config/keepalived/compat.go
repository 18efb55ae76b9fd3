package keepalived

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// WriteCompat writes docs/compat.md: every word of the table with what we do with
// it, and the given intended differences.
func WriteCompat(out io.Writer, differences []string) error {
	var b bytes.Buffer
	b.WriteString(`# keepalived.conf: what is understood

<!-- Generated from the keyword table by go test ./config/keepalived -update. Do not edit. -->

Every word of keepalived.conf is known by name. **done**: it does what keepalived's manual says.
**no effect**: it is accepted with a warning, and nothing is lost by leaving it out.
**refused**: the file does not load, and the message says so; a switch that is given as off passes.
A word that is not listed here is an error with the nearest known word as a hint.

`)
	writeCounts(&b)
	for _, p := range places {
		writePlace(&b, p)
	}
	b.WriteString(linesAndFiles)
	b.WriteString("\n## Intended differences from Keepalived\n\nThe reference is 2.2.7, as Debian 12 ships it.\n" +
		"`evenkeel check --strict` gives its verdict instead of ours.\n\n")
	for _, d := range differences {
		fmt.Fprintf(&b, "- %s\n", d)
	}
	_, err := out.Write(b.Bytes())
	return err
}

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

// writeCounts sums the table up.
func writeCounts(b *bytes.Buffer) {
	counts := make(map[state]int)
	for _, p := range places {
		for _, k := range vocabulary[p] {
			counts[k.state]++
		}
	}
	fmt.Fprintf(b, "%d words are done, %d have no effect, %d are refused.\n", counts[done], counts[harmless], counts[refused])
}

// writePlace writes the words of one place as a table.
func writePlace(b *bytes.Buffer, p place) {
	fmt.Fprintf(b, "\n## %s\n\n| word | values | default | | what it does |\n|---|---|---|---|---|\n", p)
	for _, k := range vocabulary[p] {
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
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", k.word, cell(strings.Join(values, " ")), cell(k.def), k.state, cell(remarks(k)))
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

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
