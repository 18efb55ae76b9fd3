package failover

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/script"
	"github.com/evenkeel/evenkeel/vrrp"
)

type scriptState uint8

const (
	scriptUnknown scriptState = iota
	scriptUp
	scriptDown
)

func (s scriptState) String() string { return [...]string{"unknown", "up", "down"}[s] }

// vrrpScript is a running vrrp_script. The router thread owns the fields; a goroutine
// runs the program and posts each result.
type vrrpScript struct {
	cfg    *config.Script
	global config.Global // who runs it, and how carefully
	stop   context.CancelFunc
	state  scriptState
	streak int    // consecutive results that differ from state
	last   string // how the last run failed, in words; empty: it did not
	told   string // the failure last logged
	runs   uint64
}

func (s *vrrpScript) why() string {
	if s.last == "" {
		return "fails"
	}
	return s.last
}

// startScript begins to run a script again and again.
func (r *router) startScript(cfg *config.Script, global config.Global) *vrrpScript {
	ctx, cancel := context.WithCancel(context.Background())
	s := &vrrpScript{cfg: cfg, global: global, stop: cancel}
	if cfg.InitFail {
		s.state, s.last = scriptDown, "has not succeeded yet (init_fail)"
	}
	e := r.engine
	e.scripts.Go(func() {
		tick := time.NewTicker(cfg.Interval)
		defer tick.Stop()
		for {
			began := time.Now()
			err := e.runProgram(ctx, cfg.Command, global, cfg.Timeout)
			if ctx.Err() != nil {
				return
			}
			skipped := int(time.Since(began) / cfg.Interval)
			if e.post(func(now vrrp.Time) { r.scriptResult(s, err, skipped) }) != nil {
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return s
}

// scriptResult counts a result towards rise or fall; the very first counts alone.
func (r *router) scriptResult(s *vrrpScript, err error, skipped int) {
	if r.scripts[s.cfg.Name] != s {
		return // replaced by a reload
	}
	s.runs++
	s.last = ""
	if err != nil {
		s.last = failure(err)
		if s.last != s.told {
			r.logf(LevelWarning, "Script `%s` %s", s.cfg.Name, s.last)
		}
	}
	s.told = s.last
	if skipped > 0 && !errors.Is(err, script.ErrTimeout) {
		r.logf(LevelInfo, "Script `%s` ran for more than its interval of %v: %d runs left out", s.cfg.Name,
			s.cfg.Interval, skipped)
	}
	to, need := scriptUp, s.cfg.Rise
	if err != nil {
		to, need = scriptDown, s.cfg.Fall
	}
	if s.state == to {
		s.streak = 0
		return
	}
	s.streak++
	if s.streak < need && s.state != scriptUnknown {
		return
	}
	if s.state != scriptUnknown || to == scriptDown {
		r.logf(LevelNotice, "VRRP_Script(%s) %s", s.cfg.Name,
			map[scriptState]string{scriptUp: "succeeded", scriptDown: "failed"}[to])
	}
	s.state, s.streak = to, 0
	r.refreshAll()
}

// failure says in words how a program failed.
func failure(err error) string {
	var exit interface{ ExitCode() int }
	switch {
	case errors.Is(err, script.ErrTimeout):
		return script.ErrTimeout.Error()
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return fmt.Sprintf("now returning %d", exit.ExitCode())
	case errors.As(err, &exit):
		return "was ended by a signal: " + err.Error()
	}
	return "cannot be run: " + err.Error()
}

// applyScripts starts, keeps and stops scripts as the site wants them. One whose
// definition did not change goes on as if nothing had happened.
func (r *router) applyScripts(site *config.Site) {
	used := map[string]*config.Script{}
	note := func(list []config.TrackScript) {
		for _, t := range list {
			used[t.Script.Name] = t.Script
		}
	}
	for _, c := range site.Instances {
		note(c.TrackScripts)
	}
	for _, g := range site.Groups {
		note(g.TrackScripts)
	}
	for name, s := range r.scripts {
		cfg := used[name]
		if cfg != nil && sameScript(cfg, s.cfg) && s.global == site.Global {
			s.cfg = cfg
			delete(used, name)
			continue
		}
		s.stop()
		delete(r.scripts, name)
		if cfg != nil { // changed: what it last said stands until it speaks again
			fresh := r.startScript(cfg, site.Global)
			fresh.state, fresh.last, fresh.told = s.state, s.last, s.told
			r.scripts[name] = fresh
			delete(used, name)
		}
	}
	for name, cfg := range used {
		r.scripts[name] = r.startScript(cfg, site.Global)
	}
}

// sameScript compares what decides how a script runs.
func sameScript(a, b *config.Script) bool {
	x, y := *a, *b
	x.Pos, y.Pos = config.Position{}, config.Position{}
	return reflect.DeepEqual(x, y)
}
