// Package config is the one model that every configuration dialect becomes.
//
// It owns plain data: what the operator asked for, with defaults filled in and
// every name resolved. It knows nothing of files, tokens, sockets or the kernel.
// A reader of a dialect (config/keepalived) produces a *Site; the engines consume
// it; Diff tells a running engine what a new Site changes.
package config
