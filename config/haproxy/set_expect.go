package haproxy

import (
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/config"
)

// checkExpect judges what came back.
func checkExpect(a *args) {
	s := config.CheckStep{Kind: config.StepExpect}
	http := strings.HasPrefix(a.name, "http-check")
	found := false
	for a.more() && !a.failed {
		w := a.next()
		if a.expectOption(&s, w) {
			continue
		}
		if w.text == "!" {
			s.Expect.Negate = true
			w = a.need("a pattern")
		} else if len(w.text) > 1 && w.text[0] == '!' {
			s.Expect.Negate = true
			w.text = w.text[1:]
		}
		if found {
			a.bad(w, "one pattern is enough")
			return
		}
		found = true
		if http {
			a.expectHTTP(&s.Expect, w)
		} else {
			a.expectTCP(&s.Expect, w)
		}
	}
	if !found {
		a.missing("a pattern")
	}
	a.addStep(s)
}

// expectOption takes what may stand beside the pattern.
func (a *args) expectOption(s *config.CheckStep, w word) bool {
	switch w.text {
	case "comment":
		s.Comment = a.need("a text").text
	case "min-recv":
		s.Expect.MinRecv = a.integer(a.need("a number"), -1, many, false)
	case "ok-status", "error-status", "tout-status":
		v := a.need("a status")
		switch v.text {
		case "L4OK", "L6OK", "L7OK", "L7OKC", "L7RSP", "L7STS", "L6RSP", "L4CON", "L7TOUT", "L6TOUT", "L4TOUT":
			a.unsupported(w, "the status of a check is that of what failed")
		default:
			a.bad(v, "is not a status")
		}
	case "on-success", "on-error", "status-code":
		a.need("a format")
		a.unsupported(w, "the text of a check is what the server said")
	default:
		return false
	}
	return true
}

func (a *args) expectHTTP(e *config.Expect, w word) {
	switch w.text {
	case "status":
		e.What, e.Statuses = config.ExpectStatus, a.statuses(a.need("statuses"))
	case "rstatus":
		e.What, e.Pattern = config.ExpectStatusRegexp, a.pattern(a.need("a pattern"), false)
	case "string":
		e.What, e.Text = config.ExpectString, []byte(a.need("a text").text)
	case "string-lf":
		e.What, e.Text = config.ExpectString, []byte(a.constant(a.need("a format")))
	case "rstring":
		e.What, e.Pattern = config.ExpectRegexp, a.pattern(a.need("a pattern"), false)
	case "hdr", "fhdr":
		a.expectHeader(e, w)
	default:
		a.oneOf(w, "status", "rstatus", "string", "string-lf", "rstring", "hdr", "fhdr", "min-recv", "comment")
	}
}

// statuses reads a list of statuses and ranges.
func (a *args) statuses(w word) [][2]int {
	var list [][2]int
	for part := range strings.SplitSeq(w.text, ",") {
		lo, hi, isRange := strings.Cut(part, "-")
		if !isRange {
			hi = lo
		}
		first, err1 := strconv.Atoi(lo)
		last, err2 := strconv.Atoi(hi)
		if err1 != nil || err2 != nil || first < 100 || last > 999 || last < first {
			a.bad(w, "must be statuses like 200 or 200-399, with commas between")
			return nil
		}
		list = append(list, [2]int{first, last})
	}
	return list
}

// expectHeader takes hdr name N [value V]; other ways of matching than equality are not there yet.
func (a *args) expectHeader(e *config.Expect, kind word) {
	e.What = config.ExpectHeader
	if kind.text == "fhdr" {
		a.unsupported(kind, "hdr looks at each value of a header")
		return
	}
	if _, ok := a.accept("name"); !ok {
		a.missing("name NAME")
		return
	}
	e.Header = a.exactly()
	if _, ok := a.accept("value"); ok {
		e.Value = a.exactly()
	}
}

// exactly reads [-m str] TEXT.
func (a *args) exactly() string {
	if _, ok := a.accept("-m"); ok {
		if w := a.need("a way of matching"); w.text != "str" {
			if w.text == "beg" || w.text == "end" || w.text == "sub" || w.text == "reg" {
				a.unsupported(w, "headers are compared as a whole")
			} else {
				a.oneOf(w, "str", "beg", "end", "sub", "reg")
			}
		}
	}
	return a.need("a text").text
}

func (a *args) expectTCP(e *config.Expect, w word) {
	switch w.text {
	case "string":
		e.What, e.Text = config.ExpectString, []byte(a.need("a text").text)
	case "string-lf":
		e.What, e.Text = config.ExpectString, []byte(a.constant(a.need("a format")))
	case "rstring":
		e.What, e.Pattern = config.ExpectRegexp, a.pattern(a.need("a pattern"), false)
	case "binary":
		e.What, e.Text = config.ExpectBinary, a.hex(a.need("bytes"))
	case "rbinary":
		e.What, e.Pattern = config.ExpectBinaryRegexp, a.pattern(a.need("a pattern"), true)
	case "binary-lf":
		a.unsupported(w, "write the bytes: binary")
	default:
		a.oneOf(w, "string", "string-lf", "rstring", "binary", "binary-lf", "rbinary", "min-recv", "comment")
	}
}
