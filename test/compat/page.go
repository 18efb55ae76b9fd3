// Package compat writes the pages that say how far a dialect is understood, docs/compat*.md.
//
// It owns their form: the count of words, a table for each place where words may stand,
// and the intended differences, which it finds in the comments of a reader's source. It
// must never know a dialect; the tests of its reader give it the words.
package compat

import (
	"bytes"
	"fmt"
	"strings"
)

// State is what is done with a word, as the pages say it.
type State string

// States.
const (
	Done     State = "done"
	NoEffect State = "no effect"
	Refused  State = "refused"
)

// Page is what one page says. All text is markdown.
type Page struct {
	Head      string   // the title and how to read the page
	Columns   []string // what is said of a word before its state
	Places    []Place
	Foot      string // what no table says
	Program   string // the one replaced
	Reference string // which version is the reference, and how to ask for its verdict
	// Differences from Program that are meant, a line each.
	Differences []string
}

// Place is where the words of one table may stand.
type Place struct {
	Name  string
	Words []Word
}

// Word is a row of a table.
type Word struct {
	Word  string
	Cells []string // one for each of the page's columns
	State State
	Help  string
}

// Markdown gives the text of the page.
func (p Page) Markdown() []byte {
	var b bytes.Buffer
	b.WriteString(p.Head)
	counts := make(map[State]int)
	for _, place := range p.Places {
		for _, w := range place.Words {
			counts[w.State]++
		}
	}
	fmt.Fprintf(&b, "%d words are done, %d have no effect, %d are refused.\n", counts[Done], counts[NoEffect],
		counts[Refused])
	for _, place := range p.Places {
		fmt.Fprintf(&b, "\n## %s\n\n| word | %s | | what it does |\n|---|%s---|---|\n", place.Name,
			strings.Join(p.Columns, " | "), strings.Repeat("---|", len(p.Columns)))
		for _, w := range place.Words {
			fmt.Fprintf(&b, "| `%s` |", w.Word)
			for _, text := range w.Cells {
				fmt.Fprintf(&b, " %s |", cell(text))
			}
			fmt.Fprintf(&b, " %s | %s |\n", w.State, cell(w.Help))
		}
	}
	fmt.Fprintf(&b, "%s\n## Intended differences from %s\n\n%s\n\n", p.Foot, p.Program, p.Reference)
	for _, d := range p.Differences {
		fmt.Fprintf(&b, "- %s\n", d)
	}
	return b.Bytes()
}

// cell keeps a text in its column.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
