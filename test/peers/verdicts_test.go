package peers

import (
	"maps"
	"testing"
)

// TestFormat: what is written is read again; a record of another version is none.
func TestFormat(t *testing.T) {
	said := map[string]string{"a \"b\"\n": "", "": "x\ty", "é\x00": "\n\n"}
	text := format(HAProxy, said)
	read, err := parse(HAProxy, string(text))
	if err != nil || !maps.Equal(read, said) {
		t.Errorf("%q, %v, from\n%s", read, err, text)
	}
	for _, bad := range []string{"", "haproxy 2.6.11\n", Keepalived.String() + "\n", HAProxy.String() + "\n\"a\"\n",
		HAProxy.String() + "\na b\n"} {
		if read, err := parse(HAProxy, bad); err == nil {
			t.Errorf("%q is read as %q", bad, read)
		}
	}
}

// failures counts what a test is told.
type failures struct {
	testing.TB
	n       int
	cleanup []func()
}

func (f *failures) Helper()               {}
func (f *failures) Errorf(string, ...any) { f.n++ }
func (f *failures) Failed() bool          { return f.n > 0 }
func (f *failures) Skipped() bool         { return false }
func (f *failures) Cleanup(c func())      { f.cleanup = append(f.cleanup, c) }

// all has every question asked, as -peers does.
func all(v *Verdicts) { v.asking, *ask = true, true }

// TestAnswers: a question without a verdict, a verdict without a question and one that has changed fail.
func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		name  string
		use   func(v *Verdicts)
		fails int
	}{
		{"as recorded", func(v *Verdicts) { v.Answer("q", nil) }, 0},
		{"not recorded", func(v *Verdicts) { v.Answer("q", nil); v.Answer("r", nil) }, 1},
		{"not asked for", func(v *Verdicts) {}, 1},
		{"asked, the same", func(v *Verdicts) { all(v); v.Answer("q", func() string { return "yes" }) }, 0},
		{"asked, another", func(v *Verdicts) { all(v); v.Answer("q", func() string { return "no" }) }, 1},
		{"asked, new", func(v *Verdicts) {
			all(v)
			v.Answer("q", func() string { return "yes" })
			v.Answer("r", func() string { return "yes" })
		}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &failures{TB: t}
			v := &Verdicts{t: f, program: HAProxy, recorded: map[string]string{"q": "yes"},
				heard: make(map[string]string)}
			before := *ask
			defer func() { *ask = before }()
			c.use(v)
			v.close()
			if f.n != c.fails {
				t.Errorf("%d failures, not %d", f.n, c.fails)
			}
		})
	}
}
