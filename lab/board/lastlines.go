package board

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// lastLines is how many lines of a director's journal are shown.
const lastLines = 10

// LastLines are the last lines of each node's director, each once if it says the same again, and what became of it,
// each on a line of its own below the node's name: what explains most sites that do not settle.
func (b *Board) LastLines() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all strings.Builder
	for _, n := range b.nodes {
		var lines []Entry
		for _, e := range n.journal {
			same := len(lines) > 0 && lines[len(lines)-1].Text == e.Text
			if (e.Unit == "director" || e.Unit == "lab") && !same {
				lines = append(lines, e)
			}
		}
		fmt.Fprintf(&all, "\n%s's director (%s) said last:", n.Name, n.director)
		for _, e := range lines[max(0, len(lines)-lastLines):] {
			fmt.Fprintf(&all, "\n    %7.1f s  %s", float64(e.At)/1000, Visible(e.Text))
		}
		if len(lines) == 0 {
			all.WriteString(" nothing")
		}
	}
	return all.String()
}

// Visible is a text as a terminal may get it: control bytes are written out, so that they do nothing.
func Visible(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return text
	}
	var out strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			out.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		out.WriteString(quoted[1 : len(quoted)-1])
	}
	return out.String()
}
