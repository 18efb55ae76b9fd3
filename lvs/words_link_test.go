package lvs

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/probe"
	"github.com/evenkeel/evenkeel/test/netns"
)

// hearer listens for connections and datagrams, answers nobody, and tells who came.
func hearer(t *testing.T, at netip.AddrPort) <-chan netip.Addr {
	t.Helper()
	who := make(chan netip.Addr, 100)
	l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	u, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); u.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			who <- c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()
			c.Close()
		}
	}()
	go func() {
		for {
			_, from, err := u.ReadFromUDPAddrPort(make([]byte, 2000))
			if err != nil {
				return
			}
			who <- from.Addr()
		}
	}()
	return who
}

// attempt makes one attempt of the only check of a file.
func attempt(t *testing.T, block, words, virtual string) probe.Outcome {
	t.Helper()
	rs := siteOf(t, fileOf(block, words, virtual, "", "")).Servers[0].Servers[0]
	return probe.Attempt(t.Context(), rs.Checkers[0], rs)
}

// TestCheckMark shows fwmark in each check that connects: a rule of the routing table for the mark stops its packets,
// and no others.
func TestCheckMark(t *testing.T) {
	n := netns.New(t, "mark")
	n.Run("ip", "rule", "add", "pref", "1", "lookup", "local")
	n.Run("ip", "rule", "del", "pref", "0")
	n.Run("ip", "rule", "add", "pref", "0", "fwmark", "77", "unreachable")
	to := netip.MustParseAddrPort("127.0.0.2:7000")
	n.Do(func() {
		came := hearer(t, to)
		for name, block := range checkBlocks {
			if name == "MISC_CHECK" {
				continue
			}
			words := "connect_ip 127.0.0.2\nconnect_port 7000\nconnect_timeout 0.1\n"
			v := attempt(t, block, words+"fwmark 77", "")
			if v.OK || !strings.Contains(v.Reason, "network is unreachable") || len(came) > 0 {
				t.Errorf("%s with the mark: %+v", name, v)
			}
			for _, other := range []string{"", "fwmark 78"} {
				v := attempt(t, block, words+other, "")
				if name == "PING_CHECK" {
					if !v.OK {
						t.Errorf("%s, %q: %+v", name, other, v)
					}
				} else if from := <-came; from != netip.MustParseAddr("127.0.0.1") {
					t.Errorf("%s, %q: came from %v: %+v", name, other, from, v)
				}
			}
		}
	})
}

// TestPingWords: a ping goes where connect_ip says, is waited for as long as connect_timeout says, and knows no ports:
// connect_port and bind_port change nothing, not even where somebody else has them.
func TestPingWords(t *testing.T) {
	n := netns.New(t, "ping")
	ping := func(words, want string) {
		t.Helper()
		v := attempt(t, checkBlocks["PING_CHECK"], words, "connect_timeout 900")
		if v.OK != strings.HasSuffix(want, "succeeded") || !strings.Contains(v.Reason, want) {
			t.Errorf("%q: %+v, want %q", words, v, want)
		}
	}
	n.Do(func() {
		came := hearer(t, netip.MustParseAddrPort("127.0.0.2:7000"))
		ping("", "[10.0.0.1] failed: network is unreachable")
		ping("connect_ip 127.0.0.2", "[127.0.0.2] succeeded")
		for _, word := range []string{"connect_port", "bind_port"} {
			ping(fmt.Sprintf("connect_ip 127.0.0.2\n%s 7000", word), "[127.0.0.2] succeeded")
		}
		if len(came) > 0 {
			t.Error("a ping came to a port")
		}
		n.Sysctl("net/ipv4/icmp_echo_ignore_all", "1")
		ping("connect_ip 127.0.0.2\nconnect_timeout 0.1", "[127.0.0.2] failed: timeout")
	})
}
