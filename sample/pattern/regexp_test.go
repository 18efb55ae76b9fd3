package pattern

import "testing"

// \s takes what PCRE2's does, wherever it may stand, and nothing else of an expression changes.
func TestBlanksOfRegexps(t *testing.T) {
	for _, test := range []struct {
		expr, yes, no string
	}{
		{`^a\sb$`, "a\vb", "a_b"},
		{`^a[\s_]b$`, "a\vb", "a-b"},
		{`^a[^\s_]b$`, "a-b", "a\vb"},
		{`^a\Sb$`, "a-b", "a\vb"},
		{`^a\\sb$`, `a\sb`, "a\vb"},
		{`^\Qa\sb\E\s$`, "a\\sb\v", "a\vb\v"},
		{`^[]\s]$`, "]", "s"},
		{`^[^]\s]$`, "s", "\v"},
		{`^[[:alpha:]\s]$`, "\v", ":"},
		{`^a.b$`, "a\nb", "ab"},
		{`^[\s-z]$`, "z", "A"},
		{`^[^\s-_]+$`, "ABC", "a_c"},
		{`^[^^]\s$`, "a\v", "^ "},
		{`^\\[\s]$`, "\\\v", "\\s"},
	} {
		re, err := CompileRegexp(test.expr, false)
		if err != nil {
			t.Errorf("%s: %v", test.expr, err)
			continue
		}
		if !re.MatchString(test.yes) || re.MatchString(test.no) {
			t.Errorf("%s: matches %q: %v, %q: %v", test.expr, test.yes, re.MatchString(test.yes), test.no,
				re.MatchString(test.no))
		}
	}
}
