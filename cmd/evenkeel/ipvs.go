package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/daemon"
	"github.com/evenkeel/evenkeel/ipvsadm"
	"github.com/evenkeel/evenkeel/linux/ipvs"
	"github.com/evenkeel/evenkeel/linux/xdp"
	"github.com/evenkeel/evenkeel/lvs/table"
)

// ipvsCommand takes ipvsadm's options as they are; its own come before them.
func ipvsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "ipvs [--driver auto|ipvs|xdp] IPVSADM-OPTIONS…",
		Short: "Look at the forwarding table and change it by hand, with ipvsadm's options",
		Long: "Look at the forwarding table and change it by hand, with the options of ipvsadm 1.31 (evenkeel ipvs " +
			"--help).\n" +
			"The table is that of our own plane where it has services, else of the kernel's IPVS where there is one.\n" +
			"Called as ipvsadm, evenkeel is this command.",
		DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error {
			driver, args, err := ipvsDriver(args)
			if err != nil {
				return err
			}
			if status := runIPVS("evenkeel ipvs", driver, args); status != 0 {
				return exitError(status)
			}
			return nil
		},
	}
}

// calledAsIPVSADM: the program was started by that name.
func calledAsIPVSADM() bool { return filepath.Base(os.Args[0]) == "ipvsadm" }

// ipvsDriver takes our own option off the front.
func ipvsDriver(args []string) (driver string, rest []string, err error) {
	driver = "auto"
	if len(args) > 0 {
		value, inWord := strings.CutPrefix(args[0], "--driver=")
		switch {
		case inWord:
			driver, args = value, args[1:]
		case args[0] == "--driver" && len(args) > 1:
			driver, args = args[1], args[2:]
		case args[0] == "--driver":
			driver = ""
		}
	}
	switch driver {
	case "auto", "ipvs", "xdp":
		return driver, args, nil
	}
	return "", nil, fmt.Errorf("ipvs: --driver is auto, ipvs or xdp, not %q", driver)
}

func runIPVS(name, driver string, args []string) int {
	d := theDrivers(name)
	p := ipvsadm.Program{
		Name:    name,
		Version: "evenkeel " + programVersion() + ", with the options of ipvsadm 1.31",
		Open:    func() (table.Driver, error) { return d.open(driver, false) },
		Look:    func() (table.Driver, error) { return d.open(driver, true) },
		Names:   &names{hosts: make(map[netip.Addr]string)},
		In:      os.Stdin, Out: &daemon.Printable{W: os.Stdout}, Err: &daemon.Printable{W: os.Stderr},
	}
	return p.Main(args)
}

// drivers are the forwarding planes there are, and how to tell which one serves.
type drivers struct {
	serving     func() (bool, error) // has our own plane services here?
	ipvsServing func() bool          // has the kernel's IPVS, without being loaded for the question?
	ipvs        func() (table.Driver, error)
	xdp         func() (table.Driver, error)
	look        func() (table.Driver, error) // at our own plane, which need not be there
	say         func(string)
}

func theDrivers(name string) drivers {
	return drivers{
		serving:     func() (bool, error) { return xdp.Serving("") },
		ipvsServing: ipvs.Serving,
		ipvs: func() (table.Driver, error) {
			d, err := ipvs.Open()
			if err != nil {
				return nil, err
			}
			return d, nil
		},
		xdp: func() (table.Driver, error) {
			p, err := xdp.Open(xdp.Options{Keep: true})
			if err != nil {
				return nil, err
			}
			return p, nil
		},
		look: func() (table.Driver, error) { return xdp.Look("") },
		say:  func(s string) { fmt.Fprintf(&daemon.Printable{W: os.Stderr}, "%s: %s\n", name, s) },
	}
}

// open opens a forwarding plane, to look at it only or to change it. auto is the plane that serves this network
// namespace: our own where it has services, or else the kernel's where it has one. The kernel is not asked for
// IPVS, which would load the module, while ours serves.
func (d *drivers) open(name string, look bool) (table.Driver, error) {
	own := name == "xdp"
	if name == "auto" {
		serves, err := d.serving()
		if err != nil && !errors.Is(err, fs.ErrPermission) {
			return nil, err
		}
		if own = serves; own && d.ipvsServing() {
			d.say("this is our own plane; the kernel's IPVS has services, too: --driver ipvs")
		}
	}
	if !own {
		driver, err := d.ipvs()
		if err == nil {
			return driver, nil
		}
		if name == "ipvs" || !errors.Is(err, table.ErrUnsupported) {
			return nil, err
		}
	}
	if look {
		return d.look()
	}
	return d.xdp()
}

// names asks this machine for names: of hosts the resolver, of services /etc/services.
type names struct {
	hosts    map[netip.Addr]string
	services []service // nil until the first question
}

type service struct {
	names []string
	port  uint16
	proto string
}

func (n *names) Host(a netip.Addr) string {
	name, known := n.hosts[a]
	if !known {
		if all, err := net.LookupAddr(a.String()); err == nil && len(all) > 0 {
			name = strings.TrimSuffix(all[0], ".")
		}
		n.hosts[a] = name
	}
	return name
}

func (n *names) LookupHost(name string, v6 bool) (netip.Addr, bool) {
	all, err := net.LookupIP(name)
	if err != nil {
		return netip.Addr{}, false
	}
	for _, ip := range all {
		a, ok := netip.AddrFromSlice(ip)
		if a = a.Unmap(); ok && a.Is6() == v6 {
			return a, true
		}
	}
	return netip.Addr{}, false
}

func (n *names) Service(port uint16, p table.Protocol) string {
	for _, s := range n.all() {
		if s.port == port && s.proto == strings.ToLower(p.String()) {
			return s.names[0]
		}
	}
	return ""
}

func (n *names) LookupService(name string, p table.Protocol) (uint16, bool) {
	for _, s := range n.all() {
		if s.proto != strings.ToLower(p.String()) {
			continue
		}
		for _, alias := range s.names {
			if alias == name {
				return s.port, true
			}
		}
	}
	return 0, false
}

// all reads /etc/services once: name, port/protocol, aliases; # begins a comment.
func (n *names) all() []service {
	if n.services != nil {
		return n.services
	}
	n.services = []service{}
	f, err := os.Open("/etc/services")
	if err != nil {
		return n.services
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		number, proto, _ := strings.Cut(words[1], "/")
		if port, err := strconv.ParseUint(number, 10, 16); err == nil {
			n.services = append(n.services, service{append(words[:1:1], words[2:]...), uint16(port), proto})
		}
	}
	return n.services
}
