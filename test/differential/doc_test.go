// Package differential compares Evenkeel with Debian's haproxy: the same configuration, the same bytes, and
// then what the client got, what the server got, and what the log says, side by side.
package differential
