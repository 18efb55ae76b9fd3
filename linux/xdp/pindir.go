package xdp

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// pinDir is the directory where a plane is pinned.
type pinDir struct {
	dir string
	// host: paths are looked up in the first process's mount namespace. "ip netns exec" gives
	// its command a /sys of its own, and what is mounted in there ends with the command.
	host bool
	lock int // descriptor of the directory while it is locked, else -1
}

// pinDirOf finds the directory of the calling thread's network namespace; dir may be empty.
func pinDirOf(dir string) (*pinDir, error) {
	if dir != "" {
		return &pinDir{dir: filepath.Clean(dir), lock: -1}, nil
	}
	var ns unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &ns); err != nil {
		return nil, fmt.Errorf("xdp: looking up this network namespace: %w", err)
	}
	p := &pinDir{dir: fmt.Sprintf("/sys/fs/bpf/evenkeel/%d", ns.Ino), lock: -1}
	var own, first unix.Stat_t
	if unix.Stat("/proc/thread-self/ns/mnt", &own) == nil && unix.Stat("/proc/1/ns/mnt", &first) == nil {
		p.host = own.Ino != first.Ino
	}
	return p, nil
}

// do runs f where its paths mean what they say.
func (d *pinDir) do(f func() error) error {
	if !d.host {
		return f()
	}
	done := make(chan error)
	netns, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(netns)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		done <- func() error {
			mnt, err := unix.Open("/proc/1/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(mnt)
			if err := unix.Setns(netns, unix.CLONE_NEWNET); err != nil {
				return err
			}
			if err := unix.Unshare(unix.CLONE_FS); err != nil {
				return err
			}
			if err := unix.Setns(mnt, unix.CLONE_NEWNS); err != nil {
				return fmt.Errorf("entering the first process's mount namespace: %w", err)
			}
			return f()
		}()
	}()
	return <-done
}

// make creates the directory, on a bpffs.
func (d *pinDir) make() error {
	return d.do(func() error {
		const usual = "/sys/fs/bpf"
		mount := usual
		if !isBelow(d.dir, usual) {
			mount = d.dir
		}
		if err := os.MkdirAll(mount, 0o700); err != nil {
			return fmt.Errorf("xdp: %w (mount a bpffs there, or name another directory)", err)
		}
		if !onBPFFS(mount) {
			if err := unix.Mount("bpf", mount, "bpf", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC,
				"mode=0700"); err != nil {
				return fmt.Errorf("xdp: mounting a bpffs on %s: %w (it needs CAP_SYS_ADMIN and CONFIG_BPF_SYSCALL)",
					mount, err)
			}
		}
		return os.MkdirAll(d.dir, 0o700)
	})
}

func isBelow(dir, parent string) bool {
	rel, err := filepath.Rel(parent, dir)
	return err == nil && filepath.IsLocal(rel)
}

// onBPFFS reports whether a directory is on a bpffs.
func onBPFFS(dir string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) == nil && fs.Type == unix.BPF_FS_MAGIC
}

// hold locks the directory against other processes, and against other planes of this one.
func (d *pinDir) hold() error {
	if d.lock >= 0 {
		return errors.New("xdp: the plane is in use on another goroutine")
	}
	return d.do(func() error {
		fd, err := unix.Open(d.dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("xdp: opening %s: %w", d.dir, err)
		}
		for {
			err = unix.Flock(fd, unix.LOCK_EX)
			if err != unix.EINTR {
				break
			}
		}
		if err != nil {
			unix.Close(fd)
			return fmt.Errorf("xdp: locking %s: %w", d.dir, err)
		}
		d.lock = fd
		return nil
	})
}

func (d *pinDir) release() {
	unix.Close(d.lock)
	d.lock = -1
}

func (d *pinDir) path(name string) string { return filepath.Join(d.dir, name) }

// names lists what is pinned.
func (d *pinDir) names() ([]string, error) {
	var names []string
	err := d.do(func() error {
		entries, err := os.ReadDir(d.dir)
		for _, e := range entries {
			// The kernel's own entries have a dot in their names; pinned ones cannot.
			if !e.IsDir() && !strings.Contains(e.Name(), ".") {
				names = append(names, e.Name())
			}
		}
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	})
	return names, err
}

// remove unpins names and, when it is empty then, the directory.
func (d *pinDir) remove(names []string) error {
	return d.do(func() error {
		var errs []error
		for _, n := range names {
			if err := os.Remove(d.path(n)); err != nil && !errors.Is(err, os.ErrNotExist) {
				errs = append(errs, err)
			}
		}
		return errors.Join(errs...)
	})
}

// removeDir removes the directory, if nothing else is in it.
func (d *pinDir) removeDir() error {
	return d.do(func() error {
		err := os.Remove(d.dir)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENOTEMPTY) {
			return nil
		}
		return err
	})
}
