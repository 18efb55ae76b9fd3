// Package rawsock holds the sockets of the failover path: raw VRRP in and out, gratuitous ARP
// and unsolicited neighbour advertisements, and the question "who answers for this address?".
//
// It owns descriptors and the bytes of IP, ARP and ICMPv6 headers around a payload. It must
// never know what a VRRP advert means, who is master, or when to send; those are the
// business of the election and its engine.
//
// Every socket is non-blocking and belongs to one goroutine, normally the locked thread
// whose [realtime.Poller] watches it. Send and receive calls do not allocate. They use system
// calls that do not give up the thread's processor slot, so that a send is not delayed by
// the Go scheduler; all of them return at once.
//
// Opening a socket needs CAP_NET_RAW in the user namespace that owns the network namespace.
//
// [realtime.Poller]: https://pkg.go.dev/github.com/evenkeel/evenkeel/linux/realtime#Poller
package rawsock
