// Package syslog takes log lines where a configuration says: to syslog over UDP or a UNIX
// socket, or to a descriptor.
//
// It owns the sockets of logs, the frames of lines (RFC 3164, RFC 5424 and the others of the
// reference) and what happens when nobody takes them: a line is sent, kept for a moment or
// dropped and counted; nobody ever waits for a log, and memory is bounded. A thread that must
// not wait has its own [Batch]: adding a line does not lock, allocate or make a system call.
// Everybody else uses a [Logger].
//
// It must never know what a line says.
package syslog
