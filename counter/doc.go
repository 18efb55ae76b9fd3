// Package counter holds the figures of frontends, backends and servers as they are counted, one set for each thread,
// and the rows that the statistics make of them.
//
// It must never know what a stream, a connection or a state of health is.
package counter
