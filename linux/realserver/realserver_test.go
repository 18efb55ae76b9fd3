package realserver

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/test/netns"
)

// TestAddAndDelete: a machine that serves addresses is reachable by its own address only, and afterwards
// everything is as it was.
func TestAddAndDelete(t *testing.T) {
	ns, peer := netns.New(t, "web"), netns.New(t, "peer")
	netns.Veth(t, ns, "eth0", peer, "eth0")
	ns.Address("eth0", "10.9.0.1/24")
	peer.Address("eth0", "10.9.0.2/24")
	h := Host{StateDir: t.TempDir()}
	before := look(ns)
	vip, vip6, found := netip.MustParseAddr("10.9.0.100"), netip.MustParseAddr("2001:db8::100"), netip.MustParseAddr(
		"10.9.0.101")
	ns.Run("ip", "addr", "add", "10.9.0.101/32", "dev", "lo")
	within := func(f func() error) {
		t.Helper()
		var err error
		ns.Do(func() { err = f() })
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range []netip.Addr{vip, vip6, found, vip} {
		within(func() error { return h.Add(Address{VIP: a}) })
	}
	list, err := h.List()
	if err != nil || len(list) != 3 {
		t.Errorf("%v, %v", list, err)
	}
	if got := ns.Run("ip", "addr", "show", "lo"); !strings.Contains(got, "inet 10.9.0.100/32") ||
		!strings.Contains(got, "inet6 2001:db8::100/128") {
		t.Errorf("lo:\n%s", got)
	}
	if got := sysctlsOf(ns); got != "1 2" {
		t.Errorf("arp_ignore and arp_announce are %s", got)
	}
	// Nobody answers for the address, but what is sent to this machine is taken.
	peer.Run("sh", "-c", "! ping -c1 -W1 10.9.0.100")
	mac := ns.Link("eth0").Attrs().HardwareAddr.String()
	peer.Run("ip", "neigh", "replace", "10.9.0.100", "lladdr", mac, "dev", "eth0")
	peer.Run("ping", "-c1", "-W30", "10.9.0.100")
	for _, a := range []netip.Addr{vip, vip6, found} {
		within(func() error { return h.Delete(a) })
	}
	ns.Do(func() { err = h.Delete(vip) })
	if !errors.Is(err, ErrUnknown) {
		t.Errorf("deleting twice: %v", err)
	}
	ns.Run("ip", "addr", "del", "10.9.0.101/32", "dev", "lo") // still there: it was before
	if after := look(ns); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if files, _ := os.ReadDir(h.StateDir); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}

func sysctlsOf(ns *netns.NS) string {
	return strings.Join(strings.Fields(ns.Run("cat", "/proc/sys/net/ipv4/conf/all/arp_ignore",
		"/proc/sys/net/ipv4/conf/all/arp_announce")), " ")
}

func look(ns *netns.NS) string {
	return sysctlsOf(ns) + "\n" + ns.Run("ip", "-o", "addr", "show", "lo")
}
