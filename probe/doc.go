// Package probe asks servers how they are: a TCP connection, HTTP requests (option
// httpchk, http-check), scripted exchanges (tcp-check), and the greetings of MySQL,
// PostgreSQL, Redis, SMTP, LDAP and TLS.
//
//	target, err := probe.For(proxy, server)
//	result := probe.Once(ctx, target)       // once
//	probe.Run(ctx, target, probe.Hooks{…})  // again and again, until ctx ends
//
// Each checked server has a goroutine of its own, so that one that hangs holds up no
// other; while it waits it costs a few KiB. Results are health.Results with HAProxy's
// codes and words; what follows from them is package health's business.
//
// The checkers of virtual servers (TCP_CHECK, HTTP_GET and the others of keepalived.conf) are
//
//	outcome := probe.Attempt(ctx, checker, server) // once
//
// The package never knows states, counters or logs.
package probe
