package keepalived

import (
	"bytes"
	"go/parser"
	gotoken "go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestCompat fails when docs/compat.md is not what the table says.
func TestCompat(t *testing.T) {
	var b bytes.Buffer
	if err := WriteCompat(&b, intendedDifferences(t)); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.MkdirAll("../../docs", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "../../docs/compat.md", b.Bytes())
}

// intendedDifferences collects the comments of this package that begin with
// "Differs from Keepalived:", up to the end of their paragraph.
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
			if _, text, found := strings.Cut(c.Text(), "Differs from Keepalived:"); found {
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
	if len(places) != len(vocabulary) {
		t.Errorf("%d places in the manual, %d in the table", len(places), len(vocabulary))
	}
	opened := map[place]bool{topLevel: true}
	for _, p := range places {
		seen := make(map[string]bool)
		for _, k := range vocabulary[p] {
			if seen[k.word] {
				t.Errorf("%s is twice in %s", k.word, p)
			}
			seen[k.word] = true
			opened[k.block] = true
			if k.help == "" {
				t.Errorf("%s in %s has no help", k.word, p)
			}
			if k.state == harmless && k.why == "" {
				t.Errorf("%s in %s does not say why it has no effect", k.word, p)
			}
			if k.state != done && (k.set != nil || k.entry != nil || k.end != nil) {
				t.Errorf("%s in %s is %v but does something", k.word, p, k.state)
			}
			if k.state == done && k.set == nil && k.entry == nil && k.block == "" {
				t.Errorf("%s in %s is done but does nothing", k.word, p)
			}
			for i, a := range k.args {
				if a.kind == theRest && i != len(k.args)-1 {
					t.Errorf("%s in %s: nothing can follow the rest", k.word, p)
				}
			}
		}
	}
	for _, p := range places {
		if !opened[p] {
			t.Errorf("no word opens %s", p)
		}
	}
}
