package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Severity says what a Diagnostic means for the file it was found in.
type Severity uint8

// Severities. A file with an Error does not load; a file with only Warnings does.
const (
	Warning Severity = iota
	Error
)

// String gives the word printed in messages and in JSON.
func (s Severity) String() string {
	if s == Error {
		return "error"
	}
	return "warning"
}

// MarshalText makes a Severity a word in JSON.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word MarshalText writes.
func (s *Severity) UnmarshalText(text []byte) error {
	switch string(text) {
	case Warning.String():
		*s = Warning
	case Error.String():
		*s = Error
	default:
		return fmt.Errorf("config: unknown severity %q", text)
	}
	return nil
}

// String gives file:line:col, leaving out what is not known. Col counts bytes
// from 1, as compilers do, so that editors find the place.
func (p Position) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	for _, n := range [...]int{p.Line, p.Col} {
		if n == 0 {
			break
		}
		if b.Len() > 0 {
			b.WriteByte(':')
		}
		b.WriteString(strconv.Itoa(n))
	}
	return b.String()
}

// ComparePositions orders by file, line and column.
func ComparePositions(a, b Position) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
}

// Diagnostic is one thing a reader has to say about a file.
type Diagnostic struct {
	Pos      Position
	Severity Severity
	// Code is a stable, hyphenated name of the kind of problem, for programs.
	Code string
	// Message names the thing that is wrong. Lower case, one line, no full stop.
	Message string
	// Hint is the cure, or empty.
	Hint string
}

// String gives the one-line form: file:line:col: severity: message; hint.
func (d Diagnostic) String() string {
	s := fmt.Sprintf("%s: %s", d.Severity, d.Message)
	if p := d.Pos.String(); p != "" {
		s = p + ": " + s
	}
	if d.Hint != "" {
		s += "; " + d.Hint
	}
	return s
}

// HasErrors reports whether any of the diagnostics is an Error.
func HasErrors(diags []Diagnostic) bool {
	return slices.ContainsFunc(diags, func(d Diagnostic) bool { return d.Severity == Error })
}

// SortDiagnostics orders by position. Diagnostics of one place keep their order.
func SortDiagnostics(diags []Diagnostic) {
	slices.SortStableFunc(diags, func(a, b Diagnostic) int { return ComparePositions(a.Pos, b.Pos) })
}
