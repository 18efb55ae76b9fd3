package house

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// exempt are files that may use replaced words, with the reason.
var exempt = map[string]string{
	"CONTRIBUTING.md":          "has the list",
	"CHANGELOG.md":             "is history",
	"test/house/words_test.go": "tests the list",
}

// A replaced word, with what to write.
type replaced struct {
	word   string
	prefix bool
	by     string
}

// glossary reads the table of words in CONTRIBUTING.md.
func glossary(t *testing.T) (all []replaced) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	note := regexp.MustCompile(`\([^)]*\)`)
	_, table, _ := strings.Cut(string(text), "| instead of |\n")
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || strings.HasPrefix(cells[1], "-") {
			continue
		}
		for _, w := range strings.Split(note.ReplaceAllString(cells[3], ""), ",") {
			w = strings.ToLower(strings.TrimSpace(w))
			if w == "" || strings.Contains(w, "*") {
				continue
			}
			word, prefix := strings.CutSuffix(w, "-")
			all = append(all, replaced{word, prefix, strings.TrimSpace(cells[1])})
		}
	}
	if len(all) < 10 {
		t.Fatalf("the table of words in CONTRIBUTING.md has %d replaced ones: %v", len(all), all)
	}
	return all
}

// parts splits names like StartCourier.
var parts = regexp.MustCompile(`[A-Z]*[a-z]+|[A-Z]+`)

// found gives the replaced words of a line.
func found(line string, list []replaced) (hits []replaced) {
	words := parts.FindAllString(strings.ReplaceAll(line, "ZooKeeper", "Zookeeper"), -1) // a name
	for i := range words {
		words[i] = strings.ToLower(words[i])
	}
	text := " " + strings.Join(words, " ") + " "
	for _, r := range list {
		if r.prefix && strings.Contains(text, " "+r.word) || strings.Contains(text, " "+r.word+" ") {
			hits = append(hits, r)
		}
	}
	return hits
}

func TestFound(t *testing.T) {
	list := []replaced{{"courier", true, "x"}, {"in vain", false, "y"}, {"books", false, "z"}, {"keeper", true, "k"}}
	for line, n := range map[string]int{
		"asks ZooKeeper": 0, "theKeeper asks": 1,
		"func StartCourier() {": 1, "// Couriers wait in vain.": 2, "the bookshelf": 0, "in vanity": 0,
		"keeps books": 1, "recourier": 0,
	} {
		if got := found(line, list); len(got) != n {
			t.Errorf("%q: %v", line, got)
		}
	}
}

// TestWords refuses the words that CONTRIBUTING.md replaces, in source and text.
func TestWords(t *testing.T) {
	list := glossary(t)
	dir := root(t)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == ".git" || rel == "bin" {
				return fs.SkipDir
			}
			return nil
		}
		if !slices.Contains([]string{".go", ".md", ".c", ".h", ".js", ".service"}, filepath.Ext(path)) ||
			exempt[rel] != "" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n := 0
		for line := range strings.Lines(string(text)) {
			n++
			for _, r := range found(line, list) {
				t.Errorf("%s:%d: %q: write %s (CONTRIBUTING.md, Words)", rel, n, r.word, r.by)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
