package launcher

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/lab/board"
	"github.com/evenkeel/evenkeel/lab/measure"
	"github.com/evenkeel/evenkeel/lab/site"
)

// storyFaults is what the site's story tells, in order. Each is followed by its undoing.
func storyFaults(s *site.Site) []string {
	if s.LVS != nil {
		return []string{"web-server-stop", "kill", "freeze", "stop", "cable"}
	}
	if s.Proxy != nil {
		return []string{"worker-kill", "web-server-stop", "web-server-freeze", "web-server-slow", "freeze", "kill",
			"cable"}
	}
	return []string{"kill", "freeze", "cable", "web"}
}

// show serves the page until ctx ends. With a story, the story comes first; where standard
// output is no terminal, it is also the end.
func (l *lab) show(ctx context.Context) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	page := &board.Page{Board: l.board, Site: l.site, Act: l.button, Fetch: l.fetch,
		Expect: func(host string, a site.Action) (board.Expectation, bool) { return expect(l.site, host, a) }}
	url, err := page.Serve(ctx, l.opt.Listen)
	if err != nil {
		return 2, err
	}
	l.out.progress("page: %s", url)
	switch {
	case l.out.tty:
		go l.keepLive(ctx, url)
	case !l.opt.Story: // the story has its own lines
		go l.printEvents(ctx)
	}
	exit := 0
	if l.opt.Story {
		if exit, err = l.story(ctx); err != nil {
			if ctx.Err() != nil {
				return 0, nil
			}
			return 2, err
		}
		if !l.out.tty {
			return exit, nil
		}
		l.out.line("")
		l.out.line("The site stays up. Open " + url + " and pull the cables yourself; Ctrl-C ends it.")
	}
	select {
	case <-ctx.Done():
		return exit, nil
	case err := <-l.failed:
		return 2, err
	}
}

// keepLive refreshes the live lines.
func (l *lab) keepLive(ctx context.Context, url string) {
	tick := time.NewTicker(400 * time.Millisecond)
	defer tick.Stop()
	for {
		l.out.refresh(liveLines(l.board.Snapshot(site.Now()), url))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// printEvents writes every change as a line of its own.
func (l *lab) printEvents(ctx context.Context) {
	printed := 0
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		var news []board.Event
		news, printed = l.board.EventsAfter(printed)
		for _, e := range news {
			l.out.line(fmt.Sprintf("%6.1f s    %s", float64(e.At)/1000, e.Text))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// story plays the story's faults and closes with a table.
func (l *lab) story(ctx context.Context) (int, error) {
	l.board.Say("story", "waiting until "+l.site.Nodes[0].Name+" is master")
	if err := l.settle(ctx); err != nil {
		return 0, err
	}
	l.out.progress("%s is master and serves the client; %s stands by", l.site.Nodes[0].Name, l.site.Nodes[1].Name)
	faults, err := faultsByName(l.site, storyFaults(l.site))
	if err != nil {
		return 0, err
	}
	results, err := l.playAll(ctx, faults)
	if err != nil {
		return 0, err
	}
	l.board.Say("ready", "")
	for _, text := range table(results) {
		l.out.line(text)
	}
	return exitStatus(results), nil
}

// playAll plays faults one after the other and says after each what it cost.
func (l *lab) playAll(ctx context.Context, faults []fault) ([]Result, error) {
	var results []Result
	for _, f := range faults {
		l.board.Say("", f.title+" on "+f.host)
		res, err := l.play(ctx, f)
		if err != nil {
			return results, err
		}
		results = append(results, res)
		l.out.progress("%s", res.sentence())
		if l.opt.Story && (!f.stays || res.RepairFailed > 0) {
			l.out.progress("  %s: client without an answer for %.0f ms", f.undo.Past(f.host), res.RepairOutage)
		}
	}
	return results, nil
}

// sentence is the result in one line.
func (r Result) sentence() string {
	s := fmt.Sprintf("%s on %s: client without an answer for %.0f ms (%d requests failed), double master %.1f ms",
		r.Title, r.Node, r.Outage, r.Failed, r.Double)
	if _, server := r.Served[r.Node]; server && strings.HasPrefix(r.Fault, serverFault) {
		s = fmt.Sprintf("%s (%s): %d of %d requests failed, %d were slow, the slowest answer took %.1f s; answers by%s",
			r.Title, r.Node, r.Failed, r.Asked, r.Slow, r.Longest/1000, r.servers())
	}
	if r.Held != nil && r.Held.Survived() == "" {
		s += fmt.Sprintf("; the %d MB download went on (longest pause %.0f ms), and so did the idle connection",
			site.DownloadSize>>20, r.Held.Stalled)
	}
	if r.Problem != "" {
		s += "; " + r.Problem
	}
	return s
}

// table is the closing table.
func table(results []Result) []string {
	lines := []string{"", fmt.Sprintf("  %-27s %-6s %10s %17s %9s %7s %11s  %s", "fault", "on", "outage", "expected",
		"failed", "slow", "two masters", "then")}
	for _, r := range results {
		outage := fmt.Sprintf("%.0f ms", r.Outage)
		if r.ExpectedOutage == nil {
			outage = "-"
		}
		lines = append(lines, fmt.Sprintf("  %-27s %-6s %10s %17s %9s %7d %8.1f ms  %s",
			r.Title, r.Node, outage, r.expected(), fmt.Sprintf("%d/%d", r.Failed, r.Asked), r.Slow, r.Double, r.then()))
	}
	return append(lines, "")
}

// expected is the expectation in a word or two.
func (r Result) expected() string {
	if r.ExpectedFailed != nil && *r.ExpectedFailed > 0 {
		return fmt.Sprintf("%.0f %% fail", 100**r.ExpectedFailed)
	}
	if r.ExpectedOutage == nil || r.ExpectedOutage[1] == 0 {
		return "none fails"
	}
	if r.ExpectedOutage[0] != r.ExpectedOutage[1] {
		return fmt.Sprintf("%.0f-%.0f ms", r.ExpectedOutage[0], r.ExpectedOutage[1])
	}
	return fmt.Sprintf("%.0f ms", r.ExpectedOutage[1])
}

// servers says who answered how many requests.
func (r Result) servers() string {
	s := ""
	for _, name := range slices.Sorted(maps.Keys(r.Served)) {
		s += fmt.Sprintf(" %s %d", name, r.Served[name])
	}
	return s
}

// then says who held the address in the end, who gave the answers, and what it took the proxies.
func (r Result) then() string {
	s := r.Master + " holds the address;" + r.servers()
	if r.Retries != nil && *r.Retries+*r.Redispatches > 0 {
		s += fmt.Sprintf(", %d retries, %d redispatches", *r.Retries, *r.Redispatches)
	}
	return s
}

// exitStatus is the exit status of a series of faults.
func exitStatus(results []Result) int {
	for _, r := range results {
		if !r.OK {
			return 1
		}
	}
	return 0
}

// Report is what --faults --json prints.
type Report struct {
	Site         string            `json:"site"`
	Kind         string            `json:"kind,omitempty"` // of lvs-dr
	Director     string            `json:"director"`
	Rootless     bool              `json:"rootless"`
	Gate         map[string]string `json:"gate"` // mode by node
	RequestEvery float64           `json:"request_every_ms"`
	ProbeEvery   float64           `json:"probe_every_ms"`
	Faults       []Result          `json:"faults"`
	Double       float64           `json:"double_master_ms"`
	OK           bool              `json:"ok"`
	Error        string            `json:"error,omitempty"` // why the series ended early
}

// playFaults plays the faults without the page and prints what they cost.
func (l *lab) playFaults(ctx context.Context, faults []fault) (int, error) {
	l.board.Say("faults", "")
	results, err := l.playAll(ctx, faults)
	if ctx.Err() != nil {
		return 130, nil
	}
	if !l.opt.JSON {
		for _, text := range table(results) {
			l.out.line(text)
		}
		if err != nil {
			return 1, err
		}
		return exitStatus(results), nil
	}
	st := l.board.Snapshot(site.Now())
	rep := Report{
		Site: st.Site, Director: st.Director, Rootless: st.Rootless, Gate: make(map[string]string),
		RequestEvery: measure.Millis(int64(site.RequestEvery)), ProbeEvery: measure.Millis(site.ProbeEvery),
		Kind: l.site.Kind(), Faults: results, OK: err == nil && exitStatus(results) == 0,
	}
	for _, n := range st.Nodes {
		rep.Gate[n.Name] = n.VRRP.GateMode
	}
	for _, r := range results {
		rep.Double += r.Double
	}
	if err != nil {
		rep.Error = err.Error()
	}
	enc := json.NewEncoder(l.opt.Stdout)
	enc.SetIndent("", "  ")
	if encErr := enc.Encode(rep); encErr != nil {
		return 2, encErr
	}
	if err != nil {
		return 1, err
	}
	return exitStatus(results), nil
}
