package launcher

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"github.com/evenkeel/evenkeel/lab/site"
)

// rig is a site in the machine: the switch's process and the lines to all hosts.
type rig struct {
	lines map[string]*site.Line // by host name; "switch" is the switch
	died  chan struct{}         // closed when the switch's process has ended, and the site with it
	pid   int
	// userns: the rig runs in a user namespace because the lab was not started by root.
	userns bool
}

// launch starts the switch, which starts the hosts. It returns when the first process runs;
// the hosts report on their lines.
//
// The caller ends it with rig.close.
func launch(s *site.Site) (*rig, error) {
	r := &rig{lines: make(map[string]*site.Line), died: make(chan struct{})}
	names := []string{"switch"}
	for _, p := range s.Ports() {
		names = append(names, p.Host)
	}
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
	}()
	for _, name := range names {
		ours, their, err := site.LinePair()
		if err != nil {
			return nil, err
		}
		theirs = append(theirs, their)
		if r.lines[name], err = site.NewLine(ours); err != nil {
			return nil, err
		}
	}
	err := r.start(theirs, os.Geteuid() != 0)
	if errors.Is(err, syscall.EPERM) && os.Geteuid() == 0 {
		err = r.start(theirs, true) // root without CAP_SYS_ADMIN, as in a container
	}
	if err != nil {
		return nil, fmt.Errorf("lab: cannot make namespaces: %w (run it as root, or allow user namespaces: "+
			"sysctl user.max_user_namespaces above 0 and, where the kernel has them, "+
			"kernel.unprivileged_userns_clone=1 "+
			"and kernel.apparmor_restrict_unprivileged_userns=0)", err)
	}
	return r, nil
}

// start runs the switch in fresh namespaces.
func (r *rig) start(files []*os.File, userns bool) error {
	cmd := exec.Command("/proc/self/exe", site.EntryPoint, "switch")
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = files
	cmd.Env = append(os.Environ(), site.ExecutableEnv+"="+site.Executable())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS,
		// The kernel kills the switch with us, and as PID 1 of its namespace it takes every
		// process of the lab with it.
		Pdeathsig: syscall.SIGKILL,
		// Ctrl-C is for the launcher alone; it takes the lab down in order.
		Setsid: true,
	}
	if userns {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	started := make(chan error)
	go func() {
		// The death signal follows the thread that forked, so this one must live as long as
		// the lab does.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait() // how it ended is on its standard error
		close(r.died)
	}()
	if err := <-started; err != nil {
		return err
	}
	r.pid, r.userns = cmd.Process.Pid, userns
	return nil
}

// close takes the site down and waits until its first process is gone, which is when nothing
// of it is left.
func (r *rig) close() {
	for _, l := range r.lines {
		l.Close()
	}
	if r.pid != 0 {
		// The lines' end makes the switch exit; the signal is for one that cannot.
		_ = syscall.Kill(r.pid, syscall.SIGKILL)
		<-r.died
	}
}
