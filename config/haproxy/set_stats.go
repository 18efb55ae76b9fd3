package haproxy

import (
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/sample"
)

// setStats looks the word up among those of the statistics page. The first one in a proxy
// begins a page of its own, whatever its defaults say.
func setStats(a *args) {
	if !a.draft.statsOwn {
		a.draft.statsOwn = true
		a.draft.proxy.Stats = &config.StatsPage{URI: "/haproxy?stats", Realm: "HAProxy Statistics"}
	}
	a.sub(inStats)
}

func (a *args) page() *config.StatsPage { return a.draft.proxy.Stats }

func statsEnable(a *args) { a.done() }

func statsURI(a *args) {
	w := a.need("a URI")
	if a.done() {
		a.page().URI = w.text
	}
}

// asksItself notes that a page asks for a password by itself, which goes without rules only.
func (a *args) asksItself() {
	a.draft.statsAsks = true
	a.eitherOr()
}

// eitherOr refuses rules beside a password of the page's own.
func (a *args) eitherOr() {
	if a.draft.statsAsks && len(a.page().Rules) > 0 {
		a.fail(a.head.pos, "conflict",
			"stats auth and realm do not go with stats http-request: a page has one or the other",
			"leave one of them out")
	}
}

func statsRealm(a *args) {
	w := a.need("a name")
	a.asksItself()
	if a.done() {
		a.page().Realm = w.text
	}
}

func statsAuth(a *args) {
	w := a.need("USER:PASSWORD")
	a.asksItself()
	if a.done() {
		user, password, _ := strings.Cut(w.text, ":")
		a.page().Users = append(a.page().Users, [2]string{user, password})
	}
}

func statsRefresh(a *args) {
	d := a.durationIn(a.need("a time"), 0, time.Second)
	if a.done() {
		a.page().Refresh = d
	}
}

func statsScope(a *args) {
	w := a.need("the name of a proxy")
	if a.done() {
		a.page().Scope = append(a.page().Scope, w.text)
	}
}

func statsShowNode(a *args) {
	a.page().ShowNode = true
	if a.more() {
		w := a.next()
		a.checkNode(w)
		a.page().Node = w.text
	}
	a.done()
}

func statsShowDesc(a *args) {
	if !a.more() && a.global.Description == "" {
		a.report.Warn(a.head.pos, "missing-value",
			"stats show-desc: there is no text, and no description in the global section", "")
	}
	a.page().ShowDesc, a.page().Desc = true, a.joined()
}

func statsHideVersion(a *args) {
	if a.done() {
		a.page().HideVersion = true
	}
}

func statsShowLegends(a *args) {
	if a.done() {
		a.page().ShowLegends = true
	}
}

func statsAdmin(a *args) {
	c := a.needCondition(sample.Request)
	if a.done() {
		a.page().Admin = append(a.page().Admin, c)
	}
}

func statsHTTPRequest(a *args) {
	if w := a.peek(); w != "" {
		name, _, _ := strings.Cut(w, "(")
		_, known := table.Lookup(inHTTPRequest, name)
		if _, here := table.Lookup(inStatsRule, name); known && !here {
			a.unsupported(a.next(), "allow, deny and auth are")
			return
		}
	}
	a.ruleSet(inStatsRule, sample.Request, &a.page().Rules)
	a.eitherOr()
}
