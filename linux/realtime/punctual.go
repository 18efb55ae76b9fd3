package realtime

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// RealTime gives the calling OS thread the SCHED_FIFO policy at priority 1 (lowest) to 99,
// so that ordinary load cannot delay it. Call it from a goroutine locked to its thread.
// Children of the thread start as ordinary processes (SCHED_FLAG_RESET_ON_FORK).
//
// It needs CAP_SYS_NICE or a RLIMIT_RTPRIO of at least priority; the caller should treat
// an error as a warning, for the thread works without it, only less punctually.
//
// The Go scheduler is a second source of delay: a thread that returns from a system call
// needs a free processor slot, so a process with busy goroutines should run with a
// GOMAXPROCS above the number of CPUs and leave the choice between threads to the kernel.
func RealTime(priority int) error {
	if priority < 1 || priority > 99 {
		return fmt.Errorf("realtime: real-time priority %d is not within 1-99", priority)
	}
	attr := &unix.SchedAttr{
		Size:     unix.SizeofSchedAttr,
		Policy:   unix.SCHED_FIFO,
		Flags:    unix.SCHED_FLAG_RESET_ON_FORK,
		Priority: uint32(priority),
	}
	if err := unix.SchedSetAttr(0, attr, 0); err != nil {
		return fmt.Errorf("realtime: real-time scheduling refused (it needs CAP_SYS_NICE or LimitRTPRIO=): %w", err)
	}
	return nil
}

// Precede lowers the niceness of every thread of the process to nice (-20 to 19), where it is higher, and so of
// those that are started later. The Go runtime stops all threads at times, for garbage collections above all, and a
// real-time thread then waits for the ordinary ones, each of which the kernel must run first. Children inherit it;
// see program.Start. Where the kernel first shares the processor between sessions (sched(7), autogroups), a process
// that leads one, as a service does, has that preferred too. It needs CAP_SYS_NICE or a RLIMIT_NICE; the caller
// should treat an error as a warning.
func Precede(nice int) error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("realtime: %w", err)
	}
	for _, t := range tasks {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		// The system call gives 20 less the niceness, so that it is never negative.
		now, err := unix.Getpriority(unix.PRIO_PROCESS, id)
		if err == unix.ESRCH || err == nil && 20-now <= nice {
			continue
		}
		if err == nil {
			err = unix.Setpriority(unix.PRIO_PROCESS, id, nice)
		}
		if err != nil && err != unix.ESRCH {
			return fmt.Errorf("realtime: a lower niceness refused (it needs CAP_SYS_NICE or LimitNICE=): %w", err)
		}
	}
	if sid, err := unix.Getsid(0); err != nil || sid != os.Getpid() {
		return nil // the session is somebody else's
	}
	err = os.WriteFile("/proc/self/autogroup", []byte(strconv.Itoa(nice)), 0)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("realtime: preferring this session refused (it needs CAP_SYS_NICE): %w", err)
	}
	return nil
}

// LockMemory keeps the pages this process has touched, and those it will touch, out of
// swap (mlockall with MCL_ONFAULT, Linux 4.4, so untouched reservations of the Go runtime
// cost nothing). It needs CAP_IPC_LOCK or a large RLIMIT_MEMLOCK; the caller should treat
// an error as a warning.
func LockMemory() error {
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		return fmt.Errorf("realtime: locking memory refused (it needs CAP_IPC_LOCK or LimitMEMLOCK=infinity): %w", err)
	}
	return nil
}
