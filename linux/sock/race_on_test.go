//go:build race

package sock

// raceEnabled: the race detector allocates where the product does not.
const raceEnabled = true
