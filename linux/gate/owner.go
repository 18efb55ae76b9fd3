package gate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ownerDir holds a file for each network namespace that is guarded: locked by the director that guards it, and with its
// process number. It is root's, so that nobody else can hold one.
const ownerDir = "/run/evenkeel-gate"

// ErrOwned: another living process guards the addresses of this network namespace.
var ErrOwned = errors.New("another director guards the addresses of this network namespace")

// How long a lock may outlive its holder: one that was killed is a moment in dying, and a script that is just being
// started holds what the director had open until it runs.
const (
	dyingLimit = 250 * time.Millisecond
	goneLimit  = 2 * time.Second
)

// own makes this process the one that guards the addresses of its network namespace; the file is given to disown. Two
// would replace each other's filters, and a purge beside a living director would take its gate away. Where no file can
// be had (no root, no /run), nothing keeps a second one out: that is logged, and nil.
func own(log func(string)) (*os.File, error) {
	unowned := func(why error) (*os.File, error) {
		log(fmt.Sprintf("nothing keeps a purge or a second director from this network namespace: %v", why))
		return nil, nil
	}
	name, err := ownerFile()
	if err != nil {
		return unowned(err)
	}
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		f, holder, err := lockOwner(name)
		switch {
		case errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS):
			return unowned(err)
		case err != nil || f != nil:
			return f, err
		}
		limit := dyingLimit
		if errors.Is(unix.Kill(holder, 0), unix.ESRCH) {
			limit = goneLimit
		}
		if time.Since(began) >= limit {
			return nil, fmt.Errorf("gate: %w: process %d", ErrOwned, holder)
		}
	}
}

// ownerFile is the file of the calling thread's network namespace.
func ownerFile() (string, error) {
	space, err := os.Stat("/proc/thread-self/ns/net")
	if err != nil {
		return "", err
	}
	if err := os.Mkdir(ownerDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	dir, err := os.Lstat(ownerDir)
	if err != nil {
		return "", err
	}
	owner := int(dir.Sys().(*syscall.Stat_t).Uid)
	if !dir.IsDir() || owner != 0 && owner != os.Geteuid() || dir.Mode().Perm()&0o022 != 0 {
		return "", fmt.Errorf("%s is not a directory that only root writes to", ownerDir)
	}
	return filepath.Join(ownerDir, strconv.FormatUint(space.Sys().(*syscall.Stat_t).Ino, 10)), nil
}

// lockOwner takes the lock, or says which process has it.
func lockOwner(name string) (f *os.File, holder int, err error) {
	f, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("gate: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, 0, fmt.Errorf("gate: locking %s: %w", name, err)
		}
		var text [20]byte
		n, _ := f.ReadAt(text[:], 0)
		holder, _ = strconv.Atoi(strings.TrimSpace(string(text[:n])))
		return nil, holder, nil
	}
	here, err := f.Stat()
	there, lost := os.Stat(name)
	if err != nil || lost != nil || !os.SameFile(here, there) { // its holder has just taken it away: again
		f.Close()
		return nil, 0, nil
	}
	if err = f.Truncate(0); err == nil {
		_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	if err != nil {
		f.Close()
		return nil, 0, fmt.Errorf("gate: %w", err)
	}
	return f, 0, nil
}

// disown lets others own the network namespace. The file goes before its lock: a copy that a script still holds is
// without an owner then.
func (s *Set) disown() {
	if s.owner != nil {
		os.Remove(s.owner.Name())
		s.owner.Close()
		s.owner = nil
	}
}
