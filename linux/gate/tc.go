package gate

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/linux/netif"
)

const (
	// filterHandle and filterName tell our filters from others'. The handle must never
	// change: a restart finds the filter of the crashed run by it and replaces it in place.
	filterHandle = 0x45564b // "EVK"
	filterName   = "evenkeel_gate"

	// maxPriority bounds the search for a place near the head of a hook's chain.
	maxPriority = 16
)

// hooks are the two sides of an interface.
var hooks = [2]struct {
	name   string
	parent uint32
}{
	{"ingress", netlink.HANDLE_MIN_INGRESS},
	{"egress", netlink.HANDLE_MIN_EGRESS},
}

// tc attaches the programs to interfaces as cls_bpf filters in direct-action mode on the clsact
// queueing discipline. docs/adr/0002-lease-gate-attach.md says why this way.
type tc struct {
	progs  *programPrograms
	log    func(string)
	links  *netlink.Handle
	clsact map[int]bool      // interfaces whose clsact is ours to remove
	at     map[int][2]uint16 // priorities of our filters by hook; 0: none
}

func newTC(progs *programPrograms, log func(string)) (*tc, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("gate: opening an rtnetlink socket: %w", err)
	}
	return &tc{progs: progs, log: log, links: h, clsact: map[int]bool{}, at: map[int][2]uint16{}}, nil
}

func (t *tc) close() { t.links.Close() }

// pseudo stands for an interface where only the index is known or needed.
func pseudo(ifindex int) netlink.Link {
	return &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: ifindex}}
}

// attach puts the programs on both hooks of an interface. A filter of an earlier run is
// replaced in place: the kernel swaps the programs under its readers, no packet meets none.
func (t *tc) attach(link netif.Link) error {
	created, err := t.addClsact(link.Index)
	if err != nil {
		return err
	}
	progs := [2]*ebpf.Program{t.progs.GateIngressL3, t.progs.GateEgressL3}
	if link.Ethernet {
		progs = [2]*ebpf.Program{t.progs.GateIngress, t.progs.GateEgress}
	}
	found := false
	var at [2]uint16
	// Outgoing first: while only one hook is guarded, at least nothing is said.
	for _, i := range []int{1, 0} {
		old, err := t.find(link.Index, hooks[i].parent)
		if err != nil {
			return err
		}
		found = found || old != nil
		if at[i], err = t.put(link.Index, hooks[i].parent, progs[i], old); err != nil {
			return fmt.Errorf("attaching to %s: %w", hooks[i].name, err)
		}
		if at[i] > 1 && old == nil {
			t.log(fmt.Sprintf("filters of others run before the lease gate on %s (%s); what they accept at once, the "+
				"gate cannot stop (tc filter show dev %s %s)",
				link.Name, hooks[i].name, link.Name, hooks[i].name))
		}
	}
	t.at[link.Index] = at
	t.clsact[link.Index] = created || found
	return nil
}

func (t *tc) addClsact(ifindex int) (created bool, err error) {
	err = t.links.QdiscAdd(&netlink.GenericQdisc{
		QdiscAttrs: netlink.QdiscAttrs{
			LinkIndex: ifindex,
			Handle:    netlink.MakeHandle(0xffff, 0),
			Parent:    netlink.HANDLE_CLSACT,
		},
		QdiscType: "clsact",
	})
	switch {
	case err == nil:
		return true, nil
	case !errors.Is(err, unix.EEXIST):
		return false, fmt.Errorf("adding a clsact queueing discipline (CONFIG_NET_SCH_INGRESS, CONFIG_NET_CLS_BPF): %w",
			err)
	}
	qdiscs, err := t.links.QdiscList(pseudo(ifindex))
	if err != nil {
		return false, fmt.Errorf("listing queueing disciplines: %w", err)
	}
	for _, q := range qdiscs {
		if q.Attrs().Handle == netlink.MakeHandle(0xffff, 0) && q.Type() != "clsact" {
			return false, fmt.Errorf("there is a queueing discipline %q where clsact belongs; "+
				"remove it (tc qdisc del … ingress) or set lease_gate nft", q.Type())
		}
	}
	return false, nil
}

// find returns our filter on a hook, or nil.
func (t *tc) find(ifindex int, parent uint32) (*netlink.BpfFilter, error) {
	filters, err := t.links.FilterList(pseudo(ifindex), parent)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return nil, nil // no clsact
	}
	if err != nil {
		return nil, fmt.Errorf("listing filters: %w", err)
	}
	for _, f := range filters {
		if b, ok := f.(*netlink.BpfFilter); ok && b.Handle == filterHandle && b.Name == filterName {
			return b, nil
		}
	}
	return nil, nil
}

// programs returns the programs of filters of ours on an interface, left by an earlier run, and
// remembers where they are so that detach finds them.
func (t *tc) programs(ifindex int) ([]ebpf.ProgramID, error) {
	var ids []ebpf.ProgramID
	var at [2]uint16
	for i, hook := range hooks {
		f, err := t.find(ifindex, hook.parent)
		if errors.Is(err, unix.ENODEV) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if f != nil {
			ids = append(ids, ebpf.ProgramID(f.Id))
			at[i] = f.Priority
		}
	}
	if len(ids) > 0 {
		t.at[ifindex] = at
		t.clsact[ifindex] = true
	}
	return ids, nil
}

// put adds our filter as early in the chain as it gets, or replaces old, and returns its
// priority. Among filters of one priority the kernel runs the newest first.
func (t *tc) put(ifindex int, parent uint32, prog *ebpf.Program, old *netlink.BpfFilter) (uint16, error) {
	first, last := uint16(1), uint16(maxPriority)
	if old != nil {
		first, last = old.Priority, old.Priority
	}
	var err error
	for priority := first; priority <= last; priority++ {
		err = t.links.FilterReplace(&netlink.BpfFilter{
			FilterAttrs: netlink.FilterAttrs{
				LinkIndex: ifindex,
				Parent:    parent,
				Handle:    filterHandle,
				Protocol:  unix.ETH_P_ALL,
				Priority:  priority,
			},
			Fd:           prog.FD(),
			Name:         filterName,
			DirectAction: true,
		})
		// EINVAL, EEXIST or ENOENT: the priority is taken by filters of another kind or protocol.
		if err == nil || !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.ENOENT) {
			return priority, err
		}
	}
	return 0, err
}

// standing says whether our filters are on both hooks of an interface.
func (t *tc) standing(ifindex int) (bool, error) {
	for _, hook := range hooks {
		f, err := t.find(ifindex, hook.parent)
		if errors.Is(err, unix.ENODEV) {
			return false, nil
		}
		if err != nil || f == nil {
			return false, err
		}
	}
	return true, nil
}

// detach takes our filters off an interface, and the clsact if nobody else uses it.
func (t *tc) detach(ifindex int) error {
	at, ok := t.at[ifindex]
	if !ok {
		return nil
	}
	delete(t.at, ifindex)
	for i, hook := range hooks {
		if at[i] == 0 {
			continue // none here; and priority 0 would mean everybody's filters
		}
		err := t.links.FilterDel(&netlink.BpfFilter{FilterAttrs: netlink.FilterAttrs{
			LinkIndex: ifindex,
			Parent:    hook.parent,
			Handle:    filterHandle,
			Protocol:  unix.ETH_P_ALL,
			Priority:  at[i],
		}})
		switch {
		case errors.Is(err, unix.ENODEV):
			return nil
		case err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL):
			return fmt.Errorf("gate: detaching from %s of interface %d: %w", hook.name, ifindex, err)
		}
	}
	if !t.clsact[ifindex] || t.busy(ifindex) {
		return nil
	}
	err := t.links.QdiscDel(&netlink.GenericQdisc{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: ifindex, Handle: netlink.MakeHandle(0xffff, 0),
			Parent: netlink.HANDLE_CLSACT},
		QdiscType: "clsact",
	})
	if err != nil && !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("gate: removing the clsact queueing discipline of interface %d: %w", ifindex, err)
	}
	return nil
}

// busy reports whether filters of others hang on an interface.
func (t *tc) busy(ifindex int) bool {
	for _, hook := range hooks {
		filters, err := t.links.FilterList(pseudo(ifindex), hook.parent)
		if err != nil || len(filters) > 0 {
			return true
		}
	}
	return false
}

func (t *tc) detachAll() error {
	var errs []error
	for ifindex := range t.at {
		errs = append(errs, t.detach(ifindex))
	}
	return errors.Join(errs...)
}
