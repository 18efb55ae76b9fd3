package keepalived

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// String gives the argument as the manual writes it.
func (a arg) String() string {
	s := a.name
	switch {
	case a.kind == aChoice:
		s = strings.Join(a.choices, "|")
	case a.kind == anInt || a.kind == aDuration:
		s = fmt.Sprintf("%s(%s..%s)", a.name, number(a.min), number(a.max))
	}
	if a.optional {
		s = "[" + s + "]"
	}
	return s
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// arguments reads the arguments of a word by the table. It reports false if one of
// them is wrong, after saying so; the word is then not applied.
func (w *walker) arguments(k keyword, s *statement) ([]value, bool) {
	values := make([]value, len(k.args))
	good := true
	at := 0
	for i, a := range k.args {
		if a.kind == theRest {
			if len(s.args) == at && !a.optional {
				w.missing(k, s.word.pos, a)
				return nil, false
			}
			return values, good
		}
		if at == len(s.args) {
			if a.optional {
				break
			}
			w.missing(k, s.word.pos, a)
			return nil, false
		}
		v, ok := w.argument(k, a, s.args[at])
		values[i] = v
		good = good && ok
		at++
	}
	for _, extra := range s.args[at:] {
		w.extraWords(k, extra)
		break // one message for the rest of the line
	}
	return values, good
}

// argument reads one argument.
func (w *walker) argument(k keyword, a arg, tok token) (value, bool) {
	v := value{tok: tok, given: true}
	wrong := func(wanted string) (value, bool) {
		w.wrong(k, tok, "bad-value", fmt.Sprintf("%s %s: %s", q(k.word), q(tok.text), wanted))
		return v, false
	}
	switch a.kind {
	case anInt:
		f, ok := w.ranged(k, a, tok)
		if !ok {
			return v, false
		}
		v.n = int(f)
	case aDuration:
		f, ok := w.ranged(k, a, tok)
		if !ok {
			return v, false
		}
		v.d = time.Duration(math.Round(f*1e6)) * time.Microsecond
	case aFlag:
		on, ok := readFlag(tok.text)
		if !ok {
			return wrong("must be on or off (or yes, no, true, false)")
		}
		v.on = on
	case aSwitch:
		on, ok := readFlag(tok.text)
		switch {
		case !ok:
			w.extraWords(k, tok)
			return value{tok: tok}, true
		case !on:
			w.unreadOff(k, tok)
		}
		v.on = on
	case anAddr:
		addr, err := netip.ParseAddr(w.withoutMask(tok))
		if err != nil || addr.Zone() != "" {
			return wrong("is not an IP address")
		}
		v.addr = addr.Unmap()
	case aChoice:
		if !slices.Contains(a.choices, tok.text) {
			if i := slices.IndexFunc(a.choices, func(c string) bool { return strings.EqualFold(c, tok.text) }); i >= 0 {
				if a.anyCase {
					v.tok.text = a.choices[i]
					return v, true
				}
				return wrong("must be written " + a.choices[i])
			}
			return wrong("must be one of " + strings.Join(a.choices, ", "))
		}
	}
	return v, true
}

// wrong reports a value that cannot be used; of a word without effect only in passing.
func (w *walker) wrong(k keyword, tok token, code, message string) {
	if k.state == harmless {
		w.report.Tolerate(tok.pos, code, message, "")
		return
	}
	w.report.Bad(tok.pos, code, message, "")
}

// ranged reads a number and holds it to its range.
func (w *walker) ranged(k keyword, a arg, tok token) (float64, bool) {
	f, err := strconv.ParseFloat(tok.text, 64)
	plain := err == nil && !strings.ContainsAny(tok.text, "xXpPeEnN_")
	whole := plain && !strings.Contains(tok.text, ".")
	wanted := "a whole number"
	if a.kind == aDuration {
		wanted = "a number of seconds"
	}
	if !plain || a.kind == anInt && !whole {
		w.wrong(k, tok, "bad-number", fmt.Sprintf("%s %s: must be %s from %s to %s", q(k.word), q(tok.text), wanted,
			number(a.min), number(a.max)))
		return 0, false
	}
	if f < a.min || f > a.max {
		if a.loose {
			clamped := min(max(f, a.min), a.max)
			w.report.Tolerate(tok.pos, "out-of-range",
				fmt.Sprintf("%s %s is out of range: %s is used", q(k.word), tok.text, number(clamped)),
				fmt.Sprintf("it must be from %s to %s", number(a.min), number(a.max)))
			return clamped, true
		}
		w.wrong(k, tok, "out-of-range",
			fmt.Sprintf("%s %s: must be from %s to %s", q(k.word), q(tok.text), number(a.min), number(a.max)))
		return 0, false
	}
	if a.whole && !whole {
		// Differs from Keepalived: every number of seconds may have a fraction. 2.2.7 takes
		// whole ones in many places.
		w.report.StrictOnly(tok.pos, "fraction",
			fmt.Sprintf("%s %s: keepalived 2.2.7 takes whole seconds only", q(k.word), q(tok.text)), "")
	}
	return f, true
}

// readFlag reads on and off in all their spellings.
func readFlag(text string) (on, ok bool) {
	switch text {
	case "on", "true", "yes":
		return true, true
	case "off", "false", "no":
		return false, true
	}
	return false, false
}

// isOn is the value of a flag that counts as on when it stands alone.
func isOn(v value) bool { return !v.given || v.on }
