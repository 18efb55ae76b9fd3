// Package proxy is the proxy's engine: frontends that accept connections, streams that
// carry requests, retries, cookies, and the log line at the end of each.
//
// An Engine has one core for each thread: an event loop with its own listeners, streams,
// buffers and idle server connections. A stream lives and dies on one core, so nothing on
// its way is locked.
//
// The files follow a request: listener, stream, request, process (its stages), rules, actions, route, connect,
// exchange, response, record. What is said to either side stands in clientside and serverside; sockets stand behind
// transport.
//
// The package must never know how a configuration is written, how servers are chosen, judged and queued for (package
// backend), how one is probed (package probe) or how statistics are shown (package admin).
package proxy
