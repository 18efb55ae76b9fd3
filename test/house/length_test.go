package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// maxFunction is how many lines a function may have, with what it holds of function literals; longer ones want to be
// two. It holds for tests, too: a table of cases is a variable beside its test, a story has steps with names.
const maxFunction = 60

// TestFunctions fails for each function that is too long, in files of any build.
func TestFunctions(t *testing.T) {
	for _, p := range list(t) {
		files, err := filepath.Glob(filepath.Join(p.Dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", p.Dir, err)
		}
		for _, file := range files {
			fset := token.NewFileSet()
			parsed, err := parser.ParseFile(fset, file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			short, _ := filepath.Rel(root(t), file)
			for _, long := range longFunctions(fset, parsed) {
				t.Errorf("%s:%d: %s has %d lines, more than %d",
					short, long.line, long.name, long.lines, maxFunction)
			}
		}
	}
}

type longFunction struct {
	name        string
	line, lines int
}

// longFunctions are the functions of a file that are too long, also those that stand in a variable.
func longFunctions(fset *token.FileSet, f *ast.File) (all []longFunction) {
	ast.Inspect(f, func(n ast.Node) bool {
		name := "a function literal"
		switch fn := n.(type) {
		case *ast.FuncDecl:
			name = fn.Name.Name
		case *ast.FuncLit:
		default:
			return true
		}
		line := fset.Position(n.Pos()).Line
		if lines := fset.Position(n.End()).Line - line + 1; lines > maxFunction {
			all = append(all, longFunction{name, line, lines})
		}
		return false // what it holds is part of it
	})
	return all
}

func TestLongFunctions(t *testing.T) {
	body := func(lines int) string { return strings.Repeat("\n", lines) }
	for _, test := range []struct {
		text string
		n    int
	}{
		{"package p\nfunc f() {" + body(59) + "}", 0},
		{"package p\nfunc f() {" + body(60) + "}", 1},
		{"package p\nfunc f() { go func() {" + body(60) + "}() }", 1},
		{"package p\nvar f = func() {" + body(60) + "}\nvar g = []int{" + body(99) + "}", 1},
	} {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, "p.go", test.text, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := longFunctions(fset, f); len(got) != test.n {
			t.Errorf("%d are too long, not %d: %v", len(got), test.n, got)
		}
	}
}
