package failover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/keepalived"
	"github.com/evenkeel/evenkeel/script"
	"github.com/evenkeel/evenkeel/test/netns"
	"github.com/evenkeel/evenkeel/vrrp"
)

// quick makes an instance master in a fifth of a second.
const quick = "version 3\nadvert_int 0.05\n"

// tap is a socket that sees every frame of eth0.
func tap(t *testing.T, ns *netns.NS) (fd int) {
	t.Helper()
	ns.Do(func() {
		const everything = 0x0300 // ETH_P_ALL, in network order
		var err error
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, everything); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 30}); err != nil {
		t.Fatal(err)
	}
	return fd
}

// advertOnWire waits for an advert and says where it goes, with which TTL, what version it is, and whether its checksum
// is one without a pseudo-header.
func advertOnWire(t *testing.T, fd int) string {
	t.Helper()
	for buf := make([]byte, 2000); ; {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			t.Fatal("no advert: ", err)
		}
		var dst netip.Addr
		var ttl byte
		var advert []byte
		switch {
		case n >= 28 && buf[0] == 0x45 && buf[9] == 112:
			dst, ttl, advert = netip.AddrFrom4([4]byte(buf[16:20])), buf[8], buf[20:n]
		case n >= 48 && buf[0]>>4 == 6 && buf[6] == 112:
			dst, ttl, advert = netip.AddrFrom16([16]byte(buf[24:40])), buf[7], buf[40:n]
		default:
			continue
		}
		sum := 0
		for i := 0; i+1 < len(advert); i += 2 {
			sum += int(advert[i])<<8 | int(advert[i+1])
		}
		for sum > 0xffff {
			sum = sum>>16 + sum&0xffff
		}
		return fmt.Sprintf("%v ttl %d version %d alone %v", dst, ttl, advert[0]>>4, sum == 0xffff)
	}
}

// TestAdvertWords shows what words make of an advert on the wire: the group it goes to, its TTL, its version, its
// checksum, and the interface it leaves by.
func TestAdvertWords(t *testing.T) {
	const six, peer = "virtual_ipaddress {\nfe80::100\n}\n", "unicast_peer {\n10.9.0.2\n}\n"
	for _, c := range []struct{ global, words, want string }{
		{"", quick, "224.0.0.18 ttl 255 version 3 alone false"},
		{"default_interface eth0", quick, "224.0.0.18 ttl 255 version 3 alone false"},
		{"vrrp_mcast_group4 224.0.0.77", quick, "224.0.0.77 ttl 255 version 3 alone false"},
		{"vrrp_mcast_group4 224.0.0.77", quick + "mcast_dst_ip 224.0.0.78", "224.0.0.78 ttl 255 version 3 alone false"},
		{"", quick + six, "ff02::12 ttl 255 version 3 alone false"},
		{"vrrp_mcast_group6 ff02::77", quick + six, "ff02::77 ttl 255 version 3 alone false"},
		{"", quick + peer, "10.9.0.2 ttl 255 version 3 alone false"},
		{"", quick + peer + "unicast_ttl 7", "10.9.0.2 ttl 7 version 3 alone false"},
		{"v3_checksum_as_v2", quick, "224.0.0.18 ttl 255 version 3 alone true"},
		{"v3_checksum_as_v2", quick + "v3_checksum_as_v2 off", "224.0.0.18 ttl 255 version 3 alone false"},
		{"", quick + "v3_checksum_as_v2", "224.0.0.18 ttl 255 version 3 alone true"},
		{"", "down_timer_adverts 1", "224.0.0.18 ttl 255 version 2 alone true"},
		{"vrrp_version 3", "advert_int 0.05", "224.0.0.18 ttl 255 version 3 alone false"},
	} {
		t.Run(c.global+"/"+c.words, func(t *testing.T) {
			a, b := netns.New(t, "a"), netns.New(t, "b")
			netns.Bridge(t, a, b)
			a.Address("eth0", "10.9.0.1/24")
			b.Address("eth0", "10.9.0.2/24")
			fd := tap(t, b)
			e := live(t, a, siteOf(t, c.global, c.words))
			defer stopLive(t, e)
			if got := advertOnWire(t, fd); got != c.want {
				t.Errorf("the advert is %s, want %s", got, c.want)
			}
		})
	}
}

// becomes waits until the first instance's state and effective priority are as wanted.
func (e *Engine) becomes(t *testing.T, want string) {
	t.Helper()
	got := ""
	for limit := time.Now().Add(reloadPatience); time.Now().Before(limit); time.Sleep(10 * time.Millisecond) {
		s, err := e.Status()
		if err != nil {
			t.Fatal(err)
		}
		i := s.Instances[0]
		if got = fmt.Sprintf("%s %d", i.State, i.EffectivePriority); got == want {
			return
		}
	}
	t.Fatalf("it is %s, not %s", got, want)
}

// TestTrackWords shows what an instance depends on: track_interface and init_fail with a weight and without,
// dont_track_primary, and sync_group_tracking_weight, with eth0 or eth1 down at first and up later.
func TestTrackWords(t *testing.T) {
	const (
		hangs = "vrrp_script hangs {\nscript \"/bin/sleep 1000\"\ntimeout 2000\ninterval 2000\n%s\n}\n"
		group = "vrrp_sync_group G {\ngroup {\nVI_1\n}\n%s\n}\n"
		eth1  = "track_interface {\neth1 %s\n}\n"
		track = "track_script {\nhangs %s\n}\n"
	)
	with := fmt.Sprintf
	for _, c := range []struct{ name, other, words, iface, first, then string }{
		{"none", "", "", "eth1", "MASTER 100", "MASTER 100"},
		{"track_interface", "", with(eth1, ""), "eth1", "FAULT 100", "MASTER 100"},
		{"track_interface weight", "", with(eth1, "weight -30"), "eth1", "MASTER 70", "MASTER 100"},
		{"own interface", "", "", "eth0", "FAULT 100", "MASTER 100"},
		{"dont_track_primary", "", "dont_track_primary\n", "eth0", "BACKUP 100", "MASTER 100"},
		{"group", with(group, ""), with(eth1, "weight -30"), "eth1", "MASTER 100", "MASTER 100"},
		{"sync_group_tracking_weight", with(group, "sync_group_tracking_weight"), with(eth1, "weight -30"), "eth1",
			"MASTER 70", "MASTER 100"},
		{"init_fail", with(hangs, "init_fail"), with(track, ""), "eth1", "FAULT 100", "FAULT 100"},
		{"no init_fail", with(hangs, ""), with(track, ""), "eth1", "INIT 100", "INIT 100"},
		{"init_fail weight", with(hangs, "init_fail"), with(track, "weight -30"), "eth1", "MASTER 70", "MASTER 70"},
		{"no init_fail weight", with(hangs, ""), with(track, "weight -30"), "eth1", "MASTER 100", "MASTER 100"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := netns.New(t, "a"), netns.New(t, "b")
			netns.Bridge(t, a, b)
			netns.Veth(t, a, "eth1", b, "eth1")
			a.Address("eth0", "10.9.0.1/24")
			a.Down(c.iface)
			text := "global_defs {\nscript_user root\n}\n" + c.other +
				"vrrp_instance VI_1 {\ninterface eth0\nvirtual_router_id 51\npriority 100\n" + quick + c.words +
				"virtual_ipaddress {\n10.9.0.100/24\n}\n}\n"
			site, diags := keepalived.Parse("keepalived.conf", []byte(text), keepalived.Options{})
			if site == nil {
				t.Fatal(diags)
			}
			e := live(t, a, site)
			defer stopLive(t, e)
			e.becomes(t, c.first)
			a.Up(c.iface)
			e.becomes(t, c.then)
		})
	}
}

// TestNodeWords shows router_id and vrrp_lease_gate in the status, and that a master takes packets to its address, with
// accept as without.
func TestNodeWords(t *testing.T) {
	for _, c := range []struct{ global, words, id, gate string }{
		{"router_id lb1", "accept", "lb1", ""},
		{"vrrp_lease_gate ebpf", "", "", "ebpf"},
		{"vrrp_lease_gate nft", "accept", "", "nft"},
		{"vrrp_lease_gate lifetime", "", "", "lifetime"},
		{"vrrp_lease_gate off", "", "", "off"},
	} {
		t.Run(c.global+"/"+c.words, func(t *testing.T) {
			a, b := netns.New(t, "a"), netns.New(t, "b")
			netns.Bridge(t, a, b)
			a.Address("eth0", "10.9.0.1/24")
			b.Address("eth0", "10.9.0.2/24")
			e := live(t, a, siteOf(t, c.global, quick+c.words))
			defer stopLive(t, e)
			e.becomes(t, "MASTER 100")
			if out := b.Run("ping", "-c1", "-w20", "10.9.0.100"); !strings.Contains(out, " 0% packet loss") {
				t.Errorf("the address does not answer: %s", out)
			}
			s, err := e.Status()
			if err != nil {
				t.Fatal(err)
			}
			if s.RouterID != c.id || c.gate != "" && s.Gate.Mode != c.gate {
				t.Errorf("the node is %q, its gate %q; want %q, %q", s.RouterID, s.Gate.Mode, c.id, c.gate)
			}
		})
	}
}

// TestNotifyWords: notify runs at each change of an instance, and of its group, with what has changed;
// notify_master_rx_lower_pri when a master hears a lower one.
func TestNotifyWords(t *testing.T) {
	program := filepath.Join(t.TempDir(), "tell")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	const single, whole = "notify %[1]s\nnotify_master_rx_lower_pri \"%[1]s lower\"\n", "notify \"%[1]s group\"\n"
	for _, c := range []struct{ instance, group, want string }{
		{"", "", ""},
		{"notify %[1]s\n", "", "INSTANCE VI_1 MASTER 100"},
		{"notify_master_rx_lower_pri \"%[1]s lower\"\n", "", "lower"},
		{single, whole, "INSTANCE VI_1 MASTER 100|group GROUP G MASTER 100|lower"},
	} {
		text := "global_defs {\nscript_user root\n}\nvrrp_sync_group G {\ngroup {\nVI_1\n}\n" + c.group +
			"}\nvrrp_instance VI_1 {\ninterface eth0\nvirtual_router_id 51\n" + c.instance +
			"virtual_ipaddress {\n10.9.0.100/24\n}\n}\n"
		text = strings.ReplaceAll(text, "%[1]s", program)
		site, diags := keepalived.Parse("keepalived.conf", []byte(text), keepalived.Options{})
		if site == nil {
			t.Fatal(diags)
		}
		var mu sync.Mutex
		ran := map[string]bool{}
		e := &Engine{opts: Options{Log: func(Level, string) {}}}
		e.notify = script.NewQueues(func(_ context.Context, c config.Command, _ config.Global) error {
			mu.Lock()
			defer mu.Unlock()
			ran[strings.Join(c.Argv[1:], " ")] = true
			return nil
		}, func(string, config.Command, error) {})
		r := &router{engine: e, site: site}
		m := &instance{cfg: site.Instances[0], state: vrrp.Backup}
		m.group = &group{cfg: site.Groups[0], members: []*instance{m}, state: vrrp.Backup}
		r.report(m, &vrrp.Effect{Kind: vrrp.Changed,
			Change: vrrp.Change{From: vrrp.Backup, To: vrrp.Master, Priority: 100}})
		r.report(m, &vrrp.Effect{Kind: vrrp.RxLower, Priority: 50, Peer: netip.MustParseAddr("10.9.0.2")})
		if err := e.notify.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(slices.Sorted(maps.Keys(ran)), "|"); got != c.want {
			t.Errorf("%q, %q: ran %q, want %q", c.instance, c.group, got, c.want)
		}
	}
}
