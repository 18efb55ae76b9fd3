package admin

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/proxy"
)

// What the page's template is given.
type (
	view struct {
		Title, Version, Node, Desc string
		Facts                      []figure
		Down                       []downView
		Proxies                    []proxyView
		Links                      []link
		Scope                      string // written into the form
		Message                    string
		Failed                     bool
		URI                        string // of the page, for the scope's form
		Live                       string // where changes come from; empty: nowhere
		Seconds                    int    // between them
		Refresh                    int    // without a script
		Style                      template.CSS
		Script                     template.JS
	}
	figure struct{ Label, Text, Tip string }
	link   struct {
		Text, URI string
		On        bool
	}
	// downView is something that does not serve though it should.
	downView struct{ ID, Name, Why string }

	proxyView struct {
		Name, About, Desc string
		IID               int
		Admin             bool
		Rows              []rowView
	}
	rowView struct {
		ID, Name, Tip string
		Class         string // colour
		State, Since  string
		Check         string
		CheckTip      string
		Select        bool // has a box for orders
		Cells         []cell
	}
	cell struct {
		Label, Text, Tip string
		Class            string // k: shown on narrow screens too; e: more than it should be
	}
)

// liveSeconds is how often the page asks for changes where no refresh is configured.
const liveSeconds = 3

// view prepares the page.
func (a *Admin) view(req *proxy.AppletRequest, w query, st *proxy.Status, rows []*proxy.Row) *view {
	page := req.Page
	i := &st.Info
	v := &view{Title: "Evenkeel", URI: page.URI, Scope: w.scope, Style: template.CSS(pageStyle),
		Script: template.JS(pageScript)}
	if !page.HideVersion {
		v.Version = a.opts.Version
	}
	// Differs from HAProxy: who may give orders sees which node they go to, without stats show-node.
	if page.ShowNode || req.Admin {
		if v.Node = page.Node; v.Node == "" {
			v.Node = i.Node
		}
	}
	if page.ShowDesc {
		if v.Desc = page.Desc; v.Desc == "" {
			v.Desc = i.Description
		}
	}
	if v.Node != "" {
		v.Title += " on " + v.Node
	}
	v.Facts = processFigures(i, rows, a.now().Sub(i.Started))
	v.Message, v.Failed = outcome(w.outcome, known(req, w.report, st.Rows))
	v.Links = links(page.URI, w)
	if !w.noRefresh {
		v.Seconds = liveSeconds
		if page.Refresh > 0 {
			v.Seconds = max(int(page.Refresh/time.Second), 1)
			v.Refresh = v.Seconds
		}
		v.Live = page.URI + ";live" + w.words() + w.tail()
	}
	for _, r := range rows {
		v.addRow(req, r)
		if strings.HasPrefix(r.State, "DOWN") {
			v.Down = append(v.Down, newDown(r))
		}
	}
	return v
}

// newDown says what is down, why and since when.
func newDown(r *proxy.Row) downView {
	v := downView{ID: r.Proxy.Name + "/" + r.Name, Name: r.Proxy.Name + "/" + r.Name}
	var why []string
	if r.Kind == proxy.BackendRow {
		v.Name = "backend " + r.Proxy.Name
		why = append(why, "no server")
	}
	switch _, via, ok := strings.Cut(r.State, " (via "); {
	case ok:
		why = append(why, "as "+strings.TrimSuffix(via, ")"))
	case checked(r):
		why = append(why, r.Check.Status)
		if text := cmp.Or(r.Check.Text, r.Check.Describe); text != "" {
			why = append(why, text)
		}
	}
	v.Why = strings.Join(append(why, span(r.LastChange)), ", ")
	return v
}

// addRow adds a row to the section of its proxy.
func (v *view) addRow(req *proxy.AppletRequest, r *proxy.Row) {
	n := len(v.Proxies)
	if n == 0 || v.Proxies[n-1].IID != r.IID || v.Proxies[n-1].Name != r.Proxy.Name {
		p := proxyView{Name: r.Proxy.Name, IID: r.IID, About: about(r.Proxy), Desc: r.Proxy.Description}
		p.Admin = req.Admin && r.Proxy.Back && len(r.Proxy.Servers) > 0
		v.Proxies = append(v.Proxies, p)
		n++
	}
	p := &v.Proxies[n-1]
	p.Rows = append(p.Rows, newRow(req.Page, r, p.Admin))
}

// about says what a proxy is.
func about(p *config.Proxy) string {
	kind := p.Kind
	if kind == "" {
		kind = "proxy"
	}
	return kind + ", " + modeName(p.Mode)
}

// processFigures are those of the process as a whole.
func processFigures(i *proxy.Info, rows []*proxy.Row, age time.Duration) []figure {
	up, servers := 0, 0
	for _, r := range rows {
		if r.Kind == proxy.ServerRow {
			servers++
			if isUp(r) {
				up++
			}
		}
	}
	all := []figure{
		{"Up for", uptime(age), "since " + i.Started.Format("2006-01-02 15:04:05")},
		{"Connections", count(i.CurrentConns),
			fmt.Sprintf("now; at most %d, allowed %d, since the start %d", i.MaxConnSeen, i.MaxConn, i.Connections)},
		{"Connections/s", count(i.ConnRate), fmt.Sprintf("in the last second; at most %d", i.ConnRateMax)},
		{"Requests", count(i.Requests), fmt.Sprintf("since the start: %d", i.Requests)},
		{"Servers up", fmt.Sprintf("%d of %d", up, servers), "servers that take requests, of those shown"},
		{"Process", strconv.Itoa(i.PID), fmt.Sprintf("%d threads, %d listeners", i.Threads, i.Listeners)},
	}
	if i.DroppedLogs > 0 {
		all = append(all, figure{"Logs lost", count(i.DroppedLogs), "lines that nobody took"})
	}
	if i.Draining {
		all = append(all, figure{"State", "draining", "connections end, none are accepted"})
	}
	return all
}

// orders are the actions of the form as messages name them.
var orders = map[string]string{
	"ready": "state ready", "enable": "state ready", "start": "state ready", "drain": "state drain",
	"stop":  "state drain",
	"maint": "state maintenance", "disable": "state maintenance", "dhlth": "checks stopped", "ehlth": "checks started",
	"hrunn": "health up", "hnolb": "health stopping", "hdown": "health down", "shutdown": "sessions ended",
}

// known takes from a report what is not on the page: it came in a URI, which anyone may have written.
func known(req *proxy.AppletRequest, r report, rows []proxy.Row) report {
	there := func(names []string) (found []string) {
		for _, name := range names {
			if slices.ContainsFunc(rows, func(x proxy.Row) bool {
				return x.Kind == proxy.ServerRow && x.Name == name && x.Proxy.Name == r.backend && mayOrder(req, &x)
			}) {
				found = append(found, r.backend+"/"+name)
			}
		}
		return found
	}
	r.done, r.not = there(r.done), there(r.not)
	if orders[r.action] == "" || len(r.done)+len(r.not) == 0 {
		return report{}
	}
	return r
}

// outcome is what the page says about the order that led to it.
func outcome(code string, r report) (text string, failed bool) {
	what, done, not := orders[r.action], strings.Join(r.done, ", "), strings.Join(r.not, ", ")
	if r.more > 0 {
		done += fmt.Sprintf(" and %d more", r.more)
	}
	switch {
	case code == "DONE" && done != "":
		return fmt.Sprintf("%s: %s.", done, what), false
	case code == "DONE":
		return "Done.", false
	case code == "PART" && done != "" && not != "":
		return fmt.Sprintf("%s: %s. Refused for %s.", done, what, not), true
	case code == "PART":
		return "Done for some of the servers only.", true
	case code == "NONE":
		return "Nothing was changed: choose servers and an action.", true
	case code == "ERRP" && not != "":
		return fmt.Sprintf("Nothing was changed for %s: %s was refused.", not, what), true
	case code == "ERRP":
		return "Nothing was changed: the order was not understood, or could not be carried out.", true
	case code == "DENY":
		return "Nothing was changed: this page may not give orders from here.", true
	case code == "EXCD":
		return "Nothing was changed: too many servers at once.", true
	}
	return "", false
}

// links are the page's ways to itself.
func links(uri string, w query) []link {
	with := func(change func(*query)) string {
		x := w
		change(&x)
		return uri + x.words() + x.tail()
	}
	return []link{
		{"Only servers that are up", with(func(x *query) { x.up = !x.up }), w.up},
		{"Without maintenance", with(func(x *query) { x.noMaint = !x.noMaint }), w.noMaint},
		{"Live", with(func(x *query) { x.noRefresh = !x.noRefresh }), !w.noRefresh},
		{"CSV", uri + ";csv" + w.words() + w.tail(), false},
		{"JSON", uri + ";json" + w.words() + w.tail(), false},
	}
}

// newRow prepares a line of a proxy's table.
func newRow(page *config.StatsPage, r *proxy.Row, admin bool) rowView {
	v := rowView{ID: r.Proxy.Name + "/" + r.Name, Name: r.Name, Class: colour(r), State: r.State}
	switch r.Kind {
	case proxy.FrontendRow:
		v.Name = "Frontend"
	case proxy.BackendRow:
		v.Name = "Backend"
	case proxy.ServerRow:
		v.Select = admin
	}
	var tips []string
	if page.ShowLegends {
		if r.Address != "" {
			tips = append(tips, r.Address)
		}
		if r.Cookie != "" {
			tips = append(tips, "cookie "+r.Cookie)
		}
		if r.Algorithm != "" {
			tips = append(tips, "balance "+r.Algorithm)
		}
	}
	if r.Kind == proxy.ServerRow || r.Kind == proxy.ListenerRow {
		tips = append(tips, "id "+strconv.Itoa(r.SID))
	}
	if r.Tracked != "" {
		tips = append(tips, "tracks "+r.Tracked)
	}
	v.Tip = strings.Join(tips, ", ")
	if r.Kind != proxy.FrontendRow && r.Kind != proxy.ListenerRow {
		v.Since = span(r.LastChange)
	}
	if state, via, ok := strings.Cut(r.State, " (via "); ok {
		v.State, v.Check = state, "via "+strings.TrimSuffix(via, ")")
		v.CheckTip = "it takes its state from that server"
	} else if checked(r) {
		v.Check = checkStatus(r)
		if r.Check.Code > 0 {
			v.Check += "/" + strconv.Itoa(r.Check.Code)
		}
		v.Check += fmt.Sprintf(" %dms", r.Check.Duration.Milliseconds())
		v.CheckTip = strings.TrimSuffix(r.Check.Describe+": "+r.Check.Text, ": ")
	}
	v.Cells = cellsOf(r)
	return v
}

// colour is the class of a row: what the reference's colours mean.
func colour(r *proxy.Row) string {
	word, rest, _ := strings.Cut(r.State, " ")
	class := ""
	switch {
	case r.Kind == proxy.FrontendRow || r.Kind == proxy.ListenerRow:
		switch word {
		case "OPEN":
			return "front"
		case "FULL":
			return "falling"
		}
		return "maint"
	case word == "MAINT":
		return "maint"
	case word == "DRAIN" || word == "NOLB":
		return "drain"
	case word == "DOWN" && strings.Contains(rest, "/") && !strings.Contains(rest, "via"):
		class = "rising"
	case word == "DOWN":
		return "down"
	case word == "UP" && strings.Contains(rest, "/") && !strings.Contains(rest, "via"):
		class = "falling"
	case word == "no":
		class = "unchecked"
	case r.Kind == proxy.BackendRow:
		return "back"
	default:
		class = "up"
	}
	if r.Kind == proxy.ServerRow && r.Backup > 0 {
		class += " backup"
	}
	return class
}

// cellsOf are a row's figures in the order of the heads in page.html.
func cellsOf(r *proxy.Row) []cell {
	f := figures{
		Row: r, front: r.Kind == proxy.FrontendRow || r.Kind == proxy.ListenerRow, server: r.Kind == proxy.ServerRow,
	}
	return slices.Concat(f.traffic(), f.faults(), f.service())
}

// figures are a row with what decides which of its cells are empty.
type figures struct {
	*proxy.Row
	front, server bool
}

// bad marks what should be 0 where it is not; it then belongs on narrow screens too.
func bad(c cell, n int64) cell {
	if n > 0 && c.Text != "" {
		c.Class += " e k"
	}
	return c
}

// key is a cell that narrow screens show.
func key(c cell) cell {
	c.Class += " k"
	return c
}

func number(label string, n int64) cell { return cell{Label: label, Text: count(n), Tip: exact(n)} }

// back is a number that frontends do not have.
func (f figures) back(label string, n int64) cell {
	if f.front {
		return cell{Label: label}
	}
	return number(label, n)
}

func (f figures) traffic() []cell {
	return []cell{
		bad(key(f.back("Queue", f.QueueNow)), f.QueueNow), f.back("Queue, most", f.QueueMax),
		{Label: "Queue, limit", Text: limit(f.server, f.QueueLimit)},
		key(number("Sessions/s", f.Rate)), number("Sessions/s, most", f.RateMax),
		{Label: "Sessions/s, limit", Text: limit(f.front, f.RateLimit)},
		key(number("Sessions", f.SessionsNow)), number("Sessions, most", f.SessionsMax),
		{Label: "Sessions, limit", Text: limit(true, f.SessionsLimit)},
		key(withTip(number("Sessions, total", f.SessionsTotal), totals(f.Row))),
		f.back("Chosen by balancing", f.Selected),
		{Label: "Last session", Text: last(f.Row, f.front)},
		key(size("Bytes in", f.BytesIn)), key(size("Bytes out", f.BytesOut)),
	}
}

func (f figures) faults() []cell {
	denied := cell{Label: "Requests denied"}
	if !f.server {
		denied = number("Requests denied", f.DeniedRequests)
	}
	requestErrors := cell{Label: "Request errors"}
	if f.front {
		requestErrors = number("Request errors", f.FailedRequests)
	}
	return []cell{
		bad(denied, f.DeniedRequests), bad(number("Responses denied", f.DeniedResponses), f.DeniedResponses),
		bad(requestErrors, f.FailedRequests),
		bad(f.back("Connection errors", f.FailedConnections), f.FailedConnections),
		bad(f.back("Response errors", f.FailedResponses), f.FailedResponses),
		bad(f.back("Retries", f.Retries), f.Retries), bad(f.back("Redispatches", f.Redispatches), f.Redispatches),
	}
}

// service is what backends and servers have.
func (f figures) service() []cell {
	weight, active, backup, fails, downs, downtime, throttle := cell{Label: "Weight"}, "", "", "", "", "", ""
	if !f.front {
		tip := fmt.Sprintf("effective %d, set %d", f.Weight, f.UserWeight)
		weight = key(cell{Label: "Weight", Text: weightText(f.Row), Tip: tip})
		active, backup = strconv.Itoa(f.Active), strconv.Itoa(f.Backup)
		downs, downtime = strconv.FormatInt(f.DownTransitions, 10), span(f.DownTime)
	}
	if f.server {
		active, backup = tick(f.Active), tick(f.Backup)
		fails = strconv.FormatInt(f.CheckFailures, 10)
		if !f.Check.On {
			fails, downs, downtime = "", "", ""
		}
		if f.Throttle >= 0 {
			throttle = strconv.Itoa(f.Throttle) + "%"
		}
	}
	if f.DownTime <= 0 && downtime != "" {
		downtime = "0s"
	}
	return []cell{
		weight, {Label: "Active", Text: active}, {Label: "Backup", Text: backup}, {Label: "Checks failed", Text: fails},
		{Label: "Went down", Text: downs}, {Label: "Down time", Text: downtime}, {Label: "Throttle", Text: throttle},
	}
}

func withTip(c cell, tip string) cell {
	c.Tip = tip
	return c
}

func weightText(r *proxy.Row) string {
	if r.Kind == proxy.ServerRow && r.Weight != r.UserWeight {
		return fmt.Sprintf("%d/%d", r.Weight, r.UserWeight)
	}
	return strconv.FormatInt(r.Weight, 10)
}

// totals is the small print of the total of sessions.
func totals(r *proxy.Row) string {
	lines := []string{fmt.Sprintf("sessions %d", r.SessionsTotal)}
	if r.Kind == proxy.FrontendRow {
		lines = append(lines, fmt.Sprintf("connections %d", r.ConnTotal))
	}
	if r.Mode == config.HTTP {
		if r.Kind == proxy.FrontendRow || r.ReqTotal > 0 {
			lines = append(lines, fmt.Sprintf("requests %d", r.ReqTotal))
		}
		for n, label := range []string{"other", "1xx", "2xx", "3xx", "4xx", "5xx"} {
			lines = append(lines, fmt.Sprintf("%s %d", label, r.Codes[n]))
		}
		if r.Kind == proxy.FrontendRow {
			lines = append(lines, fmt.Sprintf("answered here %d", r.Intercepted))
		}
	}
	if r.Kind == proxy.ServerRow || r.Kind == proxy.BackendRow {
		lines = append(lines, fmt.Sprintf("new connections %d, used again %d", r.Connects, r.Reuses),
			fmt.Sprintf("mean / most ms: queue %d / %d, connect %d / %d, response %d / %d, total %d / %d", r.QueueTime,
				r.QueueTimeMax, r.ConnectTime, r.ConnectTimeMax,
				r.ResponseTime, r.ResponseTimeMax, r.TotalTime, r.TotalTimeMax),
			fmt.Sprintf("aborted by clients %d, by servers %d", r.ClientAborts, r.ServerAborts))
	}
	return strings.Join(lines, "\n")
}

// last says when the last session was.
func last(r *proxy.Row, isFront bool) string {
	switch {
	case isFront:
		return ""
	case r.LastSession < 0:
		return "never"
	}
	return span(r.LastSession)
}

// tick marks that a server is of a sort.
func tick(n int) string {
	if n > 0 {
		return "Y"
	}
	return "-"
}

// limit writes a limit, a dash where there is none.
func limit(has bool, n int64) string {
	switch {
	case !has:
		return ""
	case n == 0:
		return "-"
	}
	return count(n)
}

// shortFrom is the first number that has no room in a column of the page.
const shortFrom = 100_000

// count writes a number with its thousands apart, and large ones short.
func count(n int64) string {
	if n >= shortFrom || n <= -shortFrom {
		return short(float64(n), 1000, []string{"", "k", "M", "G", "T", "P", "E"})
	}
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "\u202f" + s[i:] // a narrow space that does not break
	}
	return s
}

func exact(n int64) string {
	if n < shortFrom {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// size writes bytes.
func size(label string, n int64) cell {
	c := cell{Label: label, Text: short(float64(n), 1024, []string{"", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"})}
	if n >= 1024 {
		c.Tip = strconv.FormatInt(n, 10) + " bytes"
	}
	return c
}

// short writes a number with at most three digits and a unit, so that it fits a column.
func short(x, step float64, units []string) string {
	i := 0
	for x >= 999.5 && i < len(units)-1 {
		x /= step
		i++
	}
	digits := 0
	if i > 0 && x < 100 {
		digits = 1
	}
	return strconv.FormatFloat(x, 'f', digits, 64) + units[i]
}

// span writes a duration by its two largest units.
func span(d time.Duration) string {
	n := int64(d / time.Second)
	switch {
	case n < 0:
		return ""
	case n < 60:
		return fmt.Sprintf("%ds", n)
	case n < 3600:
		return fmt.Sprintf("%dm%02ds", n/60, n%60)
	case n < 86400:
		return fmt.Sprintf("%dh%02dm", n/3600, n/60%60)
	}
	return fmt.Sprintf("%dd%dh", n/86400, n/3600%24)
}
