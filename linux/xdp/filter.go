package xdp

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Before Linux 6.6 there is no tcx: the program hangs as a cls_bpf filter on clsact, like the lease gate
// (docs/adr/0002-lease-gate-attach.md).

func pseudo(ifindex int) netlink.Link {
	return &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: ifindex}}
}

// filters lists the interfaces that have our filter.
func (p *Plane) filters() ([]int, error) {
	links, err := p.netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("xdp: listing interfaces: %w", err)
	}
	var out []int
	for _, l := range links {
		f, err := p.filter(l.Attrs().Index)
		if err != nil {
			return nil, err
		}
		if f != nil {
			out = append(out, l.Attrs().Index)
		}
	}
	return out, nil
}

func (p *Plane) filter(ifindex int) (*netlink.BpfFilter, error) {
	fs, err := p.netlink.FilterList(pseudo(ifindex), netlink.HANDLE_MIN_INGRESS)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) {
		return nil, nil // no clsact, or the interface went
	}
	if err != nil {
		return nil, fmt.Errorf("xdp: listing filters of interface %d: %w", ifindex, err)
	}
	for _, f := range fs {
		if b, ok := f.(*netlink.BpfFilter); ok && b.Handle == filterHandle && b.Name == filterName {
			return b, nil
		}
	}
	return nil, nil
}

func (p *Plane) addFilter(ifindex int) error {
	err := p.netlink.QdiscAdd(&netlink.GenericQdisc{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: ifindex, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT},
		QdiscType:  "clsact",
	})
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("adding a clsact queueing discipline (CONFIG_NET_SCH_INGRESS, CONFIG_NET_CLS_BPF): %w", err)
	}
	// The priorities before may be taken by filters of another kind or protocol.
	for priority := uint16(1); priority <= 16; priority++ {
		err = p.netlink.FilterReplace(p.filterOf(ifindex, priority))
		if err == nil || !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return err
}

func (p *Plane) filterOf(ifindex int, priority uint16) *netlink.BpfFilter {
	return &netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: ifindex,
			Parent:    netlink.HANDLE_MIN_INGRESS,
			Handle:    filterHandle,
			Protocol:  unix.ETH_P_ALL,
			Priority:  priority,
		},
		Fd:           p.programs[programProgPlaneIngress].FD(),
		Name:         filterName,
		DirectAction: true,
	}
}

// renewFilters replaces the program of each filter in place.
func (p *Plane) renewFilters() error {
	at, err := p.filters()
	if err != nil {
		return err
	}
	for _, ifindex := range at {
		f, err := p.filter(ifindex)
		if err == nil && f != nil {
			err = p.netlink.FilterReplace(p.filterOf(ifindex, f.Priority))
		}
		if err != nil && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("xdp: replacing the program of interface %d: %w", ifindex, err)
		}
	}
	return nil
}

func (p *Plane) removeFilter(ifindex int) error {
	f, err := p.filter(ifindex)
	if err != nil || f == nil {
		return err
	}
	err = p.netlink.FilterDel(&netlink.BpfFilter{FilterAttrs: netlink.FilterAttrs{
		LinkIndex: ifindex, Parent: netlink.HANDLE_MIN_INGRESS, Handle: filterHandle,
		Protocol: unix.ETH_P_ALL, Priority: f.Priority,
	}})
	if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("xdp: detaching from interface %d: %w", ifindex, err)
	}
	return nil
}
