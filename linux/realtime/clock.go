package realtime

import (
	"time"

	"golang.org/x/sys/unix"
)

// Now returns the time since boot, suspended time included (CLOCK_BOOTTIME), with the
// kernel's nanosecond resolution. It never goes backwards. It does not allocate and may
// be called from any goroutine.
func Now() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		// CLOCK_BOOTTIME exists since Linux 2.6.39; without it no deadline here means anything.
		panic("realtime: CLOCK_BOOTTIME cannot be read: " + err.Error())
	}
	return time.Duration(ts.Nano())
}
