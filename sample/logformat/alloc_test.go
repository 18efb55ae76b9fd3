package logformat

import (
	"testing"

	"github.com/evenkeel/evenkeel/sample"
)

// message is the head of a request, for tests.
type message struct {
	uri    []byte
	fields [][2][]byte
}

func (m *message) Method() []byte                   { return []byte("GET") }
func (m *message) MethodAsked() []byte              { return []byte("GET") }
func (m *message) URI() []byte                      { return m.uri }
func (m *message) Version() []byte                  { return []byte("1.1") }
func (m *message) Status() int                      { return 0 }
func (m *message) Reason() []byte                   { return nil }
func (m *message) Len() int                         { return len(m.fields) }
func (m *message) Field(i int) (name, value []byte) { return m.fields[i][0], m.fields[i][1] }

// requested is the context of a request, of the client that is logged below.
func requested(uri string, fields ...string) *sample.Context {
	m := &message{uri: []byte(uri)}
	for i := 0; i < len(fields); i += 2 {
		m.fields = append(m.fields, [2][]byte{[]byte(fields[i]), []byte(fields[i+1])})
	}
	c, _ := logged()
	c.Point, c.Request = sample.Request, m
	return c
}

// TestNoAllocations: a format with warm scratch space allocates nothing.
func TestNoAllocations(t *testing.T) {
	buf := make([]byte, 0, 4096)
	c := requested("/static/images/logo.png?v=12", "Host", "www.example.com", "Cookie", "SRV=s1; theme=dark")
	c.Getenv = func(string) (string, bool) { return "x", true }
	for _, text := range []string{
		"%[src]", "%[path,lower]", "%[req.hdr(host),field(1,:)]", "%[req.cook(SRV)]", "%[base32,hex]", "%[url,url_dec]",
		"%[src,ipmask(24)]",
		"%[date,utime(%Y-%m-%d)]", "%[uuid]", "%[rand(10)]", "%[path,sha1,hex]", "%[req.hdr(host),base64]", "%[env(X)]",
		"%[fe_name]", "%[base]",
		"%[req.hdr_names]", "%[hostname]", "%[str(a),concat(b)]", "%[path,json(ascii)]", "%{+Q}o %ci:%cp %[path] %ID",
	} {
		f, err := Parse(text, sample.Request, true, nil)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if n := testing.AllocsPerRun(200, func() { buf = f.Append(buf[:0], c) }); n != 0 {
			t.Errorf("format %s allocates %v times", text, n)
		}
	}
	l, _ := logged()
	for _, text := range []string{HTTPLog, TCPLog, CLFLog, HTTPSLog} {
		f, err := Parse(text, sample.Log, true, nil)
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(200, func() { buf = f.Append(buf[:0], l) }); n != 0 {
			t.Errorf("format %s allocates %v times", text, n)
		}
	}
}
