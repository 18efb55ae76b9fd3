package probe

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/script"
)

// verifyProgram is MISC_CHECK. With misc_dynamic an exit code from 2 on is a weight.
func verifyProgram(ctx context.Context, c *config.Checker) Outcome {
	what := "Misc check for [" + strings.Join(c.Command.Argv, " ") + "]"
	err := script.Run(ctx, c.Command, config.Owner{}, c.RunTime)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return well(what + " success.")
	case errors.Is(err, script.ErrTimeout):
		return ill(what + " timed out.")
	case errors.As(err, &exit) && exit.ExitCode() >= 2 && c.Dynamic:
		weight := exit.ExitCode() - 2
		return Outcome{OK: true, HasWeight: true, Weight: weight,
			Reason: fmt.Sprintf("%s success: weight %d.", what, weight)}
	}
	return ill(what + " failed: " + cause(err) + ".")
}
