package haproxy

import (
	"slices"
	"testing"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/verdict"
)

// lines with the words they are split into.
var lines = []struct {
	line string
	want []string
	code string // of the error, if there is one
}{
	{`a\ b c`, []string{"a b", "c"}, ""},
	{`"a\nb"`, []string{"a\nb"}, ""},
	{`'a\nb'`, []string{`a\nb`}, ""},
	{`a\x41b`, []string{"aAb"}, ""},
	{`a\x4`, nil, "bad-escape"},
	{`"$FOO"`, []string{"bar baz"}, ""},
	{`"${FOO}x"`, []string{"bar bazx"}, ""},
	{`"${FOO[*]}"`, []string{"bar", "baz"}, ""},
	{`"a${FOO[*]}b" c`, []string{"abar", "bazb", "c"}, ""},
	{`"${N[*]}"`, []string{"1,2"}, ""},
	{`${FOO} $FOO`, []string{"${FOO}", "$FOO"}, ""},
	{`"${UNSET}"`, []string{""}, ""},
	{`"${UNSET-x y}"`, []string{"x y"}, ""},
	{`"${EMPTY-d}"`, []string{"d"}, ""},
	{`"${FOO-d}"`, []string{"bar baz"}, ""},
	{`"$FOO-x"`, []string{"bar baz-x"}, ""},
	{`"${1a}"`, nil, "bad-variable"},
	{`"a$"`, nil, "bad-variable"},
	{`"${FOO"`, nil, "bad-variable"},
	{`"abc`, nil, "unterminated-quote"},
	{`x 'abc`, nil, "unterminated-quote"},
	{`abc\`, []string{`abc\`}, ""},
	{`"ab\"c" "ab\$c" "ab\zc" ab\zc a\$b`, []string{`ab"c`, "ab$c", `ab\zc`, `ab\zc`, `a\$b`}, ""},
	{`a\#b#c`, []string{"a#b"}, ""},
	{`"a # b"#c`, []string{"a # b"}, ""},
	{`a"b c"d'e f'`, []string{"ab cde f"}, ""},
	{`"" x`, []string{"", "x"}, ""},
	{"a\t\v\fb\r", []string{"a", "b"}, ""},
	{"", nil, ""},
	{"  # nothing", nil, ""},
	{"a\x00b", nil, "nul-byte"},
	{`"${.LINE}"`, []string{"7"}, ""},
}

func TestWords(t *testing.T) {
	env := map[string]string{"FOO": "bar baz", "N": "1,2", "EMPTY": ""}
	for _, test := range lines {
		r := &verdict.Report{}
		s := scanner{text: test.line, pos: config.Position{File: "f", Line: 7, Col: 1}, report: r,
			variable: func(name string) (string, bool) {
				if name == ".LINE" {
					return "7", true
				}
				v, ok := env[name]
				return v, ok
			}}
		words, ok := s.scan()
		var got []string
		for _, w := range words {
			got = append(got, w.text)
		}
		code := ""
		if diags := r.Diagnostics(true); len(diags) > 0 && !ok {
			code = diags[0].Code
		}
		if ok != (test.code == "") || code != test.code || ok && !slices.Equal(got, test.want) {
			t.Errorf("%q: %q, %v %q; want %q, %q", test.line, got, ok, code, test.want, test.code)
		}
	}
}

// TestColumns: a word's place is where it begins in the line, whatever quotes do to its text.
func TestColumns(t *testing.T) {
	s := scanner{text: "\ta  \"b c\"\\ d e", pos: config.Position{Line: 1, Col: 1}, report: &verdict.Report{}}
	words, _ := s.scan()
	for i, want := range []int{2, 5, 14} {
		if words[i].pos.Col != want {
			t.Errorf("word %d at %d, want %d", i, words[i].pos.Col, want)
		}
	}
}

func FuzzWords(f *testing.F) {
	f.Add("a \"b$C${D[*]}${E-f}\" 'g' \\x41 #h")
	f.Fuzz(func(t *testing.T, line string) {
		s := scanner{text: line, pos: config.Position{Line: 1, Col: 1}, report: &verdict.Report{},
			variable: func(name string) (string, bool) { return name + " " + name, len(name)%2 == 0 }}
		words, _ := s.scan()
		last := 0
		for _, w := range words {
			if w.pos.Col < last || w.pos.Col > len(line) {
				t.Errorf("%q: %+v after column %d", line, w, last)
			}
			if w.plain && line[w.pos.Col-1:w.pos.Col-1+len(w.text)] != w.text {
				t.Errorf("%q: %+v is not plain", line, w)
			}
			last = w.pos.Col
		}
	})
}

func TestConditions(t *testing.T) {
	for text, want := range map[string]string{
		"1": "true", "0": "false", "00": "false", "-1": "true", "0x1": "true", "": "false", "!1": "false",
		"! 0":          "true",
		"defined(FOO)": "true", "defined(NO)": "false", "defined": "false", "defined(FOO) && !defined(NO)": "true",
		"0 || 1 && 0": "false", "(0 || 1) && !0": "true", "streq(a,a)": "true", "streq(a, a)": "false",
		"strneq(a,b)":          "true",
		"version_atleast(2.6)": "true", "version_atleast(2.6.12)": "true", "version_atleast(2.7)": "false",
		"version_atleast(2.6-dev1)": "true",
		"version_before(2.6.13)":    "true", "version_before(2.6)": "false", "feature(OPENSSL)": "false",
		"feature(THREAD)": "true",
		"foo":             "problem", "foo(a)": "problem", "defined(FOO": "problem", "1 0": "problem",
		"1 &&": "problem",
		"(1":   "problem", "enabled(x)": "problem",
		"openssl_version_atleast(1)": "unsupported",
	} {
		p := predicate{text: text, lookup: func(name string) (string, bool) { return "x", name == "FOO" }}
		got := "false"
		if text != "" && p.or() {
			got = "true"
		}
		if p.spaces(); p.problem == "" && p.at < len(text) {
			got = "problem"
		}
		if p.problem != "" {
			got = "problem"
		}
		if p.unsupported {
			got = "unsupported"
		}
		if got != want {
			t.Errorf("%q: %s (%s), want %s", text, got, p.problem, want)
		}
	}
}
