package keepalived

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
	"strings"
	"syscall"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/source"
	"github.com/evenkeel/evenkeel/config/verdict"
)

// Machine answers the questions CheckMachine and CheckScripts have. Its zero value asks the machine
// it runs on.
type Machine struct {
	// Strict: what Keepalived refuses because of the machine is an error.
	Strict bool
	// Stat is os.Stat: it follows symbolic links.
	Stat func(path string) (fs.FileInfo, error)
	// Lstat is os.Lstat: it does not.
	Lstat func(path string) (fs.FileInfo, error)
	// Path holds the directories searched for a program without slash, as in $PATH.
	Path string
	// EvalSymlinks is filepath.EvalSymlinks.
	EvalSymlinks func(path string) (string, error)
	// HasUser reports whether there is a user of this name.
	HasUser func(name string) bool
	// HasGroup reports whether there is a group of this name.
	HasGroup func(name string) bool
	// HasInterface reports whether there is an interface of this name.
	HasInterface func(name string) bool
	// HasAddress reports whether an interface has this address; nil: none is missed.
	HasAddress func(netip.Addr) bool
}

func (m Machine) withDefaults() Machine {
	if m.Stat == nil {
		m.Stat = os.Stat
	}
	if m.Lstat == nil {
		m.Lstat = os.Lstat
	}
	if m.EvalSymlinks == nil {
		m.EvalSymlinks = filepath.EvalSymlinks
	}
	if m.HasUser == nil {
		m.HasUser = func(name string) bool {
			_, err := user.Lookup(name)
			return err == nil
		}
	}
	if m.HasGroup == nil {
		m.HasGroup = func(name string) bool {
			_, err := user.LookupGroup(name)
			return err == nil
		}
	}
	if m.HasInterface == nil {
		m.HasInterface = func(name string) bool {
			_, err := net.InterfaceByName(name)
			return err == nil
		}
	}
	if m.HasAddress == nil {
		m.HasAddress = func(netip.Addr) bool { return true }
	}
	if m.Path == "" {
		m.Path = scriptPath
	}
	return m
}

// scriptPath is where programs named without a slash are looked for.
const scriptPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// CheckScripts looks for every script of a site on this machine and warns, at the
// line that names it, of one that is missing or cannot be executed, of one whose user is not there and, with
// enable_script_security, of one that runs as root and someone else could change. They
// are warnings because a file is often checked on another machine than the one it
// is for; a director that cannot run a check script must hold its instances in
// fault and say so, never drop the check.
// Differs from Keepalived: a check whose script is missing or not secure is never
// dropped. There it is removed from tracking, and the node stays master unchecked.
func CheckScripts(site *config.Site, m Machine) []config.Diagnostic {
	m = m.withDefaults()
	c := scriptChecker{machine: m, global: site.Global}
	for _, s := range site.Scripts {
		c.check(s.Pos, "script", s.Command)
	}
	for _, i := range site.Instances {
		c.notify(i.Notify)
	}
	for _, g := range site.Groups {
		c.notify(g.Notify)
	}
	if site.LVS != nil {
		for _, v := range site.LVS.Servers {
			c.virtualServer(v)
		}
	}
	config.SortDiagnostics(c.found)
	return c.found
}

// virtualServer looks for the programs of a virtual server.
func (c *scriptChecker) virtualServer(v *config.VirtualServer) {
	told := func(word string, command config.Command) {
		if command.Defined() {
			c.check(command.Pos, word, command)
		}
	}
	told("quorum_up", v.QuorumUp)
	told("quorum_down", v.QuorumDown)
	for _, r := range v.Servers {
		told("notify_up", r.NotifyUp)
		told("notify_down", r.NotifyDn)
		for _, k := range r.Checkers {
			told("misc_path", k.Command)
		}
	}
}

type scriptChecker struct {
	machine Machine
	global  config.Global
	found   []config.Diagnostic
}

func (c *scriptChecker) notify(n config.Notify) {
	for _, e := range []struct {
		word    string
		command config.Command
	}{{"notify_master", n.Master}, {"notify_backup", n.Backup}, {"notify_fault", n.Fault}, {"notify_stop", n.Stop},
		{"notify", n.Any}, {"notify_master_rx_lower_pri", n.MasterRxLowerPri}} {
		if e.command.Defined() {
			c.check(e.command.Pos, e.word, e.command)
		}
	}
}

// tell adds a finding; refused: Keepalived does not take the site on such a machine.
func (c *scriptChecker) tell(pos config.Position, code, message, hint string, refused bool) {
	d := config.Diagnostic{Pos: pos, Severity: config.Warning, Code: code, Message: message, Hint: hint}
	if refused && c.machine.Strict {
		d.Severity = config.Error
	}
	c.found = append(c.found, d)
}

func (c *scriptChecker) check(pos config.Position, word string, command config.Command) {
	problem, hint := FindScript(command.Argv[0], c.machine, c.global.ScriptSecurity && c.asRoot(command))
	if problem != "" {
		c.tell(pos, "script", word+": "+problem, hint, word == "script" && !c.passed(command.Argv[0]))
	}
	owner := command.Owner
	if owner.User == "" {
		owner = c.global.ScriptUser
	}
	refused := word == "script" || word == "misc_path"
	if !c.known(owner.User, c.machine.HasUser, func(id string) error { _, err := user.LookupId(id); return err }) {
		c.tell(pos, "user", fmt.Sprintf("%s: there is no user %s here", word, q(owner.User)), "", refused)
	}
	if !c.known(owner.Group, c.machine.HasGroup,
		func(id string) error { _, err := user.LookupGroupId(id); return err }) {
		c.tell(pos, "group", fmt.Sprintf("%s: there is no group %s here", word, q(owner.Group)), "", refused)
	}
}

// passed reports whether Keepalived says nothing about a script that cannot be run: one that is not executable, and a
// redirection alone, as in </dev/tcp/HOST/PORT.
func (c *scriptChecker) passed(program string) bool {
	info, err := c.machine.Stat(program)
	return err == nil && info.Mode().IsRegular() && !runnable(info) || strings.HasPrefix(program, "<")
}

// known reports whether there is a user or group of this name, or of this number, which Keepalived does not take.
func (c *scriptChecker) known(name string, has func(string) bool, number func(string) error) bool {
	return name == "" || has(name) || !c.machine.Strict && number(name) == nil
}

// asRoot reports whether a command runs with root's rights, so that everyone who can
// change it has them too.
func (c *scriptChecker) asRoot(command config.Command) bool {
	switch name := cmp.Or(command.Owner.User, c.global.ScriptUser.User); name {
	case "":
		return !c.machine.HasUser(defaultScriptUser)
	case "root", "0":
		return true
	default:
		u, err := user.Lookup(name)
		if err != nil {
			u, err = user.LookupId(name)
		}
		return err == nil && u.Uid == "0" // root by another name
	}
}

// defaultScriptUser runs scripts, where it exists, if the file names nobody.
const defaultScriptUser = "keepalived_script"

// FindScript says what is wrong with a program, and the cure, or nothing if it could
// be run. With secure, every directory on its way and the file itself must belong
// to root and be writable by root alone.
func FindScript(program string, m Machine, secure bool) (problem, hint string) {
	_, problem, hint = locate(program, m, secure)
	return problem, hint
}

// locate is FindScript with the file that was judged: what is run must be it. With secure that is the file that
// links lead to now, behind directories that only root can change, so that it is the same one until root changes
// it.
func locate(program string, m Machine, secure bool) (path, problem, hint string) {
	m = m.withDefaults()
	path = program
	if !strings.Contains(program, "/") {
		found := ""
		for _, dir := range filepath.SplitList(m.Path) {
			if info, err := m.Stat(filepath.Join(dir, program)); err == nil && runnable(info) {
				found = filepath.Join(dir, program)
				break
			}
		}
		if found == "" {
			return "", fmt.Sprintf("there is no program %s in %s", q(program),
				m.Path), "write its whole path; shell text needs sh -c '…'"
		}
		path = found
	}
	if !filepath.IsAbs(path) {
		return "", fmt.Sprintf("script %s is not an absolute path", q(path)), ""
	}
	if secure {
		real, err := m.EvalSymlinks(path)
		if err == nil {
			if problem, hint := insecurePart(path, real, m); problem != "" {
				return "", problem, hint
			}
			path = real
		} // what is wrong with it is said below
	}
	problem, hint = unfit(path, m)
	return path, problem, hint
}

// unfit says why a file cannot be run.
func unfit(path string, m Machine) (problem, hint string) {
	info, err := m.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("script %s does not exist", verdict.Bare(path)), missingPart(path, m)
	case err != nil:
		return fmt.Sprintf("script %s: %v", verdict.Bare(path), source.Reason(err)), ""
	case info.IsDir():
		return fmt.Sprintf("script %s is a directory", verdict.Bare(path)), ""
	case !info.Mode().IsRegular():
		return fmt.Sprintf("script %s is not a regular file", verdict.Bare(path)), ""
	case !runnable(info):
		return fmt.Sprintf("script %s is not executable (mode %v)", verdict.Bare(path),
			info.Mode().Perm()), "chmod +x " + verdict.Bare(path)
	}
	return "", ""
}

func runnable(info fs.FileInfo) bool { return info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 }

// missingPart names the first directory on the way to path that is not there.
func missingPart(path string, m Machine) string {
	missing := ""
	for dir := filepath.Dir(path); dir != "/" && dir != "."; dir = filepath.Dir(dir) {
		if _, err := m.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			missing = dir
		}
	}
	if missing == "" {
		return ""
	}
	return "there is no directory " + verdict.Bare(missing)
}

// insecurePart finds the first part of a path that someone other than root could
// change, starting at the root; real is the path with its links resolved. Since nobody but root can change a part
// that was looked at, the next one cannot be exchanged behind it; and none may have become a link meanwhile.
func insecurePart(path, real string, m Machine) (problem, hint string) {
	parts := []string{real}
	for dir := filepath.Dir(real); ; dir = filepath.Dir(dir) {
		parts = append([]string{dir}, parts...)
		if dir == "/" || dir == "." {
			break
		}
	}
	for _, part := range parts {
		info, err := m.Lstat(part)
		if err != nil {
			return fmt.Sprintf("script %s: %s: %v", verdict.Bare(path), verdict.Bare(part), source.Reason(err)), ""
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			return fmt.Sprintf("script %s is not secure: %s was exchanged while it was looked at", verdict.Bare(path),
				verdict.Bare(part)), ""
		}
		if who, cure := changeableBy(part, info); who != "" {
			return fmt.Sprintf("script %s is not secure: %s is writable by %s", verdict.Bare(path), verdict.Bare(part),
				who), cure
		}
	}
	return "", ""
}

// changeableBy says who other than root could change a file or what is in a directory.
func changeableBy(part string, info fs.FileInfo) (who, cure string) {
	uid, gid := uint32(0), uint32(0)
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		uid, gid = st.Uid, st.Gid
	}
	mode := info.Mode()
	sticky := info.IsDir() && mode&fs.ModeSticky != 0 // others' entries are safe in it
	switch {
	case uid != 0:
		return fmt.Sprintf("its owner, user %d", uid), "chown root " + verdict.Bare(part)
	case mode.Perm()&0o002 != 0 && !sticky:
		return fmt.Sprintf("everyone (mode %v)", mode.Perm()), "chmod o-w " + verdict.Bare(part)
	case mode.Perm()&0o020 != 0 && gid != 0 && !sticky:
		return fmt.Sprintf("group %d (mode %v)", gid, mode.Perm()), "chmod g-w " + verdict.Bare(part)
	}
	return "", ""
}
