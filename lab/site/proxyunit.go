package site

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A node of a proxied site runs its proxy in one of two ways: as a worker process of our own
// director, which supervises it, or as Debian's haproxy beside Debian's keepalived, watched by the
// node as by a service manager. Either way it is the node's web unit.

const (
	proxyConfigPath = "/etc/haproxy/haproxy.cfg"
	HaproxyPath     = "/usr/sbin/haproxy"
	workerArgument  = "proxy-worker" // argv[1] of our worker
	// restartPause is systemd's pause before it restarts a service that ended (RestartSec), and
	// Debian's unit for haproxy says Restart=always.
	restartPause = 100 * time.Millisecond
)

// ownWorker reports whether the node's proxy lives inside its director.
func (n *node) ownWorker() bool {
	_, ours := n.dir.(evenkeel)
	return n.cfg.Proxy && ours
}

// startHaproxy starts Debian's haproxy and waits until it listens. Callers hold n.mu.
func (n *node) startHaproxy() error {
	out, in, err := os.Pipe()
	if err != nil {
		return err
	}
	c, err := n.kids.start(HaproxyPath, []string{"haproxy", "-db", "-f", proxyConfigPath}, n.environment(),
		[]*os.File{devNull(), in, in}, &syscall.SysProcAttr{Setpgid: true})
	in.Close()
	if err != nil {
		out.Close()
		return fmt.Errorf("%w (the comparison needs Debian's haproxy installed)", err)
	}
	go n.journal(n.cfg.WebUnit, out)
	n.web = unit{child: c, state: UnitRunning, ended: make(chan struct{})}
	n.report("web", UnitRunning)
	go n.mindHaproxy(n.web)
	for range 100 {
		conn, err := net.DialTimeout("tcp4", "127.0.0.1:80", time.Second)
		if err == nil {
			return conn.Close()
		}
		time.Sleep(20 * time.Millisecond)
	}
	return errors.New("haproxy does not listen after 2 s")
}

// mindHaproxy waits for haproxy's end and starts it again.
func (n *node) mindHaproxy(u unit) {
	ws := <-u.exit
	n.mu.Lock()
	n.web.state = UnitStopped
	n.report("web", UnitStopped)
	n.mu.Unlock()
	close(u.ended)
	n.write("lab", "haproxy ended: "+describe(ws))
	time.Sleep(restartPause)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.web.state != UnitStopped || n.webDown {
		return
	}
	if err := n.startHaproxy(); err != nil {
		n.write("lab", err.Error())
	}
}

// proxyPID finds the process that proxies; 0: there is none. Between a worker's death and its
// successor's start there is none, and after a director's death its last worker may still finish.
func (n *node) proxyPID() (pid int, frozen bool) {
	if !n.ownWorker() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.web.state == UnitStopped {
			return 0, false
		}
		return n.web.pid, n.web.state == unitFrozen
	}
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		b, err := os.ReadFile(path)
		if err != nil || !isWorker(b) {
			continue
		}
		p, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || p <= pid {
			continue
		}
		pid, frozen = p, stopped(p)
	}
	return pid, frozen
}

// isWorker reports whether a process's command line is that of a worker of ours.
func isWorker(cmdline []byte) bool {
	argv := bytes.Split(cmdline, []byte{0})
	return len(argv) > 1 && string(argv[1]) == workerArgument
}

// stopped reports whether a process is stopped by a signal.
func stopped(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " ")
	return strings.HasPrefix(rest, "T")
}

// signalProxy sends a signal to the process that proxies.
func (n *node) signalProxy(sig syscall.Signal) error {
	pid, _ := n.proxyPID()
	if pid == 0 {
		return errors.New("no proxy runs")
	}
	if err := syscall.Kill(pid, sig); err != nil {
		return fmt.Errorf("signal the proxy: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	switch sig {
	case unix.SIGSTOP:
		n.setWeb(unitFrozen)
	case unix.SIGCONT:
		n.setWeb(UnitRunning)
	}
	return nil
}

// setWeb reports the state of what answers on port 80 if it is news. Callers hold n.mu.
func (n *node) setWeb(state string) {
	if n.web.state != state {
		n.web.state = state
		n.report("web", state)
	}
}

// watchWorker follows our worker's process: the director starts and reaps it without a word
// to the node.
func (n *node) watchWorker() {
	last := 0
	for range time.Tick(25 * time.Millisecond) {
		pid, frozen := n.proxyPID()
		state := UnitRunning
		switch {
		case pid == 0:
			state = UnitStopped
		case frozen:
			state = unitFrozen
		}
		n.mu.Lock()
		n.setWeb(state)
		n.mu.Unlock()
		if pid != last && pid != 0 {
			n.report("worker", strconv.Itoa(pid))
		}
		if pid != 0 {
			last = pid
		}
	}
}

// proxyService is the stand-in for systemctl's haproxy unit where the proxy lives inside our director.
func (n *node) proxyService(verb string) (status int, text string) {
	pid, _ := n.proxyPID()
	switch {
	case verb == "is-active" && pid != 0:
		return 0, "active"
	case verb == "is-active":
		return 3, "inactive"
	case verb == "start" && pid != 0:
		return 0, ""
	}
	return 1, "the proxy is a part of evenkeel.service: " + verb + " that"
}

// modern replaces the words of the textbook's file that haproxy no longer knows by those it
// names instead, so that today's haproxy can be compared. Our own director reads the file as it is.
func modern(config []byte) []byte {
	today := map[string]string{"contimeout": "timeout connect", "clitimeout": "timeout client",
		"srvtimeout": "timeout server", "nbproc": "#"}
	var out []string
	for line := range strings.Lines(string(config)) {
		if f := strings.Fields(line); len(f) > 0 && today[f[0]] != "" {
			line = strings.Replace(line, f[0], today[f[0]], 1)
		}
		out = append(out, line)
	}
	return []byte(strings.Join(out, ""))
}
