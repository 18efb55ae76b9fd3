package spelling

import (
	"testing"
	"unicode/utf8"
)

func TestVisible(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "plain é 本 \\": "plain é 本 \\", "a\tb": `a\x09b`, "\uFFFD": "\uFFFD", "\xef\xbf": `\xEF\xBF`,
		"a\x1b[31m\r\n\x00\x7f\u009bé\xff\u2028\u2029 b": `a\x1B[31m\x0D\x0A\x00\x7F\xC2\x9Bé\xFF\xE2\x80\xA8\xE2\x80\xA9 b`,
	} {
		if got := Visible(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if n := testing.AllocsPerRun(10, func() { Visible("what is plain already") }); n > 0 {
		t.Errorf("%v allocations for a plain text", n)
	}
}

func FuzzVisible(f *testing.F) {
	f.Add("a\x1bb\u009bc\xffd")
	f.Fuzz(func(t *testing.T, text string) {
		got := Visible(text)
		if !utf8.ValidString(got) || Visible(got) != got {
			t.Errorf("%q gives %q", text, got)
		}
		for _, r := range got {
			if r < ' ' || r >= 0x7f && r < 0xa0 {
				t.Errorf("%q gives %q", text, got)
			}
		}
	})
}
