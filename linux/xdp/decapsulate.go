package xdp

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// unwrapper is the real server's side of tunnels, open.
type unwrapper struct {
	base     *pinDir // of the network namespace, where a plane may be too
	pins     *pinDir
	attacher *attacher
	coll     map[string]*ebpf.Map
}

type unwrapRecord struct {
	mtu uint32
	_   uint32    // overhead
	_   [3]uint64 // packets, clamped, failed
}

// unwrapTables are those that stay.
var unwrapTables = []string{unwrapMapUnwrapAddresses, unwrapMapUnwrapPorts}

func openUnwrapper(dir string) (*unwrapper, error) {
	base, err := pinDirOf(dir)
	if err != nil {
		return nil, err
	}
	if err := base.make(); err != nil {
		return nil, err
	}
	u := &unwrapper{base: base, pins: &pinDir{dir: filepath.Join(base.dir, "real"), host: base.host, lock: -1},
		coll: map[string]*ebpf.Map{}}
	if err := u.pins.do(func() error { return os.MkdirAll(u.pins.dir, 0o700) }); err != nil {
		return nil, fmt.Errorf("xdp: %w", err)
	}
	if err := u.pins.hold(); err != nil {
		return nil, err
	}
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		u.pins.release()
		return nil, fmt.Errorf("xdp: opening an rtnetlink socket: %w", err)
	}
	u.attacher = &attacher{pins: u.pins, links: h, withTCX: true}
	return u, nil
}

func (u *unwrapper) close() {
	for _, m := range u.coll {
		m.Close()
	}
	u.attacher.links.Close()
	u.pins.release()
}

// open opens the tables, or makes them.
func (u *unwrapper) open(spec *ebpf.CollectionSpec) error {
	for _, name := range unwrapTables {
		var m *ebpf.Map
		err := u.pins.do(func() (err error) {
			m, err = ebpf.LoadPinnedMap(u.pins.path(name), nil)
			return err
		})
		if errors.Is(err, os.ErrNotExist) {
			if m, err = ebpf.NewMap(spec.Maps[name]); err == nil {
				err = u.pins.do(func() error { return m.Pin(u.pins.path(name)) })
			}
		}
		if err == nil {
			err = spec.Maps[name].Compatible(m)
		}
		if err != nil {
			return fmt.Errorf("xdp: table %s of tunnels: %w", name, explain(err))
		}
		u.coll[name] = m
	}
	return nil
}

// Decapsulate takes the outer header off packets for vip that come in by IPIP (either IP in either) or, with a
// guePort, by GUE on interfaces (empty: as in [Options]): on a real server behind a load balancer's tunnel. It limits
// the segment size the server offers to clients, so that their packets still fit
// when they are wrapped. It goes on until [Recapsulate], without any process. Calling it again adds
// what is missing. dir is as in [Options].
func Decapsulate(dir string, interfaces []string, vip netip.Addr, guePort uint16) error {
	u, err := openUnwrapper(dir)
	if err != nil {
		return err
	}
	defer u.close()
	before, err := u.pins.names()
	if err != nil {
		return err
	}
	err = u.decapsulate(interfaces, vip, guePort)
	if err != nil && len(before) == 0 {
		err = errors.Join(err, u.remove())
	}
	return err
}

func (u *unwrapper) decapsulate(interfaces []string, vip netip.Addr, guePort uint16) error {
	spec, err := loadUnwrap()
	if err != nil {
		return fmt.Errorf("xdp: %w", err)
	}
	if err := u.open(spec); err != nil {
		return err
	}
	links, err := candidates(u.attacher.links, interfaces)
	if err != nil {
		return err
	}
	mtu := 65535
	for _, l := range links {
		mtu = min(mtu, l.Attrs().MTU)
	}
	a, rec := addressOf(vip.Unmap().WithZone("")), unwrapRecord{mtu: uint32(mtu)}
	err = u.coll[unwrapMapUnwrapAddresses].Update(bytesOf(&a), bytesOf(&rec), ebpf.UpdateNoExist)
	if err != nil && !errors.Is(err, ebpf.ErrKeyExist) {
		return fmt.Errorf("xdp: tunnels for %s: %w", vip, err)
	}
	if guePort != 0 {
		key := [4]byte{byte(guePort >> 8), byte(guePort)}
		if err := u.coll[unwrapMapUnwrapPorts].Put(key, uint32(1)); err != nil {
			return fmt.Errorf("xdp: GUE port %d: %w", guePort, err)
		}
	}
	return u.attach(spec, links)
}

// attach loads the programs and attaches them to interfaces, in place of those of an earlier call.
func (u *unwrapper) attach(spec *ebpf.CollectionSpec, links []netlink.Link) error {
	coll, err := loadPrograms(spec, u.coll)
	if err != nil {
		return err
	}
	defer coll.Close()
	for _, k := range []struct {
		hook
		program string
	}{{unwrapHook, unwrapProgUnwrapIngress}, {clampHook, unwrapProgUnwrapEgress}} {
		if err := u.attacher.renew(k.hook, coll.Programs[k.program]); err != nil {
			return err
		}
		at, err := u.attacher.attached(k.hook)
		if err != nil {
			return err
		}
		for _, l := range links {
			if at[l.Attrs().Index] {
				continue
			}
			if err := u.attacher.attach(k.hook, l.Attrs().Index, coll.Programs[k.program]); err != nil {
				return fmt.Errorf("xdp: attaching to %s: %w", l.Attrs().Name, err)
			}
		}
	}
	return nil
}

// Recapsulate undoes [Decapsulate] for vip; the last one takes the programs away. An address it is not in force for
// is no error.
func Recapsulate(dir string, vip netip.Addr) error {
	if there, err := anyDecapsulated(dir); err != nil || !there {
		return err
	}
	u, err := openUnwrapper(dir)
	if err != nil {
		return err
	}
	defer u.close()
	spec, err := loadUnwrap()
	if err != nil {
		return fmt.Errorf("xdp: %w", err)
	}
	if err := u.open(spec); err != nil {
		return err
	}
	a := addressOf(vip.Unmap().WithZone(""))
	if err := u.coll[unwrapMapUnwrapAddresses].Delete(bytesOf(&a)); err != nil && !isMissing(err) {
		return fmt.Errorf("xdp: tunnels for %s: %w", vip, err)
	}
	left, err := u.addresses()
	if err != nil || len(left) > 0 {
		return err
	}
	return u.remove()
}

// remove takes programs and tables away.
func (u *unwrapper) remove() error {
	err := errors.Join(u.attacher.dropAll(unwrapHook), u.attacher.dropAll(clampHook), u.pins.remove(unwrapTables))
	if err != nil {
		return err
	}
	if err := u.pins.do(func() error { return os.Remove(u.pins.dir) }); err != nil {
		return err
	}
	return u.base.removeDir()
}

// anyDecapsulated reports whether anything of the real server's side is pinned.
func anyDecapsulated(dir string) (bool, error) {
	at, err := pinDirOf(dir)
	if err != nil {
		return false, err
	}
	at.dir = filepath.Join(at.dir, "real")
	names, err := at.names()
	return len(names) > 0, err
}

func (u *unwrapper) addresses() ([]netip.Addr, error) {
	var out []netip.Addr
	var a address
	var rec unwrapRecord
	all := u.coll[unwrapMapUnwrapAddresses].Iterate()
	for all.Next(bytesOf(&a), bytesOf(&rec)) {
		out = append(out, a.addr())
	}
	return out, all.Err()
}

// Decapsulated lists the addresses [Decapsulate] is in force for.
func Decapsulated(dir string) ([]netip.Addr, error) {
	if there, err := anyDecapsulated(dir); err != nil || !there {
		return nil, err
	}
	u, err := openUnwrapper(dir)
	if err != nil {
		return nil, err
	}
	defer u.close()
	spec, err := loadUnwrap()
	if err != nil {
		return nil, fmt.Errorf("xdp: %w", err)
	}
	if err := u.open(spec); err != nil {
		return nil, err
	}
	return u.addresses()
}
