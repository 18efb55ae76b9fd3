// Package balance chooses servers: every `balance` algorithm and `hash-type` of HAProxy,
// as a pure machine.
//
// A Table is the arrangement of a backend's servers at one moment: weights and who can
// be used do not change in it. Whenever they do, New makes the next Table, which goes on
// where the previous one was. That is the slow path. Pick is the fast one: any number of
// threads call it on one Table, with atomics, without locks and without allocating.
//
//	t := balance.New(params, servers, nil)
//	i := t.Pick(params.HashBytes(balance.URIPart(uri, …)), true, balance.None, loads)
//
// With one thread, round robin, static-rr, leastconn, first and the hashes choose what
// HAProxy 2.6 chooses; the tests hold sequences observed there. What differs is marked.
//
// The package knows no connections, queues or health: how loaded a server is and whether
// it is full, it asks Loads; whether it can be used at all, Server.Usable says.
package balance
