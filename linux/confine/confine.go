// Package confine gives up what a process no longer needs: the root directory, the user,
// the capabilities, the way to gain others. It owns those calls and their order, and must never
// know what the process does.
package confine

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Account is who a process becomes. Names are resolved before a chroot hides the files they stand in.
type Account struct {
	UID, GID int // -1: stays
}

// Lookup resolves a user and a group, each a name, a number or empty. A user without a group
// brings its own.
func Lookup(userName, groupName string) (Account, error) {
	a := Account{-1, -1}
	if userName != "" {
		u, err := user.Lookup(userName)
		if n, e := strconv.Atoi(userName); err != nil && e == nil && n >= 0 {
			a.UID = n
		} else if err != nil {
			return a, fmt.Errorf("user %s is not known here", userName)
		} else {
			a.UID, _ = strconv.Atoi(u.Uid)
			a.GID, _ = strconv.Atoi(u.Gid)
		}
	}
	if groupName != "" {
		g, err := user.LookupGroup(groupName)
		if n, e := strconv.Atoi(groupName); err != nil && e == nil && n >= 0 {
			a.GID = n
		} else if err != nil {
			return a, fmt.Errorf("group %s is not known here", groupName)
		} else {
			a.GID, _ = strconv.Atoi(g.Gid)
		}
	}
	return a, nil
}

// Drop enters root if it is not empty, becomes the account, and gives up every capability and the means to
// gain new ones (PR_SET_NO_NEW_PRIVS). It acts on all threads of the process. Without
// privileges to begin with there is nothing to give up: an account or root asked for then is an error.
//
// A program linked with cgo (a build with the race detector) cannot make system calls on all of its threads; there
// the change of user alone takes the capabilities away.
func Drop(a Account, root string) error {
	privileged := syscall.Geteuid() == 0
	if root != "" {
		if err := syscall.Chroot(root); err != nil {
			return fmt.Errorf("chroot to %s: %w", root, err)
		}
		if err := syscall.Chdir("/"); err != nil {
			return fmt.Errorf("chroot to %s: %w", root, err)
		}
	}
	if privileged {
		if a.GID >= 0 {
			if err := syscall.Setgroups([]int{a.GID}); err != nil && !groupsFixed() {
				return fmt.Errorf("dropping supplementary groups: %w", err)
			}
			if err := syscall.Setgid(a.GID); err != nil {
				return fmt.Errorf("becoming group %d: %w", a.GID, err)
			}
		}
		if a.UID >= 0 {
			if err := syscall.Setuid(a.UID); err != nil {
				return fmt.Errorf("becoming user %d: %w", a.UID, err)
			}
		}
	} else if a.UID >= 0 && a.UID != syscall.Geteuid() {
		return fmt.Errorf("becoming user %d takes root", a.UID)
	}
	if _, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); errno != 0 &&
		errno != unix.ENOTSUP {
		return fmt.Errorf("no_new_privs: %w", errno)
	}
	return dropCapabilities()
}

// dropCapabilities empties the three sets on every thread.
func dropCapabilities() error {
	type header struct {
		version uint32
		pid     int32
	}
	h := header{version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if _, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&h)),
		uintptr(unsafe.Pointer(&none)), 0); errno != 0 && errno != unix.ENOTSUP {
		return fmt.Errorf("dropping capabilities: %w", errno)
	}
	return nil
}

// Files raises the limit of open descriptors to n, as far as the hard limit, or the process's privileges, allow. It
// leaves a limit that is higher, unless that is to be lowered: the runtime has raised it to the hard one before.
// It gives the limit that holds then.
func Files(n uint64, lower bool) uint64 {
	var r syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r) != nil {
		return 1024
	}
	if want := (syscall.Rlimit{Cur: n, Max: max(r.Max, n)}); (n > r.Cur || lower) &&
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &want) != nil {
		want = syscall.Rlimit{Cur: min(n, r.Max), Max: r.Max}
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &want)
	}
	syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r)
	return r.Cur
}

// groupsFixed says whether this is a user namespace in which nobody may change supplementary groups.
func groupsFixed() bool {
	text, err := os.ReadFile("/proc/self/setgroups")
	return err == nil && strings.TrimSpace(string(text)) == "deny"
}
