// Package loop is the event loop of one of the proxy's threads: descriptors, timers in a wheel, functions posted from
// elsewhere, and buffers. Nothing it does for an event allocates or locks. Its events and clocks come from a [Source].
//
// It must never know what the watched descriptors carry, and it starts no goroutine.
package loop
