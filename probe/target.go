package probe

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/evenkeel/evenkeel/config"
)

// Target is a server as its checks see it. It must not change while Run uses it.
type Target struct {
	// Exactly one of Addr and Path says where it is.
	Addr netip.AddrPort
	Path string // UNIX socket; a leading '@' is an abstract one
	// Source is where connections come from; invalid: the kernel's choice.
	Source netip.AddrPort
	// SendProxy is the version of the PROXY protocol sent first: 0 none, 1, 2.
	SendProxy int
	Check     *config.HealthCheck // nil: a TCP connection
	// State gives the value of X-Haproxy-Server-State (http-check send-state); nil: "".
	State func() string

	// Connect is timeout connect, Read timeout check, Inter the server's interval; 0: none.
	// As with HAProxy, with Read a connection may take the least of Connect and Inter, and the answer after it Read;
	// without Read both together Inter.
	//
	// Differs from HAProxy: Read ends in time. 2.6 may look at it only when what the connection was allowed is over,
	// or a second has passed.
	Connect, Read, Inter time.Duration
}

// For is the Target of a server of a backend, or an error for one that has no address to check.
func For(p *config.Proxy, s *config.Server) (*Target, error) {
	c := &s.Check
	t := &Target{Addr: s.Addr, Path: s.Path, Source: s.Source, Check: p.Check,
		Connect: p.Timeouts.Connect, Read: p.Timeouts.Check, Inter: c.Inter, SendProxy: s.SendProxy}
	if !t.Source.IsValid() {
		t.Source = p.Source
	}
	if c.Addr.Addr().IsValid() {
		t.Addr, t.Path, t.SendProxy = netip.AddrPortFrom(c.Addr.Addr(), t.Addr.Port()), "", 0
	}
	if port := c.Addr.Port(); port != 0 {
		t.Addr = netip.AddrPortFrom(t.Addr.Addr(), port)
		t.SendProxy = 0 // another port, another service
	}
	if c.SendProxy {
		t.SendProxy = max(s.SendProxy, 1)
	}
	if t.Path == "" && !t.Addr.Addr().IsValid() {
		return nil, fmt.Errorf("server %s has no address to check: give it one, or resolve its name", s.Name)
	}
	if t.Path == "" && t.Addr.Port() == 0 && !t.portsInSteps() {
		return nil, fmt.Errorf("server %s has no port to check: add \"port\" to its check", s.Name)
	}
	return t, nil
}

func (t *Target) portsInSteps() bool {
	if t.Check == nil || len(t.Check.Steps) == 0 || t.Check.Steps[0].Kind != config.StepConnect {
		return false
	}
	for i := range t.Check.Steps {
		if s := &t.Check.Steps[i]; s.Kind == config.StepConnect && s.Port == 0 {
			return false
		}
	}
	return true
}

// at is where a connect step goes: elsewhere if it says so. A nil step is the start.
func (t *Target) at(s *config.CheckStep) (network, address string) {
	addr := t.Addr
	if s != nil && s.Addr.IsValid() {
		addr = netip.AddrPortFrom(s.Addr, addr.Port())
	} else if t.Path != "" {
		return "unix", t.Path
	}
	if s != nil && s.Port != 0 {
		addr = netip.AddrPortFrom(addr.Addr(), uint16(s.Port))
	}
	return "tcp", addr.String()
}

func (t *Target) kind() config.CheckKind {
	if t.Check == nil {
		return config.CheckTCP
	}
	return t.Check.Kind
}

// scripted says whether failures name the step of tcp-check.
func (t *Target) scripted() bool {
	return t.Check != nil && t.Check.Kind == config.CheckTCP && len(t.Check.Steps) > 0
}

// stepName says where in a tcp-check something failed: " at step 2 of tcp-check (send)".
func (t *Target) stepName(i int) string {
	switch {
	case !t.scripted():
		return ""
	case i < 0:
		return " at initial connection step of tcp-check"
	}
	s := &t.Check.Steps[i]
	text := " at step " + t.number(i) + " of tcp-check (" + describe(s) + ")"
	if s.Comment != "" {
		text += " comment: '" + s.Comment + "'"
	}
	return text
}

// number is what a step is called in verdicts.
func (t *Target) number(i int) string {
	return strconv.Itoa(i + 1 + t.Check.Steps[i].Comments)
}

func describe(s *config.CheckStep) string {
	switch s.Kind {
	case config.StepConnect:
		if s.Port != 0 {
			return "connect port " + strconv.Itoa(s.Port)
		}
		return "connect"
	case config.StepExpect:
		switch e := &s.Expect; e.What {
		case config.ExpectString:
			return "expect string '" + string(e.Text) + "'"
		case config.ExpectBinary:
			return "expect binary '" + string(e.Text) + "'"
		case config.ExpectRegexp:
			return "expect regex"
		case config.ExpectBinaryRegexp:
			return "expect binary regex"
		}
		return "expect"
	}
	return "send"
}
