package probe

import (
	"cmp"
	"context"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/spelling"
)

// Outcome is what one attempt of a virtual server's checker found.
type Outcome struct {
	OK bool
	// Weight is what the check says about the server's weight, if HasWeight is set: with
	// misc_dynamic the weight itself (0 to 253), of FILE_CHECK what is to be added to it.
	Weight    int
	HasWeight bool
	Reason    string // a line for the log, in Keepalived's manner
	Took      time.Duration
}

// Attempt makes one attempt of one checker of a virtual server's real server: retry, delays, warmup
// and alpha are the caller's, and so is whether a program may be run (script security). It
// returns when there is an outcome or the checker's time is up; if ctx ends first, the outcome
// means nothing. It never panics on what a server sends, and remembers nothing but TLS clients'
// certificates. As many calls as there are descriptors may run at the same time: a TCP_CHECK
// takes a few KiB, one with an answer 16 KiB more, one with a regex up to 1 MiB more.
func Attempt(ctx context.Context, c *config.Checker, rs *config.RealServer) Outcome {
	start := time.Now()
	c = bounded(c)
	limited, cancel := context.WithTimeout(ctx, limitOf(c))
	defer cancel()
	v := verify(limited, c, rs)
	v.Took, v.Reason = time.Since(start), spelling.Visible(v.Reason)
	return v
}

// bounded is a checker whose times are set, if those of c are not.
func bounded(c *config.Checker) *config.Checker {
	if c.Timeout > 0 && (c.RunTime > 0 || c.Kind != config.CheckerMisc) {
		return c
	}
	other := *c
	other.Timeout = cmp.Or(max(c.Timeout, 0), 5*time.Second)
	other.RunTime = cmp.Or(max(c.RunTime, 0), max(c.Interval, 0), time.Minute)
	return &other
}

// limitOf is how long a whole attempt may take: the connection and each answer have Timeout
// each, as in Keepalived, so a server that lets each come in the last moment is slow, not dead.
func limitOf(c *config.Checker) time.Duration {
	switch c.Kind {
	case config.CheckerMisc:
		return c.RunTime + time.Minute // it ends its program by itself
	case config.CheckerHTTP, config.CheckerSSL:
		return c.Timeout * time.Duration(4*max(len(c.URLs), 1))
	case config.CheckerSMTP:
		return 5 * c.Timeout
	}
	return 2 * c.Timeout
}

func verify(ctx context.Context, c *config.Checker, rs *config.RealServer) Outcome {
	switch c.Kind {
	case config.CheckerTCP:
		return verifyTCP(ctx, c)
	case config.CheckerHTTP, config.CheckerSSL:
		return verifyPages(ctx, c, rs)
	case config.CheckerMisc:
		return verifyProgram(ctx, c)
	case config.CheckerSMTP:
		return verifySMTP(ctx, c)
	case config.CheckerDNS:
		return verifyDNS(ctx, c)
	case config.CheckerUDP:
		return verifyUDP(ctx, c)
	case config.CheckerPing:
		return verifyPing(ctx, c)
	case config.CheckerFile:
		return verifyFile(c)
	}
	return Outcome{Reason: "unknown kind of check"}
}

// well and ill are outcomes that say no more than their reason.
func well(reason string) Outcome { return Outcome{OK: true, Reason: reason} }

func ill(reason string) Outcome { return Outcome{Reason: reason} }

// verifyTCP: a connection is accepted.
func verifyTCP(ctx context.Context, c *config.Checker) Outcome {
	conn, err := dial(ctx, c, "tcp", c.Addr)
	if err != nil {
		return ill("TCP connection to " + serverName(c, c.Addr) + " failed: " + cause(err) + ".")
	}
	hangUp(conn)
	return well("TCP connection to " + serverName(c, c.Addr) + " success.")
}
