// Package netif sets addresses on interfaces and watches what becomes of interfaces and
// addresses, over rtnetlink.
//
// It owns netlink sockets. It must never know why an address is wanted: that is decided by
// the election and ordered by its engine, gate first.
//
// A [Conn] is synchronous: requests go out in batches, the kernel carries them out during the
// send, and the acknowledgements are gathered afterwards. Addresses it adds carry a mark of
// ours (IFA_PROTO, Linux 5.18), so that what a crashed run left behind can be told from
// addresses of others.
package netif
