//go:build race

package proxy

// raceEnabled: the race detector allocates where the product does not.
const raceEnabled = true
