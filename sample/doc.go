// Package sample is the language of the proxy's rules: fetches that read a fact of a
// connection, a request or a response, converters that change it, ACLs and conditions
// that judge it, and formats (log-format) that write it.
//
// Everything is parsed once, when the configuration is read, into values that are
// immutable and safe for use by several threads; evaluation neither allocates nor parses
// text, and works on what the caller puts into a [Context].
//
// It must never know sockets, proxies or the layout of HTTP buffers: messages come
// through [Message], facts about the running proxy through [Environment].
package sample
