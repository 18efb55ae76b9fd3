package keepalived

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/evenkeel/evenkeel/config/verdict"
)

// TestLex shows each token as col:text, quoted ones in < >.
func TestLex(t *testing.T) {
	tests := []struct{ line, want string }{
		{"a b", "1:a 3:b"},
		{"\ta\t b ", "2:a 5:b"},
		{"# c", ""},
		{"  ! c", ""},
		{"a#b", "1:a"},
		{"a!b", "1:a"},
		{`a\#b \!c`, "1:a#b 6:!c"},
		{`a\b`, `1:a\b`},
		{`a\\b`, `1:a\\b`},
		{`"a b"`, "1:<a b>"},
		{`"a#b!"`, "1:<a#b!>"},
		{`"a{b}"`, "1:<a{b}>"},
		{`"a"b"c d"`, "1:<abc d>"},
		{`'a b' c`, "1:<a b> 7:c"},
		{`"a"'b c'`, "1:<ab c>"},
		{"it's", "1:it's"},
		{"it's o'clock", "1:it's 6:o'clock"},
		{"'tis", "1:'tis"},
		{`"it's"`, "1:<it's>"},
		{`"a\"b"`, `1:<a"b>`},
		{`"a\nb"`, `1:<a\nb>`},
		{`""`, "1:<>"},
		{"a{", "1:a 2:{"},
		{"a{b}c", "1:a 2:{ 3:b 4:} 5:c"},
		{"a ${B}c d", "1:a 3:${B}c 9:d"},
		{"a ${B c", "1:a 3:$ 4:{ 5:B 7:c"},
		{"include {a,b}.conf # x", "1:include 9:{a,b}.conf"},
		{"é x", "1:é 4:x"}, // columns are bytes
		{"a\rb\r", "1:a 3:b"},
		{"a\vb\fc", "1:a 3:b 5:c"},
	}
	for _, test := range tests {
		var got []string
		for _, tokens := range lex("f", []byte(test.line), &verdict.Report{}) {
			for _, tok := range tokens {
				text := tok.text
				if tok.quoted {
					text = "<" + text + ">"
				}
				got = append(got, fmt.Sprintf("%d:%s", tok.pos.Col, text))
			}
		}
		if s := strings.Join(got, " "); s != test.want {
			t.Errorf("%q: %s, want %s", test.line, s, test.want)
		}
	}
}

func TestCommandWords(t *testing.T) {
	tests := []struct {
		text string
		want []string
	}{
		{"/bin/a b  c", []string{"/bin/a", "b", "c"}},
		{"/bin/a 'b c' \"d e\"f", []string{"/bin/a", "b c", "d ef"}},
		{`/bin/a b\ c \x41\102\t`, []string{"/bin/a", "b c", "AB\t"}},
		{`/bin/a '\x41'`, []string{"/bin/a", `\x41`}},
		{`/bin/a \cA \E \0 \x \`, []string{"/bin/a", "\x01", "\x1b", "0", "x", `\`}},
		{`/bin/a ''`, []string{"/bin/a", ""}},
		{"   ", nil},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, splitCommand(test.text)); diff != "" {
			t.Errorf("%q: %s", test.text, diff)
		}
	}
}

func TestExpandBraces(t *testing.T) {
	tests := map[string]string{
		"a":             "a",
		"a{b,c}d":       "abd acd",
		"{a,b}{1,2}":    "a1 a2 b1 b2",
		"{a,b{1,2}}":    "a b1 b2",
		"a{b":           "a{b",
		"a{b}":          "a{b}",
		"{,x}.conf":     ".conf x.conf",
		"a}b":           "a}b",
		"{a,{b,{c,d}}}": "a b c d",
	}
	for pattern, want := range tests {
		if got := strings.Join(expandBraces(pattern), " "); got != want {
			t.Errorf("%q: %s, want %s", pattern, got, want)
		}
	}
	if n := len(expandBraces(strings.Repeat("{a,b}", 40))); n > maxPatterns {
		t.Errorf("%d patterns", n)
	}
}

func TestRecognise(t *testing.T) {
	yes := []string{"vrrp_instance a {", "\ufeff\r\n # x\r\nglobal_defs\r\n{", "virtual_server 1.2.3.4 80 {",
		"include *.conf", "  vrrp_script x{"}
	no := []string{"", "# vrrp_instance", "global\n  daemon\n", "frontend x\n  bind :80\n", "\x00\x01\x7fELF",
		"#!/bin/sh\nexit 0\n", "listen vrrp_instance\n"}
	for _, text := range yes {
		if !Recognise([]byte(text)) {
			t.Errorf("not recognised: %q", text)
		}
	}
	for _, text := range no {
		if Recognise([]byte(text)) {
			t.Errorf("recognised: %q", text)
		}
	}
	if !slices.Contains(places, topLevel) {
		t.Error("no top level")
	}
}
