//go:build race

package backend

// raceEnabled: the race detector allocates where the product does not.
const raceEnabled = true
