// Package proxy is the proxy's engine: frontends that accept connections, streams that
// carry requests, backends that choose servers, queues, retries, cookies, and the log
// line at the end of each.
//
// An Engine has one core for each thread: an event loop with its own listeners, streams,
// buffers and idle server connections. A stream lives and dies on one core, so nothing on
// its way is locked. What cores share, the servers' states and counts, is atomic; the
// queues, which are only touched when a server is full, have a mutex.
//
// The files follow a request: listener, stream, request, rules, route, connect, exchange,
// response, forward, finish, record.
//
// The package must never know how a configuration is written, how a server is probed
// (package check) or how statistics are shown (package admin).
package proxy
