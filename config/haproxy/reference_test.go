package haproxy

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/evenkeel/evenkeel/test/peers"
)

const base = "defaults\n mode http\n timeout client 1s\n timeout server 1s\n timeout connect 1s\n"

// around is what a word of a place is put into to be asked about.
var around = map[place]string{
	topLevel:        base + "%s x\n",
	inGlobal:        base + "frontend f\n bind :80\nglobal\n %s\n",
	inGlobalStats:   base + "frontend f\n bind :80\nglobal\n stats %s\n",
	inProxy:         base + "frontend x\n bind :80\nlisten f\n bind :81\n %s\n",
	inOption:        base + "listen f\n bind :81\n option %s\n",
	inTimeout:       base + "listen f\n bind :81\n timeout %s 5s\n",
	inBind:          base + "listen f\n bind :81 %s\n",
	inServer:        base + "listen f\n bind :81\n server s 1.2.3.4:80 %s\n",
	inBalance:       base + "listen f\n bind :81\n balance %s\n",
	inStats:         base + "listen f\n bind :81\n stats %s\n",
	inStatsRule:     base + "listen f\n bind :81\n stats http-request %s\n",
	inTCPRequest:    base + "listen f\n bind :81\n tcp-request %s\n",
	inTCPConnection: base + "listen f\n bind :81\n tcp-request connection %s\n",
	inTCPSession:    base + "listen f\n bind :81\n tcp-request session %s\n",
	inTCPContent:    base + "listen f\n bind :81\n tcp-request content %s\n",
	inTCPResponse:   base + "listen f\n bind :81\n tcp-response content %s\n",
	inHTTPRequest:   base + "listen f\n bind :81\n http-request %s\n",
	inHTTPResponse:  base + "listen f\n bind :81\n http-response %s\n",
	inHTTPAfter:     base + "listen f\n bind :81\n http-after-response %s\n",
	inHTTPCheck:     base + "listen f\n bind :81\n option httpchk\n http-check %s\n",
	inTCPCheck:      base + "listen f\n bind :81\n option tcp-check\n tcp-check %s\n",
}

// notKnown are the ways the reference says that it does not know a word.
var notKnown = []string{"unknown keyword", "unknown option", "unknown stats parameter", "'timeout' supports",
	"balance only supports", "out of section",
	"'http-request' expects '", "'http-response' expects '", "'http-after-response' expects '",
	"'tcp-request connection' expects '", "'tcp-request session' expects '",
	"'tcp-request content' expects '", "'tcp-response content' expects '", "'tcp-request' expects 'inspect",
	"'http-check' only supports", "'tcp-check' only supports", "'stats' only supports"}

// TestWordsAgainstHAProxy holds every word of the table against the reference: it must know those that are not
// marked as absent, and have given up those that have a word of today.
func TestWordsAgainstHAProxy(t *testing.T) {
	verdicts := peers.Open(t, peers.HAProxy, "testdata/words.verdicts")
	type question struct {
		p place
		k keyword
	}
	questions := make(chan question)
	dir := t.TempDir()
	var wg sync.WaitGroup
	for n := range min(runtime.GOMAXPROCS(0), 4) {
		wg.Go(func() {
			file := filepath.Join(dir, fmt.Sprintf("%d.cfg", n))
			for q := range questions {
				compareWord(t, verdicts, file, q.p, q.k)
			}
		})
	}
	for _, p := range places {
		if _, ok := around[p]; !ok {
			continue
		}
		for _, k := range table.Rows(p) {
			questions <- question{p, k}
		}
	}
	close(questions)
	wg.Wait()
}

// The reference's verdicts on a word.
const (
	saysUnknown = "unknown"
	saysWrong   = "known, wrong as it stands"
	saysKnown   = "known"
)

func compareWord(t *testing.T, verdicts *peers.Verdicts, file string, p place, k keyword) {
	asked := k.word
	if strings.HasPrefix(k.args, "(") {
		asked += "(txn.x,t)"
	}
	switch k.word {
	case "stats", "http-check", "tcp-check", "timeout", "connection", "session", "content":
		return // they say what may follow them
	}
	if p == inBalance && strings.HasPrefix(k.args, "(") {
		asked = k.word + "(x)"
	}
	verdict := verdicts.Answer(fmt.Sprintf("%s: %s", p, asked), func() string {
		return askHAProxy(t, verdicts.Path, file, fmt.Sprintf(around[p], asked), k.word)
	})
	switch {
	case k.instead != "":
		if verdict == saysKnown {
			t.Errorf("%s in %s is not gone", k.word, p)
		}
	case (verdict == saysUnknown) != (k.absent != ""):
		t.Errorf("%s in %s: %s to haproxy, table says %q", k.word, p, verdict, k.absent)
	}
}

func askHAProxy(t *testing.T, path, file, text, word string) string {
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Error(err)
	}
	out, err := exec.Command(path, "-c", "-f", file).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Error(err)
	}
	for _, phrase := range notKnown {
		for line := range strings.Lines(string(out)) {
			// A list of what is expected may name the word itself, which is then known.
			line, _, _ = strings.Cut(strings.ReplaceAll(line, "(got", "but got"), "but got")
			if strings.Contains(line, phrase) &&
				!(strings.Contains(phrase, "expects") && strings.Contains(line, "'"+word)) {
				return saysUnknown
			}
		}
	}
	if err != nil {
		return saysWrong
	}
	return saysKnown
}

// TestKeywordsOfHAProxy: every keyword the reference lists (-dKcfg) has its row in the table, done or not.
func TestKeywordsOfHAProxy(t *testing.T) {
	verdicts := peers.Open(t, peers.HAProxy, "testdata/keywords.verdicts")
	listed := verdicts.Answer("haproxy -dKcfg", func() string {
		file := filepath.Join(t.TempDir(), "haproxy.cfg")
		if err := os.WriteFile(file, []byte(base+"listen f\n bind :81\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(verdicts.Path, "-dKcfg", "-c", "-f", file).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	})
	known := make(map[place]map[string]bool)
	for _, p := range places {
		known[p] = make(map[string]bool)
		for _, k := range table.Rows(p) {
			known[p][k.word] = true
		}
	}
	at, n := place(""), 0
	for line := range strings.Lines(listed) {
		line = strings.TrimRight(line, "\n")
		word, inside := strings.CutPrefix(line, "\t")
		if !inside {
			at = map[string]place{"global": inGlobal, "listen": inProxy}[line]
			continue
		}
		if at == "" {
			continue // sections that are refused as a whole
		}
		p := at
		for prefix, below := range map[string]place{"bind <addr> ssl ": inBind, "bind <addr> ": inBind,
			"server <name> <addr> ": inServer, "option ": inOption,
			"tcp-request connection ": inTCPConnection, "tcp-request session ": inTCPSession,
			"tcp-request content ":  inTCPContent,
			"tcp-response content ": inTCPResponse, "http-request ": inHTTPRequest, "http-response ": inHTTPResponse,
			"http-after-response ": inHTTPAfter} {
			if rest, ok := strings.CutPrefix(word, prefix); ok &&
				(prefix != "bind <addr> " || !strings.HasPrefix(rest, "ssl ")) {
				word, p = rest, below
				break
			}
		}
		word, _, _ = strings.Cut(word, " ")
		word = strings.TrimSuffix(word, "*")
		n++
		// track-sc0
		if positive := strings.TrimPrefix(word, "no-"); !known[p][word] && !known[p][positive] && !known[p][word+"0"] {
			t.Errorf("%s: %s is not in the table", p, word)
		}
	}
	t.Logf("%d keywords", n)
}

// TestSectionsOfWords: a word that the reference does not let stand in a kind of section does not stand there here.
func TestSectionsOfWords(t *testing.T) {
	verdicts := peers.Open(t, peers.HAProxy, "testdata/sections.verdicts")
	dir := t.TempDir()
	for _, section := range []struct {
		name string
		kind caps
		text string
	}{
		{"defaults", capD, "defaults\n mode http\n timeout client 1s\n timeout server 1s\n timeout connect 1s\n " +
			"%s\nfrontend f\n bind :80\n"},
		{"frontend", capF, base + "frontend f\n bind :80\n %s\n"},
		{"backend", capB, base + "backend b\n %s\n"},
	} {
		for _, k := range table.Rows(inProxy) {
			verdict := verdicts.Answer(section.name+": "+k.word, func() string {
				file := filepath.Join(dir, "haproxy.cfg")
				if err := os.WriteFile(file, fmt.Appendf(nil, section.text, k.word), 0o600); err != nil {
					t.Fatal(err)
				}
				out, err := exec.Command(verdicts.Path, "-c", "-f", file).CombinedOutput()
				var exit *exec.ExitError
				if err != nil && !errors.As(err, &exit) {
					t.Fatal(err)
				}
				switch text := string(out); {
				case strings.Contains(text, "not allowed in '"+section.name):
					return "not allowed"
				case strings.Contains(text, "will be ignored because"), strings.Contains(text, "ignored because"):
					return "ignored"
				}
				return "it may stand"
			})
			if verdict == "not allowed" && k.in&section.kind != 0 {
				t.Errorf("%s in %s: %s by haproxy", k.word, section.name, verdict)
			}
		}
	}
}
