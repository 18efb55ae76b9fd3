package logformat

import (
	"testing"

	"github.com/evenkeel/evenkeel/sample"
)

func FuzzParse(f *testing.F) {
	for _, s := range []string{HTTPLog, TCPLog, CLFLog, HTTPSLog, "", "%", "%%", "%{", "%{+Q", "%{+Q}", "%[", "%[src",
		"%[src]", "%{+X,-Q}o %ci", "a  b", " %hr %HQ "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, at := range []sample.Point{sample.Request, sample.Log} {
			x, err := Parse(text, at, true, nil)
			if err != nil {
				checkError(t, err, len(text))
				continue
			}
			c, _ := logged()
			out := x.Append([]byte("before"), c)
			if string(out[:6]) != "before" {
				t.Error("Append changed what was there")
			}
			if s, ok := x.Constant(); ok && at == sample.Request && s != string(out[6:]) {
				t.Errorf("%q: constant %q, written %q", text, s, out[6:])
			}
			if c.Mark() != 0 {
				t.Error("Append left something in the scratch space")
			}
		}
	})
}

// checkError wants errors that can be shown: one line, within the text.
func checkError(t *testing.T, err error, length int) {
	t.Helper()
	e, ok := err.(*sample.Error)
	if !ok {
		t.Fatalf("%T", err)
	}
	if e.Message == "" || e.Arg != 0 || e.Offset < 0 || e.Offset > length {
		t.Errorf("%+v", e)
	}
	for _, b := range []byte(e.Message + e.Hint) {
		if b < ' ' || b == 0x7f {
			t.Errorf("control bytes in %q", e.Message)
			break
		}
	}
}
