//go:build race

package loop

// raceEnabled: the race detector allocates where the product does not.
const raceEnabled = true
