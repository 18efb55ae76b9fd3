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

// place is where a plane is pinned.
type place struct {
	dir string
	// host: paths are looked up in the first process's mount namespace. "ip netns exec" gives
	// its command a /sys of its own, and what is mounted in there ends with the command.
	host bool
	lock int // descriptor of the directory while it is locked, else -1
}

// placeOf finds the place of the calling thread's network namespace; dir may be empty.
func placeOf(dir string) (*place, error) {
	if dir != "" {
		return &place{dir: filepath.Clean(dir), lock: -1}, nil
	}
	var ns unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &ns); err != nil {
		return nil, fmt.Errorf("xdp: looking up this network namespace: %w", err)
	}
	p := &place{dir: fmt.Sprintf("/sys/fs/bpf/evenkeel/%d", ns.Ino), lock: -1}
	var own, first unix.Stat_t
	if unix.Stat("/proc/thread-self/ns/mnt", &own) == nil && unix.Stat("/proc/1/ns/mnt", &first) == nil {
		p.host = own.Ino != first.Ino
	}
	return p, nil
}

// do runs f where the place's paths mean what they say.
func (p *place) do(f func() error) error {
	if !p.host {
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
func (p *place) make() error {
	return p.do(func() error {
		const usual = "/sys/fs/bpf"
		mount := usual
		if !isBelow(p.dir, usual) {
			mount = p.dir
		}
		if err := os.MkdirAll(mount, 0o700); err != nil {
			return fmt.Errorf("xdp: %w (mount a bpffs there, or name another directory)", err)
		}
		if !onBPFFS(mount) {
			if err := unix.Mount("bpf", mount, "bpf", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700"); err != nil {
				return fmt.Errorf("xdp: mounting a bpffs on %s: %w (it needs CAP_SYS_ADMIN and CONFIG_BPF_SYSCALL)", mount, err)
			}
		}
		return os.MkdirAll(p.dir, 0o700)
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

// hold locks the place against other processes, and against other planes of this one.
func (p *place) hold() error {
	if p.lock >= 0 {
		return errors.New("xdp: the plane is in use on another goroutine")
	}
	return p.do(func() error {
		fd, err := unix.Open(p.dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("xdp: opening %s: %w", p.dir, err)
		}
		for {
			err = unix.Flock(fd, unix.LOCK_EX)
			if err != unix.EINTR {
				break
			}
		}
		if err != nil {
			unix.Close(fd)
			return fmt.Errorf("xdp: locking %s: %w", p.dir, err)
		}
		p.lock = fd
		return nil
	})
}

func (p *place) release() {
	unix.Close(p.lock)
	p.lock = -1
}

func (p *place) path(name string) string { return filepath.Join(p.dir, name) }

// names lists what is pinned.
func (p *place) names() ([]string, error) {
	var names []string
	err := p.do(func() error {
		entries, err := os.ReadDir(p.dir)
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
func (p *place) remove(names []string) error {
	return p.do(func() error {
		var errs []error
		for _, n := range names {
			if err := os.Remove(p.path(n)); err != nil && !errors.Is(err, os.ErrNotExist) {
				errs = append(errs, err)
			}
		}
		return errors.Join(errs...)
	})
}

// removeDir removes the place's directory, if nothing else is in it.
func (p *place) removeDir() error {
	return p.do(func() error {
		err := os.Remove(p.dir)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENOTEMPTY) {
			return nil
		}
		return err
	})
}
