package compat

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

func TestMarkdown(t *testing.T) {
	page := Page{
		Head: "# x\n\n", Columns: []string{"values", "default"}, Foot: "\n## Lines\n\nlines\n", Program: "X",
		Reference: "It is 1.", Differences: []string{"a", "b"},
		Places: []Place{
			{"here", []Word{{"on", []string{"yes|no", ""}, Done, "a|b"}, {"off", []string{"", "1"}, Refused, "c"}}},
			{"there", []Word{{"on", []string{"", ""}, Refused, "d"}, {"x", []string{"", ""}, NoEffect, "e"}}},
		},
	}
	const want = `# x

1 words are done, 1 have no effect, 2 are refused.

## here

| word | values | default | | what it does |
|---|---|---|---|---|
| ` + "`on`" + ` | yes\|no |  | done | a\|b |
| ` + "`off`" + ` |  | 1 | refused | c |

## there

| word | values | default | | what it does |
|---|---|---|---|---|
| ` + "`on`" + ` |  |  | refused | d |
| ` + "`x`" + ` |  |  | no effect | e |

## Lines

lines

## Intended differences from X

It is 1.

- a
- b
`
	if got := string(page.Markdown()); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	places, err := Read(page.Markdown())
	if err != nil || !reflect.DeepEqual(places, page.Places) {
		t.Errorf("read: %v, %v; want %v", places, err, page.Places)
	}
}

func TestReadRefuses(t *testing.T) {
	for _, text := range []string{"", "## a\n\nb\n", "## a\n| word | | what |\n|---|---|---|\n| `b` | perhaps | c |\n",
		"## a\n| word | | what |\n|---|---|---|\n| `b` | done |\n"} {
		if places, err := Read([]byte(text)); err == nil {
			t.Errorf("%q is read as %v", text, places)
		}
	}
}

func TestDifferences(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.go": "package a\n\n// f does it.\n//\n// Differs from X: two\n// lines.\n//\n// More.\nfunc f() " +
			"{\n\t// Differs from X: a line.\n\t// Differs from Y.\n}\n",
		"b.go":      "package a\n\n// Differs from Y: other.\n",
		"a_test.go": "package a\n\n// Differs from X: a test.\n",
		"doc.go":    "// Differs from X: the doc.\npackage a\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Differences(dir, "X")
	if want := []string{"a line. Differs from Y.", "two lines."}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	if _, err := Differences(dir, "Z"); err == nil {
		t.Error("no difference from Z is no error")
	}
}
