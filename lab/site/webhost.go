package site

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// SlowAnswer is how long a slow web server thinks.
const SlowAnswer = 2 * time.Second

// moodFile tells a running web server how to behave: empty or absent, slow, or fail.
const webFaultFile = "/run/lab-web-mood"

// webFault is what the web server's moodFile says now.
func webFault() string {
	b, err := os.ReadFile(webFaultFile)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// runWebHost is the first process of a web server behind the proxies.
func runWebHost(l *Line, id int, c *HostConfig) error {
	n := &node{cfg: c, launcher: l, kids: newSupervisor(), web: unit{state: UnitStopped}}
	err := n.startWeb()
	if err == nil {
		err = n.becomeRealServer()
	}
	if err != nil {
		_ = l.Send(answer(id, err))
		return err
	}
	if err := l.Send(answer(id, nil)); err != nil {
		return nil
	}
	serveOrders(l, n.doServer, nil)
	return nil
}

// doServer carries out one action on a web server behind the proxies.
func (n *node) doServer(a Action) error {
	switch a {
	case ServerStop:
		return n.stopWeb(false)
	case ServerFreeze:
		return n.signalWeb(unix.SIGSTOP, unitFrozen)
	case ServerSlow:
		return n.setWebFault("slow", unitSlow)
	case ServerFail:
		return n.setWebFault("fail", unitFailing)
	case ServerMend:
		return n.mendServer()
	}
	return fmt.Errorf("a web server cannot %q", a)
}

func (n *node) setWebFault(mood, becomes string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.web.state == UnitStopped || n.web.state == unitFrozen {
		return errors.New("the web server is " + n.web.state)
	}
	if err := os.WriteFile(webFaultFile, []byte(mood), 0o644); err != nil {
		return err
	}
	n.web.state = becomes
	n.report("web", becomes)
	return nil
}

// signalWeb stops or continues the web server's process.
func (n *node) signalWeb(sig syscall.Signal, becomes string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.web.state == UnitStopped {
		return errors.New("the web server is stopped")
	}
	if err := syscall.Kill(n.web.pid, sig); err != nil {
		return fmt.Errorf("signal %s: %w", n.cfg.WebUnit, err)
	}
	n.web.state = becomes
	n.report("web", becomes)
	return nil
}

// mendServer undoes whatever was done to the web server.
func (n *node) mendServer() error {
	n.mu.Lock()
	state := n.web.state
	n.mu.Unlock()
	switch state {
	case UnitStopped:
		return n.startWeb()
	case unitFrozen:
		return n.signalWeb(unix.SIGCONT, UnitRunning)
	}
	return n.setWebFault("", UnitRunning)
}
