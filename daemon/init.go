package daemon

import (
	"os"
	"os/signal"
	"syscall"
)

// childMark in the environment tells the director that it runs under Init.
const childMark = "EVENKEEL_UNDER_INIT"

// NeedsInit reports whether the process is PID 1, whose other duty is to reap
// every orphan; a director that waits for its own scripts cannot do both.
func NeedsInit() bool { return os.Getpid() == 1 && os.Getenv(childMark) == "" }

// Init is PID 1: it runs the same command line as a child, hands signals on,
// reaps orphans, and ends with the child's exit status. It returns that status.
func Init() (status int, err error) {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGQUIT)
	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	child, err := os.StartProcess(self, os.Args, &os.ProcAttr{
		Env:   append(os.Environ(), childMark+"=1"),
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
	})
	if err != nil {
		return 1, err
	}
	go func() {
		for s := range signals {
			syscall.Kill(child.Pid, s.(syscall.Signal))
		}
	}()
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, 0, nil)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return 1, err
		case pid != child.Pid:
			continue
		case ws.Signaled():
			return 128 + int(ws.Signal()), nil
		}
		return ws.ExitStatus(), nil
	}
}
