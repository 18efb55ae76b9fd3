package differential

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/test/peers"
)

// nowhere are the sections in which the manual lets a word stand that has nothing to do there, with the reason.
var nowhere = map[string]string{
	"http-response: capture in defaults":       "it asks for a slot, and defaults cannot declare one",
	"http-after-response: capture in defaults": "it asks for a slot, and defaults cannot declare one",
	"tcp-request content: capture in backend":  "haproxy takes it in sections with clients only",
	"timeout: http-request in backend":         "requests are read before a backend is chosen",
	"timeout: http-keep-alive in backend":      "requests are waited for before a backend is chosen",
}

// pages are the manual's pages, and in which column the letters of the sections stand.
var pages = map[string]int{"../../docs/compat-haproxy.md": 1, "../../docs/compat.md": -1}

const (
	testsFile   = "testdata/words.tests"
	unshownFile = "testdata/words.unshown"
)

// TestComplete: for each word that the manual says is done, at each place where it may stand, a case of TestWords
// shows what it does beside the reference, or a test that is named in testdata/words.tests does. What still has
// neither is in testdata/words.unshown, which must only shrink: -update takes out what has a case now.
func TestComplete(t *testing.T) {
	flag := *onlyWords
	*onlyWords = ""
	defer func() { *onlyWords = flag }()
	byCase, byTest := shownByCases(t), shownByTests(t)
	unshown := readUnshown(t)
	done, cases, tests, faults := 0, 0, 0, len(wordFaults)
	var missing []string
	for _, page := range slices.Sorted(maps.Keys(pages)) {
		m := readManual(t, page, pages[page])
		for _, place := range slices.Sorted(maps.Keys(m)) {
			for _, word := range slices.Sorted(maps.Keys(m[place])) {
				for _, p := range m.pairs(place, word) {
					if _, ok := nowhere[p.String()]; ok {
						continue
					}
					name := filepath.Base(page) + ": " + p.String()
					done++
					switch {
					case byCase[name]:
						cases++
					case byTest[filepath.Base(page)+": "+place+": "+word]:
						tests++
					default:
						missing = append(missing, name)
						if !unshown[name] && !*peers.Update {
							t.Errorf("nothing shows what %s does: give it a case", name)
						}
						continue
					}
					if unshown[name] && !*peers.Update {
						t.Errorf("%s is shown now: take it out of %s (-update)", name, unshownFile)
					}
					delete(unshown, name)
				}
			}
		}
	}
	for name := range unshown {
		if !slices.Contains(missing, name) && !*peers.Update {
			t.Errorf("%s: %s is no word that is done", unshownFile, name)
		}
	}
	if *peers.Update {
		writeUnshown(t, missing)
	}
	t.Logf("%d words at their places are done: %d shown by a case, %d by another test, %d not yet; %d cases with a "+
		"fault",
		done, cases, tests, len(missing), faults)
}

// shownByCases are the names of pairs that a case shows, with the words they stand behind.
func shownByCases(t *testing.T) map[string]bool {
	m := readManual(t, "../../docs/compat-haproxy.md", 1)
	shown := make(map[string]bool)
	all := wordCases(t, m)
	names := make(map[string]bool)
	for i := range all {
		c := &all[i]
		names[c.String()] = true
		if _, fault := wordFaults[c.String()]; fault {
			continue
		}
		for _, p := range m.above(c.pair) {
			shown["compat-haproxy.md: "+p.String()] = true
		}
	}
	for _, table := range []map[string]bool{keys(wordFaults), keys(wordDifferences)} {
		for name := range table {
			if !names[name] {
				t.Errorf("there is no case %q", name)
			}
		}
	}
	return shown
}

func keys[V any](m map[string]V) map[string]bool {
	set := make(map[string]bool)
	for k := range m {
		set[k] = true
	}
	return set
}

// above are a pair and the words before it on its line: who shows "option httplog" shows "option".
func (m manual) above(p pair) []pair {
	all := []pair{p}
	if p.kind != 0 {
		all = append(all, pair{"sections", kinds[p.kind], 0})
	} else if p.place == "global" {
		all = append(all, pair{"sections", "global", 0})
	}
	first, second, _ := strings.Cut(p.place, " ")
	if second != "" {
		if letters, ok := m[first][second]; ok && strings.ContainsRune(letters, rune(p.kind)) {
			all = append(all, pair{first, second, p.kind})
		}
	}
	if letters, ok := m["proxy"][first]; ok && p.place != "proxy" && strings.ContainsRune(letters, rune(p.kind)) {
		all = append(all, pair{"proxy", first, p.kind})
	}
	return all
}

// shownByTests reads the file of words that other tests show: a page in brackets, then lines of "place: word", the
// package's folder and the test, and what the word is called there if not by its name. The test must exist, and it or
// what it uses of its package must have the word.
func shownByTests(t *testing.T) map[string]bool {
	t.Helper()
	shown := make(map[string]bool)
	page := ""
	sources := make(map[string]*source)
	for _, line := range readLines(t, testsFile) {
		if strings.HasPrefix(line, "[") {
			page = strings.Trim(line, "[]")
			continue
		}
		name, by, ok := strings.Cut(line, " = ")
		fields := strings.Fields(by)
		if !ok || len(fields) < 2 || len(fields) > 3 {
			t.Fatalf("%s: %q is not a word and its test", testsFile, line)
		}
		dir, test := fields[0], fields[1]
		if sources[dir] == nil {
			sources[dir] = readSource(t, filepath.Join("../..", dir))
		}
		text := sources[dir].closure(test)
		words := name[strings.LastIndex(name, ": ")+2:]
		if len(fields) > 2 {
			words = fields[2]
		}
		if text == "" {
			t.Errorf("%s: %s has no %s", testsFile, dir, test)
		} else if !regexp.MustCompile(`(^|[^\w-]|\\n)` + regexp.QuoteMeta(words) + `($|[^\w-])`).MatchString(text) {
			t.Errorf("%s: %s of %s does not have %s", testsFile, test, dir, words)
		}
		key := page + ": " + name
		if shown[key] {
			t.Errorf("%s: %s is twice", testsFile, name)
		}
		shown[key] = true
	}
	return shown
}

// A source is what the tests of a package declare, by name.
type source struct {
	text map[string]string
	uses map[string][]string
}

func readSource(t *testing.T, dir string) *source {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no tests: %v", dir, err)
	}
	s := &source{text: make(map[string]string), uses: make(map[string][]string)}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, file, raw, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		add := func(name string, n ast.Node) {
			s.text[name] += string(raw[set.Position(n.Pos()).Offset:set.Position(n.End()).Offset]) + "\n"
			ast.Inspect(n, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok {
					s.uses[name] = append(s.uses[name], id.Name)
				}
				return true
			})
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				add(d.Name.Name, d)
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok {
						for _, id := range v.Names {
							add(id.Name, v)
						}
					}
				}
			}
		}
	}
	return s
}

// closure is the text of a declaration and of what it uses.
func (s *source) closure(name string) string {
	var b strings.Builder
	seen := make(map[string]bool)
	var add func(name string)
	add = func(name string) {
		if seen[name] || s.text[name] == "" {
			return
		}
		seen[name] = true
		b.WriteString(s.text[name])
		for _, u := range s.uses[name] {
			add(u)
		}
	}
	add(name)
	return b.String()
}

// readLines are the lines of a file without comments.
func readLines(t *testing.T, file string) (lines []string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	for in.Scan() {
		if line := strings.TrimSpace(in.Text()); line != "" && !strings.HasPrefix(line, "# ") {
			lines = append(lines, line)
		}
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

func readUnshown(t *testing.T) map[string]bool {
	all := make(map[string]bool)
	for _, name := range readLines(t, unshownFile) {
		all[name] = true
	}
	return all
}

// writeUnshown writes what has no case. It takes out, and adds nothing unless the file is empty.
func writeUnshown(t *testing.T, missing []string) {
	before := readUnshown(t)
	var b strings.Builder
	b.WriteString("# Words that are done and that no case shows yet, by page and place.\n" +
		"# Written by go test ./test/differential -run TestComplete -update, which only takes out.\n")
	for _, name := range missing {
		if len(before) > 0 && !before[name] {
			t.Errorf("nothing shows what %s does: give it a case", name)
			continue
		}
		b.WriteString(name + "\n")
	}
	if err := os.WriteFile(unshownFile, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
