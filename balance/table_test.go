package balance

import (
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func pick(t *Table, l Loads) int { return t.Pick(0, false, None, l) }

// TestLeastHeld: connections that stay; sequences seen with HAProxy 2.6, mode tcp.
func TestLeastHeld(t *testing.T) {
	for _, c := range []struct{ weights, want string }{
		{"1,1,1", "012012012"},
		{"3,1", "010000100010"},
		{"1,3", "011111011101"},
		{"5,3,2", "01200102100102010210"},
		{"100,1", "010000000000"},
		{"2,1,1", "012001200120"},
	} {
		table := New(Params{Algorithm: LeastConn}, weights(t, c.weights), nil)
		l := loads{load: map[int]int{}}
		var got strings.Builder
		for range c.want {
			i := pick(table, l)
			l.load[i]++
			got.WriteByte(digits[i])
		}
		if got.String() != c.want {
			t.Errorf("%s: got %s, want %s", c.weights, got.String(), c.want)
		}
	}
}

// TestLeastBrief: connections that end at once go round, whatever the weights.
func TestLeastBrief(t *testing.T) {
	table := New(Params{Algorithm: LeastConn}, weights(t, "5,3,0,2"), nil)
	for n, want := range []int{0, 1, 3, 0, 1, 3} {
		i := pick(table, loads{})
		if i != want {
			t.Errorf("%d: server %d, not %d", n, i, want)
		}
		table.Done(i)
	}
	// 1 ended before 0: it is the one that waits longest.
	a, b := pick(table, loads{}), pick(table, loads{})
	table.Done(b)
	table.Done(a)
	if c := pick(table, loads{}); c != 3 {
		t.Errorf("server %d, not 3", c)
	}
	if c := pick(table, loads{}); c != b {
		t.Errorf("server %d, not %d", c, b)
	}
}

// TestFull has sequences seen with HAProxy 2.6: connections stay, at most limit per server.
func TestFull(t *testing.T) {
	for _, c := range []struct {
		algorithm Algorithm
		weights   string
		limit     int
		want      string
	}{
		{LeastConn, "1,1", 2, "0101"},
		{First, "1,1,1", 2, "001122"},
		{RoundRobin, "1,1,1", 2, "012012"},
		{RoundRobin, "3,1,1", 3, "001021212"},
		{StaticRR, "3,1,1", 3, "001021212"},
	} {
		servers := weights(t, c.weights)
		table := New(Params{Algorithm: c.algorithm}, servers, nil)
		l := loads{load: map[int]int{}, limit: map[int]int{0: c.limit, 1: c.limit, 2: c.limit}}
		var got strings.Builder
		for range len(servers) * c.limit {
			i := pick(table, l)
			if i == None {
				t.Fatalf("%v: none after %s", c, got.String())
			}
			l.load[i]++
			got.WriteByte(digits[i])
		}
		if got.String() != c.want {
			t.Errorf("%+v: got %s", c, got.String())
		}
		if i := pick(table, l); i != None {
			t.Errorf("%+v: all are full, got %d", c, i)
		}
	}
}

// TestFullOnes: one free server among many full ones is found by every algorithm.
func TestFullOnes(t *testing.T) {
	for _, a := range []Algorithm{RoundRobin, StaticRR, LeastConn, First, Random, URLParam} {
		var servers []Server
		l := loads{load: map[int]int{}, limit: map[int]int{}}
		for i := range 50 {
			servers = append(servers, Server{Weight: 100 + i, Usable: true})
			l.load[i], l.limit[i] = 1, 1
		}
		l.load[33] = 0
		table := New(Params{Algorithm: a}, servers, nil)
		for range 100 {
			if i := pick(table, l); i != 33 {
				t.Fatalf("%d: %d", a, i)
			}
		}
		l.load[33] = 1
		if i := pick(table, l); i != None {
			t.Errorf("%d: all are full: %d", a, i)
		}
	}
}

func TestAvoid(t *testing.T) {
	for _, p := range []Params{{Algorithm: RoundRobin}, {Algorithm: StaticRR}, {Algorithm: LeastConn},
		{Algorithm: First},
		{Algorithm: Random}, {Algorithm: URIHash, Consistent: true}} {
		table := New(p, weights(t, "3,3,3"), nil)
		for n := range uint32(100) {
			if i := table.Pick(n*0x1234567, p.Consistent, 1, loads{}); i == 1 || i == None {
				t.Fatalf("%+v: %d", p, i)
			}
		}
		table = New(p, weights(t, "0,3,0"), table)
		if i := table.Pick(5, p.Consistent, 1, loads{}); i != 1 {
			t.Errorf("%+v: %d, though nothing else is left", p, i)
		}
	}
	p := Params{Algorithm: URIHash}
	if i := New(p, weights(t, "1,1,1"), nil).Pick(4, true, 1, loads{}); i != 1 {
		t.Errorf("map-based: %d", i)
	}
}

func TestNothingUsable(t *testing.T) {
	for a := RoundRobin; a <= RDPCookie; a++ {
		for _, consistent := range []bool{false, true} {
			p := Params{Algorithm: a, Consistent: consistent}
			table := New(p, nil, nil)
			if i := table.Pick(1, true, None, loads{}); i != None || table.Usable() != 0 {
				t.Errorf("%+v: %d of none", p, i)
			}
			servers := weights(t, "1,2")
			table = New(p, servers, nil)
			first := pick(table, loads{})
			servers[0].Usable, servers[1].Usable = false, false
			table = New(p, servers, table)
			if i := pick(table, loads{}); i != None {
				t.Errorf("%+v: %d is not usable", p, i)
			}
			servers[0].Usable, servers[1].Usable = true, true
			table = New(p, servers, table)
			if i := pick(table, loads{}); i == None || first == None {
				t.Errorf("%+v: none", p)
			}
		}
	}
}

// TestShares: over whole cycles every algorithm that goes by weight gives each server its
// share, and never leaves it by more than a turn in between.
func TestShares(t *testing.T) {
	for _, c := range []struct {
		list string
		warm int
	}{{"1,1", 0}, {"5,3,2", 0}, {"100,1,37", 0}, {"256,255,1", 0}, {"7,7,7,7,1", 0}, {"10,10,10", 5}, {"256,1", 1}} {
		for _, a := range []Algorithm{RoundRobin, StaticRR} {
			servers := weights(t, c.list)
			if a == RoundRobin {
				servers[0].Warm = c.warm
			}
			total := 0
			for i := range servers {
				total += servers[i].effective()
			}
			table := New(Params{Algorithm: a}, servers, nil)
			counts := make([]int, len(servers))
			for n := 1; n <= total; n++ {
				counts[pick(table, loads{})]++
				for i := range servers {
					ideal := float64(n) * float64(servers[i].effective()) / float64(total)
					if d := math.Abs(float64(counts[i]) - ideal); d > float64(len(servers)) {
						t.Fatalf("%+v by %d: server %d has %d of %d turns, due %.1f", c, a, i, counts[i], n, ideal)
					}
				}
			}
			for i := range servers {
				if d := counts[i] - servers[i].effective(); d < -1 || d > 1 { // the first cycle settles
					t.Errorf("%+v by %d: server %d has %d of %d turns", c, a, i, counts[i], total)
				}
			}
		}
	}
}

// TestRandomShares: draws follow weights when loads are equal, and the less loaded is preferred.
func TestRandomShares(t *testing.T) {
	servers := weights(t, "4,2,1,1")
	table := New(Params{Algorithm: Random, Draws: 1, Seed: 42}, servers, nil)
	counts := make([]int, 4)
	const n = 100000
	for range n {
		counts[pick(table, loads{})]++
	}
	for i, w := range []float64{4, 2, 1, 1} {
		// Points on the ring lie unevenly, as in HAProxy: 16 for weight 1.
		if share := float64(counts[i]) / n; share < w/8*0.5 || share > w/8*1.6 {
			t.Errorf("server %d: %.3f of all, weight %v of 8", i, share, w)
		}
	}
	table = New(Params{Algorithm: Random, Seed: 42}, weights(t, "1,1"), nil)
	busy := 0
	for range 1000 {
		if pick(table, loads{load: map[int]int{0: 10, 1: 1}}) == 0 {
			busy++
		}
	}
	if busy > 400 {
		t.Errorf("the busy server was chosen %d times of 1000", busy)
	}
}

// TestDisruption: on the ring, a server's leaving moves only its own keys, a weight's
// growth only keys towards it.
func TestDisruption(t *testing.T) {
	p := Params{Algorithm: URIHash, Consistent: true, Avalanche: true}
	servers := weights(t, "1,2,3,4,5")
	before := New(p, servers, nil)
	servers[2].Usable = false
	without := New(p, servers, before)
	servers[2].Usable = true
	servers[4].Weight = 9
	grown := New(p, servers, without)
	moved := 0
	for i := range 20000 {
		key := p.HashBytes(strconv.AppendInt(nil, int64(i), 10))
		a, b, c := before.Pick(key, true, None, loads{}), without.Pick(key, true, None, loads{}), grown.Pick(key, true,
			None, loads{})
		if a != 2 && a != b || b == 2 {
			t.Fatalf("key %#x: %d, without server 2 %d", key, a, b)
		}
		if a != c && c != 4 {
			t.Fatalf("key %#x: %d, with server 4 grown %d", key, a, c)
		}
		if a != c {
			moved++
		}
	}
	if moved == 0 {
		t.Error("a grown weight moved nothing")
	}
}

// TestGoesOn: a new Table with the same servers goes on where the old one was.
func TestGoesOn(t *testing.T) {
	for _, p := range []Params{{Algorithm: RoundRobin}, {Algorithm: StaticRR}, {Algorithm: LeastConn}} {
		servers := weights(t, "5,3,2")
		want := picks(New(p, servers, nil), 60)
		table := New(p, servers, nil)
		got := ""
		for len(got) < 60 {
			got += picks(table, min(1+len(got)%7, 60-len(got)))
			table = New(p, servers, table)
		}
		if got != want {
			t.Errorf("%+v\ngot  %s\nwant %s", p, got, want)
		}
	}
}

// TestHugeWeights: sequences stay bounded, and shares near.
func TestHugeWeights(t *testing.T) {
	var servers []Server
	for i := range 300 {
		servers = append(servers, Server{Weight: 256 - i%7, Warm: 1 + i%16, Usable: true})
	}
	table := New(Params{}, servers, nil)
	if n := len(table.turns.cycle); n > maxCycle || n*len(servers) > maxSteps {
		t.Fatalf("cycle of %d turns", n)
	}
	counts := make([]int, len(servers))
	total := 0
	for i := range servers {
		total += servers[i].effective()
	}
	n := len(table.turns.cycle) * 10
	for range n {
		counts[pick(table, loads{})]++
	}
	for i := range servers {
		want := float64(n) * float64(servers[i].effective()) / float64(total)
		if float64(counts[i]) < want*0.5 || float64(counts[i]) > want*1.6 {
			t.Errorf("server %d of weight %d: %d turns, due %.0f", i, servers[i].effective(), counts[i], want)
		}
	}
}

func TestKeys(t *testing.T) {
	for _, c := range []struct{ uri, want string }{
		{"/?id=7", "7"}, {"/?a=1&id=7&b", "7"}, {"/?id=&b", ""}, {"/?xid=1&idx=2&id=7", "7"}, {"/?id=7&id=8", "7"},
		{"/x?y?id=7", "none"}, {"/?id", "none"}, {"/?ID=7", "none"}, {"/id=7", "none"}, {"/?b;id=7", "none"},
		{"/?id=7;b", "7;b"},
	} {
		got, ok := ParamValue([]byte(c.uri), "id")
		if !ok {
			got = []byte("none")
		}
		if string(got) != c.want {
			t.Errorf("%s: %q, not %q", c.uri, got, c.want)
		}
	}
	for in, want := range map[string]string{
		"a": "a", "a, b": "a", "a b": "a b", `"a,b", c`: `"a,b"`, `"a\",b", c`: `"a\",b"`, "": "none", ", b": "none",
		"a ,b": "a",
	} {
		got, ok := FirstElement([]byte(in))
		if !ok {
			got = []byte("none")
		}
		if string(got) != want {
			t.Errorf("%q: %q, not %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"www.example.com": "example", "www.example.com:8080": "example", "example.com": "example", "example": "example",
		"a.b.www.example.com": "example", "www.example.com.": "com", "www.example.co.uk": "co", "10.1.2.3": "2", "": "",
	} {
		if got := string(DomainPart([]byte(in))); got != want {
			t.Errorf("%q: %q, not %q", in, got, want)
		}
	}
}

type quick struct{}

func (quick) Load(i int) int  { return i & 1 }
func (quick) Full(i int) bool { return i == 2 }

func TestPickDoesNotAllocate(t *testing.T) {
	for a := RoundRobin; a <= RDPCookie; a++ {
		p := Params{Algorithm: a, Consistent: a&1 == 0, Function: WT6, Avalanche: true}
		table := New(p, weights(t, "5,4,3,2,1"), nil)
		uri := []byte("/a/b?id=5")
		if n := testing.AllocsPerRun(100, func() {
			id, _ := ParamValue(uri, "id")
			table.Pick(p.HashBytes(URIPart(uri, 9, 2, true, true)), true, None, quick{})
			table.Pick(p.HashBytes(id), false, 1, quick{})
			table.Done(1)
		}); n != 0 {
			t.Errorf("%d: %v allocations", a, n)
		}
	}
}

// TestThreads: every pick is someone's turn: many threads together give each server its
// exact share, while Tables are replaced under them.
func TestThreads(t *testing.T) {
	table := New(Params{}, weights(t, "5,3,2"), nil)
	var mu sync.Mutex
	var wg sync.WaitGroup
	counts := make([]int, 3)
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			mine := make([]int, 3)
			for range 25000 {
				mine[table.Pick(0, false, None, loads{})]++
			}
			mu.Lock()
			defer mu.Unlock()
			for i, n := range mine {
				counts[i] += n
			}
		}()
	}
	for range 20 {
		New(Params{}, weights(t, "1,1,1"), table)
	}
	wg.Wait()
	if counts[0] != 50000 || counts[1] != 30000 || counts[2] != 20000 {
		t.Errorf("%v", counts)
	}
}

func BenchmarkPick(b *testing.B) {
	for _, a := range []Algorithm{RoundRobin, LeastConn, Random, URIHash} {
		b.Run(strconv.Itoa(int(a)), func(b *testing.B) {
			var servers []Server
			for range 10 {
				servers = append(servers, Server{Weight: 10, Usable: true})
			}
			table := New(Params{Algorithm: a}, servers, nil)
			b.ReportAllocs()
			for n := uint32(0); b.Loop(); n++ {
				table.Pick(n, true, None, quick{})
			}
		})
	}
}
