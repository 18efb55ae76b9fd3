package haproxy

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/sample"
)

// Ranks of rules in the order they are processed, whatever the order they are written in.
const (
	rankConnection = iota + 1
	rankContent
	rankHTTPRequest
	rankRedirect
	rankUseBackend
	rankUseServer
)

// inOrder warns of a rule that stands after one that is processed later.
func (a *args) inOrder(rank int) {
	d := a.draft
	if rank < d.rank && !d.misranked[rank] {
		d.misranked[rank] = true
		a.report.Warn(a.head.pos, "rule-order",
			fmt.Sprintf("%s after %s: it is processed before it all the same", q(a.name), q(d.rankName)), "")
	}
	if rank > d.rank {
		d.rank, d.rankName = rank, a.name
	}
}

// ruleSet reads an action with its condition and adds it to a rule set.
func (a *args) ruleSet(p place, point sample.Point, to *[]config.Rule) {
	w := a.need("an action")
	if a.failed {
		return
	}
	rule := config.Rule{Pos: a.head.pos}
	b := *a
	b.rule, b.point = &rule, point
	b.list, b.at = a.list[a.at:], 0
	a.rest()
	head := w
	if strings.HasPrefix(w.text, "lua.") {
		a.unsupported(w, noLua)
		return
	}
	if name, _, found := strings.Cut(w.text, "("); found {
		head.text = name // set-var(…) and its like
	}
	b.head = head
	a.word(p, a.name, &b)
	if b.failed || b.k.state != done || b.quiet {
		a.failed = true
		return
	}
	rule.Cond = b.condition(point)
	if !b.done() {
		return
	}
	rules := *to
	if n := len(rules); n > 0 && rules[n-1].Cond == nil && final(rules[n-1].Do) {
		a.report.Warn(w.pos, "never-reached",
			fmt.Sprintf("%s: the rule before it ends the processing in every case", q(b.name)),
			fmt.Sprintf("it is on line %d", rules[n-1].Pos.Line))
	}
	if a.draft.kind == capD {
		a.draft.httpRules = true
	}
	*to = append(rules, rule)
}

// final reports whether a rule ends the processing of its set.
func final(do config.Action) bool {
	switch do {
	case config.ActAllow, config.ActDeny, config.ActTarpit, config.ActReturn, config.ActRedirect, config.ActSilentDrop,
		config.ActClose:
		return true
	}
	return false
}

func setHTTPRequest(a *args) {
	a.inOrder(rankHTTPRequest)
	a.ruleSet(inHTTPRequest, sample.Request, &a.draft.proxy.Rules.HTTPRequest)
}

func setHTTPResponse(a *args) {
	a.ruleSet(inHTTPResponse, sample.Response, &a.draft.proxy.Rules.HTTPResponse)
}

func setHTTPAfter(a *args) {
	a.ruleSet(inHTTPAfter, sample.Response, &a.draft.proxy.Rules.HTTPAfter)
}

func setTCPRequest(a *args) { a.sub(inTCPRequest) }

func setTCPConnection(a *args) {
	a.inOrder(rankConnection)
	a.ruleSet(inTCPConnection, sample.Connection, &a.draft.proxy.Rules.TCPConnection)
}

func setTCPContent(a *args) {
	a.inOrder(rankContent)
	a.ruleSet(inTCPContent, sample.Content, &a.draft.proxy.Rules.TCPContent)
}

func setInspectDelay(a *args) {
	d := a.duration(a.need("a time"), 0)
	a.k.loose = true
	if a.done() {
		a.draft.proxy.Rules.InspectDelay = d
	}
}

// action is the setter of one without arguments.
func action(do config.Action) func(*args) {
	return func(a *args) { a.rule.Do = do }
}

// headerAction is the setter of those with a name and a format.
func headerAction(do config.Action) func(*args) {
	return func(a *args) {
		name := a.headerName()
		value := a.need("a format")
		a.rule.Do, a.rule.Name = do, name
		a.rule.Format = a.format(value, a.point, true)
	}
}

// formatAction is the setter of those with a format alone.
func formatAction(do config.Action) func(*args) {
	return func(a *args) {
		a.rule.Do = do
		a.rule.Format = a.format(a.need("a format"), a.point, true)
		a.onlyCondition()
	}
}

// onlyCondition is for actions whose arguments end here.
func (a *args) onlyCondition() {
	if t := a.peek(); a.more() && t != "if" && t != "unless" {
		a.fail(a.list[a.at].pos, "extra-word",
			fmt.Sprintf("%s after %s: if or unless is expected here", q(t), q(a.name)),
			"put a format with spaces in quotes")
	}
}

// replaceHeaderAction is the setter of those with a name, a pattern and a format.
func replaceHeaderAction(do config.Action) func(*args) {
	return func(a *args) {
		name, pattern, value := a.need("a name"), a.need("a pattern"), a.need("a format")
		a.rule.Do, a.rule.Name = do, name.text
		a.rule.Pattern = a.pattern(pattern, false)
		a.rule.Format = a.format(value, a.point, true)
	}
}

// replaceAction is the setter of those with a pattern and a format.
func replaceAction(do config.Action) func(*args) {
	return func(a *args) {
		pattern, value := a.need("a pattern"), a.need("a format")
		a.rule.Do = do
		a.rule.Pattern = a.pattern(pattern, false)
		a.rule.Format = a.format(value, a.point, true)
	}
}

func ruleDelHeader(a *args) {
	name := a.need("a name")
	a.rule.Do, a.rule.Name = config.ActDelHeader, name.text
	if _, ok := a.accept("-m"); !ok {
		return
	}
	how := map[string]config.NameMatch{"str": config.NameIs, "beg": config.NameBegins, "end": config.NameEnds,
		"sub": config.NameContains, "reg": config.NameRegexp}
	w := a.need("a way of matching")
	m, ok := how[w.text]
	if !ok {
		a.oneOf(w, "str", "beg", "end", "sub", "reg")
	}
	if a.rule.NameMatch = m; m == config.NameRegexp {
		a.rule.Pattern = a.pattern(name, true)
	}
}

func ruleSetStatus(a *args) {
	a.rule.Do = config.ActSetStatus
	a.rule.Status = a.integer(a.need("a status"), 100, 999, false)
	if a.peek() == "reason" && a.at+1 < len(a.list) {
		a.next()
		a.rule.Text = a.next().text
	}
}

func ruleSetLogLevel(a *args) {
	a.rule.Do = config.ActSetLogLevel
	if _, ok := a.accept("silent"); ok {
		a.rule.Level = -1
		return
	}
	a.rule.Level = a.oneOfLevels("a level or silent", levels)
}

// ruleCapture takes capture EXPRESSION len N, or id N for a declared slot.
func ruleCapture(a *args) {
	w := a.need("an expression")
	a.rule.Do, a.rule.Expr = config.ActCapture, a.expression(w, a.point)
	response := a.point == sample.Response
	switch how := a.need("len or id"); how.text {
	case "len":
		if response {
			a.bad(how, "a response is captured into a declared slot: id N")
			return
		}
		n := a.integer(a.need("a length"), 1, 65535, a.peekIsNoNumber())
		if !a.draft.front() && a.draft.kind != capD {
			a.fail(w.pos, "misplaced-word", a.name+": only a frontend has captures", "")
		}
		if !a.failed {
			a.rule.Slot = addCapture(a.draft.proxy, false, config.Capture{Len: n})
		}
	case "id":
		id := a.need("a number")
		a.rule.Slot = a.integer(id, 0, many, false)
		a.draft.captureUses = append(a.draft.captureUses, captureUse{id: id, slot: a.rule.Slot, response: response})
	default:
		a.oneOf(how, "len", "id")
	}
}

// setRedirect takes the redirect keyword, whose target is no format.
func setRedirect(a *args) {
	a.inOrder(rankRedirect)
	rule := config.Rule{Pos: a.head.pos}
	a.rule, a.point = &rule, sample.Request
	a.redirect(true)
	rule.Cond = a.condition(a.point)
	if a.done() {
		if a.draft.kind == capD {
			a.draft.httpRules = true
		}
		a.draft.redirects = append(a.draft.redirects, rule)
	}
}

func ruleRedirect(a *args) { a.redirect(false) }

// redirect reads what follows the word redirect.
func (a *args) redirect(literal bool) {
	to := &config.Redirect{Code: 302}
	a.rule.Do, a.rule.Redirect = config.ActRedirect, to
	kinds := map[string]config.RedirectKind{"location": config.RedirectLocation, "prefix": config.RedirectPrefix,
		"scheme": config.RedirectScheme}
	var target word
	for a.more() && !a.failed {
		if t := a.peek(); t == "if" || t == "unless" {
			break
		}
		w := a.next()
		if kind, ok := kinds[w.text]; ok {
			to.Kind, target = kind, a.need("a target")
			continue
		}
		switch w.text {
		case "code":
			code := a.need("a status")
			to.Code, _ = strconv.Atoi(code.text) // what is no number is none of these
			if to.Code != 301 && to.Code != 302 && to.Code != 303 && to.Code != 307 && to.Code != 308 {
				a.bad(code, "must be 301, 302, 303, 307 or 308")
			}
		case "set-cookie":
			to.SetCookie = a.need("NAME=VALUE").text + "; path=/;"
		case "clear-cookie":
			to.SetCookie = a.need("NAME=").text + "; path=/; Max-Age=0;"
		case "drop-query":
			to.DropQuery = true
		case "append-slash":
			to.AppendSlash = true
		case "ignore-empty":
			to.IgnoreEmpty = true
		default:
			a.oneOf(w, "location", "prefix", "scheme", "code", "set-cookie", "clear-cookie", "drop-query",
				"append-slash", "ignore-empty")
		}
	}
	if a.point == sample.Response && to.Kind != config.RedirectLocation {
		a.bad(target, "a response can be answered with redirect location only: the request's path is gone")
		return
	}
	if target.text == "" {
		a.missing("location, prefix or scheme with a target")
		return
	}
	if literal {
		to.To = a.literal(target)
	} else {
		to.To = a.format(target, a.point, true)
	}
}
