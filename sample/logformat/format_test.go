package logformat

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/sample"
)

// standing are facts that do not change by themselves.
type standing struct{ r *sample.Record }

func (k standing) Record(r *sample.Record)         { *r = *k.r }
func (k standing) UniqueID(*sample.Context) []byte { return nil }

// logged is the end of the stream that the lines below tell of, and its record, to be changed before it is asked for.
func logged() (*sample.Context, *sample.Record) {
	begun := time.Date(2026, 11, 21, 6, 33, 13, 681e6, time.UTC)
	r := &sample.Record{
		Frontend: "f0", Backend: "b", Server: "s1", Host: "vm", PID: 7891, Counter: 108,
		Client: netip.MustParseAddrPort("127.0.0.1:60552"), Dest: netip.MustParseAddrPort("127.0.0.1:28878"),
		BackendSource: netip.MustParseAddrPort("127.0.0.1:36562"),
		BackendDest:   netip.MustParseAddrPort("127.0.0.1:29334"),
		Accepted:      begun.Add(-time.Millisecond), Begun: begun,
		Status: 200, BytesToClient: 111, BytesToServer: 42, Active: 2, FrontendConns: 1,
		Termination: [4]byte{'-', '-', '-', '-'},
		Method:      []byte("OPTIONS"), URI: []byte("*"), Version: []byte("1.1"),
		SetCookie:       []byte("CC=zz123"),
		RequestCaptures: [][]byte{[]byte("x"), nil}, ResponseCaptures: [][]byte{[]byte("abc d")},
	}
	return &sample.Context{Point: sample.Log, Facts: standing{r}, Source: r.Client, Dest: r.Dest, Now: begun}, r
}

// bad turns a record into one of a request that was not understood.
func bad(r *sample.Record) {
	r.Bad, r.Method, r.URI, r.Version = true, nil, nil, nil
	r.Backend, r.Server, r.Status, r.BytesToClient = "f0", "<NOSRV>", 400, 0
	r.TR, r.Tw, r.Tc, r.Tr, r.Td, r.Tu = -1, -1, -1, -1, -1, -1
	r.Termination = [4]byte{'P', 'R', '-', '-'}
	r.RequestCaptures, r.ResponseCaptures, r.SetCookie = nil, nil, nil
	r.BackendSource, r.BackendDest = netip.AddrPort{}, netip.AddrPort{}
}

func weird(r *sample.Record) {
	r.Method, r.URI = []byte("GET"), []byte(`/p\a]b"c{|}`+"`"+`<>^%20~;'?q="1"?w`)
	r.RequestCaptures = [][]byte{[]byte("ab"), nil, []byte("q\"\\]#{|}`\xe9\tz")}
	r.RequestCookie = []byte(`CC="a]\#|`)
}

func absolute(r *sample.Record) {
	r.Method, r.URI, r.Version = []byte("GET"), []byte("http://u.h.com:81/x/y?z"), []byte("1.0")
}

// lines are those of HAProxy 2.6.12 for such requests; addresses and times have been made those of logged.
var lines = []struct {
	name, format string
	change       func(*sample.Record)
	want         string
}{
	{"httplog", HTTPLog, nil,
		`127.0.0.1:60552 [21/Nov/2026:06:33:13.681] f0 b/s1 0/0/0/0/0 200 111 - CC=zz123 ---- 2/1/0/0/0 0/0 {x|} {abc d} "OPTIONS * HTTP/1.1"`},
	{"httplog without captures", HTTPLog, func(r *sample.Record) { r.RequestCaptures, r.ResponseCaptures = nil, nil },
		`127.0.0.1:60552 [21/Nov/2026:06:33:13.681] f0 b/s1 0/0/0/0/0 200 111 - CC=zz123 ---- 2/1/0/0/0 0/0 "OPTIONS * HTTP/1.1"`},
	{"httplog of cookies that steer a terminal", HTTPLog, func(r *sample.Record) {
		r.RequestCookie, r.SetCookie = []byte("C=\x7f"), []byte("C=\x1b[2J\a\tx")
	},
		`127.0.0.1:60552 [21/Nov/2026:06:33:13.681] f0 b/s1 0/0/0/0/0 200 111 C=#7F C=#1B[2J#07` + "\tx" +
			` ---- 2/1/0/0/0 0/0 {x|} {abc d} "OPTIONS * HTTP/1.1"`},
	{"httplog of a bad request", HTTPLog, bad,
		`127.0.0.1:60552 [21/Nov/2026:06:33:13.681] f0 f0/<NOSRV> -1/-1/-1/-1/0 400 0 - - PR-- 2/1/0/0/0 0/0 "<BADREQ>"`},
	{"httplog as soon as possible", HTTPLog, func(r *sample.Record) { r.Partial = true },
		`127.0.0.1:60552 [21/Nov/2026:06:33:13.681] f0 b/s1 0/0/0/0/+0 200 +111 - CC=zz123 ---- 2/1/0/0/0 0/0 {x|} {abc d} "OPTIONS * HTTP/1.1"`},
	{"tcplog", TCPLog, nil, `127.0.0.1:60552 [21/Nov/2026:06:33:13.680] f0 b/s1 0/0/0 111 -- 2/1/0/0/0 0/0`},
	{"tcplog as soon as possible", TCPLog, func(r *sample.Record) { r.Partial = true },
		`127.0.0.1:60552 [21/Nov/2026:06:33:13.680] f0 b/s1 0/0/+0 +111 -- 2/1/0/0/0 0/0`},
	{"clf", CLFLog, nil,
		`127.0.0.1 - - [21/Nov/2026:06:33:13 +0000] "OPTIONS * HTTP/1.1" 200 111 "" "" 60552 680 "f0" "b" "s1" 0 0 0 0 0 ---- 2 1 0 0 0 0 0 "" "CC=zz123" "x" "" "abc d"`},
	{"clf of a bad request", CLFLog, bad,
		`127.0.0.1 - - [21/Nov/2026:06:33:13 +0000] "<BADREQ>" 400 0 "" "" 60552 680 "f0" "f0" "<NOSRV>" -1 -1 -1 -1 0 PR-- 2 1 0 0 0 0 0 "" "" `},
	{"httpslog", HTTPSLog, nil,
		`127.0.0.1:60552 [21/Nov/2026:06:33:13.681] f0 b/s1 0/0/0/0/0 200 111 - CC=zz123 ---- 2/1/0/0/0 0/0 {x|} {abc d} "OPTIONS * HTTP/1.1" 0/-/-/-/0 -/-/-`},
	{"dates", "%T %Tl %Ts %t %ms %tr %trg %trl", nil,
		"21/Nov/2026:06:33:13 +0000 21/Nov/2026:06:33:13 +0000 1795242793 21/Nov/2026:06:33:13.680 680 " +
			"21/Nov/2026:06:33:13.681 21/Nov/2026:06:33:13 +0000 21/Nov/2026:06:33:13 +0000"},
	{"hexadecimal", "%{+X}Ts %{+X}ms %{+X}ci %{+X}cp %{+X}pid %{+X}rt %{+X}lc %{+X}B %{+X}ST %{+X}bi:%{+X}sp", nil,
		"6B013B29 2A8 7F000001 EC88 1ED3 006C 0000 111 200 7F000001:7296"},
	{"quotes", "%{+Q}ci|%{+Q}cp|%{+Q}f|%{+Q}CC|%{+Q}CS|%{+Q}ID|%{+Q}HM|%{+Q}tsc|%{+Q}sslv|%{+Q}hr|%{+Q}hrl|%{+Q}H|%{+Q}ST", nil,
		`"127.0.0.1"|60552|"f0"|""|"CC=zz123"|""|"OPTIONS"|----|""|"{x|}"|"x" ""|"vm"|200`},
	{"nothing", "%ID|%CC|%sslc|%hrl|%bi:%bp", func(r *sample.Record) { r.BackendSource = netip.AddrPort{} },
		"-|-|-|x -|-:-"},
	{"request line", "%r|%{+Q}r|%{+E}r|%{+Q,+E}r", weird,
		`GET /p\a]b#22c{|}` + "`" + `<>^%20~;'?q=#221#22?w HTTP/1.1|"GET /p\a]b#22c{|}` + "`" +
			`<>^%20~;'?q=#221#22?w HTTP/1.1"|GET /p\\a\]b#22c{|}` + "`" +
			`<>^%20~;'?q=#221#22?w HTTP/1.1|"GET /p\\a\]b#22c{|}` + "`" + `<>^%20~;'?q=#221#22?w HTTP/1.1"`},
	{"parts", "%HP|%HPO|%HQ|%HU|%HV|%HM|%{+Q}HQ|%{+E}HU|%{+E}HQ|%{+Q,+E}HP", weird,
		`/p\a]b#22c{|}` + "`" + `<>^%20~;'|/p\a]b#22c{|}` + "`" + `<>^%20~;'|?q=#221#22?w|/p\a]b#22c{|}` + "`" +
			`<>^%20~;'?q=#221#22?w|HTTP/1.1|GET|"?q=#221#22?w"|/p\\a\]b#22c{|}` + "`" +
			`<>^%20~;'?q=#221#22?w|?q=#221#22?w|"/p\\a\]b#22c{|}` + "`" + `<>^%20~;'"`},
	{"parts of an absolute target", "%HP|%HPO|%HQ|%HU|%HV|%HM|%{+Q}HQ", absolute,
		`http://u.h.com:81/x/y|/x/y|?z|http://u.h.com:81/x/y?z|HTTP/1.0|GET|"?z"`},
	{"parts of *", "%HP|%HPO|%HQ|%HU|%HV|%HM|%{+Q}HQ|%{+E}HU", nil, `*|||*|HTTP/1.1|OPTIONS|""|*`},
	{"captures", "%hr|%{+E}hr|%{+Q}hrl|%CC|%{+E}CC|%{+Q,+E}CC|%CS|%{+Q}CS|%hs", weird,
		`{ab||q#22\]#23#7B#7C#7D` + "`" + `#E9#09z}|{ab||q#22\\\]#23#7B#7C#7D` + "`" +
			`#E9#09z}|"ab" "" "q#22\]#23#7B#7C#7D` + "`" +
			`#E9#09z"|CC="a]\#||CC=\"a\]\\#||"CC=\"a\]\\#|"|CC=zz123|"CC=zz123"|{abc d}`},
	{"blanks", "<a  b   c\ttab %[str(x  y)]  %%  z >  ", nil, "<a b c\ttab x  y % z > "},
	{"blanks around nothing", " %ci %HQ %[str()] %CC %o x %hr%hs y", func(r *sample.Record) { r.URI = []byte("/") },
		"127.0.0.1  - - x {x|}{abc d} y"},
	{"flags for all", "%{+Q}o %ci %{-Q}cp %cp %ci %{-Q}o %ci", nil, `"127.0.0.1" 60552 60552 "127.0.0.1" 127.0.0.1`},
	{"expressions", "%{+Q,+X}o %ci %cp %[src_port] %[src] %[bool(1)] %[bin(0001ff41)]", nil,
		`7F000001 EC88 "60552" "127.0.0.1" "1" ""`},
	{"expressions of captures", "%[capture.req.uri]|%[capture.req.method]|%[capture.req.ver]|%{+Q,+E}[capture.req.hdr(2)]|%[capture.req.hdr(1)]|%{+Q}[capture.req.hdr(1)]", weird,
		`/p\a]b"c{|}` + "`" + `<>^%20~;'?q="1"?w|GET|HTTP/1.1|"q\"\\\]#{|}` + "`\xe9\tz" + `"|-|""`},
	{"line ends", "%[str(a%0d%0Ab),url_dec]", nil, "a#0D#0Ab"},
	{"control bytes", "%[str(a%1b[31m%7f%09z),url_dec] %{+Q}[str(%1b),url_dec]", nil, "a#1B[31m#7F\tz \"#1B\""},
	{"redispatch", "%rc", func(r *sample.Record) { r.Retries, r.Redispatched = 3, true }, "+3"},
	{"UNIX client", "%ci:%cp %fi:%fp", func(r *sample.Record) {
		r.Client, r.Dest, r.UnixBind, r.BindID = netip.AddrPort{}, netip.AddrPort{}, "/run/x.sock", 4
	}, "unix:4 unix:4"},
	{"timers", "%Th/%Ti/%TR/%Tq %Tt %Td %Tu %U", func(r *sample.Record) {
		r.Th, r.Ti, r.TR, r.Tt, r.Td, r.Tu = 1, 20, 300, 54321, 9, 10
	}, "1/20/300/321 54321 9 10 42"},
	{"timers of a bad request", "%ST %B %TR/%Tw/%Tc/%Tr/%Ta %Ti %Th %Tq %Tt %Td %tsc %ts %b %s %ft %rc %si:%sp %bi:%bp",
		bad,
		"400 0 -1/-1/-1/-1/0 0 0 -1 0 -1 PR-- PR f0 <NOSRV> f0 0 -:- -:-"},
	{"TLS", "%ft", func(r *sample.Record) { r.FrontendTransport = "f0~" }, "f0~"},
}

func TestFormatLines(t *testing.T) {
	for _, test := range lines {
		t.Run(test.name, func(t *testing.T) {
			f, err := Parse(test.format, sample.Log, true, nil)
			if err != nil {
				t.Fatal(err)
			}
			c, r := logged()
			if test.change != nil {
				test.change(r)
			}
			if got := string(f.Append(nil, c)); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// Outside of logs blanks stay and what is missing is nothing.
func TestFormatHeader(t *testing.T) {
	c := requested("/x?y", "Host", "h")
	for format, want := range map[string]string{
		" a  b ":                       " a  b ",
		"%[req.hdr(none)]":             "",
		"<%[req.hdr(none)]>%%":         "<>%",
		"%[src]:%[path] %[query]":      "127.0.0.1:/x y",
		"%{+Q}[req.hdr(host)]":         `"h"`,
		"%[req.hdr(host),upper]":       "H",
		`%[path,regsub("/","_",g)]|`:   "_x|",
		"%[str(a]b)]":                  "a]b",
		"https://%[hdr(host)]%[pathq]": "https://h/x?y",
	} {
		f, err := Parse(format, sample.Request, true, nil)
		if err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		if got := string(f.Append(nil, c)); got != want {
			t.Errorf("%s: got %q, want %q", format, got, want)
		}
	}
}

func TestFormatErrors(t *testing.T) {
	for _, test := range []struct {
		format string
		http   bool
		want   string // part of the message; empty: accepted
	}{
		{"%ci%", true, "nothing follows"}, {"%zz", true, "no alias %zz"}, {"%ciX", true, "no alias %ciX"},
		{"%{+Q ci", true, "closing }"}, {"%{+Q}", true, "followed by"}, {"%[", true, "is missing"},
		{"%[src", true, "closing ]"}, {"%[foo]", true, "unknown fetch 'foo'"},
		{"%[src,foo]", true, "unknown converter"},
		{"%[path]", true, "needs a request's head"}, {"% ci", true, "followed by an alias"},
		{"%{+Q}%", true, "followed by"},
		{"%OG", true, "no alias"}, {"%[src] x]", true, ""}, {"%{+Z}ci%{Q}ci%{+QX}ci%{+Q,}ci%{ +Q}ci", true, ""},
		{"%tr", false, "mode http"}, {"%CC", false, "mode http"}, {"%HM", false, "mode http"},
		{"%r", false, "mode http"},
		{"%Ta", false, "mode http"}, {"%Ti", false, "mode http"},
		{"%hr%hs%hrl%ST%Th%Tu%[capture.req.uri]%[status]", false, ""},
		{"%[req.body]", true, "not supported"}, {"%[var(txn.x)]", true, "not supported"},
	} {
		_, err := Parse(test.format, sample.Log, test.http, nil)
		switch {
		case err == nil && test.want != "":
			t.Errorf("%q: no error, want %q", test.format, test.want)
		case err != nil && (test.want == "" || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%q: error %q, want %q", test.format, err, test.want)
		}
	}
}

func TestFormatConstant(t *testing.T) {
	for format, want := range map[string]string{"": "", "a b": "a b", "100%%": "100%"} {
		f, err := Parse(format, sample.Request, true, nil)
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := f.Constant(); !ok || s != want {
			t.Errorf("%q: %q %v", format, s, ok)
		}
	}
	f, _ := Parse("a%ci", sample.Request, true, nil)
	if _, ok := f.Constant(); ok {
		t.Error("an alias is constant")
	}
}

// The second kept between lines must not outlive itself.
func TestFormatClock(t *testing.T) {
	f, err := Parse("%tr", sample.Log, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, r := logged()
	at := time.Date(2026, 12, 31, 23, 59, 57, 0, time.UTC)
	for i := range 40 {
		c.Reset(sample.Log)
		c.Facts = standing{r}
		r.Begun = at.Add(time.Duration(i) * 250 * time.Millisecond)
		want := r.Begun.Format("02/Jan/2006:15:04:05.000")
		if got := string(f.Append(nil, c)); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
}

func TestLiteral(t *testing.T) {
	c, _ := logged()
	if got := string(Literal("50% off  %ci").Append(nil, c)); got != "50% off  %ci" {
		t.Error(got)
	}
}

func BenchmarkFormatHTTPLog(b *testing.B) {
	f, err := Parse(HTTPLog, sample.Log, true, nil)
	if err != nil {
		b.Fatal(err)
	}
	c, r := logged()
	r.Method, r.URI = []byte("GET"), []byte("/static/images/logo.png?v=12")
	r.Client = netip.MustParseAddrPort("192.168.13.201:51234")
	r.RequestCaptures, r.ResponseCaptures = nil, nil
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = f.Append(buf[:0], c)
	}
}

// named are facts with a unique ID, which a format makes of anything.
type named string

func (n named) Record(*sample.Record)           {}
func (n named) UniqueID(*sample.Context) []byte { return []byte(n) }

// A unique ID may hold what a client has encoded: in a log line it is harmless, in a value it is what it is.
func TestUniqueIDInALine(t *testing.T) {
	c := &sample.Context{Point: sample.Log, Facts: named("a\r\n\x1bb")}
	for _, test := range []struct {
		line bool
		want string
	}{{true, "a#0D#0A#1Bb"}, {false, "a\r\n\x1bb"}} {
		at := sample.Request
		if test.line {
			at = sample.Log
		}
		f, err := Parse("%ID", at, true, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(f.Append(nil, c)); got != test.want {
			t.Errorf("line %v: %q, not %q", test.line, got, test.want)
		}
	}
}
