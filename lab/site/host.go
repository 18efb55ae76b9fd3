package site

import (
	"fmt"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// hostConfig is all a host needs to know to become what it is.
type HostConfig struct {
	Name      string            `json:"name"`
	Role      string            `json:"role"` // node, web, client or observer
	Interface string            `json:"interface"`
	Address   netip.Prefix      `json:"address"`
	VIP       netip.Prefix      `json:"vip"`
	VRID      int               `json:"vrid"`
	Files     map[string][]byte `json:"files,omitempty"` // node: by path below /etc
	WebUnit   string            `json:"web_unit,omitempty"`
	Director  string            `json:"director,omitempty"` // node: which director to run
	Proxy     bool              `json:"proxy,omitempty"`    // node: it proxies
	Rootless  bool              `json:"rootless,omitempty"` // no other user can be become here
	Stats     string            `json:"stats,omitempty"`    // node: the proxy's statistics page
	StatsAuth string            `json:"stats_auth,omitempty"`
	Every     int64             `json:"every,omitempty"` // client, observer: ns between requests or probes
	Limit     int64             `json:"limit,omitempty"` // client: ns a request may take
	// the site's kind of forwarding: node: it directs; web: it is a real server
	LVS     string            `json:"lvs,omitempty"`
	Second  netip.Prefix      `json:"second,omitzero"`  // node: another address
	Gateway netip.Addr        `json:"gateway,omitzero"` // web: its way out
	Names   map[string]string `json:"names,omitempty"`  // /etc/hosts: name -> address
}

// runHost is the first process of a host. It waits to be told what it is, becomes it, and
// serves orders until the launcher closes the line.
func runHost() error {
	l, err := NewLine(os.NewFile(firstLine, "control"))
	if err != nil {
		return err
	}
	m, err := l.Receive()
	if err != nil {
		return nil // the launcher gave up before the site stood
	}
	if m.Kind != "configure" || m.Configure == nil {
		return fmt.Errorf("expected the host's configuration, got %q", m.Kind)
	}
	c := m.Configure
	if err := becomeHost(c); err != nil {
		_ = l.Send(answer(m.ID, err))
		return err
	}
	switch c.Role {
	case "node":
		return runNode(l, m.ID, c)
	case "web":
		return runWebHost(l, m.ID, c)
	case "client":
		return runClient(l, m.ID, c)
	case "observer":
		return runObserver(l, m.ID, c)
	}
	return fmt.Errorf("unknown role %q", c.Role)
}

// becomeHost gives the namespaces their content: a name, a file system, a network.
func becomeHost(c *HostConfig) error {
	if err := unix.Sethostname([]byte(c.Name)); err != nil {
		return fmt.Errorf("set host name: %w", err)
	}
	if err := buildRoot(c); err != nil {
		return err
	}
	if err := linkUp("lo"); err != nil {
		return err
	}
	if err := linkUp(c.Interface); err != nil {
		return err
	}
	nic, err := netlink.LinkByName(c.Interface)
	if err != nil {
		return fmt.Errorf("interface %s: %w", c.Interface, err)
	}
	addr, err := netlink.ParseAddr(c.Address.String())
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(nic, addr); err != nil {
		return fmt.Errorf("add address %s: %w", c.Address, err)
	}
	return c.routeOn(nic)
}

// routeOn adds what only some hosts have: a second address, a gateway, forwarding.
func (c *HostConfig) routeOn(nic netlink.Link) error {
	if c.Second.IsValid() {
		addr, err := netlink.ParseAddr(c.Second.String())
		if err == nil {
			err = netlink.AddrAdd(nic, addr)
		}
		if err != nil {
			return fmt.Errorf("add address %s: %w", c.Second, err)
		}
	}
	if c.Gateway.IsValid() {
		if err := netlink.RouteAdd(&netlink.Route{LinkIndex: nic.Attrs().Index, Gw: c.Gateway.AsSlice()}); err != nil {
			return fmt.Errorf("route by %s: %w", c.Gateway, err)
		}
	}
	if c.Role == "node" && c.LVS == "nat" {
		return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0)
	}
	return nil
}

// serveOrders receives the launcher's orders and answers each with what do returned, or fetch if the
// host has pages to fetch. It comes back when the launcher has hung up.
func serveOrders(l *Line, do func(Action) error, fetch func(path string) Message) {
	for {
		m, err := l.Receive()
		if err != nil {
			return
		}
		if m.Kind == "fetch" && fetch != nil {
			go func() {
				a := fetch(m.Path)
				a.Kind, a.ID = "done", m.ID
				_ = l.Send(a)
			}()
			continue
		}
		if m.Kind != "do" {
			_ = l.Send(answer(m.ID, fmt.Errorf("unknown order %q", m.Kind)))
			continue
		}
		// An order may take seconds (a director that stops in order), and the next one may be
		// meant to end it.
		go func() { _ = l.Send(answer(m.ID, do(m.Action))) }()
	}
}
