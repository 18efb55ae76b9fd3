// Package measure turns what the lab recorded into figures: how long a client was without an
// answer, how long two machines answered for one address, how long nobody did.
//
// It owns the definitions of those figures and nothing else. It must never know where the
// records came from: it has no clock, no socket and no goroutine, so every figure the lab
// prints can be recomputed from a recording by a test.
//
// All instants are nanoseconds of one monotonic clock; which one does not matter as long as
// all records of one calculation share it.
package measure
