package admin

import (
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/proxy"
)

// Options say what a page and a runtime socket tell about the process around the engine.
type Options struct {
	Version string // of the program
	Release string // date of it, as 2026/11/21; programs that read `show info` need one
	// Descriptors is how many the process may have.
	Descriptors int64
	Sockets     []config.StatsSocket // for `show cli sockets`
	// Timeout is how long a client of the runtime socket may be silent (stats timeout); 0: 10 s.
	Timeout time.Duration
	// MaxConn is how many clients the runtime sockets take together (stats maxconn); 0: 10.
	MaxConn int
}

// Admin answers for one engine. Its methods may be called from any goroutine.
type Admin struct {
	engine  proxy.Commands
	opts    Options
	clients chan struct{} // one for each client of a runtime socket
	now     func() time.Time
}

// New returns an Admin of an engine.
func New(engine proxy.Commands, opts Options) *Admin {
	if opts.Timeout <= 0 {
		opts.Timeout = 10 * time.Second
	}
	if opts.MaxConn <= 0 {
		opts.MaxConn = 10
	}
	return &Admin{engine: engine, opts: opts, clients: make(chan struct{}, opts.MaxConn), now: time.Now}
}
