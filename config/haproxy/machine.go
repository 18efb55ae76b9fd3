package haproxy

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/source"
)

// Machine answers the questions CheckMachine has. Its zero value asks the machine it runs on.
type Machine struct {
	HasUser, HasGroup, HasInterface func(name string) bool
	// HasAddress reports whether a socket may be bound to an address; nil: none is missed.
	HasAddress func(netip.Addr) bool
	// HasDescriptor reports whether a descriptor was inherited.
	HasDescriptor func(fd int) bool
	Stat          func(path string) (fs.FileInfo, error) // os.Stat
}

func (m Machine) withDefaults() Machine {
	ask := func(given *func(string) bool, look func(string) error) {
		if *given == nil {
			*given = func(name string) bool { return look(name) == nil }
		}
	}
	ask(&m.HasUser, func(name string) error { _, err := user.Lookup(name); return err })
	ask(&m.HasGroup, func(name string) error { _, err := user.LookupGroup(name); return err })
	ask(&m.HasInterface, func(name string) error { _, err := net.InterfaceByName(name); return err })
	if m.HasAddress == nil {
		m.HasAddress = func(netip.Addr) bool { return true }
	}
	if m.HasDescriptor == nil {
		m.HasDescriptor = func(fd int) bool {
			_, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
			return err == nil
		}
	}
	if m.Stat == nil {
		m.Stat = os.Stat
	}
	return m
}

// machineChecker collects what a machine lacks.
type machineChecker struct {
	Machine
	found []config.Diagnostic
}

func (c *machineChecker) tell(pos config.Position, severity config.Severity, code, message, hint string) {
	c.found = append(c.found, config.Diagnostic{Pos: pos, Severity: severity, Code: code, Message: message, Hint: hint})
}

// CheckMachine looks for what a proxy needs of the machine. Users, groups and descriptors that are not there are
// errors, as for haproxy -c. The rest, which haproxy sees only when it starts, is a warning: it may be another
// machine's file.
func CheckMachine(p *config.Proxying, m Machine) []config.Diagnostic {
	c := &machineChecker{Machine: m.withDefaults()}
	g := &p.Global
	c.account(g.UserPos, g.User.User, "")
	c.account(g.GroupPos, "", g.Group.Group)
	if g.Chroot != "" {
		c.directory(g.ChrootPos, "chroot "+q(g.Chroot), g.Chroot)
	}
	for _, s := range g.StatsSockets {
		c.listen(&s.Listen)
	}
	for _, px := range p.Proxies {
		if px.Disabled {
			continue
		}
		for _, b := range px.Binds {
			c.listen(&b.Listen)
		}
		for _, s := range px.Servers {
			if iface := cmp.Or(s.Interface, px.SourceInterface); iface != "" && !c.HasInterface(iface) {
				c.tell(s.Pos, config.Warning, "interface",
					fmt.Sprintf("server %s: there is no interface %s here", q(s.Name), q(iface)), "")
			}
			if addr := s.Source.Addr(); addr.IsValid() && !addr.IsUnspecified() && !c.HasAddress(addr) {
				c.tell(s.Pos, config.Warning, "source",
					fmt.Sprintf("server %s: source address %v is on no interface here", q(s.Name), addr), "")
			}
		}
	}
	config.SortDiagnostics(c.found)
	return c.found
}

// account looks for a user and a group, by name or number.
func (c *machineChecker) account(pos config.Position, userName, group string) {
	missing := func(name string, has func(string) bool) bool {
		_, err := strconv.ParseUint(name, 10, 31)
		return name != "" && err != nil && !has(name)
	}
	if missing(userName, c.HasUser) {
		c.tell(pos, config.Error, "user", fmt.Sprintf("there is no user %s here", q(userName)), "")
	}
	if missing(group, c.HasGroup) {
		c.tell(pos, config.Error, "group", fmt.Sprintf("there is no group %s here", q(group)), "")
	}
}

// directory warns of one that is not there.
func (c *machineChecker) directory(pos config.Position, what, dir string) {
	info, err := c.Stat(dir)
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	}
	if err != nil {
		c.tell(pos, config.Warning, "directory",
			fmt.Sprintf("%s: directory %s: %v: run will not start", what, q(dir), source.Reason(err)), "")
	}
}

// listen looks whether an address can be listened on.
func (c *machineChecker) listen(l *config.Listen) {
	c.account(l.Pos, l.User, l.Group)
	if l.Interface != "" && !c.HasInterface(l.Interface) {
		c.tell(l.Pos, config.Warning, "interface",
			fmt.Sprintf("%s: there is no interface %s here: run will not start", q(l.Text), q(l.Interface)), "")
	}
	addr := l.Addr.Addr()
	switch {
	case l.FD >= 0:
		if !c.HasDescriptor(l.FD) {
			c.tell(l.Pos, config.Error, "descriptor", fmt.Sprintf("%s: descriptor %d is not open", q(l.Text), l.FD), "")
		}
	case strings.HasPrefix(l.Path, "@"):
	case l.Path != "":
		c.directory(l.Pos, q(l.Text), filepath.Dir(l.Path))
		if info, err := c.Stat(l.Path); err == nil && info.IsDir() {
			c.tell(l.Pos, config.Warning, "directory", fmt.Sprintf("%s is a directory: run will not start", q(l.Path)),
				"")
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			c.tell(l.Pos, config.Warning, "directory", fmt.Sprintf("%s: %v", q(l.Path), source.Reason(err)), "")
		}
	case addr.IsValid() && !addr.IsUnspecified() && !l.Transparent && !c.HasAddress(addr):
		c.tell(l.Pos, config.Warning, "address",
			fmt.Sprintf("%s: address %v is on no interface here: run will not start", q(l.Text), addr),
			"sysctl net.ipv4.ip_nonlocal_bind=1, or ipv6's, allows it before the address comes")
	}
}
