// Package sock holds the sockets of connections: what listens, connects, reads, writes and moves bytes, datagrams for
// logs, and what becomes of descriptors when programs are started. The sockets of the election are in rawsock.
//
// It must never know what the bytes mean. Calls on connections are made so that the Go scheduler does not hear of them,
// allocate nothing and return at once.
package sock
