package xdp

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// hook is where on an interface a program hangs by tc, and how what hangs there is found again: a pinned
// tcx link or, before Linux 6.6, a cls_bpf filter on clsact like the lease gate's
// (docs/adr/0002-lease-gate-attach.md).
type hook struct {
	prefix string // of pinned links; the interface's index follows
	attach ebpf.AttachType
	parent uint32
	handle uint32
	name   string
}

var (
	planeHook  = hook{"tc_", ebpf.AttachTCXIngress, netlink.HANDLE_MIN_INGRESS, 0x45564c, "evenkeel_plane"}
	unwrapHook = hook{"in_", ebpf.AttachTCXIngress, netlink.HANDLE_MIN_INGRESS, 0x45564d, "evenkeel_unwrap"}
	clampHook  = hook{"out_", ebpf.AttachTCXEgress, netlink.HANDLE_MIN_EGRESS, 0x45564e, "evenkeel_clamp"}
)

// attacher attaches programs to interfaces.
type attacher struct {
	pins    *pinDir
	links   *netlink.Handle
	withTCX bool // until the kernel refuses
}

func (a *attacher) pinned(name string) (l link.Link, err error) {
	err = a.pins.do(func() error {
		l, err = link.LoadPinnedLink(a.pins.path(name), nil)
		return err
	})
	return l, err
}

// indices lists the interfaces whose links are pinned under a prefix.
func (a *attacher) indices(prefix string) ([]int, error) {
	names, err := a.pins.names()
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

// hanging lists the interfaces a hook's program hangs on. Links whose interface is gone are
// taken away.
func (a *attacher) attached(k hook) (map[int]bool, error) {
	out := map[int]bool{}
	pinned, err := a.indices(k.prefix)
	if err != nil {
		return nil, err
	}
	for _, i := range pinned {
		if a.alive(k.prefix + strconv.Itoa(i)) {
			out[i] = true
		} else if err := a.pins.remove([]string{k.prefix + strconv.Itoa(i)}); err != nil {
			return nil, err
		}
	}
	links, err := a.links.LinkList()
	if err != nil {
		return nil, fmt.Errorf("xdp: listing interfaces: %w", err)
	}
	for _, l := range links {
		f, err := a.filter(k, l.Attrs().Index)
		if err != nil {
			return nil, err
		}
		if f != nil {
			out[l.Attrs().Index] = true
		}
	}
	return out, nil
}

// alive: is a pinned link still on its interface?
func (a *attacher) alive(name string) bool {
	l, err := a.pinned(name)
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

// attach puts a program on an interface.
func (a *attacher) attach(k hook, ifindex int, prog *ebpf.Program) error {
	if !a.withTCX {
		return a.addFilter(k, ifindex, prog)
	}
	t, err := link.AttachTCX(link.TCXOptions{Interface: ifindex, Program: prog, Attach: k.attach, Anchor: link.Head()})
	if errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, unix.EINVAL) {
		a.withTCX = false
		return a.addFilter(k, ifindex, prog)
	}
	if err != nil {
		return err
	}
	defer t.Close()
	return a.pin(t, k.prefix+strconv.Itoa(ifindex))
}

func (a *attacher) pin(l link.Link, name string) error {
	return a.pins.do(func() error {
		path := a.pins.path(name)
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return l.Pin(path)
	})
}

// renew replaces a hook's program wherever it hangs; the kernel swaps them under its readers.
func (a *attacher) renew(k hook, prog *ebpf.Program) error {
	at, err := a.attached(k)
	if err != nil {
		return err
	}
	for ifindex := range at {
		if err := a.replace(k, ifindex, prog); err != nil && !errors.Is(err, unix.ENOLINK) &&
			!errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("xdp: replacing the program of interface %d: %w", ifindex, err)
		}
	}
	return nil
}

func (a *attacher) replace(k hook, ifindex int, prog *ebpf.Program) error {
	if f, err := a.filter(k, ifindex); err != nil {
		return err
	} else if f != nil {
		return a.links.FilterReplace(k.filter(ifindex, f.Priority, prog))
	}
	l, err := a.pinned(k.prefix + strconv.Itoa(ifindex))
	if err != nil {
		return err
	}
	defer l.Close()
	return l.Update(prog)
}

// drop takes a hook's program off an interface.
func (a *attacher) drop(k hook, ifindex int) error {
	if err := a.unpin(k.prefix + strconv.Itoa(ifindex)); err != nil {
		return err
	}
	f, err := a.filter(k, ifindex)
	if err != nil || f == nil {
		return err
	}
	err = a.links.FilterDel(&netlink.BpfFilter{FilterAttrs: netlink.FilterAttrs{
		LinkIndex: ifindex, Parent: k.parent, Handle: k.handle, Protocol: unix.ETH_P_ALL, Priority: f.Priority,
	}})
	if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("xdp: detaching from interface %d: %w", ifindex, err)
	}
	return a.dropClsact(ifindex)
}

// unpin takes a pinned link off its interface. Not pinned is no error. To remove the name alone would do, but only
// some time later.
func (a *attacher) unpin(name string) error {
	l, err := a.pinned(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("xdp: opening %s: %w", name, err)
	}
	defer l.Close()
	if err := l.Detach(); err != nil && !errors.Is(err, ebpf.ErrNotSupported) && !errors.Is(err, unix.ENOLINK) &&
		!errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("xdp: detaching %s: %w", name, err)
	}
	return a.pins.remove([]string{name})
}

// dropClsact takes the queueing discipline away if nobody uses it.
func (a *attacher) dropClsact(ifindex int) error {
	for _, parent := range []uint32{netlink.HANDLE_MIN_INGRESS, netlink.HANDLE_MIN_EGRESS} {
		fs, err := a.links.FilterList(pseudo(ifindex), parent)
		if err != nil || len(fs) > 0 {
			return nil
		}
	}
	err := a.links.QdiscDel(clsact(ifindex))
	if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("xdp: removing the clsact queueing discipline of interface %d: %w", ifindex, err)
	}
	return nil
}

// dropAll takes a hook's program off everything.
func (a *attacher) dropAll(k hook) error {
	at, err := a.attached(k)
	errs := []error{err}
	for ifindex := range at {
		errs = append(errs, a.drop(k, ifindex))
	}
	return errors.Join(errs...)
}

// pseudo stands for an interface where only the index is known or needed.
func pseudo(ifindex int) netlink.Link {
	return &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: ifindex}}
}

func clsact(ifindex int) *netlink.GenericQdisc {
	return &netlink.GenericQdisc{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: ifindex, Handle: netlink.MakeHandle(0xffff, 0),
			Parent: netlink.HANDLE_CLSACT},
		QdiscType: "clsact",
	}
}

func (a *attacher) filter(k hook, ifindex int) (*netlink.BpfFilter, error) {
	fs, err := a.links.FilterList(pseudo(ifindex), k.parent)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) {
		return nil, nil // no clsact, or the interface went
	}
	if err != nil {
		return nil, fmt.Errorf("xdp: listing filters of interface %d: %w", ifindex, err)
	}
	for _, f := range fs {
		if b, ok := f.(*netlink.BpfFilter); ok && b.Handle == k.handle && b.Name == k.name {
			return b, nil
		}
	}
	return nil, nil
}

func (k hook) filter(ifindex int, priority uint16, prog *ebpf.Program) *netlink.BpfFilter {
	return &netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{LinkIndex: ifindex, Parent: k.parent, Handle: k.handle,
			Protocol: unix.ETH_P_ALL, Priority: priority},
		Fd:           prog.FD(),
		Name:         k.name,
		DirectAction: true,
	}
}

func (a *attacher) addFilter(k hook, ifindex int, prog *ebpf.Program) error {
	err := a.links.QdiscAdd(clsact(ifindex))
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("adding a clsact queueing discipline (CONFIG_NET_SCH_INGRESS, CONFIG_NET_CLS_BPF): %w", err)
	}
	// The priorities before may be taken by filters of another kind or protocol.
	for priority := uint16(1); priority <= 16; priority++ {
		err = a.links.FilterReplace(k.filter(ifindex, priority, prog))
		if err == nil || !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return err
}
