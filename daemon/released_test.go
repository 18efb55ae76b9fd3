package daemon

import (
	"testing"
	"time"
)

// TestReleased: programs that read `show info` (hatop) do not start without a date.
func TestReleased(t *testing.T) {
	if when, err := time.Parse("2006/01/02", released()); err != nil || when.Year() < 2020 {
		t.Errorf("%q: %v", released(), err)
	}
}
