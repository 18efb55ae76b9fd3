package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/daemon"
	"github.com/evenkeel/evenkeel/lvs"
)

// hostile is what a server, or who answers in its name, may send.
const hostile = "\x1b]0;owned\x07\x1b[2J\r\u009b31m\x9b32m\x00\x7fÜber"

// harmless fails on what a terminal obeys.
func harmless(t *testing.T, what string, out []byte) {
	t.Helper()
	for _, r := range string(out) {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r == '\ufffd' {
			t.Errorf("%s has %q in it: %q", what, r, out)
			return
		}
	}
	if !strings.Contains(string(out), "Über") {
		t.Errorf("%s lost what can be printed: %q", what, out)
	}
}

// TestShowLVSIsHarmless: what servers answered does nothing to the terminal it is shown on, as a table and as JSON.
func TestShowLVSIsHarmless(t *testing.T) {
	ran := time.Now()
	s := &lvs.Status{Driver: "xdp",
		Virtual: []lvs.VirtualStatus{{Name: "[192.0.2.1]:tcp:80", Keys: []string{"TCP 192.0.2.1:80"},
			Servers: []lvs.ServerStatus{
				{Address: "10.0.0.1:80", Checks: []lvs.CheckStatus{{Kind: "HTTP_GET", Ran: &ran,
					Reason: "status 500 " + hostile}}}}}}}
	for _, asJSON := range []bool{false, true} {
		var out bytes.Buffer
		if err := showLVS(&daemon.Printable{W: &out}, s, asJSON); err != nil {
			t.Fatal(err)
		}
		if asJSON {
			if err := json.Unmarshal(out.Bytes(), &lvs.Status{}); err != nil {
				t.Errorf("%v: %s", err, out.Bytes())
			}
			if strings.Contains(out.String(), "\x9b") || strings.Contains(out.String(), "\u009b") ||
				strings.Contains(out.String(), "\x1b") {
				t.Errorf("as JSON: %q", out.String())
			}
			continue
		}
		harmless(t, "show lvs", out.Bytes())
	}
}
