//go:build race

package failover

// raceEnabled: the race detector allocates where the product does not.
const raceEnabled = true
