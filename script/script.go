// Package script runs the scripts of engines: checks, trackers and notify scripts. It owns the user a
// script runs as, its environment, and how it is ended when it takes too long. It does not know what
// a script is for, nor whether it may be run (script security).
package script

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/evenkeel/evenkeel/config"
)

// killDelay is how long a process group has between SIGTERM and SIGKILL.
const killDelay = 2 * time.Second

// ErrTimeout says that a script was ended because it took too long.
var ErrTimeout = errors.New("took too long and was ended")

// Run runs a command as its own process group and waits for it. Only the script itself is
// waited for: what it leaves running in the background lives on. owner is who runs it if the
// command names nobody (script_user). After limit, or when ctx ends, the whole group gets
// SIGTERM, and SIGKILL two seconds later; the error is then [ErrTimeout] or that of ctx. A
// script that ends by itself other than with 0 gives an [*exec.ExitError].
func Run(ctx context.Context, c config.Command, owner config.Owner, limit time.Duration) error {
	if len(c.Argv) == 0 {
		return errors.New("no program given")
	}
	cmd := exec.Command(c.Argv[0], c.Argv[1:]...)
	if c.File != "" {
		cmd.Path, cmd.Err = c.File, nil
	}
	cmd.Env = environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cred, err := credential(c.Owner, owner)
	if err != nil {
		return err
	}
	cmd.SysProcAttr.Credential = cred
	if err := Start(cmd); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
		err = ErrTimeout
	case <-ctx.Done():
		err = ctx.Err()
	}
	syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(killDelay):
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
	}
	return err
}

// ordinary is the niceness we were started with.
var ordinary = func() int {
	p, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil {
		return 0
	}
	return 20 - p // see getpriority(2), C library/kernel differences
}()

// Start starts a process with the niceness that we were started with: the director's own threads may have taken
// precedence since, which nobody else shall inherit.
func Start(cmd *exec.Cmd) error {
	// A child has the niceness of the thread that makes it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	now, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err == nil && 20-now < ordinary {
		if syscall.Setpriority(syscall.PRIO_PROCESS, 0, ordinary) == nil {
			defer syscall.Setpriority(syscall.PRIO_PROCESS, 0, 20-now)
		}
	}
	return cmd.Start()
}

// environment is our environment without what speaks to the service manager in our
// name (sd_notify(3)): a script must not be able to report the director alive.
var environment = sync.OnceValue(func() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "EVENKEEL_UNDER_INIT":
			return true
		}
		return false
	})
})

// defaultUser runs scripts that name no user, where it exists.
const defaultUser = "keepalived_script"

// credential finds who a program runs as: its own user, else the global one,
// else keepalived_script, else the user we are.
func credential(own, global config.Owner) (*syscall.Credential, error) {
	owner := own
	if owner.User == "" {
		owner = global
	}
	if owner.User == "" {
		if _, err := user.Lookup(defaultUser); err != nil {
			return nil, nil
		}
		owner.User = defaultUser
	}
	u, err := user.Lookup(owner.User)
	if err != nil {
		if u, err = user.LookupId(owner.User); err != nil {
			return nil, fmt.Errorf("user %q does not exist", owner.User)
		}
	}
	gid := u.Gid
	if owner.Group != "" {
		g, err := user.LookupGroup(owner.Group)
		if err != nil {
			if g, err = user.LookupGroupId(owner.Group); err != nil {
				return nil, fmt.Errorf("group %q does not exist", owner.Group)
			}
		}
		gid = g.Gid
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user %q: id %q", owner.User, u.Uid)
	}
	group, err := strconv.ParseUint(gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("group %q: id %q", owner.Group, gid)
	}
	if int(uid) == os.Geteuid() && int(group) == os.Getegid() {
		return nil, nil
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(group)}, nil
}
