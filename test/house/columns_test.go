package house

import (
	"go/parser"
	"go/scanner"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// maxColumns is how wide a line may be, with four columns for a tab; longLiteral from which width on a string has the
// line to itself: a text that something else must match is not torn apart.
const (
	maxColumns  = 120
	longLiteral = 60
)

func columns(line string) int { return len([]rune(strings.ReplaceAll(line, "\t", "    "))) }

// TestColumns fails for each line of source that is too wide.
func TestColumns(t *testing.T) {
	for _, p := range list(t) {
		files, err := filepath.Glob(filepath.Join(p.Dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			free := literalLines(t, file, text)
			short, _ := filepath.Rel(root(t), file)
			n := 0
			for line := range strings.Lines(string(text)) {
				n++
				line = strings.TrimSuffix(line, "\n")
				if columns(line) > maxColumns && !free[n] && !strings.HasPrefix(line, "//go:") {
					t.Errorf("%s:%d: %d columns, more than %d", short, n, columns(line), maxColumns)
				}
			}
		}
	}
}

// literalLines are the lines that hold a long string, or a part of one of several lines.
func literalLines(t *testing.T, file string, text []byte) map[int]bool {
	fset := token.NewFileSet()
	if _, err := parser.ParseFile(fset, file, text, parser.PackageClauseOnly); err != nil {
		t.Fatal(err)
	}
	source := fset.AddFile(file, -1, len(text))
	var s scanner.Scanner
	s.Init(source, text, nil, 0)
	lines := map[int]bool{}
	for {
		pos, kind, lit := s.Scan()
		if kind == token.EOF {
			return lines
		}
		if kind != token.STRING {
			continue
		}
		first := fset.Position(pos).Line
		last := fset.Position(pos + token.Pos(len(lit)) - 1).Line
		if first != last || columns(lit) >= longLiteral {
			for n := first; n <= last; n++ {
				lines[n] = true
			}
		}
	}
}
