package compat

import (
	"fmt"
	"slices"
	"strings"
)

// Read gives the places of a page that Markdown has written. Tables without a state, which
// are no tables of words, are left out.
func Read(markdown []byte) ([]Place, error) {
	var places []Place
	var columns []string
	name := ""
	for line := range strings.Lines(string(markdown)) {
		line = strings.TrimSpace(line)
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			name, columns = heading, nil
			continue
		}
		cells, ok := cellsOf(line)
		switch {
		case !ok || cells[0] == "---":
			continue
		case cells[0] == "word":
			columns = cells
			places = append(places, Place{Name: name})
			continue
		case columns == nil:
			continue
		case len(cells) != len(columns) || len(cells) < 3:
			return nil, fmt.Errorf("%s: %q has %d cells, not %d", name, line, len(cells), len(columns))
		}
		last := len(cells) - 1
		w := Word{Word: strings.Trim(cells[0], "`"), Cells: cells[1 : last-1], State: State(cells[last-1]),
			Help: cells[last]}
		if !slices.Contains([]State{Done, NoEffect, Refused}, w.State) {
			return nil, fmt.Errorf("%s: %q has no state", name, w.Word)
		}
		place := &places[len(places)-1]
		place.Words = append(place.Words, w)
	}
	if len(places) == 0 {
		return nil, fmt.Errorf("there is no table of words")
	}
	return places, nil
}

// cellsOf divides a row of a table.
func cellsOf(line string) ([]string, bool) {
	if len(line) < 2 || !strings.HasPrefix(line, "|") || !strings.HasSuffix(line, "|") {
		return nil, false
	}
	const bar = "\x00"
	cells := strings.Split(strings.ReplaceAll(line[1:len(line)-1], `\|`, bar), "|")
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(strings.TrimSpace(c), bar, "|")
	}
	return cells, true
}
