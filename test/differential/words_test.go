package differential

import (
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/evenkeel/evenkeel/test/binary"
	"github.com/evenkeel/evenkeel/test/compat"
	"github.com/evenkeel/evenkeel/test/peers"
)

// onlyWords is for work on a few cases.
var onlyWords = flag.String("words", "", "play only the cases of words whose names match")

// A pair is a word at a place, in one kind of section where the manual names kinds.
type pair struct {
	place, word string
	kind        byte // D, F, L or B; 0: the manual names none
}

func (p pair) String() string {
	if p.kind == 0 {
		return p.place + ": " + p.word
	}
	return fmt.Sprintf("%s: %s in %s", p.place, p.word, kinds[p.kind])
}

var kinds = map[byte]string{'D': "defaults", 'F': "frontend", 'L': "listen", 'B': "backend"}

// short are the names cases give to places with long ones.
var short = map[string]string{
	"defaults, frontend, listen and backend":     "proxy",
	"server, default-server and server-template": "server",
}

// parents are the words whose own letters hold for the words of a place without letters.
var parents = map[string][2]string{
	"http-request": {"proxy", "http-request"}, "http-response": {"proxy", "http-response"},
	"http-after-response":    {"proxy", "http-after-response"},
	"tcp-request connection": {"tcp-request", "connection"}, "tcp-request content": {"tcp-request", "content"},
	"balance": {"proxy", "balance"}, "http-check": {"proxy", "http-check"}, "tcp-check": {"proxy", "tcp-check"},
	"stats http-request": {"stats", "http-request"},
}

// A manual is what a page of docs says: the words that are done, by place, with the letters of their sections.
type manual map[string]map[string]string

// readManual reads a page. column is where the letters stand in it; less than 0: nowhere.
func readManual(t testing.TB, file string, column int) manual {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	places, err := compat.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	m := make(manual)
	for _, p := range places {
		name := p.Name
		if s, ok := short[name]; ok {
			name = s
		}
		m[name] = make(map[string]string)
		for _, w := range p.Words {
			if w.State != compat.Done {
				continue
			}
			m[name][w.Word] = ""
			if column >= 0 {
				m[name][w.Word] = strings.ReplaceAll(w.Cells[column], "*", "")
			}
		}
	}
	return m
}

// letters are the sections in which a word may stand.
func (m manual) letters(place, word string) string {
	if parent, ok := parents[place]; ok {
		return m.letters(parent[0], parent[1])
	}
	return m[place][word]
}

// pairs are all there are of a word.
func (m manual) pairs(place, word string) (all []pair) {
	letters := m.letters(place, word)
	if letters == "" {
		return []pair{{place, word, 0}}
	}
	for i := range len(letters) {
		all = append(all, pair{place, word, letters[i]})
	}
	return all
}

// lineLetters are the sections in which a line of a configuration may stand.
func (m manual) lineLetters(line string) string {
	words := strings.Fields(strings.TrimPrefix(line, "no "))
	if len(words) > 1 {
		if letters, ok := m[words[0]][words[1]]; ok && letters != "" {
			return letters
		}
	}
	return m["proxy"][words[0]]
}

// A wordCase is an exchange in one kind of section: with the word both proxies do the same, and without it ours does
// something else.
type wordCase struct {
	exchange
	pair
}

// String is the name of a case with its section.
func (c *wordCase) String() string {
	if c.kind == 0 {
		return c.name
	}
	return c.name + " in " + kinds[c.kind]
}

// parseName divides the name of a case, which is "place: word" and perhaps ", what is told of it".
func parseName(name string) (place, word string) {
	place, word, _ = strings.Cut(name, ": ")
	word, _, _ = strings.Cut(word, ", ")
	return place, word
}

// wordRequest is what a client sends where a case says nothing else, nothing is what it says to send nothing.
const (
	wordRequest = "GET /a/b.html?q=1&r=2 HTTP/1.1\r\nHost: www.x.org\r\nX-A: one, two\r\nCookie: s=1; t=2\r\n\r\n"
	nothing     = "nothing"
)

// wordCases are all cases, each in the kinds of sections its word may stand in.
func wordCases(t testing.TB, m manual) (all []wordCase) {
	t.Helper()
	only := regexp.MustCompile(*onlyWords)
	for _, list := range wordLists {
		for _, x := range list {
			place, word := parseName(x.name)
			switch x.send {
			case "":
				x.send = wordRequest
			case nothing:
				x.send = ""
			}
			if _, ok := m[place][word]; !ok {
				t.Errorf("%s: the manual has no such word that is done", x.name)
				continue
			}
			lines := x.global + "\n" + x.settings
			if choose(lines, place, word, true) == choose(lines, place, word, false) {
				t.Errorf("%s: the configuration does not have the word", x.name)
			}
			for _, p := range m.pairs(place, word) {
				if x.only != "" && p.kind != 0 && !strings.ContainsRune(x.only, rune(p.kind)) ||
					!only.MatchString(p.String()) {
					continue
				}
				all = append(all, wordCase{x, p})
			}
		}
	}
	return all
}

var bracketed = regexp.MustCompile(`(?s)\[\[(.*?)(?:\|\|(.*?))?\]\]`)

// configuration gives the settings with the word, or without it: [[this||that]] is this with the word and that
// without. Where there are no such brackets, the lines that begin with the word are left out.
func (x *exchange) configuration(place, word string, with bool) string {
	return choose(x.settings, place, word, with)
}

func choose(settings, place, word string, with bool) string {
	if bracketed.MatchString(settings) {
		return bracketed.ReplaceAllString(settings, map[bool]string{true: "$1", false: "$2"}[with])
	}
	begins := word
	if place != "proxy" && place != "global" {
		begins = place + " " + word
	}
	var lines []string
	for line := range strings.Lines(settings) {
		line = strings.TrimSpace(line)
		if !with && (line == begins || strings.HasPrefix(line, begins+" ")) {
			continue
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// sections writes the sections of a case: each line stands in the kind that is asked for, if it may.
func (c *wordCase) sections(m manual, i, port int, origin string, with bool) string {
	var defaults, front, back []string
	server := false
	// the kind of section that inherits from defaults, which may not be a listen section where there are rules
	heir := ""
	if c.kind == 'D' {
		heir = "B"
		if strings.Contains(m.letters(c.place, c.word), "F") {
			heir = "F"
		}
	}
	blanks := strings.NewReplacer("ORIGIN", origin, "PORT", strconv.Itoa(port), "NUMBER", strconv.Itoa(70000000+i))
	settings := blanks.Replace(c.configuration(c.place, c.word, with))
	binds := []string{fmt.Sprintf("bind 127.0.0.1:%d", port)}
	if strings.Contains(c.settings, ":PORT") {
		binds = nil
	}
	for line := range strings.Lines(settings) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		server = server || strings.HasPrefix(line, "server")
		may := m.lineLetters(line)
		has := func(kind string) bool { return strings.Contains(may, kind) }
		inherits := heir != "" && has("D") && has(heir)
		switch {
		case strings.HasPrefix(line, "bind"):
			binds = append(binds, line)
		case strings.HasPrefix(line, "mode ") && c.kind != 'L':
			defaults, front, back = append(defaults, line), append(front, line), append(back, line)
		case inherits:
			defaults = append(defaults, line)
		case c.kind != 'B' && has("F"), !has("B"):
			front = append(front, line)
		default:
			back = append(back, line)
		}
	}
	if !server {
		back = append(back, "server s "+origin)
	}
	return c.write(i, heir, binds, defaults, front, back, !strings.Contains(settings, "default_backend"))
}

// write writes the sections with their lines; behind: the frontend is told its backend.
func (c *wordCase) write(i int, heir string, binds, defaults, front, back []string, behind bool) string {
	var b strings.Builder
	section := func(head string, lines ...string) {
		fmt.Fprintf(&b, "%s\n    %s\n", head, strings.Join(lines, "\n    "))
	}
	parentF, parentB := "base", "base"
	if heir != "" {
		d := fmt.Sprintf("d%d", i)
		section(fmt.Sprintf("defaults %s from base", d), defaults...)
		if heir == "F" {
			parentF = d
		} else {
			parentB = d
		}
	}
	if c.kind != 'L' && c.kind != 0 {
		if behind {
			front = append(front, fmt.Sprintf("default_backend case%d", i))
		}
		section(fmt.Sprintf("frontend case%d from %s", i, parentF), slices.Concat(binds, front)...)
		section(fmt.Sprintf("backend case%d from %s", i, parentB), back...)
	} else {
		section(fmt.Sprintf("listen case%d from base", i), slices.Concat(binds, front, back)...)
	}
	return b.String()
}

// wordFiles makes the files that cases name.
func wordFiles(t testing.TB) string {
	dir := t.TempDir()
	for name, text := range mapFiles() {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	page := "HTTP/1.1 403 Forbidden\r\nX-Origin: file\r\nContent-Length: 4\r\n\r\nfile"
	if err := os.WriteFile(filepath.Join(dir, "403.http"), []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// wordsPreamble is like preamble, with a name for the defaults.
var wordsPreamble = strings.NewReplacer("defaults\n", "defaults base\n",
	"listen ready\n", "listen ready from base\n").Replace(preamble) + `backend spare from base
    http-request return status 200 content-type text/plain string spare hdr X-Origin spare
    server ready 127.0.0.1:%[2]d check inter 100ms
`

// A stage is one program with the cases it plays.
type stage struct {
	*program
	origins []*origin
}

// newStage starts a program on the configuration of the cases.
func newStage(t *testing.T, m manual, cases []wordCase, with bool, name, path string, args ...string) *stage {
	s := &stage{origins: make([]*origin, len(cases))}
	logs := newLogSink(t)
	port := freePorts(t, len(cases)+1)
	files := wordFiles(t)
	var b strings.Builder
	fmt.Fprintf(&b, wordsPreamble, logs.conn.LocalAddr().(*net.UDPAddr).Port, port)
	if len(cases) == 1 {
		c := &cases[0]
		lines := strings.ReplaceAll(choose(c.global, c.place, c.word, with), "\n", "\n    ")
		text := strings.Replace(b.String(), "    maxconn 2000\n", "    maxconn 2000\n    "+lines+"\n", 1)
		b.Reset()
		b.WriteString(strings.NewReplacer("LOGS", logs.conn.LocalAddr().String(), "FILES", files).Replace(text))
	}
	for i := range cases {
		s.origins[i] = newOrigin(t, &cases[i].exchange)
		if len(cases[i].alone) > 0 && name == "haproxy" {
			continue
		}
		text := cases[i].sections(m, i, port+1+i, s.origins[i].addr, with)
		b.WriteString(strings.NewReplacer("LOGS", logs.conn.LocalAddr().String(), "FILES", files).Replace(text))
	}
	s.program = startProgram(t, name, path, args, b.String(), port, logs)
	return s
}

// play gives the report of one case.
func (s *stage) play(t testing.TB, c *wordCase, i int) (report []string) {
	if len(c.alone) > 0 && s.name == "haproxy" {
		return nil
	}
	if c.checks {
		return s.watch(t, c, i)
	}
	c.origin = s.origins[i].addr
	for range max(c.times, 1) {
		report = append(report, c.exchange.play(t, s.program, i, s.origins[i], false)...)
	}
	return report
}

// watch waits for the first line about a check, and tells it and what the server saw.
func (s *stage) watch(t testing.TB, c *wordCase, i int) (report []string) {
	name := fmt.Sprintf("case%d", i)
	line := ""
	if !c.await(func() (ok bool) { line, ok = s.logs.aboutServer(name); return ok }) {
		t.Errorf("%s: no line about a check", s.name)
		return nil
	}
	if c.header {
		report = append(report, "log header: "+describeHeader(line))
	}
	report = append(report, "log: "+describeCheck(line))
	if got := s.origins[i].take(); len(got) > 0 {
		report = append(report, describeRequest(got[0])...)
	}
	return report
}

var (
	checkTook = regexp.MustCompile(`\b\d{1,3}ms`)
	checkLong = regexp.MustCompile(`\b(\d+)\d{3}ms`)
)

// describeCheck tells of the time a check took whole seconds.
func describeCheck(line string) string {
	return checkLong.ReplaceAllString(checkTook.ReplaceAllString(describeLog(line), "Nms"), "${1}s")
}

// calm is a test that does not mind: without the word, what a case waits for need not come.
type calm struct{ testing.TB }

func (calm) Errorf(string, ...any) {}

func calmIf(t testing.TB, differs bool) testing.TB {
	if differs {
		return calm{t}
	}
	return t
}

// impatient is the case, played by one that need not do as it says.
func (c *wordCase) impatient(differs bool) *wordCase {
	copied := *c
	if differs && !c.checks {
		copied.patient = time.Second
	}
	return &copied
}

// TestWords plays the cases of words: with the word both proxies do the same, without it ours does something else.
func TestWords(t *testing.T) {
	if testing.Short() {
		t.Skip("runs real programs: not with -short")
	}
	haproxy := peers.HAProxy.Path(t)
	ours, err := binary.Put(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m := readManual(t, "../../docs/compat-haproxy.md", 1)
	var cases []wordCase
	var wg sync.WaitGroup
	turns := make(chan struct{}, 8) // cases wait more than they work
	play := func(name string, f func(t *testing.T)) {
		wg.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			t.Run(name, f)
		})
	}
	for _, c := range wordCases(t, m) {
		if c.global == "" {
			cases = append(cases, c)
			continue
		}
		play(c.String(), func(t *testing.T) {
			newTrio(t, m, []wordCase{c}, haproxy, ours).compare(t, &c, 0)
		})
	}
	if len(cases) > 0 {
		trio := newTrio(t, m, cases, haproxy, ours)
		for i := range cases {
			play(fmt.Sprintf("%d %s", i, &cases[i]), func(t *testing.T) { trio.compare(t, &cases[i], i) })
		}
	}
	wg.Wait()
}

// A trio is the reference, ours, and ours without the word.
type trio struct{ theirs, mine, control *stage }

// starting is held while programs start: until they listen, others would find their ports free.
var starting sync.Mutex

func newTrio(t *testing.T, m manual, cases []wordCase, haproxy, ours string) trio {
	starting.Lock()
	defer starting.Unlock()
	return trio{
		newStage(t, m, cases, true, "haproxy", haproxy, "-db"),
		newStage(t, m, cases, true, "evenkeel", ours, "run", "--runtime-dir", t.TempDir()),
		newStage(t, m, cases, false, "evenkeel without the word", ours, "run", "--runtime-dir", t.TempDir()),
	}
}

// compare plays a case to all three.
func (s trio) compare(t *testing.T, c *wordCase, i int) {
	if *onlyWords != "" {
		c.patient = 6 * time.Second
	}
	var want, got, bare []string
	var wg sync.WaitGroup
	_, faulty := wordFaults[c.String()]
	_, differs := wordDifferences[c.String()]
	wg.Go(func() { want = s.theirs.play(calmIf(t, faulty || differs), c.impatient(faulty || differs), i) })
	wg.Go(func() { got = s.mine.play(calmIf(t, faulty), c.impatient(faulty), i) })
	wg.Go(func() { bare = s.control.play(calm{t}, c.impatient(!c.checks), i) })
	wg.Wait()
	c.judge(t, want, got, bare)
}

// judge compares the reports.
func (c *wordCase) judge(t *testing.T, want, got, bare []string) {
	text := strings.Join(got, "\n")
	for _, w := range c.alone {
		if !strings.Contains(text, w) {
			t.Errorf("%q is not in\n%s", w, text)
		}
	}
	if fault, ok := wordFaults[c.String()]; ok {
		if cmp.Equal(want, got) && !cmp.Equal(got, bare) {
			t.Errorf("said to be a fault (%s), and is none any more", fault.why)
		}
		return
	}
	if cmp.Equal(got, bare) {
		t.Errorf("it does not show the word: the same comes without it:\n%s", strings.Join(got, "\n"))
	}
	differs, ok := wordDifferences[c.String()]
	switch {
	case len(c.alone) > 0:
		return
	case !ok:
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(- haproxy, + evenkeel):\n%s", d)
		}
		return
	}
	if cmp.Equal(want, got) && !sometimes[c.String()] {
		t.Errorf("said to differ (%s), and does not", differs.why)
	}
	for _, w := range differs.want {
		if !strings.Contains(text, w) {
			t.Errorf("%q is not in\n%s\nhaproxy:\n%s", w, text, strings.Join(want, "\n"))
		}
	}
}
