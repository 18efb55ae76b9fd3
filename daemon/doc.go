// Package daemon is the director process: it reads the configuration, starts the
// engines, applies reloads, answers the control socket and the signals, and
// talks to the service manager.
//
// It owns the process: signals, runtime directory, log output. It must never
// know how an election or a gate works.
package daemon
