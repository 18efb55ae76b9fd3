package haproxy

import (
	"fmt"
	"strings"

	"github.com/evenkeel/evenkeel/config"
)

// finding is a diagnostic with two verdicts: ours, in its Severity, and the
// reference program's, in refused.
type finding struct {
	config.Diagnostic
	// refused: haproxy -c 2.6.12 refuses the file for it.
	refused bool
	// silent: we have nothing to say about it; only a strict check does.
	silent bool
}

// report collects findings in the order they are made. The four ways to add one
// are the four combinations of the two verdicts, and strictOnly.
type report struct {
	findings []finding
	errors   int
	full     bool
}

// maxFindings bounds what is worth telling about one configuration.
const maxFindings = 2000

func (r *report) add(f finding) {
	f.Message, f.Hint = oneLine(f.Message), oneLine(f.Hint)
	if f.Severity == config.Error {
		r.errors++
	}
	if len(r.findings) < maxFindings {
		r.findings = append(r.findings, f)
		return
	}
	if !r.full {
		r.full = true
		f.Diagnostic = config.Diagnostic{Pos: f.Pos, Severity: config.Error, Code: "too-many", Message: fmt.Sprintf("there are more than %d problems; the rest is not shown", maxFindings)}
		f.refused, f.silent = true, false
		r.findings = append(r.findings, f)
		r.errors++
	}
}

// q quotes a word of the file for a message, so that odd bytes cannot hurt a terminal.
func q(s string) string { return fmt.Sprintf("%q", s) }

// oneLine keeps bytes of the file out of the terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

// bare is q without the quotes.
func bare(s string) string {
	quoted := q(s)
	return quoted[1 : len(quoted)-1]
}

// bad: neither we nor the reference take it.
func (r *report) bad(pos config.Position, code, message, hint string) {
	r.add(finding{Diagnostic: config.Diagnostic{Pos: pos, Severity: config.Error, Code: code, Message: message, Hint: hint}, refused: true})
}

// refuse: we do not take it, the reference does.
func (r *report) refuse(pos config.Position, code, message, hint string) {
	r.add(finding{Diagnostic: config.Diagnostic{Pos: pos, Severity: config.Error, Code: code, Message: message, Hint: hint}})
}

// tolerate: we take it with a warning, the reference complains.
func (r *report) tolerate(pos config.Position, code, message, hint string) {
	r.add(finding{Diagnostic: config.Diagnostic{Pos: pos, Code: code, Message: message, Hint: hint}, refused: true})
}

// warn: both take it; ours is a word of advice.
func (r *report) warn(pos config.Position, code, message, hint string) {
	r.add(finding{Diagnostic: config.Diagnostic{Pos: pos, Code: code, Message: message, Hint: hint}})
}

// strictOnly: we take it without a word, the reference complains.
func (r *report) strictOnly(pos config.Position, code, message, hint string) {
	r.add(finding{Diagnostic: config.Diagnostic{Pos: pos, Code: code, Message: message, Hint: hint}, refused: true, silent: true})
}

// diagnostics gives the collected findings in order of position. With strict, the
// severity is the reference's verdict.
func (r *report) diagnostics(strict bool) []config.Diagnostic {
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
