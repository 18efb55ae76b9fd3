package keepalived

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/test/peers"
)

// reference gives what keepalived -t says about each of the texts.
func reference(t *testing.T, record string, texts []string) []string {
	t.Helper()
	verdicts := peers.Open(t, peers.Keepalived, record)
	var questions []string
	for _, text := range texts {
		if verdicts.Asks(text) {
			questions = append(questions, text)
		}
	}
	heard := make(map[string]string)
	for i, said := range askKeepalived(t, verdicts.Path, questions) {
		heard[questions[i]] = said
	}
	said := make([]string, len(texts))
	for i, text := range texts {
		said[i] = verdicts.Answer(text, func() string { return heard[text] })
	}
	return said
}

// askKeepalived runs keepalived -t over texts, in a network namespace of its own that has eth0 and eth1.
func askKeepalived(t *testing.T, path string, texts []string) []string {
	t.Helper()
	if len(texts) > 0 && os.Getuid() != 0 {
		t.Fatal("needs root for a network namespace")
	}
	const script = `keepalived=$1; shift
ip link add eth0 type veth peer name eth1 && ip link set eth0 up && ip link set eth1 up && ip addr add 10.9.0.1/24 dev eth0 || exit 1
for f; do "$keepalived" -t -f "$f" 2>&1; printf '\n\001%d\n' $?; done`
	dir := t.TempDir()
	var out []string
	for len(texts) > 0 {
		n := min(len(texts), 200)
		args := []string{"-n", "sh", "-c", script, "sh", path}
		for i := range n {
			file := filepath.Join(dir, fmt.Sprint(i), "keepalived.conf")
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700),
				os.WriteFile(file, []byte(texts[i]), 0o600)); err != nil {
				t.Fatal(err)
			}
			args = append(args, file)
		}
		text, err := exec.Command("unshare", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("keepalived: %v\n%s", err, text)
		}
		parts := strings.Split(string(text), "\n\x01")
		if len(parts) != n+1 {
			t.Fatalf("%d answers for %d files:\n%s", len(parts)-1, n, text)
		}
		for i := range n {
			said := parts[i]
			if i > 0 {
				_, said, _ = strings.Cut(said, "\n") // the exit code before
			}
			out = append(out, ofThisRun.ReplaceAllString(complaints(said), "keepalived.conf"))
		}
		texts = texts[n:]
	}
	return out
}

// ofThisRun are the names of files that keepalived read or tried to write.
var ofThisRun = regexp.MustCompile(`[^\s('"[]*\bkeepalived\.conf(\.\d+)?`)

// complaints drops what does not concern the file: script security is a matter of
// the machine, and only masks other exit codes; a missing include leaves the code 0.
func complaints(said string) string {
	var lines []string
	for l := range strings.Lines(said) {
		l = strings.TrimSpace(l)
		if l != "" && !strings.HasPrefix(l, "SECURITY VIOLATION") && !strings.Contains(l, "resolved by path search") &&
			!strings.Contains(l, "Config files missing") {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines, "\n")
}

// places that need more than `PLACE NAME {` around a word.
var around = map[place]string{
	topLevel:     "%s\n",
	inGlobal:     "global_defs {\n%s\n}\n",
	inInstance:   "vrrp_instance V {\n%s\n}\n",
	inAuth:       "vrrp_instance V {\nauthentication {\n%s\n}\n}\n",
	inAuthHMAC:   "vrrp_instance V {\nauth_hmac {\n%s\n}\n}\n",
	inGroup:      "vrrp_sync_group G {\n%s\n}\n",
	inScript:     "vrrp_script S {\n%s\n}\n",
	inTrackFile:  "track_file F {\n%s\n}\n",
	inProcess:    "vrrp_track_process P {\n%s\n}\n",
	inTrackGroup: "track_group T {\n%s\n}\n",
	inGARPGroup:  "garp_group {\n%s\n}\n",
	inBFD:        "bfd_instance B {\n%s\n}\n",
	inSSL:        "SSL {\n%s\n}\n",
	inVirtual:    "virtual_server 10.9.0.5 80 {\n%s\n}\n",
	inReal:       "virtual_server 10.9.0.5 80 {\nreal_server 10.9.0.6 80 {\n%s\n}\n}\n",
	inURL:        "virtual_server 10.9.0.5 80 {\nreal_server 10.9.0.6 80 {\nHTTP_GET {\nurl {\n%s\n}\n}\n}\n}\n",
	inSMTPHost:   "virtual_server 10.9.0.5 80 {\nreal_server 10.9.0.6 80 {\nSMTP_CHECK {\nhost {\n%s\n}\n}\n}\n}\n",
}

// TestWordsAgainstKeepalived holds every word of the table against the reference: it
// must know those that are neither newer nor our own, and call deprecated those
// that have a today's word.
func TestWordsAgainstKeepalived(t *testing.T) {
	var texts []string
	var words []keyword
	var at []place
	for _, p := range places {
		frame, ok := around[p]
		if !ok {
			frame = "virtual_server 10.9.0.5 80 {\nreal_server 10.9.0.6 80 {\n" + string(p) + " {\n%s\n}\n}\n}\n"
		}
		for _, k := range vocabulary.Rows(p) {
			text := k.word + " 1"
			if k.block != "" || k.entries {
				text = k.word + " x {\n}"
			}
			texts, words, at = append(texts, fmt.Sprintf(frame, text)), append(words, k), append(at, p)
		}
	}
	for i, said := range reference(t, "testdata/words.verdicts", texts) {
		k := words[i]
		unknown := strings.Contains(said, "Unknown keyword '"+k.word+"'")
		if unknown != (k.absent != "" || k.own) {
			t.Errorf("%s in %s: unknown to keepalived %v, table says %q, own %v\n%s", k.word, at[i], unknown, k.absent,
				k.own, said)
		}
		deprecated := strings.Contains(said, "eprecat") || strings.Contains(said, "Please replace")
		if deprecated != (k.instead != "") && !unknown {
			t.Errorf("%s in %s: deprecated in keepalived %v, table says instead %q\n%s", k.word, at[i], deprecated,
				k.instead, said)
		}
	}
}

// strictVerdict gives what a strict check calls an error.
func strictVerdict(name, text string) string {
	_, diags := Parse(name, []byte(text), Options{Strict: true, ID: "node1"})
	var lines []string
	for _, d := range diags {
		if d.Severity == config.Error {
			lines = append(lines, d.String())
		}
	}
	return strings.Join(lines, "\n")
}
