package site

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// node is the first process of a load balancer's host: it plays the part of the machine's
// service manager and tells the launcher what it sees.
type node struct {
	cfg      *HostConfig
	launcher *Line
	kids     *supervisor
	dir      director
	nudge    chan struct{} // the director said something: ask for its state

	mu       sync.Mutex
	director unit
	web      unit
	webDown  bool          // the web unit was stopped by order: it stays down until a start
	seen     DirectorState // last state sent to the launcher
}

// unit is a program under the node's care.
type unit struct {
	child
	state string
	ended chan struct{} // closed when the running process has ended
}

// runNode starts the web server or proxy and serves the launcher's orders until it closes the line; the director is
// started by the launcher's first order.
func runNode(l *Line, id int, c *HostConfig) error {
	dir, err := directorByName(c.Director)
	if err != nil {
		return err
	}
	n := &node{
		cfg: c, launcher: l, kids: newSupervisor(), dir: dir, nudge: make(chan struct{}, 1),
		director: unit{state: UnitStopped}, web: unit{state: UnitStopped},
	}
	err = n.serveSystemctl()
	switch {
	case err != nil:
	case c.LVS != "":
		go n.watchTable()
	case n.ownWorker():
		go n.watchWorker()
	default:
		err = n.startWeb()
	}
	if err != nil {
		_ = l.Send(answer(id, err))
		return err
	}
	go n.watch()
	if c.Proxy {
		go n.watchStatistics()
		go swallowLogs()
	}
	if err := l.Send(answer(id, nil)); err != nil {
		return nil
	}
	serveOrders(l, n.do, n.fetch)
	return nil
}

// do carries out one action.
func (n *node) do(a Action) error {
	switch a {
	case DirectorStart:
		return n.startDirector()
	case DirectorStop:
		return n.stopDirector()
	case DirectorKill:
		return n.signalDirector(unix.SIGKILL, UnitStopped)
	case DirectorFreeze:
		return n.signalDirector(unix.SIGSTOP, unitFrozen)
	case DirectorThaw:
		return n.signalDirector(unix.SIGCONT, UnitRunning)
	case WebStop:
		return n.stopWeb(false)
	case WebBreak:
		return n.stopWeb(true)
	case WebStart:
		return n.repairWeb()
	case ProxyKill:
		return n.signalProxy(unix.SIGKILL)
	case ProxyFreeze:
		return n.signalProxy(unix.SIGSTOP)
	case ProxyThaw:
		return n.signalProxy(unix.SIGCONT)
	case BringBack:
		return n.bringBack()
	}
	return fmt.Errorf("a node cannot %q", a)
}

func (n *node) bringBack() error {
	if n.cfg.Proxy {
		if _, frozen := n.proxyPID(); frozen {
			if err := n.signalProxy(unix.SIGCONT); err != nil {
				return err
			}
		}
	}
	if n.cfg.LVS == "" && !n.ownWorker() { // ours comes and goes with the director
		if err := n.repairWeb(); err != nil {
			return err
		}
	}
	n.mu.Lock()
	state := n.director.state
	n.mu.Unlock()
	switch state {
	case unitFrozen:
		return n.signalDirector(unix.SIGCONT, UnitRunning)
	case UnitStopped:
		return n.startDirector()
	}
	return nil
}

// environment is what the node's programs get: the lab's stand-ins come first in PATH.
func (n *node) environment() []string {
	return []string{"PATH=" + hostPath, "HOME=/tmp", "LANG=C.UTF-8", "TMPDIR=/tmp"}
}

func (n *node) startDirector() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.director.state != UnitStopped {
		return fmt.Errorf("the director is %s already", n.director.state)
	}
	out, in, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	path, argv := n.dir.command(n.cfg.Proxy)
	c, err := n.kids.start(path, argv, n.environment(), []*os.File{devNull(), in, in},
		&syscall.SysProcAttr{Setpgid: true})
	if err != nil {
		out.Close()
		return err
	}
	n.director = unit{child: c, state: UnitRunning, ended: make(chan struct{})}
	n.report("director", UnitRunning)
	go n.journal("director", out)
	go func(ended chan struct{}) {
		ws := <-c.exit
		n.mu.Lock()
		defer n.mu.Unlock()
		n.director.state = UnitStopped
		n.report("director", UnitStopped)
		n.write("lab", "director ended: "+describe(ws))
		close(ended)
	}(n.director.ended)
	return nil
}

// stopDirector ends the director in order and waits for it, as a service manager does: SIGKILL
// follows after ten seconds.
func (n *node) stopDirector() error {
	n.mu.Lock()
	d := n.director
	n.mu.Unlock()
	if d.state == UnitStopped {
		return nil
	}
	if err := syscall.Kill(d.pid, unix.SIGTERM); err != nil {
		return fmt.Errorf("stop director: %w", err)
	}
	select {
	case <-d.ended:
		return nil
	case <-time.After(10 * time.Second):
		n.write("lab", "director did not stop within 10 s: killed")
		return n.signalDirector(unix.SIGKILL, UnitStopped)
	}
}

// signalDirector sends a signal to every process of the director at once.
func (n *node) signalDirector(sig syscall.Signal, becomes string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.director.state == UnitStopped {
		return fmt.Errorf("the director is stopped")
	}
	family, err := familyOf(n.director.pid)
	if err != nil {
		return err
	}
	for _, pid := range family {
		if err := syscall.Kill(pid, sig); err != nil && pid == n.director.pid {
			return fmt.Errorf("signal director: %w", err)
		}
	}
	if becomes != UnitStopped { // its end reports itself
		n.director.state = becomes
		n.report("director", becomes)
	}
	return nil
}

// familyOf lists pid and its descendants of the same name: a director may be several processes,
// but its check scripts and its proxy worker are not meant.
func familyOf(pid int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	parent := make(map[int]int)
	comm := make(map[int]string)
	for _, e := range entries {
		p, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it ended meanwhile
		}
		open, shut := strings.IndexByte(string(stat), '('), strings.LastIndexByte(string(stat), ')')
		fields := strings.Fields(string(stat[shut+1:])) // state, ppid, …
		if open < 0 || len(fields) < 2 {
			continue
		}
		comm[p] = string(stat[open+1 : shut])
		parent[p], _ = strconv.Atoi(fields[1])
	}
	family := []int{pid}
	for p := range parent {
		for a := parent[p]; a > 1 && p != pid; a = parent[a] {
			if a == pid {
				cmdline, err := os.ReadFile("/proc/" + strconv.Itoa(p) + "/cmdline")
				if err == nil && comm[p] == comm[pid] && !isWorker(cmdline) {
					family = append(family, p)
				}
				break
			}
		}
	}
	return family, nil
}

// describe says how a process ended.
func describe(ws syscall.WaitStatus) string {
	if ws.Signaled() {
		return "killed by " + unix.SignalName(ws.Signal())
	}
	return "exit status " + strconv.Itoa(ws.ExitStatus())
}

// report tells the launcher what a unit is doing. Callers hold n.mu, so reports stay in order.
func (n *node) report(name, state string) {
	_ = n.launcher.Send(Message{Kind: "unit", Unit: &UnitState{Name: name, State: state}, At: Now()})
}

// write adds a line to the node's journal.
func (n *node) write(unit, text string) {
	_ = n.launcher.Send(Message{Kind: "journal", Line: &JournalLine{At: Now(), Unit: unit, Text: text}})
}

// journal passes on what a program writes until it and all its children have closed the pipe.
func (n *node) journal(unit string, out *os.File) {
	defer out.Close()
	lines := bufio.NewReaderSize(out, 16<<10)
	for {
		text, err := lines.ReadString('\n')
		if text = strings.TrimRight(text, "\r\n"); text != "" {
			if unit == "director" {
				text = n.heard(text)
			}
			n.write(unit, text)
		}
		if err != nil {
			return
		}
	}
}

// heard lets the director's part of the lab learn from a journal line, and returns the line as
// it should be shown.
func (n *node) heard(text string) string {
	text = n.dir.clean(text)
	n.mu.Lock()
	st := n.seen
	changed := n.dir.learn(text, &st)
	n.mu.Unlock()
	if changed {
		n.tell(st)
	}
	select {
	case n.nudge <- struct{}{}:
	default:
	}
	return text
}

// tell sends the director's state to the launcher if it is news.
func (n *node) tell(st DirectorState) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if st.equal(n.seen) {
		return
	}
	n.seen = st
	_ = n.launcher.Send(Message{Kind: "vrrp", VRRP: &st, At: Now()})
}

// watch asks the director for its state: soon after it wrote something, and once a second.
func (n *node) watch() {
	tick := time.NewTicker(time.Second)
	for {
		select {
		case <-tick.C:
		case <-n.nudge:
			time.Sleep(20 * time.Millisecond) // let a burst of lines pass
		}
		n.mu.Lock()
		running := n.director.state == UnitRunning
		n.mu.Unlock()
		argv := n.dir.query()
		if !running || argv == nil {
			continue
		}
		out, err := n.output(argv, time.Second)
		if err != nil {
			continue // it is just starting, or hung; its state is then what it was
		}
		if st, err := n.dir.parse(out); err == nil {
			n.tell(st)
		}
	}
}

// output runs a program and returns what it wrote; it is killed after the limit.
func (n *node) output(argv []string, limit time.Duration) ([]byte, error) {
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer out.Close()
	c, err := n.kids.start(argv[0], argv, n.environment(), []*os.File{devNull(), in, devNull()}, nil)
	in.Close()
	if err != nil {
		return nil, err
	}
	if err := out.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(out)
	if err != nil {
		_ = syscall.Kill(c.pid, unix.SIGKILL)
	}
	if ws := <-c.exit; err == nil && ws != 0 {
		err = fmt.Errorf("%s: %s", argv[0], describe(ws))
	}
	return b, err
}

var devNull = sync.OnceValue(func() *os.File {
	f, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		panic(err) // a machine without /dev/null cannot run programs
	}
	return f
})

// serveSystemctl answers the stand-in for systemctl, which the check script calls.
func (n *node) serveSystemctl() error {
	ln, err := net.Listen("unix", agentSocket)
	if err != nil {
		return err
	}
	if err := os.Chmod(agentSocket, 0o666); err != nil { // check scripts may run as any user
		return err
	}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go n.systemctl(conn)
		}
	}()
	return nil
}

// systemctl carries out one command of a script: `VERB UNIT`, answered by `STATUS TEXT`.
func (n *node) systemctl(conn net.Conn) {
	defer conn.Close()
	command, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return
	}
	verb, unit, _ := strings.Cut(strings.TrimSpace(command), " ")
	status, text := n.service(verb, strings.TrimSuffix(unit, ".service"))
	if verb != "is-active" {
		n.write("lab", fmt.Sprintf("a script ran: systemctl %s %s -> %d", verb, unit, status))
	}
	fmt.Fprintf(conn, "%d %s\n", status, text)
}

// service does what systemctl would and returns its exit status and words.
func (n *node) service(verb, unit string) (status int, text string) {
	var err error
	isWeb := unit == n.cfg.WebUnit
	if !isWeb && unit != "keepalived" && unit != "evenkeel" {
		return 5, "Unit " + unit + ".service not found."
	}
	if isWeb && n.ownWorker() {
		return n.proxyService(verb)
	}
	n.mu.Lock()
	state := n.director.state
	if isWeb {
		state = n.web.state
	}
	n.mu.Unlock()
	switch {
	case verb == "is-active" && (state == UnitRunning || state == unitFrozen):
		return 0, "active"
	case verb == "is-active":
		return 3, "inactive"
	case verb == "start" && state == UnitRunning:
		return 0, ""
	case verb == "start" && isWeb:
		err = n.startWeb()
	case verb == "start":
		err = n.startDirector()
	case verb == "stop" && isWeb:
		err = n.stopWeb(false)
	case verb == "stop":
		err = n.stopDirector()
	case verb == "restart" && isWeb:
		if err = n.stopWeb(false); err == nil {
			err = n.startWeb()
		}
	default:
		return 1, "the lab's systemctl knows start, stop, restart (web server) and is-active"
	}
	if err != nil {
		return 1, "Job for " + unit + ".service failed: " + err.Error()
	}
	return 0, ""
}
