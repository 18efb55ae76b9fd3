// Package sample is the language of the proxy's rules: fetches that read a fact of a connection, a request or a
// response, converters that change it, ACLs and conditions that judge it. What they compare with is package pattern's;
// what writes expressions into lines and headers is package logformat, which stands on this one.
//
// Everything is parsed once, when the configuration is read, into values that are immutable and safe for use by several
// threads; evaluation neither allocates nor parses text, and works on what the caller puts into a [Context].
//
// The files say what belongs together. The language: value, call, cast, expr, acl, condition, match, context, clock.
// The fetches: fetch_*, with their table in fetch.go, and cookie. The converters: convert_*, with their table in
// convert.go, and hash. known_*: which fetches, converters and criteria the reference has, so that one that is not done
// here is told from a typing error. These are no packages of their own, because a fetch writes into the scratch space
// of its Context, moves its cursor and says whether more bytes would change its value: all that and the parsed call
// would have to be exported, some thirty names, where two tables are all that the language asks them for.
//
// The package must never know sockets, proxies or the layout of HTTP buffers: messages come through [Message], facts
// about the running proxy through [Environment].
package sample
