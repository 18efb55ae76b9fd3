package proxy

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// wordsDone lists the words that the manual's table calls done at a place.
func wordsDone(t *testing.T, where string) (words []string) {
	t.Helper()
	text, err := os.ReadFile("../docs/compat-haproxy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## "+where+"\n")
	if !found {
		t.Fatalf("the manual has no section %q", where)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.ReplaceAll(line, `\|`, "/"), "|")
		if len(cells) < 4 || !strings.HasPrefix(line, "| `") {
			continue
		}
		if slices.ContainsFunc(cells, func(c string) bool { return strings.TrimSpace(c) == "done" }) {
			words = append(words, strings.Trim(cells[1], " `"))
		}
	}
	if len(words) == 0 {
		t.Fatalf("nothing is done at %q", where)
	}
	return words
}

// TestActionsAreWords: each action that the manual calls done at a place can be done there, and each that can be done
// there is called done.
func TestActionsAreWords(t *testing.T) {
	otherName := map[string]string{"accept": "allow"}
	check := func(where string, known map[string]bool) {
		words := wordsDone(t, where)
		for i, w := range words {
			if other := otherName[w]; other != "" {
				w = other
			}
			if words[i] = w; !known[w] {
				t.Errorf("%s %s: said to be done, and there is no such action", where, w)
			}
		}
		for name := range known {
			if !slices.Contains(words, name) {
				t.Errorf("%s %s: it can be done, and the manual does not say so", where, name)
			}
		}
	}
	for where, p := range map[string]place{"tcp-request content": onContent, "http-request": onRequest,
		"http-response":       onResponse,
		"http-after-response": afterwards} {
		known := make(map[string]bool)
		for i := range actions {
			name := actions[i].name
			if where == "tcp-request content" && name == "deny" {
				name = "reject"
			}
			if actions[i].at[p] != nil {
				known[name] = true
			}
		}
		check(where, known)
	}
	known := make(map[string]bool)
	for i, admit := range admissions {
		if name := actions[i].name; admit != nil {
			known[strings.Replace(name, "deny", "reject", 1)] = true
		}
	}
	check("tcp-request connection", known)
}
