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
var notKnown = []string{"unknown keyword", "unknown option", "unknown stats parameter", "'timeout' supports", "balance only supports", "out of section",
	"'http-request' expects '", "'http-response' expects '", "'http-after-response' expects '", "'tcp-request connection' expects '", "'tcp-request session' expects '",
	"'tcp-request content' expects '", "'tcp-response content' expects '", "'tcp-request' expects 'inspect", "'http-check' only supports", "'tcp-check' only supports", "'stats' only supports"}

// TestWordsAgainstHAProxy asks the reference about every word of the table: it must know those
// that are not marked as absent, and have given up those that have a word of today.
func TestWordsAgainstHAProxy(t *testing.T) {
	version, err := exec.Command("haproxy", "-v").CombinedOutput()
	if err != nil || !strings.Contains(string(version), "version 2.6.12") {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs haproxy 2.6.12, as in Debian 12")
		}
		t.Skip("needs haproxy 2.6.12, as in Debian 12")
	}
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
				askHAProxy(t, file, q.p, q.k)
			}
		})
	}
	for _, p := range places {
		if _, ok := around[p]; !ok {
			continue
		}
		for _, k := range table[p] {
			questions <- question{p, k}
		}
	}
	close(questions)
	wg.Wait()
}

func askHAProxy(t *testing.T, file string, p place, k keyword) {
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
	if err := os.WriteFile(file, fmt.Appendf(nil, around[p], asked), 0o600); err != nil {
		t.Error(err)
		return
	}
	out, err := exec.Command("haproxy", "-c", "-f", file).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Error(err)
		return
	}
	unknown := false
	for _, phrase := range notKnown {
		for line := range strings.Lines(string(out)) {
			// A list of what is expected may name the word itself, which is then known.
			line, _, _ = strings.Cut(strings.ReplaceAll(line, "(got", "but got"), "but got")
			if strings.Contains(line, phrase) && !(strings.Contains(phrase, "expects") && strings.Contains(line, "'"+k.word)) {
				unknown = true
			}
		}
	}
	said := strings.TrimSpace(string(out))
	switch {
	case k.instead != "":
		if err == nil {
			t.Errorf("%s in %s is not gone: %s", k.word, p, said)
		}
	case unknown != (k.absent != ""):
		t.Errorf("%s in %s: unknown to haproxy %v, table says %q\n%s", k.word, p, unknown, k.absent, said)
	}
}
