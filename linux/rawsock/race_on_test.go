//go:build race

package rawsock

// raceEnabled: the race detector allocates where the product does not.
const raceEnabled = true
