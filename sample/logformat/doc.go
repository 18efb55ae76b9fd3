// Package logformat writes what the reference calls a log-format string: text, %aliases of a stream's record and
// %[expressions], with flags. Log lines, header values, bodies of answers and unique IDs are such strings. They are
// parsed once, when the configuration is read, and written without allocating.
//
// It must never know how an expression gets its value, nor where a line goes.
package logformat
