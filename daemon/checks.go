package daemon

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/backend"
	"github.com/evenkeel/evenkeel/failover"
	"github.com/evenkeel/evenkeel/health"
	"github.com/evenkeel/evenkeel/probe"
)

// startChecks probes every server that has a check, until stop is called.
func (w *workerProcess) startChecks() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	targets := w.engine.CheckTargets()
	shortest := time.Duration(0)
	for _, t := range targets {
		if d := t.Server.Check.Inter; shortest == 0 || d < shortest {
			shortest = d
		}
	}
	if most := w.cfg.Global.MaxSpreadChecks; most > 0 {
		shortest = min(shortest, most)
	}
	for i, t := range targets {
		running.Go(func() { w.checkServer(ctx, t, probe.Spread(i, len(targets), shortest)) })
	}
	return func() {
		cancel()
		running.Wait()
	}
}

// checkServer probes one server. When it gets another address, its probes go there.
func (w *workerProcess) checkServer(ctx context.Context, t backend.CheckTarget, delay time.Duration) {
	for ctx.Err() == nil {
		server := *t.Server
		server.Addr = t.Addr()
		target, err := probe.For(t.Proxy, &server)
		here, leave := context.WithCancel(ctx)
		if err != nil {
			w.log.logf(failover.LevelWarning, "%s/%s is not checked: %v", t.Proxy.Name, t.Server.Name, err)
		} else {
			target.State = t.State
			go func() {
				probe.Run(here, target, probe.Hooks{
					Checking: func() bool { _, wanted := t.Next(0); return wanted },
					Report: func(r health.Result) time.Duration {
						if r.Status == health.Unknown {
							w.unchecked.Do(func() {
								w.log.logf(failover.LevelError,
									"%s/%s could not be checked, nor perhaps others: %s (logged once)", t.Proxy.Name,
									t.Server.Name, r.Info)
							})
						}
						t.Report(r)
						next, _ := t.Next(rand.Uint64())
						return next
					},
					Sooner: t.Sooner(), Delay: delay})
			}()
		}
		select {
		case <-t.Moved():
		case <-ctx.Done():
		}
		leave()
		delay = 0
	}
}
