// Package words is what the keyword tables of the dialects have in common: which words there are, where each may
// stand, what becomes of it, and the advice for one that is unknown.
//
// What else there is to know about a word, its row, is the dialect's.
package words

import (
	"strconv"

	"github.com/evenkeel/evenkeel/spelling"
)

// Place is where a word may stand: a section, a block, or behind another word.
type Place string

// State says what we do with a word.
type State uint8

// States.
const (
	// Done: it does what the manual says.
	Done State = iota
	// Harmless: it is accepted and does nothing.
	Harmless
	// Refused: known, not supported yet. Switched off it asks for nothing and passes.
	Refused
)

// Table holds the rows of a dialect, of type R, by place.
type Table[R any] struct {
	rows  map[Place][]R
	names map[Place][]string
	index map[Place]map[string]int
}

// NewTable makes a table of rows; word gives the word of a row.
func NewTable[R any](rows map[Place][]R, word func(R) string) *Table[R] {
	t := &Table[R]{rows: rows, names: make(map[Place][]string, len(rows)),
		index: make(map[Place]map[string]int, len(rows))}
	for p, list := range rows {
		t.names[p] = make([]string, len(list))
		t.index[p] = make(map[string]int, len(list))
		for i, r := range list {
			t.names[p][i] = word(r)
			t.index[p][word(r)] = i
		}
	}
	return t
}

// Len is the number of places.
func (t *Table[R]) Len() int { return len(t.rows) }

// Rows are the rows of a place, in the order of the table.
func (t *Table[R]) Rows(p Place) []R { return t.rows[p] }

// Words are the words of a place, in the order of the table. They must not be changed.
func (t *Table[R]) Words(p Place) []string { return t.names[p] }

// Lookup finds a word of a place.
func (t *Table[R]) Lookup(p Place, word string) (row R, ok bool) {
	i, ok := t.index[p][word]
	if ok {
		row = t.rows[p][i]
	}
	return row, ok
}

// Nearest is the word of a place that is nearest to text, or empty.
func (t *Table[R]) Nearest(p Place, text string) string { return spelling.Nearest(text, t.names[p]) }

// DidYouMean is the hint that names the nearest of some words, or empty if none is near.
func DidYouMean(text string, list []string) string { return Suggest(spelling.Nearest(text, list)) }

// Suggest is the hint that names a word, or empty if there is none.
func Suggest(near string) string {
	if near == "" {
		return ""
	}
	return "did you mean " + strconv.Quote(near) + "?"
}
