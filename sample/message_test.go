package sample

import (
	"bytes"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// rawMessage is a head read from text, for tests.
type rawMessage struct {
	method, uri, version, reason []byte
	status                       int
	fields                       [][2][]byte
}

func (m *rawMessage) Method() []byte      { return m.method }
func (m *rawMessage) URI() []byte         { return m.uri }
func (m *rawMessage) Version() []byte     { return m.version }
func (m *rawMessage) Status() int         { return m.status }
func (m *rawMessage) MethodAsked() []byte { return m.method }
func (m *rawMessage) Reason() []byte      { return m.reason }
func (m *rawMessage) Len() int            { return len(m.fields) }
func (m *rawMessage) Field(i int) (name, value []byte) {
	return m.fields[i][0], m.fields[i][1]
}

// readMessage reads a well-formed head.
func readMessage(t testing.TB, text string) *rawMessage {
	t.Helper()
	lines := bytes.Split([]byte(text), []byte("\r\n"))
	first := bytes.SplitN(lines[0], []byte(" "), 3)
	if len(first) != 3 {
		t.Fatalf("bad start line %q", lines[0])
	}
	m := &rawMessage{}
	if v, ok := bytes.CutPrefix(first[0], []byte("HTTP/")); ok {
		m.version, m.reason = v, first[2]
		m.status, _ = strconv.Atoi(string(first[1]))
	} else {
		m.method, m.uri = first[0], first[1]
		m.version = bytes.TrimPrefix(first[2], []byte("HTTP/"))
	}
	for _, l := range lines[1:] {
		if len(l) == 0 {
			break
		}
		name, value, ok := bytes.Cut(l, []byte(":"))
		if !ok {
			t.Fatalf("bad field %q", l)
		}
		m.fields = append(m.fields, [2][]byte{name, trimBlanks(value)})
	}
	return m
}

// site is an Environment of made-up figures.
type site struct{}

func (site) Backend(name string) (BackendFacts, bool) {
	return BackendFacts{Usable: 2, Connections: 3, Rate: 4, Queue: 5, Free: 6}, name == "b"
}

func (site) Frontend(name string) (connections, rate int, ok bool) { return 7, 8, name == "f" }

func (site) Server(backend, server string) (ServerFacts, bool) {
	return ServerFacts{Up: true, Connections: 9, Queue: 10, Weight: 11}, backend == "b" && server == "s"
}

// standing are facts that do not change by themselves.
type standing struct{ r *Record }

func (k standing) Record(r *Record)         { *r = *k.r }
func (k standing) UniqueID(*Context) []byte { return nil }

// recordOf gives what the test may change of a context's facts.
func recordOf(c *Context) *Record {
	c.filled = false
	return c.Facts.(standing).r
}

// newContext is a request of a client at 127.0.0.1.
func newContext(t testing.TB, request string) *Context {
	t.Helper()
	c := &Context{
		Point:  Request,
		Source: netip.MustParseAddrPort("127.0.0.1:40000"),
		Dest:   netip.MustParseAddrPort("127.0.0.1:8080"),
		Now:    time.Unix(1795242742, 997_654_321).UTC(),
		Env:    site{},
		Getenv: os.LookupEnv,
		Facts:  standing{&Record{Frontend: "f", Host: "vm"}},
	}
	if request != "" {
		c.Request = readMessage(t, request)
	}
	return c
}

// show writes a value the way a header gets it.
func show(e *Expr, c *Context) string { return string(e.Append(nil, c)) }

func mustExpr(t testing.TB, text string, at Point) *Expr {
	t.Helper()
	e, err := ParseExpr(text, at)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return e
}

// splitWords is the shell-like splitting of a configuration line, without expansions.
func splitWords(s string) []string {
	var words []string
	var word strings.Builder
	started, quote := false, byte(0)
	for i := 0; i < len(s); i++ {
		switch b := s[i]; {
		case quote == 0 && b == ' ':
			if started {
				words = append(words, word.String())
			}
			word.Reset()
			started = false
		case quote == 0 && (b == '"' || b == '\''):
			quote, started = b, true
		case b == quote && quote != 0:
			quote = 0
		case b == '\\' && quote != '\'' && i+1 < len(s):
			i++
			if s[i] != ' ' && s[i] != '"' && s[i] != '\\' && s[i] != '\'' && s[i] != '#' {
				word.WriteByte('\\')
			}
			word.WriteByte(s[i])
			started = true
		default:
			word.WriteByte(b)
			started = true
		}
	}
	if started {
		words = append(words, word.String())
	}
	return words
}
