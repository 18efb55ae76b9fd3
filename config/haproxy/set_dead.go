package haproxy

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/sample"
)

// Words that HAProxy has given up, read as what is written today.

// deadBlock is http-request deny.
func deadBlock(a *args) {
	a.deadRule(false, config.Rule{Do: config.ActDeny, Status: 403})
}

// deadAdd takes reqadd and rspadd "NAME: VALUE".
func deadAdd(a *args) {
	w := a.need("a header")
	name, value, ok := strings.Cut(w.text, ":")
	if !ok || name == "" || strings.ContainsAny(name, " \t") {
		a.bad(w, "must be NAME: VALUE")
		return
	}
	to := a.literal(word{text: strings.TrimLeft(value, " \t"), pos: w.pos})
	a.deadRule(strings.HasPrefix(a.k.word, "rsp"), config.Rule{Do: config.ActAddHeader, Name: name, Format: to})
}

// deadDelete takes reqdel, reqidel, rspdel and rspidel with a pattern that names a header: ^NAME: or ^NAME:.*
func deadDelete(a *args) {
	w := a.need("a pattern")
	name, rest := headerOfPattern(w.text)
	if name == "" || rest != "" && rest != ".*" && rest != ".*$" {
		a.tooOld(w)
		return
	}
	a.deadRule(strings.HasPrefix(a.k.word, "rsp"), config.Rule{Do: config.ActDelHeader, Name: name})
}

// deadReplace takes reqrep, reqirep, rsprep and rspirep with a pattern that names a header, ^NAME:VALUE, and keeps
// its name.
func deadReplace(a *args) {
	w, with := a.need("a pattern"), a.need("a text")
	if a.failed {
		return
	}
	if from, to, ok := requestLine(w.text, with.text); ok && strings.HasPrefix(a.k.word, "req") {
		re := a.pattern(word{text: from, pos: w.pos}, strings.Contains(a.k.word, "irep"))
		a.deadRule(false, config.Rule{Do: config.ActReplaceURI, Pattern: re,
			Format: a.literal(word{text: to, pos: with.pos})})
		return
	}
	name, pattern := headerOfPattern(w.text)
	to, value, ok := strings.Cut(with.text, ":")
	if name == "" || !ok || !strings.EqualFold(to, name) || strings.Contains(pattern, "^") {
		a.tooOld(w)
		return
	}
	re := a.pattern(word{text: "^" + strings.TrimLeft(pattern, " "), pos: w.pos}, strings.Contains(a.k.word, "irep"))
	format := a.literal(word{text: strings.TrimLeft(value, " "), pos: with.pos})
	a.deadRule(strings.HasPrefix(a.k.word, "rsp"),
		config.Rule{Do: config.ActReplaceHeader, Name: name, Pattern: re, Format: format})
}

// methodGroup is how patterns over the request line begin: the method as a group, a space,
// and the path. Both spellings of the space inside the group's class are in use.
var methodGroup = regexp.MustCompile(`^\^\(\[\^[ :\\]+\]\*(?:\) /| /\))`)

// requestLine takes a pattern over the request line and its replacement as one over the URI, where
// they keep the method and what follows the path: ^([^ ]*) /FROM(.*) and \1 /TO\2.
func requestLine(pattern, text string) (from, to string, ok bool) {
	head := methodGroup.FindString(pattern)
	if head == "" {
		return "", "", false
	}
	from, ok = strings.CutSuffix(pattern[len(head):], "(.*)")
	start := `\1 /`
	if strings.HasSuffix(head, "/)") {
		start = `\1`
	}
	to, starts := strings.CutPrefix(text, start)
	to, ends := strings.CutSuffix(to, `\2`)
	if !ok || !starts || !ends || strings.ContainsAny(from, "() ") || strings.Contains(to, `\`) {
		return "", "", false
	}
	return "^/" + from + "(.*)", "/" + to + `\1`, true
}

// tooOld refuses a form that has no counterpart that can be written without knowing the requests.
func (a *args) tooOld(w word) {
	a.fail(w.pos, "dead-word", fmt.Sprintf("%s %s cannot be read as a word of today", a.name, q(w.text)),
		"write it as "+a.k.instead)
}

// headerOfPattern takes ^NAME: from a pattern over a whole header line.
func headerOfPattern(text string) (name, rest string) {
	text, ok := strings.CutPrefix(text, "^")
	if !ok {
		return "", ""
	}
	name, rest, ok = strings.Cut(text, ":")
	if _, bad := badNameByte(name); !ok || bad || strings.Contains(name, ".") {
		return "", ""
	}
	for _, space := range []string{`\ *`, `[ ]*`, ` *`, `\s*`, `\ `, ` `} {
		if after, found := strings.CutPrefix(rest, space); found {
			return name, after
		}
	}
	return name, rest
}

// deadRule adds a rule with the condition that follows.
func (a *args) deadRule(response bool, rule config.Rule) {
	point, to := sample.Request, &a.draft.proxy.Rules.HTTPRequest
	if response {
		point, to = sample.Response, &a.draft.proxy.Rules.HTTPResponse
	}
	rule.Pos = a.head.pos
	rule.Cond = a.condition(point)
	if a.done() {
		*to = append(*to, rule)
	}
}

// deadTimeout takes contimeout, clitimeout and srvtimeout.
func deadTimeout(a *args) { setOneTimeout(a) }

// deadMonitorNet answers 200 to clients of a network.
func deadMonitorNet(a *args) {
	w := a.need("a network")
	if a.failed {
		return
	}
	c, _, err := a.draft.acls.ParseCondition([]string{"if", "{", "src", w.text, "}"}, sample.Request)
	if err != nil {
		a.bad(w, "is not a network")
	}
	if a.done() {
		rule := config.Rule{Pos: a.head.pos, Cond: c, Do: config.ActReturn, Status: 200,
			Reply: &config.Reply{Status: 200}}
		a.draft.proxy.Rules.HTTPRequest = append([]config.Rule{rule}, a.draft.proxy.Rules.HTTPRequest...)
	}
}
