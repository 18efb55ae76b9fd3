package verdict

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/config"
)

// finding is a diagnostic with two verdicts: ours, in its Severity, and the
// reference program's, in refused.
type finding struct {
	config.Diagnostic
	// refused: the reference complains and does not take the file.
	refused bool
	// silent: we have nothing to say about it; only a strict check does.
	silent bool
}

// Report collects findings in the order they are made. The four ways to add one are
// the four combinations of the two verdicts, and StrictOnly. Each takes a place, a
// code, a message and a hint as config.Diagnostic describes them. The zero value is
// ready for use.
type Report struct {
	findings []finding
	errors   int
	full     bool
}

// Most bounds what is worth telling about one configuration. One more finding says
// that there were others.
const Most = 2000

func (r *Report) add(f finding) {
	f.Message, f.Hint = oneLine(f.Message), oneLine(f.Hint)
	if f.Severity == config.Error {
		r.errors++
	}
	if len(r.findings) < Most {
		r.findings = append(r.findings, f)
		return
	}
	if !r.full {
		r.full = true
		f.Diagnostic = config.Diagnostic{Pos: f.Pos, Severity: config.Error, Code: "too-many",
			Message: fmt.Sprintf("there are more than %d problems; the rest is not shown", Most)}
		f.refused, f.silent = true, false
		r.findings = append(r.findings, f)
		r.errors++
	}
}

// oneLine keeps bytes of the file out of the terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

// Bare is strconv.Quote without the quotes: a piece of the file that a message can hold.
func Bare(s string) string {
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}

// Bad: neither we nor the reference take it.
func (r *Report) Bad(pos config.Position, code, message, hint string) {
	r.add(finding{Diagnostic: config.Diagnostic{Pos: pos, Severity: config.Error, Code: code, Message: message,
		Hint: hint}, refused: true})
}

// Refuse: we do not take it, the reference does.
func (r *Report) Refuse(pos config.Position, code, message, hint string) {
	r.add(finding{Diagnostic: config.Diagnostic{Pos: pos, Severity: config.Error, Code: code, Message: message,
		Hint: hint}})
}

// Tolerate: we take it with a warning, the reference complains.
func (r *Report) Tolerate(pos config.Position, code, message, hint string) {
	r.add(finding{Diagnostic: config.Diagnostic{Pos: pos, Code: code, Message: message, Hint: hint}, refused: true})
}

// Warn: both take it; ours is a word of advice.
func (r *Report) Warn(pos config.Position, code, message, hint string) {
	r.add(finding{Diagnostic: config.Diagnostic{Pos: pos, Code: code, Message: message, Hint: hint}})
}

// StrictOnly: we take it without a word, the reference complains.
func (r *Report) StrictOnly(pos config.Position, code, message, hint string) {
	r.add(finding{Diagnostic: config.Diagnostic{Pos: pos, Code: code, Message: message, Hint: hint}, refused: true,
		silent: true})
}

// Failed reports whether we do not take the configuration, whatever the reference does.
func (r *Report) Failed() bool { return r.errors > 0 }

// Diagnostics gives the collected findings in order of position. With strict, the
// severity is the reference's verdict.
func (r *Report) Diagnostics(strict bool) []config.Diagnostic {
	var list []config.Diagnostic
	for _, f := range r.findings {
		if f.silent && !strict {
			continue
		}
		d := f.Diagnostic
		if strict {
			d.Severity = config.Warning
			if f.refused {
				d.Severity = config.Error
			}
		}
		list = append(list, d)
	}
	config.SortDiagnostics(list)
	return list
}
