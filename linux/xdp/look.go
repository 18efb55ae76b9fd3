package xdp

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// Look opens the network namespace's plane to look at it: nothing is made, loaded or pinned, so that it works where the
// kernel would refuse the plane's programs. Where there is no plane, the driver has an empty table and refuses
// changes. dir is as in [Options].
func Look(dir string) (table.Driver, error) {
	p, err := look(dir)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return absent{}, nil
	}
	return p, nil
}

// Serving reports whether the network namespace has a plane with services. It changes nothing. dir is as in [Options].
func Serving(dir string) (bool, error) {
	p, err := look(dir)
	if err != nil || p == nil {
		return false, err
	}
	defer p.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	err = p.edit(func() error { n = len(p.services); return nil })
	return n > 0, err
}

// look gives no plane where there is none.
func look(dir string) (*Plane, error) {
	at, err := pinDirOf(dir)
	if err != nil {
		return nil, err
	}
	names, err := at.names()
	if err != nil || len(names) == 0 {
		return nil, err
	}
	if err := at.hold(); err != nil {
		return nil, err
	}
	defer at.release()
	p := &Plane{options: Options{Log: func(string) {}}, pins: at}
	theirs, err := p.openPinned()
	if err != nil || theirs {
		p.Close()
		return nil, err
	}
	return p, nil
}

// openPinned opens what is pinned. theirs: it belongs to a network namespace that was here before.
func (p *Plane) openPinned() (theirs bool, err error) {
	if p.netlink, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return false, fmt.Errorf("xdp: opening an rtnetlink socket: %w", err)
	}
	spec, err := loadProgram()
	if err != nil {
		return false, fmt.Errorf("xdp: %w", err)
	}
	p.maps = map[string]*ebpf.Map{}
	for name, ms := range spec.Maps {
		if name[0] == '.' {
			continue
		}
		m, err := p.pinnedMap(name, ms)
		if err != nil {
			return false, fmt.Errorf("xdp: table %s of the plane in %s: %w; evenkeel purge --plane removes it", name,
				p.pins.dir, explain(err))
		}
		p.maps[name] = m
	}
	if err := p.mapAll(); err != nil {
		return false, err
	}
	cookie, err := namespaceCookie()
	if err != nil {
		return false, err
	}
	switch {
	case p.settings.netns != cookie:
		return true, nil
	case p.settings.version != layoutVersion:
		return false, fmt.Errorf("xdp: the plane in %s: %w; evenkeel purge --plane removes it", p.pins.dir, errLayout)
	}
	p.tick = time.Duration(p.settings.tick)
	p.programs = map[string]*ebpf.Program{}
	if err := p.openProgram(programProgPlaneNow); err != nil {
		return false, fmt.Errorf("xdp: program %s of the plane in %s: %w", programProgPlaneNow, p.pins.dir,
			explain(err))
	}
	return false, nil
}

// absent is the table of a network namespace that has no plane.
type absent struct{}

var errAbsent = errors.New("xdp: there is no forwarding plane in this network namespace")

func (absent) Info() (table.Info, error) {
	return table.Info{Driver: driverName, Version: driverVersion, Size: defaultTableSize}, nil
}

func (absent) State() ([]table.ServiceState, error)           { return nil, nil }
func (absent) Connections(func(*table.Connection) bool) error { return nil }
func (absent) Daemons() ([]table.Daemon, error)               { return nil, nil }
func (absent) Timeouts() (table.Timeouts, error) {
	return table.Timeouts{TCP: defaultTimeouts[stateEstablished], TCPFin: defaultTimeouts[stateFinWait],
		UDP: defaultTimeouts[stateUDP]}, nil
}
func (absent) Apply([]table.Change) error       { return errAbsent }
func (absent) Zero(*table.Key) error            { return errAbsent }
func (absent) SetTimeouts(table.Timeouts) error { return errAbsent }
func (absent) StartDaemon(table.Daemon) error   { return errAbsent }
func (absent) StopDaemon(table.Role) error      { return errAbsent }
func (absent) Close() error                     { return nil }

// Remove takes the network namespace's plane away as [Plane.Remove] does, without loading anything. Where there is
// none, that is no error. dir is as in [Options].
func Remove(dir string) error {
	at, err := pinDirOf(dir)
	if err != nil {
		return err
	}
	err = at.do(func() error { _, err := os.Stat(at.dir); return err })
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("xdp: %w", err)
	}
	p := &Plane{options: Options{Log: func(string) {}}, pins: at}
	if p.netlink, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("xdp: opening an rtnetlink socket: %w", err)
	}
	defer p.Close()
	p.attacher = &attacher{pins: p.pins, links: p.netlink}
	return p.Remove()
}
