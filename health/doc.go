// Package health is what a proxy thinks of one of its servers: rise and fall, what
// traffic tells (observe), the operator's word (maintenance, drain, forced health), slow
// start, and how soon to look again. The pure machine behind HAProxy's server states.
//
//	s := health.New(params, now)
//	effects = s.Checked(now, result, effects[:0]) // a probe came back
//	wait s.NextCheck(random) and probe again
//	… s.Observed(now, outcome, effects[:0])       // a request's outcome
//	… s.SetAdmin(now, admin, effects[:0])         // set server … state
//	… s.Tick(now, effects[:0]) at s.Deadline()    // slow start goes on
//
// Each input appends Effects: lines for the log, in HAProxy's words, and changes after
// which servers must be arranged anew. How many servers and sessions there are, the
// lines' tails, is told when a line is written (Effect.Append).
//
// The package knows no sockets and no protocol: what a probe does is package probe.
package health
