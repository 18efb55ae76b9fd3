package probe

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/keepalived"
	"github.com/evenkeel/evenkeel/test/ports"
)

// checkBlocks are the checks that connect, with room for the words of a connection.
var checkBlocks = []struct {
	word, block string
	kind        int // of socket
}{
	{"TCP_CHECK", "TCP_CHECK {\n%s}", unix.SOCK_STREAM},
	{"HTTP_GET", "HTTP_GET {\nurl {\npath /\n}\n%s}", unix.SOCK_STREAM},
	{"SSL_GET", "SSL_GET {\nurl {\npath /\n}\n%s}", unix.SOCK_STREAM},
	{"SMTP_CHECK", "SMTP_CHECK {\n%s}", unix.SOCK_STREAM},
	{"host", "SMTP_CHECK {\nhost {\n%s}\n}", unix.SOCK_STREAM},
	{"DNS_CHECK", "DNS_CHECK {\n%s}", unix.SOCK_DGRAM},
	{"UDP_CHECK", "UDP_CHECK {\nrequire_reply\n%s}", unix.SOCK_DGRAM},
}

// checkerOf reads the words of a connection in the block of a check of a server that nobody is at.
func checkerOf(t *testing.T, block, words string) *config.Checker {
	t.Helper()
	text := "virtual_server 192.0.2.1 80 {\nlb_algo rr\nlb_kind NAT\nprotocol TCP\nreal_server 127.0.0.1 1 {\n" +
		fmt.Sprintf(block, words) + "\n}\n}\n"
	site, diags := keepalived.Parse("keepalived.conf", []byte(text), keepalived.Options{})
	if site == nil || len(site.LVS.Servers) != 1 {
		t.Fatal(diags)
	}
	return site.LVS.Servers[0].Servers[0].Checkers[0]
}

// stand listens where connect_ip and connect_port send the check, answers nobody, and tells who came.
func stand(t *testing.T, kind int) (port uint16, came <-chan netip.AddrPort) {
	t.Helper()
	who := make(chan netip.AddrPort, 9)
	if kind == unix.SOCK_DGRAM {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		go func() {
			for buf := make([]byte, 2000); ; {
				_, from, err := conn.ReadFromUDPAddrPort(buf)
				if err != nil {
					return
				}
				who <- from
			}
		}()
		return conn.LocalAddr().(*net.UDPAddr).AddrPort().Port(), who
	}
	l, err := net.Listen("tcp4", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			who <- conn.RemoteAddr().(*net.TCPAddr).AddrPort()
		}
	}()
	return l.Addr().(*net.TCPAddr).AddrPort().Port(), who
}

// TestConnectionWords shows the words of a connection in each check that has one: connect_ip and connect_port say
// where it goes, bindto and bind_port from where, bind_if over which interface, connect_timeout how long it may take.
func TestConnectionWords(t *testing.T) {
	for _, b := range checkBlocks {
		t.Run(b.word, func(t *testing.T) {
			t.Parallel()
			port, came := stand(t, b.kind)
			mine := ports.Closed(t, b.kind).Port()
			words := fmt.Sprintf("connect_ip 127.0.0.2\nconnect_port %d\nconnect_timeout 1\n", port)
			c := checkerOf(t, b.block, words+fmt.Sprintf("bindto 127.0.0.3\nbind_port %d\n", mine))
			began := time.Now()
			v := Attempt(t.Context(), c, &config.RealServer{})
			if took := time.Since(began); b.word != "TCP_CHECK" &&
				(v.OK || took < time.Second || took > 4*time.Second) {
				t.Errorf("a server that is mute: %+v after %v", v, took)
			}
			if from, want := <-came, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.3"), mine); from != want {
				t.Errorf("it came from %v, not %v", from, want)
			}
			c = checkerOf(t, b.block, words+"bind_if none-such0\n")
			if v := Attempt(t.Context(), c, &config.RealServer{}); v.OK ||
				!strings.Contains(v.Reason, "bind_if none-such0") {
				t.Errorf("an interface that is not there: %+v", v)
			}
		})
	}
}
