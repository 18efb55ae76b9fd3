package haproxy

import (
	"bytes"
	"go/parser"
	gotoken "go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestCompat fails when docs/compat-haproxy.md is not what the table says.
func TestCompat(t *testing.T) {
	var b bytes.Buffer
	if err := WriteCompat(&b, intendedDifferences(t)); err != nil {
		t.Fatal(err)
	}
	golden(t, "../../docs/compat-haproxy.md", b.Bytes())
}

// intendedDifferences collects the comments of this package that begin with
// "Differs from HAProxy:", up to the end of their paragraph.
func intendedDifferences(t *testing.T) []string {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || file == "doc.go" {
			continue
		}
		f, err := parser.ParseFile(gotoken.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range f.Comments {
			if _, text, found := strings.Cut(c.Text(), "Differs from HAProxy:"); found {
				text, _, _ = strings.Cut(text, "\n\n")
				all = append(all, strings.Join(strings.Fields(text), " "))
			}
		}
	}
	if len(all) == 0 {
		t.Fatal("no differences found")
	}
	slices.Sort(all)
	return all
}

// TestTable checks the table against itself.
func TestTable(t *testing.T) {
	if len(places) != len(table) {
		t.Errorf("%d places in the manual, %d in the table", len(places), len(table))
	}
	for _, p := range places {
		seen := make(map[string]bool)
		for _, k := range table[p] {
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
				t.Errorf("%s in %s is %v, does something: %v", k.word, p, k.state, k.set != nil)
			}
			if p == inProxy && k.in == 0 {
				t.Errorf("%s stands in no section", k.word)
			}
		}
	}
	for _, k := range table[topLevel] {
		if _, ok := table[place(k.word)]; k.state == refused && !ok {
			t.Errorf("section %s has no words", k.word)
		}
	}
}
