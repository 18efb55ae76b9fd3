package check

import (
	"context"
	"time"

	"github.com/evenkeel/evenkeel/config"
)

// Verdict is what one attempt of a virtual server's checker found.
type Verdict struct {
	OK bool
	// Weight is what the check says about the server's weight, if HasWeight is set: with
	// misc_dynamic the weight itself (0 to 253), of FILE_CHECK what is to be added to it.
	Weight    int
	HasWeight bool
	Reason    string // a line for the log, in Keepalived's manner
	Took      time.Duration
}

// Verify makes one attempt of one checker: retry, delays, warmup and alpha are the caller's. It
// returns when there is a verdict or time is up; if ctx ends first, the verdict means nothing.
// It never panics on what a server sends.
func Verify(ctx context.Context, c *config.Checker, rs *config.RealServer) Verdict {
	start := time.Now()
	v := verify(ctx, c, rs)
	v.Took = time.Since(start)
	return v
}

func verify(ctx context.Context, c *config.Checker, rs *config.RealServer) Verdict {
	return Verdict{Reason: c.Kind.String() + " is not supported yet"}
}
