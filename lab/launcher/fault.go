package launcher

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/lab/site"
)

// fault is one experiment: what is done to a host of a settled site, what should come of it,
// and what brings the site back.
type fault struct {
	name   string
	title  string
	host   string // a node, or a web server behind the nodes
	action site.Action
	undo   site.Action
	// moves: another node must take the address over.
	moves bool
	// stays: the address must not move.
	stays bool
	// partial: some requests fail, or are slow, as long as the fault lasts.
	partial bool
	// leaves: the checks must take the server out of the table before the end.
	leaves bool
	// watch is how long to look at least, however soon the client is served again.
	watch time.Duration
	// outage is how long the client should be without an answer: at least and at most. Nothing is
	// expected of the outage of a partial fault, see failed.
	outage [2]time.Duration
	// failed is how many of the requests should fail, as a share; below 0: as many as the outage makes.
	failed float64
	// takeover is how long after the last advert of the old master the new one should announce
	// the address; 0: the address does not move.
	takeover time.Duration
	formula  string
}

// serverFault begins the names of the faults that are played on a web server behind the nodes.
const serverFault = "web-server-"

// slack is what the client's pace and the message itself add to any figure.
const slack = 100 * time.Millisecond

// faultNames lists the faults that can be played on the site, in the order of "all".
func faultNames(s *site.Site) []string {
	names := []string{"stop", "kill", "freeze", "cable"}
	servers := []string{"web-server-stop", "web-server-freeze", "web-server-slow", "web-server-500"}
	if s.LVS != nil {
		return append(names, servers...)
	}
	if s.Proxy != nil {
		return append(names, append([]string{"worker-kill", "worker-freeze"}, servers...)...)
	}
	return append(names, "web", "web-broken")
}

// FaultNames lists the faults that can be played on any of the sites.
func FaultNames() []string {
	var all []string
	for _, s := range site.All {
		for _, name := range faultNames(s) {
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all
}

// faultsByName makes the experiments of a list of names. A name may carry a host (kill@node2,
// web-server-stop@web2); without one the fault is played on the master, or on the first web server.
func faultsByName(s *site.Site, names []string) ([]fault, error) {
	var all []fault
	for _, name := range names {
		if name == "all" {
			for _, n := range faultNames(s) {
				all = append(all, newFault(s, n, ""))
			}
			continue
		}
		kind, where, elsewhere := strings.Cut(name, "@")
		if kind == "web1-stop" {
			kind, where, elsewhere = "web-server-stop", "web1", true
		}
		if !slices.Contains(faultNames(s), kind) {
			return nil, fmt.Errorf("lab: no fault %q on %s; there is: all, %s", name, s.Name,
				strings.Join(faultNames(s), ", "))
		}
		if hosts := hostsOf(s, kind); elsewhere && !slices.Contains(hosts, where) {
			return nil, fmt.Errorf("lab: fault %q: it can be played on %s", name, strings.Join(hosts, ", "))
		}
		all = append(all, newFault(s, kind, where))
	}
	return all, nil
}

// hostsOf are the hosts that a kind of fault can be played on.
func hostsOf(s *site.Site, kind string) (names []string) {
	if strings.HasPrefix(kind, serverFault) {
		for _, w := range s.Servers() {
			names = append(names, w.Name)
		}
		return names
	}
	for _, n := range s.Nodes {
		names = append(names, n.Name)
	}
	return names
}

// newFault computes what to expect from the timers in the site's files. An empty host is the
// first that the fault can be played on.
func newFault(s *site.Site, name, host string) fault {
	if strings.HasPrefix(name, serverFault) && s.LVS != nil {
		return newRealServerFault(s.LVS, name, host)
	}
	if strings.HasPrefix(name, serverFault) {
		return newServerFault(s, name, host)
	}
	master, backup := s.Nodes[0], s.Nodes[1]
	if host == "" {
		host = master.Name
	}
	wait, down := site.Skew(backup.Priority), s.MasterDown(backup.Priority)
	f := fault{name: name, host: host, moves: host == master.Name, failed: -1}
	silence := func(title string, action, undo site.Action) {
		f.title, f.action, f.undo = title, action, undo
		f.takeover, f.watch = down, down+1500*time.Millisecond
		f.outage = [2]time.Duration{down - s.Advert, down}
		f.formula = fmt.Sprintf("3 x %s + (256-%d)/256 s = %s after the last advert, which was sent up to %s before",
			s.Advert, backup.Priority, rounded(down), s.Advert)
	}
	crash := func(title string, action, undo site.Action) {
		silence(title, action, undo)
		// The gate stays open for three adverts after the last one sent, so the old master
		// serves on until then; the backup waits for the skew on top.
		f.outage = [2]time.Duration{wait, wait}
		f.formula = fmt.Sprintf("gate closes 3 x %s after the last advert; takeover at 3 x %s + (256-%d)/256 s = %s "+
			"after it; "+
			"outage is the difference, %s", s.Advert, s.Advert, backup.Priority, rounded(down), rounded(wait))
	}
	switch name {
	case "stop":
		f.title, f.action, f.undo = "stop the director", site.DirectorStop, site.DirectorStart
		f.outage, f.takeover, f.watch = [2]time.Duration{wait, wait}, wait, wait+1500*time.Millisecond
		f.formula = fmt.Sprintf("skew of the backup after priority 0: (256-%d)/256 s = %s", backup.Priority,
			rounded(wait))
	case "kill":
		crash("kill -9 the director", site.DirectorKill, site.DirectorStart)
	case "freeze":
		crash("freeze the director", site.DirectorFreeze, site.DirectorThaw)
	case "cable":
		silence("unplug the cable", site.CableOut, site.CableIn)
	case "web", "web-broken":
		f.expectCheck(s, name == "web-broken", wait)
	case "worker-kill", "worker-freeze":
		f.loseWorker(s, wait)
	}
	if host != master.Name { // on the backup nothing should happen to the client
		f.outage, f.takeover, f.formula = [2]time.Duration{}, 0, "the address is elsewhere: nothing happens"
	}
	return f
}

// loseWorker is a fault of the proxy's worker.
func (f *fault) loseWorker(s *site.Site, wait time.Duration) {
	if f.name == "worker-kill" {
		f.title, f.action, f.undo = "kill -9 the proxy worker", site.ProxyKill, site.BringBack
		f.moves, f.stays, f.watch = false, f.host == s.Nodes[0].Name, 2*time.Second
		f.outage = [2]time.Duration{0, workerBack}
		f.formula = fmt.Sprintf("the director starts another at once, within %s; the address stays", workerBack)
		return
	}
	f.title, f.action, f.undo = "freeze the proxy worker", site.ProxyFreeze, site.BringBack
	f.moves, f.watch = false, workerSilence+2*time.Second
	f.outage = [2]time.Duration{0, workerSilence + wait + slack}
	f.formula = fmt.Sprintf("the director replaces a worker that says nothing for %s; the check script looks "+
		"every %s and fails after %s, "+
		"and if that is earlier the backup takes over after its skew %s", workerSilence, s.CheckEvery, s.CheckLimit,
		rounded(wait))
}

const (
	// workerBack is how soon a proxy worker that died must be replaced.
	workerBack = 200 * time.Millisecond
	// workerSilence is how long a director waits for a word of its worker before it replaces it.
	workerSilence = 6 * time.Second
)

// expectCheck computes what the site's check script makes of a web server that has ended: it
// restarts it, and the node goes into FAULT when that does not help.
func (f *fault) expectCheck(s *site.Site, broken bool, wait time.Duration) {
	f.title, f.action, f.undo = "stop the web server", site.WebStop, site.BringBack
	if broken {
		f.title, f.action = "break the web server", site.WebBreak
		f.failingCheck(s, wait)
		return
	}
	node, _ := s.Node(f.host)
	f.moves = false // restarted by the check script, whatever the address does
	f.outage = [2]time.Duration{0, s.CheckEvery + wait + slack}
	f.watch = s.CheckEvery + s.CheckLimit + s.MasterDown(node.Priority) + 1500*time.Millisecond
	f.formula = fmt.Sprintf("the check looks every %s and restarts it at once; if the check itself takes longer than "+
		"%s "+
		"it fails, and the backup takes over after its skew %s", s.CheckEvery, s.CheckLimit, rounded(wait))
}

// failingCheck expects that the check script fails, at the latest because its time is up.
func (f *fault) failingCheck(s *site.Site, wait time.Duration) {
	f.outage = [2]time.Duration{wait, s.CheckEvery + s.CheckLimit + wait + slack}
	f.takeover, f.watch = wait, s.CheckEvery+s.CheckLimit+wait+1500*time.Millisecond
	f.formula = fmt.Sprintf("the check looks every %s, fails within %s, and the backup takes over after its skew %s",
		s.CheckEvery, s.CheckLimit, rounded(wait))
}

// newServerFault computes what the proxy's checks and retries make of a web server's fault.
func newServerFault(s *site.Site, name, host string) fault {
	p := s.Proxy
	if host == "" {
		host = p.Servers[0].Name
	}
	f := fault{name: name, host: host, undo: site.ServerMend, stays: true}
	detect := time.Duration(p.Fall) * p.Inter
	half := 1 / float64(len(p.Servers))
	// Servers take turns, so each has its share of the requests.
	const turn = "every second request"
	switch name {
	case "web-server-stop":
		f.title, f.action, f.watch = "stop a web server", site.ServerStop, detect+2*time.Second
		f.formula = fmt.Sprintf("a refused connection is retried up to %d times, or passed to the other server; "+
			"checks take it out after %d x %s; no request fails", p.Retries, p.Fall, p.Inter)
	case "web-server-freeze":
		f.title, f.action, f.watch, f.partial = "freeze a web server", site.ServerFreeze,
			s.AnswerLimit()+s.CheckLimit/6, true
		// Those who ask later are still waiting when the server goes on. Were it frozen for longer,
		// the check script of the master, which asks through the proxy too, might wait until its
		// time is up: then the address moves, by luck.
		over := f.watch - s.AnswerLimit()
		f.failed = half * float64(over) / float64(f.watch)
		f.formula = fmt.Sprintf("the kernel still accepts its connections, which is all the proxy's checks look at: "+
			"it stays in, and %s "+
			"waits up to the proxy's %s for it; the client gives up after %s, and thawed after %s it still finds the "+
			"others waiting",
			turn, p.ServerTimeout, s.AnswerLimit(), rounded(f.watch))
	case "web-server-slow":
		f.title, f.action, f.watch, f.partial = "make a web server slow", site.ServerSlow, detect+3*time.Second, true
		f.formula = fmt.Sprintf("%s takes %s; none fails", turn, site.SlowAnswer)
	case "web-server-500":
		f.title, f.action, f.watch, f.partial, f.failed = "let a web server answer 500", site.ServerFail,
			detect+2*time.Second, true, half
		f.formula = fmt.Sprintf("the checks only connect, so it stays in: %s is answered 500, passed on as it is", turn)
	}
	return f
}

// newRealServerFault computes what a director's checks make of a real server's fault.
func newRealServerFault(v *site.LVS, name, host string) fault {
	if host == "" {
		host = v.Servers[0].Name
	}
	f := fault{name: name, host: host, undo: site.ServerMend, stays: true, partial: true, failed: -1}
	half := 1 / float64(len(v.Servers))
	// The first check after the fault comes within one loop.
	leaves := func(check time.Duration, what string) {
		most := v.FailedAfter(check)
		f.leaves = true
		f.watch = most + 3*time.Second
		f.failed = half * float64(most-v.Loop/2) / float64(f.watch)
		f.formula = fmt.Sprintf("%s, until the checks take it out: at most %s + %d x (%s + %s) + %s = %s",
			what, v.Loop, v.Retry, v.RetryDelay, check, check, rounded(most))
	}
	switch name {
	case "web-server-stop":
		f.title, f.action = "stop a web server", site.ServerStop
		leaves(0, "every second connection is refused")
	case "web-server-500":
		f.title, f.action = "let a web server answer 500", site.ServerFail
		leaves(0, "every second request is answered 500")
	case "web-server-freeze":
		f.title, f.action = "freeze a web server", site.ServerFreeze
		leaves(v.Connect, "every second request times out")
	case "web-server-slow":
		f.title, f.action, f.watch = "make a web server slow", site.ServerSlow, v.Loop+3*time.Second
		f.formula = fmt.Sprintf("every second request takes %s; the checks allow %s, so it stays in; none fails",
			site.SlowAnswer, v.Connect)
	}
	return f
}

func rounded(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
