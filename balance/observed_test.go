package balance

import (
	"bufio"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
)

// observed gives the lines of testdata/haproxy-2.6.txt that begin with word, split at spaces.
func observed(t *testing.T, word string) [][]string {
	t.Helper()
	f, err := os.Open("testdata/haproxy-2.6.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var lines [][]string
	for s := bufio.NewScanner(f); s.Scan(); {
		if fields := strings.Fields(s.Text()); len(fields) > 0 && fields[0] == word {
			lines = append(lines, fields[1:])
		}
	}
	if len(lines) == 0 {
		t.Fatalf("nothing observed for %q", word)
	}
	return lines
}

const digits = "0123456789ABCDEFGHIJ"

func weights(t *testing.T, list string) []Server {
	t.Helper()
	var servers []Server
	for _, w := range strings.Split(list, ",") {
		n, err := strconv.Atoi(w)
		if err != nil {
			t.Fatal(err)
		}
		servers = append(servers, Server{Weight: n, Usable: true})
	}
	return servers
}

// loads is a Loads of the test's making.
type loads struct {
	load  map[int]int
	limit map[int]int // 0: none
}

func (l loads) Load(i int) int  { return l.load[i] }
func (l loads) Full(i int) bool { return l.limit[i] > 0 && l.load[i] >= l.limit[i] }

func picks(table *Table, n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte(digits[table.Pick(0, false, None, loads{})])
	}
	return b.String()
}

func TestObservedTurns(t *testing.T) {
	for _, l := range observed(t, "turns") {
		p := Params{Algorithm: map[string]Algorithm{"roundrobin": RoundRobin, "static-rr": StaticRR}[l[0]]}
		if got := picks(New(p, weights(t, l[1]), nil), len(l[3])); got != l[3] {
			t.Errorf("%s %s\ngot  %s\nwant %s", l[0], l[1], got, l[3])
		}
	}
}

var functions = map[string]HashFunction{"sdbm": SDBM, "djb2": DJB2, "wt6": WT6, "crc32": CRC32}

func TestObservedHashes(t *testing.T) {
	for _, l := range observed(t, "hash") {
		p := Params{Algorithm: URIHash, Consistent: l[0] == "consistent", Function: functions[l[1]],
			Avalanche: l[2] == "avalanche"}
		got := New(p, weights(t, l[3]), nil).Pick(p.HashBytes([]byte(l[4])), true, None, loads{})
		if digits[got] != l[6][0] {
			t.Errorf("%v: got %d", l, got)
		}
	}
}

func TestObservedHashesWithoutOne(t *testing.T) {
	for _, l := range observed(t, "down") {
		// hash-type consistent without a function word mixes the key.
		p := Params{Algorithm: URIHash, Consistent: l[0] == "consistent", Avalanche: l[0] == "consistent"}
		servers := weights(t, "1,2,3,4")
		servers[l[1][0]-'0'].Usable = false
		if got := New(p, servers, nil).Pick(p.HashBytes([]byte(l[2])), true, None, loads{}); digits[got] != l[4][0] {
			t.Errorf("%v: got %d", l, got)
		}
	}
}

func TestObservedSources(t *testing.T) {
	for _, l := range observed(t, "source") {
		p := Params{Algorithm: SourceHash, Function: functions[l[0]], Avalanche: l[1] == "avalanche"}
		if got := New(p, weights(t, "3,2,6"), nil).Pick(p.HashAddr(netip.MustParseAddr(l[2])), true, None,
			loads{}); digits[got] != l[4][0] {
			t.Errorf("%v: got %d", l, got)
		}
	}
}

// TestHashAddr: IPv6 folds its words (seen with addresses in PROXY lines).
func TestHashAddr(t *testing.T) {
	var p Params
	for in, want := range map[string]uint32{
		"1.2.3.4": 0x01020304, "2001:db8::1": 0x20010db8 ^ 1,
		"1:2:3:4:5:6:7:8": 0x00010002 ^ 0x00030004 ^ 0x00050006 ^ 0x00070008,
	} {
		if got := p.HashAddr(netip.MustParseAddr(in)); got != want {
			t.Errorf("%s: %#x, not %#x", in, got, want)
		}
	}
}

func TestObservedWithoutKey(t *testing.T) {
	for _, l := range observed(t, "nokey") {
		p := Params{Algorithm: URLParam, Consistent: l[0] == "consistent"}
		if got := picks(New(p, weights(t, l[1]), nil), len(l[3])); got != l[3] {
			t.Errorf("%s %s\ngot  %s\nwant %s", l[0], l[1], got, l[3])
		}
	}
}

func TestObservedURIs(t *testing.T) {
	for _, l := range observed(t, "uri") {
		words := strings.Split(l[0], "+")
		var length, depth int
		var whole, pathOnly bool
		for i, w := range words {
			switch w {
			case "len":
				length, _ = strconv.Atoi(words[i+1])
			case "depth":
				depth, _ = strconv.Atoi(words[i+1])
			case "whole":
				whole = true
			case "path-only":
				pathOnly = true
			}
		}
		p := Params{Algorithm: URIHash}
		part := URIPart([]byte(l[1]), length, depth, whole, pathOnly)
		if got := New(p, weights(t, "1,1,1,1,1,1,1,1,1,1,1"), nil).Pick(p.HashBytes(part), true, None,
			loads{}); digits[got] != l[3][0] {
			t.Errorf("%v: hashed %q, got %d", l, part, got)
		}
	}
}

func TestObservedBackups(t *testing.T) {
	for _, l := range observed(t, "backup") {
		servers := weights(t, "2,1,3,1")
		servers[2].Backup, servers[3].Backup = true, true
		for _, d := range strings.Trim(l[1], "-") {
			servers[d-'0'].Usable = false
		}
		p := Params{AllBackups: l[0] != "-"}
		if got := picks(New(p, servers, nil), len(l[3])); got != l[3] {
			t.Errorf("%v: got %s", l, got)
		}
	}
}

// TestObservedChanges follows servers that leave, return and get other weights. Until the
// first return or weight every turn is HAProxy's. After it the order may differ by a
// place; so many whole segments are the same, and that must not become less.
func TestObservedChanges(t *testing.T) {
	same, segments := 0, 0
	for _, l := range observed(t, "change") {
		servers := weights(t, l[0])
		table := New(Params{}, servers, nil)
		exact := true
		for _, e := range l[1:] {
			switch {
			case e[0] == 'S':
				got := picks(table, len(e)-1)
				segments++
				if got == e[1:] {
					same++
				} else if exact {
					t.Errorf("%v: at %s got %s", l, e, got)
				}
				continue
			case e[0] == '-':
				servers[e[1]-'0'].Usable = false
			case e[0] == '+':
				servers[e[1]-'0'].Usable = true
				exact = false
			default:
				servers[e[0]-'0'].Weight, _ = strconv.Atoi(e[2:])
				exact = false
			}
			table = New(Params{}, servers, table)
		}
	}
	t.Logf("%d of %d segments in HAProxy's order", same, segments)
	if same < 534 {
		t.Errorf("only %d of %d segments in HAProxy's order", same, segments)
	}
}
