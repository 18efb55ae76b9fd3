// Package realtime is the waiting room of one real-time thread: an epoll set with an
// absolute timer on CLOCK_BOOTTIME, a wake-up for other goroutines, and the calls
// that make the thread punctual (real-time scheduling, locked memory).
//
// It owns descriptors of its own (epoll, timer, event) and nothing else. It must never
// know what the watched descriptors carry, and it starts no goroutine.
//
// Every instant in this project's failover path is a time.Duration since boot as
// [Now] reads it: CLOCK_BOOTTIME counts while the machine is suspended and never
// follows changes of the wall clock, and the kernel side of the lease gate reads the
// same clock (bpf_ktime_get_boot_ns).
package realtime
