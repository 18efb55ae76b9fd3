// Package keepalived reads keepalived.conf and gives back the model of package config.
//
// It owns the dialect: its tokens (lexer.go), its nesting and includes (tree.go),
// its one table of words (table.go and words_*.go), what each word does to the
// model (set_*.go) and what the words mean together (resolve_*.go). Everything
// wrong with a file is collected and reported with its place, in one pass; a Site
// comes back only if nothing was.
//
// It must never know how the site is run: no socket, no interface, no kernel. The
// one question it asks the machine, whether check scripts are there and safe, is
// kept apart in CheckScripts.
//
// Columns in positions count bytes from 1. The reference is Keepalived 2.2.7 as
// Debian 12 ships it; where this reader decides otherwise on purpose, a comment
// begins with "Differs from Keepalived:" and docs/compat.md has a line about it.
package keepalived
