package failover

import (
	"context"
	"errors"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/script"
)

// runProgram runs a command, unless it must not be.
func (e *Engine) runProgram(ctx context.Context, c config.Command, global config.Global, timeout time.Duration) error {
	if e.opts.Vet != nil && c.Defined() {
		var why string
		if c, why = e.opts.Vet(c, global); why != "" {
			return errors.New(why)
		}
	}
	return script.Run(ctx, c, global.ScriptUser, timeout)
}
