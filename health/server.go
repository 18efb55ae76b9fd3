package health

import "time"

// Time is an instant: nanoseconds on a clock that never jumps.
type Time int64

// Never is the deadline of a server that waits for nothing.
const Never = Time(1<<63 - 1)

// Add returns t moved by d.
func (t Time) Add(d time.Duration) Time { return t + Time(d) }

// Observe is which outcomes of traffic count.
type Observe uint8

// What observe looks at, in the order of the configuration's.
const (
	ObserveNone Observe = iota
	ObserveLayer4
	ObserveLayer7
)

// Reaction is on-error.
type Reaction uint8

// Reactions to ErrorLimit errors in a row, in the order of the configuration's.
const (
	FailCheck   Reaction = iota // count as one failed check
	FastInter                   // check again soon
	SuddenDeath                 // the next failure of any kind is the last
	MarkDown                    // down at once
)

// Params are a server's settings.
type Params struct {
	Check      bool // it is checked; else it is up unless an operator says otherwise
	Rise, Fall int  // 1 up: checks in a row to come up, to go down
	// Inter is the time between checks; FastInter while up or down is not yet certain,
	// DownInter while down. 0: Inter.
	Inter, FastInter, DownInter time.Duration
	Spread                      int  // spread-checks, percent
	DisableOn404                bool // http-check disable-on-404
	LogChecks                   bool // option log-health-checks
	Observe                     Observe
	ErrorLimit                  int
	OnError                     Reaction
	SlowStart                   time.Duration
	Disabled                    bool // begins in maintenance
}

// Operation is what checks and traffic say.
type Operation uint8

// Operations.
const (
	Running  Operation = iota
	Stopping           // only requests that belong to it (404 with disable-on-404)
	Stopped            // down
)

// Admin is the operator's word (set server … state).
type Admin uint8

// Admin states.
const (
	Ready Admin = iota
	Drain       // only requests that belong to it
	Maint       // nothing, and no checks
)

// Server is what is thought of one server. Its methods must be called by one thread, or
// under a lock.
type Server struct {
	p         Params
	operation Operation
	admin     Admin
	via       string // admin comes from the server it tracks, "backend/server"
	followed  bool   // it tracks another one

	health   int // 0 to Rise-1: down; Rise to Rise+Fall-1: up
	paused   bool
	last     Result
	errors   int  // of traffic, in a row
	expedite bool // the next check is due sooner
	since    Time
	warmAt   Time // slow start began; 0: none going on
	warm     int  // sixteenths
	downFor  time.Duration

	// Counters, as statistics have them; the owner may reset them.
	Failed      uint64 // checks failed while up (chkfail)
	Downs       uint64 // transitions to down or maintenance (chkdown)
	TrafficFail uint64 // times traffic reached ErrorLimit (hanafail)
}

// New is a server before its first check: up, but so that the first check decides.
func New(p Params, now Time) *Server {
	s := &Server{p: p, health: p.Rise, since: now, warm: 16, last: Result{Status: Unknown, Duration: -1}}
	if p.Check {
		s.last.Status = Initial
	}
	if p.Disabled {
		s.admin = Maint
	}
	return s
}

// Operation is what checks and traffic say.
func (s *Server) Operation() Operation { return s.operation }

// Admin is the operator's word.
func (s *Server) Admin() Admin { return s.admin }

// Usable says whether it may be given new work.
func (s *Server) Usable() bool { return s.operation == Running && s.admin == Ready }

// Reachable says whether requests that belong to it (cookies) may still go there.
func (s *Server) Reachable() bool { return s.operation != Stopped && s.admin != Maint }

// Checking says whether it is to be probed now.
func (s *Server) Checking() bool { return s.p.Check && !s.paused && s.admin != Maint }

// Pause suspends checks or goes on with them (disable health, enable health).
func (s *Server) Pause(on bool) { s.paused = on }

// Last is the last check's result.
func (s *Server) Last() Result { return s.last }

// Health is the counter of statistics (check_health): Rise+Fall-1 is certainly up, 0 certainly down.
func (s *Server) Health() int { return s.health }

// Since is when it last changed.
func (s *Server) Since() Time { return s.since }

// Downtime is how long it has been down or in maintenance, in all.
func (s *Server) Downtime(now Time) time.Duration {
	if s.operation == Stopped || s.admin == Maint {
		return s.downFor + time.Duration(now-s.since)
	}
	return s.downFor
}

// certain is the counter of a server that is up beyond doubt.
func (s *Server) certain() int { return s.p.Rise + s.p.Fall - 1 }

// move notes the moment of a change, after what it was until now has been counted.
func (s *Server) move(now Time) {
	if s.operation == Stopped || s.admin == Maint {
		s.downFor += time.Duration(now - s.since)
	}
	s.since = now
}

// NextCheck is the time from a probe's end to the next one. random is any number: it
// spreads servers' checks by up to Spread percent each way.
func (s *Server) NextCheck(random uint64) time.Duration {
	inter := s.p.Inter
	switch {
	case s.expedite, s.health > 0 && s.health < s.certain():
		inter = first(s.p.FastInter, inter)
	case s.health == 0:
		inter = first(s.p.DownInter, inter)
	}
	s.expedite = false
	if span := uint64(inter) * uint64(s.p.Spread) / 50; span > 0 {
		inter += time.Duration(random%span) - time.Duration(span/2)
	}
	return inter
}

// Erring reports whether traffic's last words of the server were errors: successes are worth telling then.
func (s *Server) Erring() bool { return s.errors > 0 }

// Sooner reports whether the next probe should come after FastInter, not when it was due.
func (s *Server) Sooner() bool { return s.expedite }

func first(a, b time.Duration) time.Duration {
	if a > 0 {
		return a
	}
	return b
}

// Warm is how many sixteenths of its weight it gets, 1-16: less than 16 during slow start.
func (s *Server) Warm() int { return s.warm }

// Deadline is when Tick wants to be called: the next step of slow start.
func (s *Server) Deadline() Time {
	if s.warmAt == 0 {
		return Never
	}
	return s.warmAt + Time(s.warm)*Time(s.p.SlowStart)/16
}

// heat begins slow start when it comes up.
func (s *Server) heat(now Time) {
	s.cool()
	if s.p.SlowStart > 0 {
		s.warmAt, s.warm = now, 1
	}
}

// cool ends slow start: it no longer gets work, or all of it at once when it does again.
func (s *Server) cool() { s.warmAt, s.warm = 0, 16 }

// Tick goes on with slow start.
// Differs from HAProxy: it counts whole seconds; we take each sixteenth when it is due.
func (s *Server) Tick(now Time, effects []Effect) []Effect {
	if s.warmAt == 0 {
		return effects
	}
	warm := int(16*(now-s.warmAt)/Time(s.p.SlowStart)) + 1
	switch {
	case warm > 16:
		s.cool()
		s.move(now)
		return append(effects, s.effect(Changed, isUp))
	case warm > s.warm:
		s.warm = warm
		return append(effects, Effect{Kind: Reweighted})
	}
	return effects
}
