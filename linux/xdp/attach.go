package xdp

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Pinned links are called by the hook and the interface's index.
const (
	tcPrefix  = "tc_"
	xdpPrefix = "xdp_"
)

// filterHandle and filterName tell our cls_bpf filters from others', on kernels without tcx.
const (
	filterHandle = 0x45564c
	filterName   = "evenkeel_plane"
)

// pinnedLink opens a pinned link.
func (p *Plane) pinnedLink(name string) (l link.Link, err error) {
	err = p.place.do(func() error {
		l, err = link.LoadPinnedLink(p.place.path(name), nil)
		return err
	})
	return l, err
}

// attached lists the interfaces whose incoming packets are looked at, by what is pinned.
func (p *Plane) attached(prefix string) ([]int, error) {
	names, err := p.place.names()
	if err != nil {
		return nil, err
	}
	var out []int
	for _, n := range names {
		if rest, ok := strings.CutPrefix(n, prefix); ok {
			if i, err := strconv.Atoi(rest); err == nil {
				out = append(out, i)
			}
		}
	}
	return out, nil
}

// programOf is the program of a pinned link's name.
func (p *Plane) programOf(name string) *ebpf.Program {
	return p.programs[programProgPlaneIngress]
}

// renewLinks puts new programs where old ones are; the kernel swaps them under its readers.
func (p *Plane) renewLinks() error {
	for _, prefix := range []string{tcPrefix, xdpPrefix} {
		at, err := p.attached(prefix)
		if err != nil {
			return err
		}
		for _, ifindex := range at {
			name := prefix + strconv.Itoa(ifindex)
			l, err := p.pinnedLink(name)
			if err != nil {
				return fmt.Errorf("xdp: opening %s: %w", name, err)
			}
			err = l.Update(p.programOf(name))
			l.Close()
			// ENOLINK: the interface is gone.
			if err != nil && !errors.Is(err, unix.ENOLINK) && !errors.Is(err, unix.ENODEV) {
				return fmt.Errorf("xdp: replacing the program of interface %d: %w", ifindex, err)
			}
		}
	}
	return p.renewFilters()
}

// candidates lists the interfaces to look at.
func (p *Plane) candidates() ([]netlink.Link, error) {
	links, err := p.netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("xdp: listing interfaces: %w", err)
	}
	if len(p.options.Interfaces) > 0 {
		var out []netlink.Link
		for _, name := range p.options.Interfaces {
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
	return slices.DeleteFunc(links, func(l netlink.Link) bool {
		a := l.Attrs()
		return a.EncapType != "ether" || a.MasterIndex != 0 || a.RawFlags&unix.IFF_UP == 0 || a.RawFlags&unix.IFF_LOOPBACK != 0
	}), nil
}

// watch attaches the programs to the interfaces that want them, and takes them off others.
func (p *Plane) watch() error {
	links, err := p.candidates()
	if err != nil {
		return err
	}
	p.settings.everywhere = 0
	if len(p.options.Interfaces) == 0 {
		p.settings.everywhere = 1
	}
	at, err := p.attached(tcPrefix)
	if err != nil {
		return err
	}
	filters, err := p.filters()
	if err != nil {
		return err
	}
	for _, l := range links {
		ifindex := l.Attrs().Index
		if i := slices.Index(at, ifindex); i >= 0 {
			at = slices.Delete(at, i, i+1)
			if p.alive(tcPrefix + strconv.Itoa(ifindex)) {
				continue
			}
			p.place.remove([]string{tcPrefix + strconv.Itoa(ifindex)})
		}
		if i := slices.Index(filters, ifindex); i >= 0 {
			filters = slices.Delete(filters, i, i+1)
			continue
		}
		if err := p.attach(l); err != nil {
			return fmt.Errorf("xdp: attaching to %s: %w", l.Attrs().Name, err)
		}
	}
	// What is left is on nobody's list any more.
	for _, ifindex := range at {
		if err := p.place.remove([]string{tcPrefix + strconv.Itoa(ifindex)}); err != nil {
			return err
		}
	}
	for _, ifindex := range filters {
		if err := p.removeFilter(ifindex); err != nil {
			return err
		}
	}
	return nil
}

// alive: is a pinned link still on its interface? One whose interface is gone, and whose index was given to another, is not.
func (p *Plane) alive(name string) bool {
	l, err := p.pinnedLink(name)
	if err != nil {
		return false
	}
	defer l.Close()
	info, err := l.Info()
	if err != nil {
		return false
	}
	if t := info.TCX(); t != nil {
		return t.Ifindex != 0
	}
	if x := info.XDP(); x != nil {
		return x.Ifindex != 0
	}
	return false
}

func (p *Plane) attach(l netlink.Link) error {
	ifindex := l.Attrs().Index
	if p.withoutTCX {
		return p.addFilter(ifindex)
	}
	t, err := link.AttachTCX(link.TCXOptions{
		Interface: ifindex,
		Program:   p.programs[programProgPlaneIngress],
		Attach:    ebpf.AttachTCXIngress,
		Anchor:    link.Head(),
	})
	if errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, unix.EINVAL) {
		p.withoutTCX = true // before Linux 6.6
		return p.addFilter(ifindex)
	}
	if err != nil {
		return err
	}
	defer t.Close()
	return p.place.do(func() error {
		path := p.place.path(tcPrefix + strconv.Itoa(ifindex))
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return t.Pin(path)
	})
}

func (p *Plane) detachAll() error {
	filters, err := p.filters()
	errs := []error{err}
	for _, ifindex := range filters {
		errs = append(errs, p.removeFilter(ifindex))
	}
	return errors.Join(errs...)
}
