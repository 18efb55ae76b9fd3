package site

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// supervisor starts processes and reaps them. A host is PID 1 of its process namespace, so it
// must also reap orphans: children whose parent was killed. That is why os/exec, which waits
// for its own children only, is not used inside a host.
type supervisor struct {
	mu       sync.Mutex // held over fork and registration, so that no exit is lost between them
	children map[int]chan syscall.WaitStatus
}

// newSupervisor begins to reap at once.
func newSupervisor() *supervisor {
	s := &supervisor{children: make(map[int]chan syscall.WaitStatus)}
	sig := make(chan os.Signal, 1)
	signal.Notify(sig, unix.SIGCHLD)
	go func() {
		for range sig {
			s.reap()
		}
	}()
	return s
}

// reap collects every child that has ended.
func (s *supervisor) reap() {
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		s.mu.Lock()
		if ch, ok := s.children[pid]; ok {
			ch <- ws
			delete(s.children, pid)
		}
		s.mu.Unlock()
	}
}

// child is a process the supervisor started.
type child struct {
	pid  int
	exit <-chan syscall.WaitStatus // gets exactly one value
}

// start runs path with argv; files become its descriptors 0, 1, 2, …
func (s *supervisor) start(path string, argv, env []string, files []*os.File, sys *syscall.SysProcAttr) (child, error) {
	fds := make([]uintptr, len(files))
	for i, f := range files {
		fds[i] = f.Fd()
	}
	exit := make(chan syscall.WaitStatus, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	pid, err := syscall.ForkExec(path, argv, &syscall.ProcAttr{Env: env, Files: fds, Sys: sys})
	if err != nil {
		return child{}, fmt.Errorf("start %s: %w", path, err)
	}
	s.children[pid] = exit
	return child{pid: pid, exit: exit}, nil
}
