package sock

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Dup copies a descriptor; no program that is started at any time inherits the copy.
func Dup(fd int) (int, error) {
	copied, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return -1, os.NewSyscallError("F_DUPFD_CLOEXEC", err)
	}
	return copied, nil
}

// KeepFrom keeps the descriptors from first on that are open now from programs that are started later.
func KeepFrom(first int) error {
	err := unix.CloseRange(uint(first), ^uint(0), unix.CLOSE_RANGE_CLOEXEC) // Linux 5.11
	if err == nil {
		return nil
	}
	dir, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("sock: %w", err)
	}
	for _, e := range dir {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd >= first {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}
