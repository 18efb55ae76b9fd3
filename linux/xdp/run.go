package xdp

import (
	"context"
	"time"
)

// Run calls Neighbours and Sweep each second until ctx ends, for a process that does nothing else with the plane.
// It returns ctx's error; what fails meanwhile is logged when it changes.
func (p *Plane) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := ""
	for {
		err := p.Neighbours()
		if err == nil {
			_, err = p.Sweep()
		}
		now := ""
		if err != nil {
			now = err.Error()
		}
		if now != last && now != "" {
			p.options.Log(now)
		}
		last = now
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
