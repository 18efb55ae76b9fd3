package proxy

import (
	"fmt"
	"net"
	"testing"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/counter"
)

func (s *site) row(name string) counter.Row {
	s.t.Helper()
	for _, r := range s.engine.Status().Rows {
		if r.Name == name {
			return r
		}
	}
	s.t.Fatal("no row ", name)
	return counter.Row{}
}

// TestServerEndsWithinItsAnswer: that is an abort and a failed response.
func TestServerEndsWithinItsAnswer(t *testing.T) {
	server := newRawServer(t, func(conn net.Conn, _ int, _ string) bool {
		fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfour")
		return false
	})
	s := start(t, config.HTTP, nil, server.addr)
	c := s.dial(t)
	fmt.Fprint(c.conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	for err := error(nil); err == nil; {
		_, err = c.r.ReadByte()
	}
	await(t, "the abort is counted", func() bool { return s.row("s1").ServerAborts == 1 })
	if r := s.row("s1"); r.FailedResponses != 1 || r.ReqTotal != 1 {
		t.Errorf("%d failed responses, %d requests", r.FailedResponses, r.ReqTotal)
	}
}

// TestClientResets: a request of a client whose connection breaks is only given up with option abortonclose, and the
// client's going is counted once either way.
func TestClientResets(t *testing.T) {
	for _, abort := range []bool{false, true} {
		asked, answer := make(chan bool), make(chan bool)
		server := newRawServer(t, func(conn net.Conn, _ int, _ string) bool {
			asked <- true
			<-answer
			fmt.Fprint(conn, okAnswer)
			return true
		})
		s := start(t, config.HTTP, func(p *config.Proxy) { p.Options.AbortOnClose = abort }, server.addr)
		c := s.dial(t)
		fmt.Fprint(c.conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		<-asked
		c.conn.(*net.TCPConn).SetLinger(0)
		c.conn.Close()
		if abort {
			await(t, "the request is given up", func() bool { return s.row("BACKEND").SessionsNow == 0 })
		}
		close(answer)
		await(t, "the stream has ended", func() bool { return s.row("BACKEND").SessionsNow == 0 })
		answered := int64(1)
		if abort {
			answered = 0
		}
		if r := s.row("s1"); r.ClientAborts != 1 || r.ReqTotal != answered {
			t.Errorf("abortonclose %v: %d aborts, %d answered", abort, r.ClientAborts, r.ReqTotal)
		}
	}
}
