package health

import "strconv"

// Checked takes a probe's result. A result that comes while it is not to be checked is
// forgotten.
//
// Differs from HAProxy: so is Unknown, a probe for which this machine had no descriptor or memory: it says nothing of
// the server.
func (s *Server) Checked(now Time, r Result, effects []Effect) []Effect {
	if !s.Checking() || r.Status == Unknown {
		return effects
	}
	if r.Status == L7OKC && (!s.p.DisableOn404 || s.operation == Stopped) {
		r.Status = L7STS // it must be well before it may be stopping
	}
	return s.judge(now, r, effects)
}

// judge counts one good or bad sign.
func (s *Server) judge(now Time, r Result, effects []Effect) []Effect {
	news := r.Status != s.last.Status
	before := s.health
	s.last = r
	if r.Status.Passed() {
		if s.health < s.certain() {
			if s.health++; s.health >= s.p.Rise {
				s.health = s.certain()
			}
		}
	} else {
		if s.health >= s.p.Rise {
			s.Failed++
		}
		if s.health--; s.health < s.p.Rise {
			s.health = 0
		}
	}
	if s.p.LogChecks && (news || s.health != before) {
		effects = append(effects, s.effect(CheckLine, checkLine))
	}
	return s.conclude(now, effects)
}

// conclude changes state if the counter and the last result say so.
func (s *Server) conclude(now Time, effects []Effect) []Effect {
	switch {
	case s.health < s.p.Rise:
		return s.goDown(now, byCheck, effects)
	case s.last.Status == L7OKC:
		return s.stopping(now, byCheck, effects)
	case s.last.Status.Passed():
		return s.comeUp(now, byCheck, effects)
	}
	return effects
}

func (s *Server) goDown(now Time, c cause, effects []Effect) []Effect {
	if s.operation == Stopped {
		return effects
	}
	e := s.effect(Changed, isDown)
	e.because = c
	if s.operation == Running && s.admin == Ready {
		e.Severity = Alert
	}
	s.move(now)
	s.cool()
	s.Downs++
	s.operation = Stopped
	e.Down = true
	return s.remains(append(effects, e))
}

func (s *Server) comeUp(now Time, c cause, effects []Effect) []Effect {
	if s.operation == Running {
		return effects
	}
	s.move(now)
	if s.operation == Stopped {
		s.heat(now)
	}
	s.operation = Running
	e := s.effect(Changed, isUp)
	e.because = c
	e.Up = s.admin == Ready
	return s.remains(append(effects, e))
}

func (s *Server) stopping(now Time, c cause, effects []Effect) []Effect {
	if s.operation == Stopping {
		return effects
	}
	s.move(now)
	s.cool()
	s.operation = Stopping
	e := s.effect(Changed, isStopping)
	e.because = c
	return s.remains(append(effects, e))
}

// remains reminds of a drain that outlasts a change.
func (s *Server) remains(effects []Effect) []Effect {
	if s.admin != Drain {
		return effects
	}
	e := s.effect(Line, remainsDrained)
	e.via = s.via
	return append(effects, e)
}

// Observed takes what traffic tells.
func (s *Server) Observed(now Time, o Outcome, effects []Effect) []Effect {
	switch {
	case s.p.Observe == ObserveNone || !s.Checking():
		return effects
	case s.p.Observe == ObserveLayer4 && o > ConnectFailed:
		return effects
	case o.good():
		// A connection alone says nothing of what layer 7 looks at.
		if o == Answered || s.p.Observe == ObserveLayer4 {
			s.errors = 0
		}
		return effects
	}
	if s.errors++; s.errors < s.p.ErrorLimit {
		return effects
	}
	r := Result{Status: HANA, Duration: -1,
		Info: "Detected " + strconv.Itoa(s.errors) + " consecutive errors, last one was: " + o.String()}
	s.errors = 0
	s.TrafficFail++
	switch s.p.OnError {
	case FastInter:
		s.expedite = s.p.FastInter > 0
		return effects
	case SuddenDeath:
		if s.health > s.p.Rise {
			s.health = s.p.Rise + 1
		}
	case MarkDown:
		s.health = min(s.health, s.p.Rise)
	}
	s.expedite = s.p.FastInter > 0
	return s.judge(now, r, effects)
}

// SetAdmin is set server … state, and disable/enable server.
func (s *Server) SetAdmin(now Time, a Admin, effects []Effect) []Effect {
	return s.setAdmin(now, a, "", effects)
}

func (s *Server) setAdmin(now Time, a Admin, via string, effects []Effect) []Effect {
	before, wasVia := s.admin, s.via
	if a == before {
		s.via = via
		return effects
	}
	switch {
	case a == Maint:
		return s.enterMaint(now, via, effects)
	case before == Maint:
		s.move(now)
		s.operation, s.health, s.errors = Running, s.p.Rise, 0
		s.heat(now)
		e := s.effect(Changed, leavesMaint)
		e.Up = a == Ready
		e.via, e.drained = wasVia, a == Drain
		s.admin, s.via = a, via
		return s.remains(append(effects, e))
	case a == Drain:
		s.move(now)
		s.cool()
		s.admin, s.via = a, via
		e := s.effect(Changed, entersDrain)
		e.via = via
		e.left = s.operation == Stopped
		return append(effects, e)
	}
	s.move(now)
	s.admin, s.via = Ready, via
	if s.operation == Running {
		s.heat(now)
	}
	e := s.effect(Changed, leavesDrain)
	e.Up = s.operation == Running
	return append(effects, e)
}

func (s *Server) enterMaint(now Time, via string, effects []Effect) []Effect {
	e := s.effect(Changed, entersMaint)
	e.via = via
	e.stopped = s.operation == Stopped
	if s.operation == Running && s.admin == Ready {
		e.Severity = Alert
	}
	if !e.stopped {
		s.Downs++
		e.Down = true
	}
	s.move(now)
	s.cool()
	s.admin, s.via = Maint, via
	return append(effects, e)
}

// Force is set server … health: an operator says what checks would say, until the next
// one. It is without effect in maintenance.
func (s *Server) Force(now Time, to Operation, effects []Effect) []Effect {
	if s.admin == Maint {
		return effects
	}
	switch to {
	case Running:
		s.health = s.certain()
		return s.comeUp(now, byOperator, effects)
	case Stopping:
		s.health = s.certain()
		return s.stopping(now, byOperator, effects)
	}
	s.health = 0
	return s.goDown(now, byOperator, effects)
}

// Follow takes the state of the server it tracks, of that name ("backend/server"), after
// each of that one's changes.
// Differs from HAProxy: an operator's drain or maintenance of the tracking server itself
// is kept apart from the tracked one's only as long as that one is ready.
func (s *Server) Follow(now Time, of *Server, name string, effects []Effect) []Effect {
	s.followed = true
	if of.admin != Ready || s.via != "" {
		via := name
		if of.admin == Ready {
			via = ""
		}
		effects = s.setAdmin(now, of.admin, via, effects)
	}
	if s.admin == Maint {
		return effects
	}
	from := len(effects)
	s.health = of.health
	switch of.operation {
	case Running:
		effects = s.comeUp(now, byTracked, effects)
	case Stopping:
		effects = s.stopping(now, byTracked, effects)
	case Stopped:
		effects = s.goDown(now, byTracked, effects)
	}
	for i := from; i < len(effects); i++ {
		if effects[i].form != remainsDrained {
			effects[i].via = name
		}
	}
	return effects
}
