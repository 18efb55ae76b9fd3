// Package haproxy reads haproxy.cfg and gives back the proxy's half of the model of package config.
//
// It owns the dialect: its words, quotes and variables (lexer.go), its conditional blocks
// (condition.go), its one table of words (table.go and words_*.go), what each word does to
// the model (set_*.go), and what the words mean together (resolve_*.go). The language of
// rules (ACLs, expressions, log formats) belongs to package sample, which this package asks.
// Everything wrong with a file is collected and reported with its place, in one pass; a
// Proxying comes back only if nothing was.
//
// It must never know how the proxy is run: no listener, no server connection. Files, environment
// and host names are asked for through Options only, so that a worker can be given the same
// answers as the director got.
//
// Columns in positions count bytes from 1. The reference is HAProxy 2.6.12 as Debian 12
// ships it; where this reader decides otherwise on purpose, a comment begins with
// "Differs from HAProxy:" and docs/compat-haproxy.md has a line about it.
package haproxy
