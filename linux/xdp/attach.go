package xdp

import (
	"fmt"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// candidates lists the interfaces to look at: those named, or all that may bring clients' packets.
func candidates(h *netlink.Handle, names []string) ([]netlink.Link, error) {
	links, err := h.LinkList()
	if err != nil {
		return nil, fmt.Errorf("xdp: listing interfaces: %w", err)
	}
	if len(names) == 0 {
		return slices.DeleteFunc(links, func(l netlink.Link) bool {
			a := l.Attrs()
			return a.EncapType != "ether" || a.MasterIndex != 0 || a.RawFlags&unix.IFF_UP == 0 ||
				a.RawFlags&unix.IFF_LOOPBACK != 0
		}), nil
	}
	var out []netlink.Link
	for _, name := range names {
		i := slices.IndexFunc(links, func(l netlink.Link) bool { return l.Attrs().Name == name })
		if i < 0 {
			return nil, fmt.Errorf("xdp: there is no interface %q", name)
		}
		if links[i].Attrs().EncapType != "ether" {
			return nil, fmt.Errorf("xdp: interface %q has no Ethernet header (%s)", name, links[i].Attrs().EncapType)
		}
		out = append(out, links[i])
	}
	return out, nil
}

// watch attaches the programs to the interfaces that want them, and detaches them from others.
func (p *Plane) watch() error {
	links, err := candidates(p.netlink, p.options.Interfaces)
	if err != nil {
		return err
	}
	p.settings.everywhere = 0
	if len(p.options.Interfaces) == 0 {
		p.settings.everywhere = 1
	}
	at, err := p.attacher.attached(planeHook)
	if err != nil {
		return err
	}
	for _, l := range links {
		a := l.Attrs()
		if !at[a.Index] {
			if err := p.attacher.attach(planeHook, a.Index, p.programs[programProgPlaneIngress]); err != nil {
				return fmt.Errorf("xdp: attaching to %s: %w", a.Name, err)
			}
		}
		delete(at, a.Index)
	}
	// What is left is not wanted any more.
	for ifindex := range at {
		if err := p.attacher.drop(planeHook, ifindex); err != nil {
			return err
		}
	}
	return nil
}
