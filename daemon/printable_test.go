package daemon

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/failover"
)

// TestPrintable: nothing that steers a terminal leaves, however it is cut into writes; what people write does.
func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"plain\tand\nlines\n":                   "plain\tand\nlines\n",
		"\x1b]0;owned\x07\x1b[31mall is well\r": `\u001b]0;owned\u0007\u001b[31mall is well\u000d`,
		"C1: \u009b31m \x9b31m, DEL \x7f":       `C1: \u009b31m \x9b31m, DEL \u007f`,
		"Grüße, 東京 🙂 \uFFFD":                    "Grüße, 東京 🙂 \uFFFD",
	} {
		for size := 1; size <= len(text); size++ {
			var out bytes.Buffer
			w := &Printable{W: &out}
			for rest := []byte(text); len(rest) > 0; {
				n := min(size, len(rest))
				if m, err := w.Write(rest[:n]); m != n || err != nil {
					t.Fatal(m, err)
				}
				rest = rest[n:]
			}
			if out.String() != want {
				t.Fatalf("%q in pieces of %d: %q, want %q", text, size, out.String(), want)
			}
		}
	}
	var out bytes.Buffer
	json.NewEncoder(&Printable{W: &out}).Encode("\x1b\u009b\x7f")
	var back string
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back != "\x1b\u009b\x7f" {
		t.Errorf("JSON: %q, %q, %v", out.String(), back, err)
	}
}

// TestJournalLineIsPrintable: one line stays one line, whatever a server has answered.
func TestJournalLineIsPrintable(t *testing.T) {
	var out bytes.Buffer
	l := newLogger(&out, false)
	l.Log(failover.LevelWarning, "status \x1b[2J\r\n2026-01-01 (VI_1) Entering MASTER STATE")
	l.close()
	if got := out.String(); strings.Count(got, "\n") != 1 ||
		!strings.Contains(got, `status \u001b[2J\u000d\u000a2026`) {
		t.Errorf("%q", got)
	}
}
