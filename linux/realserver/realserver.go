// Package realserver prepares this machine to stand behind a load balancer that forwards by direct
// routing or a tunnel, and undoes it: the virtual address on the loopback interface, a kernel
// that does not answer questions about it (arp_ignore, arp_announce), and, for tunnels, programs
// that unwrap what the load balancer sends. It owns a state directory that remembers how things
// were; it knows no load balancer and no service.
package realserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/linux/xdp"
)

// Host is this machine as a real server.
type Host struct {
	// StateDir remembers what [Host.Add] has changed, until [Host.Delete]; it is made where needed. It should not
	// outlive a reboot, for what it remembers does not.
	StateDir string
}

// Address is one virtual address that this machine serves.
type Address struct {
	VIP    netip.Addr `json:"vip"`
	Tunnel bool       `json:"tunnel,omitempty"`
	// GUEPort is the UDP port of GUE packets; 0: none are unwrapped. With Tunnel only.
	GUEPort uint16 `json:"gue_port,omitempty"`
	// Found: the address was on the loopback interface before, so it stays there.
	Found bool `json:"found,omitempty"`
}

// state is what StateDir holds.
type state struct {
	Addresses []Address `json:"addresses"`
	// Sysctls are the values from before the first address, by name; they come back with the last.
	Sysctls map[string]string `json:"sysctls"`
}

// sysctls are the textbook's: answer ARP only for addresses of the interface that is asked
// (ip-sysctl: arp_ignore 1), and never speak ARP in the name of an address of another
// (arp_announce 2). "all" holds for every interface, because the kernel takes the larger of
// both. IPv6 needs none: neighbours are only told of addresses of the interface that is asked.
var sysctls = []struct{ name, value string }{
	{"net/ipv4/conf/all/arp_ignore", "1"},
	{"net/ipv4/conf/all/arp_announce", "2"},
}

// Add makes this machine serve a virtual address. Doing it again is no error, and may change
// how. What fails half-way is undone.
func (h Host) Add(a Address) error {
	st, err := h.load()
	if err != nil {
		return err
	}
	old := slices.IndexFunc(st.Addresses, func(o Address) bool { return o.VIP == a.VIP })
	if old >= 0 {
		a.Found = st.Addresses[old].Found
		if err := h.undo(st.Addresses[old]); err != nil {
			return err
		}
		st.Addresses = slices.Delete(st.Addresses, old, old+1)
	}
	// Silence first: between the two the machine would answer for the address.
	if err := silence(&st); err != nil {
		return err
	}
	// What is noted before it is done can always be undone.
	st.Addresses = append(st.Addresses, a)
	if err := h.save(st); err != nil {
		return err
	}
	lo, err := loopback()
	if err != nil {
		return err
	}
	switch err := netlink.AddrAdd(lo, onLoopback(a.VIP)); {
	case errors.Is(err, unix.EEXIST):
		if old < 0 {
			st.Addresses[len(st.Addresses)-1].Found = true
			if err := h.save(st); err != nil {
				return err
			}
		}
	case err != nil:
		return errors.Join(fmt.Errorf("realserver: adding %s to lo: %w", a.VIP, err), h.Delete(a.VIP))
	}
	if a.Tunnel {
		if err := xdp.Decapsulate("", nil, a.VIP, a.GUEPort); err != nil {
			return errors.Join(fmt.Errorf("realserver: %w", err), h.Delete(a.VIP))
		}
	}
	return nil
}

// silence sets the sysctls that keep the machine from answering for addresses on lo, and notes what they were.
func silence(st *state) error {
	if len(st.Sysctls) == 0 {
		st.Sysctls = map[string]string{}
	}
	for _, s := range sysctls {
		was, err := read(s.name)
		if err != nil {
			return err
		}
		if _, known := st.Sysctls[s.name]; !known {
			st.Sysctls[s.name] = was
		}
		if was < s.value { // one digit each
			if err := write(s.name, s.value); err != nil {
				return err
			}
		}
	}
	return nil
}

// loopback gives lo, which is up then.
func loopback() (netlink.Link, error) {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return nil, fmt.Errorf("realserver: %w", err)
	}
	if lo.Attrs().Flags&unix.IFF_UP == 0 {
		if err := netlink.LinkSetUp(lo); err != nil {
			return nil, fmt.Errorf("realserver: bringing lo up: %w", err)
		}
	}
	return lo, nil
}

// ErrUnknown says that an address was not added here.
var ErrUnknown = errors.New("this machine does not serve that address (see realserver show)")

// Delete undoes Add.
func (h Host) Delete(vip netip.Addr) error {
	st, err := h.load()
	if err != nil {
		return err
	}
	at := slices.IndexFunc(st.Addresses, func(o Address) bool { return o.VIP == vip })
	if at < 0 {
		return fmt.Errorf("realserver: %s: %w", vip, ErrUnknown)
	}
	// The address goes first: as long as it is here, the kernel stays silent about it.
	if err := h.undo(st.Addresses[at]); err != nil {
		return err
	}
	st.Addresses = slices.Delete(st.Addresses, at, at+1)
	if len(st.Addresses) > 0 {
		return h.save(st)
	}
	for _, s := range sysctls {
		was, known := st.Sysctls[s.name]
		now, err := read(s.name)
		if err != nil {
			return err
		}
		if known && now == s.value && was != now { // else somebody else has set it since
			if err := write(s.name, was); err != nil {
				return err
			}
		}
	}
	if err := os.Remove(h.path()); err != nil {
		return fmt.Errorf("realserver: %w", err)
	}
	return nil
}

// undo takes one address and its programs away.
func (h Host) undo(a Address) error {
	if !a.Found {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return fmt.Errorf("realserver: %w", err)
		}
		if err := netlink.AddrDel(lo, onLoopback(a.VIP)); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fmt.Errorf("realserver: removing %s from lo: %w", a.VIP, err)
		}
	}
	if a.Tunnel {
		if err := xdp.Recapsulate("", a.VIP); err != nil {
			return fmt.Errorf("realserver: %w", err)
		}
	}
	return nil
}

// List gives what this machine serves.
func (h Host) List() ([]Address, error) {
	st, err := h.load()
	return st.Addresses, err
}

func onLoopback(a netip.Addr) *netlink.Addr {
	p := netip.PrefixFrom(a, a.BitLen())
	addr, err := netlink.ParseAddr(p.String())
	if err != nil {
		panic(err) // a netip.Prefix is always an address
	}
	if a.Is6() {
		addr.Flags = unix.IFA_F_NODAD
	}
	return addr
}

func (h Host) path() string { return filepath.Join(h.StateDir, "realserver.json") }

func (h Host) load() (st state, err error) {
	b, err := os.ReadFile(h.path())
	if errors.Is(err, fs.ErrNotExist) {
		return st, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &st)
	}
	if err != nil {
		return st, fmt.Errorf("realserver: %s: %w", h.path(), err)
	}
	return st, nil
}

func (h Host) save(st state) error {
	b, err := json.Marshal(st)
	if err == nil {
		err = os.MkdirAll(h.StateDir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(h.path()+".new", b, 0o600)
	}
	if err == nil {
		err = os.Rename(h.path()+".new", h.path())
	}
	if err != nil {
		return fmt.Errorf("realserver: %w", err)
	}
	return nil
}

func read(name string) (string, error) {
	b, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return "", fmt.Errorf("realserver: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

func write(name, value string) error {
	if err := os.WriteFile("/proc/sys/"+name, []byte(value), 0); err != nil {
		return fmt.Errorf("realserver: setting %s to %s: %w", strings.ReplaceAll(name, "/", "."), value, err)
	}
	return nil
}
