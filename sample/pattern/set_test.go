package pattern

import (
	"net/netip"
	"testing"
)

// set fills a set; a text that begins with "-i " is folded.
func set(t *testing.T, way string, texts ...string) *Set {
	t.Helper()
	w, ok := FindWay(way)
	if !ok {
		t.Fatal(way)
	}
	s := &Set{Way: w}
	for _, text := range texts {
		fold := false
		if len(text) > 3 && text[:3] == "-i " {
			text, fold = text[3:], true
		}
		if s.Way.Numeric() && s.Operator(text) {
			continue
		}
		if err := s.Add(text, fold); err != nil {
			t.Fatalf("%s %s: %v", way, text, err)
		}
	}
	s.Finish()
	return s
}

func TestTexts(t *testing.T) {
	for _, test := range []struct {
		way      string
		patterns []string
		text     string
		want     int
	}{
		{"str", []string{"a", "b"}, "b", 1},
		{"str", []string{"a", "b"}, "b\x00c", 1},
		{"str", []string{"a", "b", "c", "d", "e", "-i F"}, "f", 5},
		{"str", []string{"a", "b", "c", "d", "e", "F"}, "f", -1},
		{"bin", []string{"6100", "62"}, "a\x00", 0},
		{"bin", []string{"61"}, "a\x00", -1},
		{"beg", []string{"/b", "-i /A"}, "/ab", 1},
		{"end", []string{".png"}, "x.png", 0},
		{"sub", []string{"-i LL"}, "hello", 0},
		{"dir", []string{"/b/"}, "/a/b/c", 0},
		{"dir", []string{"b"}, "/a/bc", -1},
		{"dom", []string{"example"}, "www.example.com", 0},
		{"reg", []string{"^a.c$", `\.html$`}, "x.html", 1},
		{"reg", []string{"^a+c$"}, "aac\n", 0},
		{"reg", []string{"^a+c$"}, "aac\nb", -1},
	} {
		scratch := []byte("kept")
		if got := set(t, test.way, test.patterns...).Text([]byte(test.text), &scratch); got != test.want {
			t.Errorf("%s %q of %q: %d, not %d", test.way, test.patterns, test.text, got, test.want)
		}
		if string(scratch) != "kept" {
			t.Errorf("%s %q leaves %q", test.way, test.patterns, scratch)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, test := range []struct {
		patterns []string
		n        int64
		want     int
	}{
		{[]string{"1", "5:7", "10:"}, 6, 1}, {[]string{"1", "5:7", "10:"}, 8, -1},
		{[]string{"1", "5:7", "10:"}, 1 << 40, 2}, {[]string{"gt", "3"}, 3, -1}, {[]string{"ge", "3"}, 3, 0},
		{[]string{"lt", "3", "eq", "9"}, 9, 1}, {[]string{"le", "-3"}, -3, 0},
	} {
		if got := set(t, "int", test.patterns...).Number(test.n); got != test.want {
			t.Errorf("%q of %d: %d, not %d", test.patterns, test.n, got, test.want)
		}
	}
}

func TestNetworks(t *testing.T) {
	many := []string{"10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "192.168/16", "172.16.0.0/255.240.0.0", "10.1.2.0/24"}
	for _, test := range []struct {
		patterns []string
		addr     string
		want     int
	}{
		{many, "10.1.2.3", 2}, {many, "10.1.2.4", 5}, {many, "10.1.3.1", 1}, {many, "10.255.255.255", 0},
		{many, "11.0.0.0", -1},
		{many, "172.31.255.255", 4}, {many, "::ffff:10.1.2.3", 2}, {many, "2002:0a01:0203::1", 2},
		{[]string{"10.0.0.1/255.0.0.255"}, "10.7.8.1", 0}, {[]string{"10.12"}, "10.0.0.12", 0},
		{[]string{"2001:db8::/32", "2001:db8:1::/48"}, "2001:db8:1::5", 1}, {[]string{"::ffff:0:0/96"}, "1.2.3.4", 0},
	} {
		if got := set(t, "ip", test.patterns...).Addr(netip.MustParseAddr(test.addr)); got != test.want {
			t.Errorf("%q of %s: %d, not %d", test.patterns, test.addr, got, test.want)
		}
	}
}

// The longest key of a map decides, whatever their order.
func TestKeys(t *testing.T) {
	s := &Set{Way: Beg}
	for _, key := range []string{"/", "/a/b", "/a"} {
		if err := s.Add(key, false); err != nil {
			t.Fatal(err)
		}
	}
	s.FinishKeys()
	if got := s.Text([]byte("/a/bc"), new([]byte)); got != 1 {
		t.Error(got)
	}
}

func TestRefused(t *testing.T) {
	for _, test := range []struct{ way, text, want string }{
		{"int", "x", "'x' is not a number"}, {"int", "7:5", "'7:5' is not a range: its ends are the wrong way round"},
		{"ip", "host.name", "'host.name' is not an IPv4 or IPv6 address"},
		{"bin", "6", "an even number of hexadecimal digits is expected, not '6'"},
		{"reg", `(a)\1`, `regular expression '(a)\1' refers back to a group, which is not supported`},
		{"reg", "a(?=b)", "regular expression 'a(?=b)' looks around, which is not supported"},
	} {
		w, _ := FindWay(test.way)
		if err := (&Set{Way: w}).Add(test.text, false); err == nil || err.Message != test.want {
			t.Errorf("%s %s: %v", test.way, test.text, err)
		}
	}
}
