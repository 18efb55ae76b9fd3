package proxy

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const fastOpen = `
defaults
    timeout connect 30s
    timeout client 30s
    timeout server 30s
listen web
    mode http
    bind :80 tfo
    bind :81
    http-request return status 200
`

// TestFastOpen: with tfo, a client that has been there before has its request taken with its first packet; without,
// not.
func TestFastOpen(t *testing.T) {
	n := newNode(t, fastOpen, "")
	n.ns.Sysctl("net/ipv4/tcp_fastopen", "2")
	n.outside.Sysctl("net/ipv4/tcp_fastopen", "1")
	n.start()
	eventually(t, "served", func() bool { s, _, _ := n.get("http://" + nodeAddress + "/"); return s == 200 })
	for port, want := range map[int]bool{80: true, 81: false} {
		n.askEarly(port) // the client learns its cookie
		if got := n.askEarly(port); got != want {
			t.Errorf("port %d takes a request with the first packet: %v", port, got)
		}
	}
}

// synData is the kernel's TCPI_OPT_SYN_DATA.
const synData = 32

// askEarly asks with the first packet, if it may, and says whether the request was taken so.
func (n *node) askEarly(port int) bool {
	n.t.Helper()
	control := func(_, _ string, c syscall.RawConn) (err error) {
		if e := c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_FASTOPEN_CONNECT, 1)
		}); e != nil {
			return e
		}
		return err
	}
	var conn net.Conn
	var err error
	n.outside.Do(func() {
		conn, err = (&net.Dialer{Control: control}).Dial("tcp", net.JoinHostPort(nodeAddress, strconv.Itoa(port)))
	})
	if err != nil {
		n.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := io.ReadFull(conn, make([]byte, 12)); err != nil {
		n.t.Fatal(err)
	}
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		n.t.Fatal(err)
	}
	var info *unix.TCPInfo
	if e := raw.Control(func(fd uintptr) {
		info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP,
			unix.TCP_INFO)
	}); e != nil || err != nil {
		n.t.Fatal(e, err)
	}
	return info.Options&synData != 0
}
