//go:build race

package realtime

// raceEnabled: the race detector allocates where the product does not.
const raceEnabled = true
