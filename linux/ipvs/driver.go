package ipvs

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// Driver is the IPVS of one network namespace. It is for one goroutine at a time.
type Driver struct {
	x     *exchange
	attrs attrs    // of the request at hand
	conns *os.File // keeps to the namespace in which it was opened
}

var _ table.Driver = (*Driver)(nil)

// Open opens the IPVS of the calling thread's network namespace; the kernel loads its module if
// it is not there yet. It needs CAP_NET_ADMIN of the namespace's owner for nearly everything.
// Without IPVS in the kernel the error wraps [table.ErrUnsupported].
func Open() (*Driver, error) {
	x, err := dial()
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("ipvs: this kernel has no IP virtual server: load it (modprobe ip_vs) or use a kernel "+
			"with CONFIG_IP_VS: %w", table.ErrUnsupported)
	}
	if err != nil {
		return nil, fmt.Errorf("ipvs: opening generic netlink: %w", err)
	}
	// Without CONFIG_PROC_FS only connections cannot be read; the error comes when they are.
	conns, _ := os.Open(connectionsPath)
	return &Driver{x: x, conns: conns}, nil
}

// Available reports whether [Open] would find IPVS. It asks the kernel one question, which loads
// the module where there is one.
func Available() bool {
	x, err := dial()
	if err != nil {
		return false
	}
	x.conn.Close()
	return true
}

// Close frees the socket. Forwarding goes on.
func (d *Driver) Close() error {
	if d.conns != nil {
		d.conns.Close()
	}
	return d.x.conn.Close()
}

// Info names the driver, the kernel's version of IPVS and the number of its table's buckets.
func (d *Driver) Info() (info table.Info, err error) {
	err = d.x.get(cmdGetInfo, func(attrs []byte) (err error) {
		info, err = parseInfo(attrs)
		return err
	})
	return info, named("asking for its version", err)
}

// Apply makes changes in order; see [table.Driver]. Each is its own exchange: the kernel carries a
// change out while it is sent, so that nothing would be gained by sending several at once, and it
// would not stop at the first of them that fails. While the kernel changes a service's scheduler
// it refuses new connections for a moment; other edits cost none.
func (d *Driver) Apply(changes []table.Change) error {
	for i := range changes {
		c := &changes[i]
		d.attrs = d.attrs[:0]
		cmd, err := d.attrs.change(c)
		if err == nil {
			err = reason(c, d.x.do(cmd, d.attrs))
		}
		if err != nil {
			return &table.ChangeError{Index: i, Change: *c, Err: err}
		}
	}
	return nil
}

// reason puts the kernel's number into words.
func reason(c *table.Change, err error) error {
	dest := c.Verb >= table.AddDestination && c.Verb <= table.DeleteDestination
	switch {
	case err == nil:
		return nil
	case err == unix.EEXIST:
		return table.ErrExists
	case err == unix.ESRCH && dest:
		return table.ErrNoService
	case err == unix.ESRCH || err == unix.ENOENT && (dest || c.Verb == table.DeleteService):
		return table.ErrNotFound
	case len(c.Service.Scheduler) > maxName || len(c.Service.Engine) > maxName:
		return table.ErrNoScheduler // the kernel would find fault with the length only
	case err == unix.ENOENT && c.Service.Engine != "":
		return fmt.Errorf("the kernel has no scheduler %q or no persistence engine %q (modules ip_vs_%s, "+
			"ip_vs_pe_%s): %w",
			c.Service.Scheduler, c.Service.Engine, c.Service.Scheduler, c.Service.Engine, table.ErrNoScheduler)
	case err == unix.ENOENT:
		return fmt.Errorf("the kernel has no scheduler %q (module ip_vs_%s): %w", c.Service.Scheduler,
			c.Service.Scheduler, table.ErrNoScheduler)
	case err == unix.EAFNOSUPPORT:
		return fmt.Errorf("%w; this kernel's IPVS may be without IPv6 (CONFIG_IP_VS_IPV6)", err)
	}
	return permission(err)
}

func permission(err error) error {
	if err == unix.EPERM || err == unix.EACCES {
		return fmt.Errorf("%w; it needs CAP_NET_ADMIN", err)
	}
	return err
}

func named(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("ipvs: %s: %w", what, permission(err))
}

// State reads the table, in the kernel's order (ipvsadm --nosort). A table that changes
// meanwhile is read again.
func (d *Driver) State() ([]table.ServiceState, error) {
	var services []table.ServiceState
	err := errInterrupted
	for try := 0; try < 10 && errors.Is(err, errInterrupted); try++ {
		services, err = d.state()
	}
	return services, named("reading the table", err)
}

func (d *Driver) state() ([]table.ServiceState, error) {
	var services []table.ServiceState
	err := d.x.dump(cmdGetService, nil, func(attrs []byte) error {
		s, err := parseService(attrs)
		services = append(services, s)
		return err
	})
	if err != nil {
		return nil, err
	}
	kept := services[:0]
	for _, s := range services {
		switch s.Destinations, err = d.destinations(s.Key); err {
		case nil:
			kept = append(kept, s)
		case unix.ESRCH: // deleted since
		default:
			return nil, err
		}
	}
	return kept, nil
}

func (d *Driver) destinations(k table.Key) ([]table.DestinationState, error) {
	family := uint16(unix.AF_INET)
	if is6(k) {
		family = unix.AF_INET6
	}
	var all []table.DestinationState
	err := d.x.dump(cmdGetDest, d.named(k), func(attrs []byte) error {
		dest, err := parseDestination(attrs, family)
		all = append(all, dest)
		return err
	})
	return all, err
}

// named encodes which service is meant.
func (d *Driver) named(k table.Key) []byte {
	d.attrs = d.attrs[:0]
	at := d.attrs.nest(attrService)
	d.attrs.key(k)
	d.attrs.end(at)
	return d.attrs
}

// Zero sets the counters of a service, or of all, to 0.
func (d *Driver) Zero(k *table.Key) error {
	if k == nil {
		return named("zeroing counters", d.x.do(cmdZero, nil))
	}
	err := valid(*k)
	if err == nil {
		err = d.x.do(cmdZero, d.named(*k))
	}
	if err == unix.ESRCH {
		err = table.ErrNotFound
	}
	return named("zeroing counters of "+k.String(), err)
}

// Timeouts reads the timeouts of connections.
func (d *Driver) Timeouts() (t table.Timeouts, err error) {
	err = d.x.get(cmdGetConfig, func(attrs []byte) (err error) {
		t, err = parseTimeouts(attrs)
		return err
	})
	return t, named("reading timeouts", err)
}

// SetTimeouts sets those that are not 0, in whole seconds; they hold for states entered from then on.
func (d *Driver) SetTimeouts(t table.Timeouts) error {
	d.attrs = d.attrs[:0]
	for _, v := range []struct {
		attr uint16
		d    time.Duration
	}{{attrTimeoutTCP, t.TCP}, {attrTimeoutTCPFin, t.TCPFin}, {attrTimeoutUDP, t.UDP}} {
		if v.d != 0 {
			d.attrs.u32(v.attr, uint32(v.d/time.Second))
		}
	}
	if len(d.attrs) == 0 {
		return nil
	}
	return named("setting timeouts", d.x.do(cmdSetConfig, d.attrs))
}

// Daemons lists the sync daemons that run.
func (d *Driver) Daemons() ([]table.Daemon, error) {
	var all []table.Daemon
	err := d.x.dump(cmdGetDaemon, nil, func(attrs []byte) error {
		one, err := parseDaemon(attrs)
		all = append(all, one)
		return err
	})
	return all, named("reading sync daemons", err)
}

// StartDaemon starts the kernel's sync daemon of a role. Interface is needed. Fields from MaxLen
// on need Linux 4.3.
func (d *Driver) StartDaemon(s table.Daemon) error {
	what := "starting the sync daemon " + s.Role.String()
	d.attrs = d.attrs[:0]
	d.attrs.daemon(&s)
	err := d.x.do(cmdNewDaemon, d.attrs)
	if len(s.Interface) >= unix.IFNAMSIZ {
		err = unix.ENODEV // the kernel would find fault with the length only
	}
	switch err {
	case unix.EEXIST:
		err = table.ErrExists
	case unix.ENODEV:
		err = fmt.Errorf("no interface %q: %w", s.Interface, err)
	}
	return named(what, err)
}

// StopDaemon stops it.
func (d *Driver) StopDaemon(r table.Role) error {
	d.attrs = d.attrs[:0]
	d.attrs.daemon(&table.Daemon{Role: r})
	err := d.x.do(cmdDelDaemon, d.attrs)
	if err == unix.ESRCH {
		err = table.ErrNotFound
	}
	return named("stopping the sync daemon "+r.String(), err)
}

// Connections reads remembered flows. The kernel does not tell the method of a connection here:
// it is always 0.
func (d *Driver) Connections(yield func(*table.Connection) bool) error {
	if d.conns == nil {
		return fmt.Errorf("ipvs: %s could not be opened: it needs CONFIG_PROC_FS and root", connectionsPath)
	}
	if _, err := d.conns.Seek(0, 0); err != nil {
		return fmt.Errorf("ipvs: reading connections: %w", err)
	}
	if err := readConnections(d.conns, yield); err != nil {
		return fmt.Errorf("ipvs: reading connections: %s", strings.TrimPrefix(err.Error(), "read "))
	}
	return nil
}
