package site

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Paths inside a host. labDir holds what the lab adds to the machine's own files.
const (
	labDir      = "/lab"
	labBin      = labDir + "/bin"
	labSelf     = labBin + "/evenkeel"
	hostEtc     = labDir + "/etc" // the machine's own /etc
	agentSocket = "/run/lab-agent.sock"
	hostPath    = labBin + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// private are the top directories a host does not share with the machine.
var private = []string{"proc", "sys", "run", "tmp", "etc", "lab", "lost+found"}

// buildRoot gives the host a root of its own and moves into it: a tmpfs with the machine's
// directories bound in read-only, and /etc, /run, /tmp, /proc and /sys of its own. So nothing
// a host does reaches the machine's files, and nothing of the host is left when its mount
// namespace ends.
func buildRoot(c *HostConfig) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	const root = "/run" // any directory will do as a place to stand; this one is not bound in
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer self.Close()
	if err := unix.Mount("evenkeel-lab", root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV,
		"mode=0755,size=256m"); err != nil {
		return fmt.Errorf("mount tmpfs: %w", err)
	}
	steps := []func(string) error{
		makeDirectories,
		bindMachine,
		func(root string) error { return linkEtc(root, c) },
		mountKernel,
		func(root string) error { return placeSelf(root, self) },
		func(root string) error { return writeFiles(root, c) },
	}
	for _, step := range steps {
		if err := step(root); err != nil {
			return fmt.Errorf("root of %s: %w", c.Name, err)
		}
	}
	return enter(root)
}

func makeDirectories(root string) error {
	for _, d := range []string{"proc", "sys", "run", "run/lock", "etc", "etc/keepalived", "etc/haproxy", "lab",
		"lab/bin", "lab/etc"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return err
		}
	}
	tmp := filepath.Join(root, "tmp")
	if err := os.Mkdir(tmp, 0o777); err != nil {
		return err
	}
	return os.Chmod(tmp, 0o777|os.ModeSticky)
}

// bindMachine shows the machine's top directories in the new root, read-only. A directory this
// user may not see is left out.
func bindMachine(root string) error {
	entries, err := os.ReadDir("/")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if slices.Contains(private, e.Name()) {
			continue
		}
		from, to := "/"+e.Name(), filepath.Join(root, e.Name())
		switch {
		case e.Type()&os.ModeSymlink != 0: // /bin -> usr/bin
			target, err := os.Readlink(from)
			if err != nil {
				return err
			}
			if err := os.Symlink(target, to); err != nil {
				return err
			}
		case e.IsDir():
			if err := os.Mkdir(to, 0o755); err != nil {
				return err
			}
			if err := bindReadOnly(from, to); err != nil && !errors.Is(err, unix.EACCES) {
				return err
			}
		}
	}
	return bindReadOnly("/etc", root+hostEtc)
}

// bindReadOnly binds a tree with everything mounted below it. Devices stay usable: read-only
// is about files.
func bindReadOnly(from, to string) error {
	if err := unix.Mount(from, to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s: %w", from, err)
	}
	err := unix.MountSetattr(unix.AT_FDCWD, to, unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	if err != nil {
		return fmt.Errorf("make %s read-only: %w (needs Linux 5.12)", to, err)
	}
	return nil
}

// linkEtc fills the host's /etc with links to the machine's, except for what is its own.
func linkEtc(root string, c *HostConfig) error {
	entries, err := os.ReadDir(root + hostEtc)
	if err != nil {
		return err
	}
	own := []string{"keepalived", "haproxy", "hosts", "hostname"}
	if c.Proxy {
		accounts, err := c.writeAccounts(root)
		if err != nil {
			return err
		}
		own = append(own, accounts...)
	}
	for _, e := range entries {
		if slices.Contains(own, e.Name()) {
			continue
		}
		if err := os.Symlink(hostEtc+"/"+e.Name(), filepath.Join(root, "etc", e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// mountKernel mounts the kernel's views as this host's namespaces see them.
func mountKernel(root string) error {
	if err := unix.Mount("proc", root+"/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w (a container that hides parts of /proc forbids this)", err)
	}
	if err := unix.Mount("sysfs", root+"/sys", "sysfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /sys: %w (a container that hides parts of /sys forbids this)", err)
	}
	// An instance of its own, so that nothing pinned in it outlives the host. Only root outside
	// user namespaces may have one; there eBPF is refused anyway.
	_ = unix.Mount("bpf", root+"/sys/fs/bpf", "bpf", 0, "mode=0700")
	return nil
}

// placeSelf puts this executable where the host's programs find it: bound where its path can
// be reached, else copied.
func placeSelf(root string, self *os.File) error {
	to, err := os.OpenFile(root+labSelf, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	defer to.Close()
	path := os.Getenv(ExecutableEnv)
	if path != "" && sameFile(path, self) && unix.Mount(path, root+labSelf, "", unix.MS_BIND, "") == nil {
		return nil
	}
	_, err = io.Copy(to, self)
	return err
}

func sameFile(path string, f *os.File) bool {
	a, err := os.Stat(path)
	if err != nil {
		return false
	}
	b, err := f.Stat()
	return err == nil && os.SameFile(a, b)
}

// writeFiles writes the host's own configuration and the stand-ins for programs that would act
// on the machine instead of the host.
func writeFiles(root string, c *HostConfig) error {
	for _, name := range slices.Sorted(maps.Keys(c.Files)) {
		mode := os.FileMode(0o644)
		content := c.Files[name]
		if strings.HasSuffix(name, ".sh") {
			mode = 0o755
			if !machineHas("curl") { // the stand-in is found by PATH
				content = bytes.ReplaceAll(content, []byte("/usr/bin/curl "), []byte("curl "))
			}
		}
		if err := os.WriteFile(filepath.Join(root, "etc", name), content, mode); err != nil {
			return err
		}
	}
	hosts := "127.0.0.1 localhost\n"
	for _, name := range slices.Sorted(maps.Keys(c.Names)) {
		hosts += c.Names[name] + " " + name + "\n"
	}
	if err := os.WriteFile(root+"/etc/hosts", []byte(hosts), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(root+"/etc/hostname", []byte(c.Name+"\n"), 0o644); err != nil {
		return err
	}
	standIns := []string{"systemctl"}
	for _, name := range []string{"ps", "curl"} {
		if !machineHas(name) {
			standIns = append(standIns, name)
		}
	}
	for _, name := range standIns {
		script := fmt.Sprintf("#!/bin/sh\nexec %s %s %s \"$@\"\n", labSelf, EntryPoint, name)
		if err := os.WriteFile(filepath.Join(root, labBin, name), []byte(script), 0o755); err != nil {
			return err
		}
	}
	if c.WebUnit != "" && !c.Proxy {
		return os.Symlink("evenkeel", filepath.Join(root, labBin, c.WebUnit))
	}
	return nil
}

// machineHas reports whether a host will find the program among the machine's.
func machineHas(program string) bool {
	for _, dir := range []string{"/usr/local/bin", "/usr/bin", "/bin"} {
		if st, err := os.Stat(filepath.Join(dir, program)); err == nil && st.Mode()&0o111 != 0 {
			return true
		}
	}
	return false
}

// enter makes root the root and drops the old one.
func enter(root string) error {
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("drop the machine's root: %w", err)
	}
	return os.Chdir("/")
}
