package main

import (
	"bufio"
	"errors"
	"fmt"
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
		Long: "Look at the forwarding table and change it by hand, with the options of ipvsadm 1.31 (evenkeel ipvs --help).\n" +
			"The table is that of the kernel's IPVS where there is one, else that of our own plane.\n" +
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
	p := ipvsadm.Program{
		Name:    name,
		Version: "evenkeel " + programVersion() + ", with the options of ipvsadm 1.31",
		Open:    func() (table.Driver, error) { return openDriver(driver) },
		Names:   &names{hosts: make(map[netip.Addr]string)},
		In:      os.Stdin, Out: &daemon.Printable{W: os.Stdout}, Err: &daemon.Printable{W: os.Stderr},
	}
	return p.Main(args)
}

// openDriver opens a forwarding plane; auto is the kernel's where it has one.
func openDriver(name string) (table.Driver, error) {
	if name != "xdp" {
		d, err := ipvs.Open()
		if err == nil {
			return d, nil
		}
		if name == "ipvs" || !errors.Is(err, table.ErrUnsupported) {
			return nil, err
		}
	}
	p, err := xdp.Open(xdp.Options{Keep: true})
	if err != nil {
		return nil, err
	}
	return p, nil
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
