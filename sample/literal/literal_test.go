package literal

import (
	"math"
	"strings"
	"testing"
)

func TestNumbers(t *testing.T) {
	for text, want := range map[string]int64{
		"5": 5, "+5": 5, "-5": -5, "007": 7, "": -1, "+": -1, "--5": -1, "5a": -1, "9223372036854775808": -1,
	} {
		if n, ok := Number(text); ok != (want != -1) || ok && n != want {
			t.Errorf("%q: %d %v", text, n, ok)
		}
	}
	for text, want := range map[string]int64{
		"5a": 5, "-7abc": -7, "": 0, "x": 0, "99999999999999999999": math.MaxInt64,
	} {
		if n := Leading([]byte(text)); n != want {
			t.Errorf("%q begins with %d", text, n)
		}
	}
}

func TestAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"1.2.3.4": "1.2.3.4", "::1": "::1", "2001:db8::1": "2001:db8::1", "::ffff:1.2.3.4": "::ffff:1.2.3.4",
		"1.2.3": "", "1.2.3.256": "", "1.2.3.4.5": "", "fe80::1%eth0": "", "host": "", "": "", "0001.2.3.4": "",
	} {
		b := []byte(text)
		a, ok := Addr(b)
		if ok != (want != "") || ok && a.String() != want {
			t.Errorf("%q: %v %v", text, a, ok)
		}
		if n := testing.AllocsPerRun(20, func() { Addr(b) }); n != 0 && ok && a.Is4() {
			t.Errorf("%q: %v allocations", text, n)
		}
	}
}

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"a": "'a'", "a\r\n\x1b": "'a...'", "\xff": "'�'",
		strings.Repeat("a", 70): "'" + strings.Repeat("a", 60) + "…'",
	} {
		if got := Quote(text); got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
}
