package site

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// firstLine is the descriptor of a host's own line. The switch finds its hosts' lines behind
// it, in the order of the ports.
const firstLine = 3

// BridgeName is the switch as its own namespace sees it.
const BridgeName = "switch"

// labSwitch is the first process of the lab: the bridge's namespace and the parent of the hosts.
type labSwitch struct {
	launcher *Line
	kids     *supervisor
	hosts    map[string]child
}

// runSwitch builds the switch when told to, starts the hosts and moves cables until the
// launcher hangs up. Its end is the end of the lab.
func runSwitch() error {
	l, err := NewLine(os.NewFile(firstLine, "control"))
	if err != nil {
		return err
	}
	sw := &labSwitch{launcher: l, kids: newSupervisor(), hosts: make(map[string]child)}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	// A forwarding plane is pinned where the first process sees it, which this one is to the hosts: in an
	// instance that ends with the lab. Without root there is none, and no plane either.
	_ = unix.Mount("bpf", "/sys/fs/bpf", "bpf", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700")
	if err := unix.Sethostname([]byte("switch")); err != nil {
		return fmt.Errorf("set host name: %w", err)
	}
	for {
		m, err := l.Receive()
		if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET) {
			return nil
		}
		if err != nil {
			return err
		}
		switch m.Kind {
		case "build":
			err = sw.build(m.Ports)
		case "port":
			err = setPort(m.Host, m.Up)
		default:
			err = fmt.Errorf("unknown order %q", m.Kind)
		}
		if err := l.Send(answer(m.ID, err)); err != nil {
			return nil // the launcher is gone
		}
	}
}

// answer is the done message for an order.
func answer(id int, err error) Message {
	m := Message{Kind: "done", ID: id}
	if err != nil {
		m.Err = err.Error()
	}
	return m
}

// build makes the bridge, starts every host and plugs it in.
func (sw *labSwitch) build(ports []Port) error {
	if err := linkUp("lo"); err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = BridgeName
	snooping := false // VRRP's group is flooded anyway; a querier would only add traffic
	bridge := &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &snooping}
	if err := netlink.LinkAdd(bridge); err != nil {
		return fmt.Errorf("add bridge: %w (the kernel needs CONFIG_BRIDGE)", err)
	}
	if err := netlink.LinkSetUp(bridge); err != nil {
		return fmt.Errorf("bridge up: %w", err)
	}
	for i, p := range ports {
		if err := sw.startHost(p, os.NewFile(uintptr(firstLine+1+i), p.Host)); err != nil {
			return err
		}
		if err := sw.plug(bridge, p); err != nil {
			return err
		}
	}
	return nil
}

// startHost runs the host's first process in namespaces of its own and hands it its line.
func (sw *labSwitch) startHost(p Port, control *os.File) error {
	defer control.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	host, err := sw.kids.start("/proc/self/exe", []string{"evenkeel", EntryPoint, "host"}, os.Environ(),
		[]*os.File{null, null, os.Stderr, control},
		&syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID |
			syscall.CLONE_NEWUTS})
	if err != nil {
		return err
	}
	sw.hosts[p.Host] = host
	go func() {
		ws := <-host.exit
		_ = sw.launcher.Send(Message{Kind: "gone", Host: p.Host,
			Err: fmt.Sprintf("host %s ended (status %d)", p.Host, ws)})
	}()
	return nil
}

// plug lays a cable from the switch's port, named like the host, to the host's interface.
func (sw *labSwitch) plug(bridge *netlink.Bridge, p Port) error {
	hw, err := net.ParseMAC(p.MAC)
	if err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = p.Host
	attrs.MasterIndex = bridge.Attrs().Index
	cable := &netlink.Veth{
		LinkAttrs: attrs, PeerName: p.Interface, PeerHardwareAddr: hw,
		PeerNamespace: netlink.NsPid(sw.hosts[p.Host].pid),
	}
	if err := netlink.LinkAdd(cable); err != nil {
		return fmt.Errorf("add cable to %s: %w (the kernel needs CONFIG_VETH)", p.Host, err)
	}
	return setPort(p.Host, true)
}

// setPort plugs a host's cable in or out at the switch: the host sees its carrier come and go.
func setPort(host string, up bool) error {
	cable, err := netlink.LinkByName(host)
	if err != nil {
		return fmt.Errorf("port %s: %w", host, err)
	}
	if up {
		err = netlink.LinkSetUp(cable)
	} else {
		err = netlink.LinkSetDown(cable)
	}
	if err != nil {
		return fmt.Errorf("port %s: %w", host, err)
	}
	return nil
}

// linkUp brings up an interface of this namespace.
func linkUp(name string) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	if err := netlink.LinkSetUp(l); err != nil {
		return fmt.Errorf("interface %s up: %w", name, err)
	}
	return nil
}
