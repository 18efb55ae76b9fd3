package failover

import "testing"

// TestShift has the priorities that keepalived 2.2.7 sends with a base of 100, while what is tracked is up and down.
func TestShift(t *testing.T) {
	for _, c := range []struct {
		weight   int
		reverse  bool
		up, down int
	}{
		{20, false, 120, 100},
		{-20, false, 100, 80},
		{20, true, 80, 100},
		{-20, true, 100, 120},
	} {
		if up, down := 100+shift(c.weight, true, c.reverse), 100+shift(c.weight, false, c.reverse); up != c.up ||
			down != c.down {
			t.Errorf("weight %d, reverse %v: %d up, %d down, want %d, %d", c.weight, c.reverse, up, down, c.up, c.down)
		}
	}
}
