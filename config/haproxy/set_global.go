package haproxy

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/config"
)

const many = math.MaxInt32

func setGlobalMaxConn(a *args) {
	n := a.integer(a.need("a number"), 0, many, true)
	if a.done() {
		a.global.MaxConn = n
	}
}

func setMaxConnRate(a *args) {
	n := a.integer(a.need("a number"), 0, many, true)
	if a.done() {
		a.global.MaxConnRate = n
	}
}

// setUser takes user and uid.
func setUser(a *args) { a.owner(&a.global.user, &a.global.User, a.k.word == "uid") }

// setGroup takes group and gid.
func setGroup(a *args) { a.owner(&a.global.group, &a.global.Group, a.k.word == "gid") }

// owner takes a user or group; the first one given counts, as in HAProxy.
// Differs from HAProxy: users, descriptors and namespaces are no matter of the text: check and run look them up on
// their machine.
func (a *args) owner(given *word, to *config.Owner, number bool) {
	w := a.need("a name")
	if number {
		a.integer(w, 0, many, true)
	}
	if !a.done() {
		return
	}
	if given.text != "" {
		a.report.Warn(w.pos, "repeated", fmt.Sprintf("%s is given again; the first counts", q(a.name)),
			fmt.Sprintf("the first is on line %d", given.pos.Line))
		return
	}
	*given = w
	if strings.HasPrefix(a.k.word, "u") {
		to.User = w.text
	} else {
		to.Group = w.text
	}
}

func setChroot(a *args) {
	w := a.need("a directory")
	if a.done() {
		a.global.Chroot, a.global.ChrootPos = w.text, w.pos
	}
}

func setPIDFile(a *args) {
	w := a.need("a file name")
	if a.done() {
		a.global.PIDFile = w.text
	}
}

func setDaemon(a *args) {
	if a.done() {
		a.global.Daemon = true
	}
}

func setThreads(a *args) {
	n := a.integer(a.need("a number"), 1, 64, false)
	if a.done() {
		a.global.Threads = n
	}
}

// setProcesses takes nbproc, whose processes are our threads. nbthread counts for more.
func setProcesses(a *args) {
	n := a.integer(a.need("a number"), 1, 64, true)
	if a.done() {
		a.global.nbproc = n
	}
}

func setDescriptors(a *args) {
	n := a.integer(a.need("a number"), 0, many, true)
	if a.done() {
		a.global.DescriptorMax = n
	}
}

func setHardStop(a *args) {
	d := a.duration(a.need("a time"), 0)
	if a.done() {
		a.global.HardStopAfter = d
	}
}

func setSpreadChecks(a *args) {
	n := a.integer(a.need("a number"), 0, 50, a.peekIsNoNumber())
	if a.done() {
		a.global.SpreadChecks = n
	}
}

func setMaxSpreadChecks(a *args) {
	d := a.duration(a.need("a time"), 0)
	if a.done() {
		a.global.MaxSpreadChecks = d
	}
}

// peekIsNoNumber reports whether the word last taken is no number; where HAProxy then reads 0.
func (a *args) peekIsNoNumber() bool {
	if a.at == 0 || a.at > len(a.list) {
		return false
	}
	return strings.Trim(a.list[a.at-1].text, "0123456789-") != ""
}

func setBufSize(a *args) {
	n := a.integer(a.need("a number"), 1, many, false)
	const least, most = 1024, 1 << 20
	if !a.failed && (n < least || n > most) {
		a.refuse(a.list[0], "out-of-range", fmt.Sprintf("must be from %d to %d", least, most), "")
	}
	if a.done() {
		a.global.BufSize = n
	}
}

func setMaxRewrite(a *args) {
	n := a.integer(a.need("a number"), 0, many, false)
	if a.done() {
		a.global.MaxRewrite = n
	}
}

func setMaxHeaders(a *args) {
	n := a.integer(a.need("a number"), 1, 32767, false)
	if a.done() {
		a.global.MaxHeaders = n
	}
}

func setNode(a *args) {
	w := a.need("a name")
	a.checkNode(w)
	if a.done() {
		a.global.Node = w.text
	}
}

// checkNode refuses a node name with a byte that none may hold.
func (a *args) checkNode(w word) {
	if c, bad := badNameByte(w.text); bad || strings.Contains(w.text, ":") {
		if !bad {
			c = ':'
		}
		a.fail(w.pos, "bad-name", fmt.Sprintf("%s %s: %s is not permitted in a node's name", a.name, q(w.text),
			q(string(c))), "letters, digits and ._- are")
	}
}

func setGlobalDescription(a *args) {
	a.need("a text")
	if !a.failed {
		a.at = 0
		a.global.Description = a.joined()
	}
}

// joined takes all words that are left as one text.
func (a *args) joined() string {
	var texts []string
	for _, w := range a.rest() {
		texts = append(texts, w.text)
	}
	return strings.Join(texts, " ")
}

func setLogTag(a *args) {
	w := a.need("a tag")
	if !a.done() {
		return
	}
	if a.draft != nil {
		a.draft.proxy.LogTag = w.text
	} else {
		a.global.LogTag = w.text
	}
}

func setLogSendHostname(a *args) {
	a.global.LogSendHost, a.global.LogHost = true, a.peek()
	a.rest()
}

func setEnv(a *args) {
	name, value := a.need("a name"), a.need("a value")
	a.rest()
	if a.failed {
		return
	}
	if _, set := a.variable(name.text); set && a.k.word == "presetenv" {
		return
	}
	a.env[name.text] = &value.text
}

func unsetEnv(a *args) {
	for _, w := range a.rest() {
		a.env[w.text] = nil
	}
}

// resetEnv keeps only the variables named.
func resetEnv(a *args) {
	keep := make(map[string]*string)
	for _, w := range a.rest() {
		if v, ok := a.variable(w.text); ok {
			keep[w.text] = &v
		}
	}
	a.env, a.bare = keep, true
	a.opts.Getenv = func(string) (string, bool) { return "", false }
}

// environment is what the lines above leave.
func (r *reader) environment() config.Environment {
	e := config.Environment{Bare: r.bare}
	for name, v := range r.env {
		if v == nil {
			e.Unset = append(e.Unset, name)
			continue
		}
		if e.Set == nil {
			e.Set = make(map[string]string)
		}
		e.Set[name] = *v
	}
	slices.Sort(e.Unset)
	return e
}

func setGlobalStats(a *args) { a.sub(inGlobalStats) }

func setStatsSocket(a *args) {
	a.global.listenSeen = true
	w := a.need("an address")
	addrs := a.listenAddresses(w)
	l := listenDraft{level: config.LevelOperator}
	a.listenParameters(&l)
	if !a.done() {
		return
	}
	for _, at := range addrs {
		at.Interface, at.V4V6, at.V6Only, at.Transparent = l.Interface, l.V4V6, l.V6Only, l.Transparent
		at.Backlog, at.Mode, at.User, at.Group = l.Backlog, l.Mode, l.User, l.Group
		a.global.StatsSockets = append(a.global.StatsSockets, config.StatsSocket{Listen: at, Level: l.level})
	}
}

func setStatsTimeout(a *args) {
	d := a.duration(a.need("a time"), 0)
	if a.done() {
		a.global.StatsTimeout = d
	}
}

func setStatsMaxConn(a *args) {
	n := a.integer(a.need("a number"), 1, many, false)
	if a.done() {
		a.global.StatsMaxConn = n
	}
}

// noEffect is the setter of words whose arguments nobody looks at.
// Differs from HAProxy: values of words without effect are not judged.
func noEffect(a *args) { a.rest() }
