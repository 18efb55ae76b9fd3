package lvs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// plane is a forwarding plane without forwarding: a table that takes changes as the kernel does.
type plane struct {
	mu       sync.Mutex
	services []table.ServiceState
	refuse   func(table.Change) error
	changes  []string // what was applied
	daemons  map[table.Role]table.Daemon
	closed   bool
}

func (p *plane) Info() (table.Info, error) { return table.Info{Driver: "test", Version: "1"}, nil }

func (p *plane) Apply(changes []table.Change) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, c := range changes {
		err := error(nil)
		if p.refuse != nil {
			err = p.refuse(c)
		}
		if err == nil {
			err = p.apply(c)
		}
		if err != nil {
			return &table.ChangeError{Index: i, Change: c, Err: err}
		}
		text := c.String()
		if c.Verb == table.AddDestination || c.Verb == table.EditDestination {
			text += fmt.Sprint(" weight ", c.Destination.Weight)
		}
		p.changes = append(p.changes, text)
	}
	return nil
}

func (p *plane) apply(c table.Change) error {
	if c.Verb == table.Flush {
		p.services = nil
		return nil
	}
	at := slices.IndexFunc(p.services, func(s table.ServiceState) bool { return s.Key == c.Service.Key })
	if c.Verb == table.AddService {
		if at >= 0 {
			return table.ErrExists
		}
		p.services = append(p.services, table.ServiceState{Service: c.Service})
		return nil
	}
	if at < 0 {
		return table.ErrNotFound
	}
	s := &p.services[at]
	switch c.Verb {
	case table.EditService:
		s.Service = c.Service
		return nil
	case table.DeleteService:
		p.services = slices.Delete(p.services, at, at+1)
		return nil
	}
	d := slices.IndexFunc(s.Destinations, func(d table.DestinationState) bool { return d.Addr == c.Destination.Addr })
	switch {
	case c.Verb == table.AddDestination && d >= 0:
		return table.ErrExists
	case c.Verb == table.AddDestination:
		s.Destinations = append(s.Destinations, table.DestinationState{Destination: c.Destination})
	case d < 0:
		return table.ErrNotFound
	case c.Verb == table.EditDestination:
		s.Destinations[d].Destination = c.Destination
	default:
		s.Destinations = slices.Delete(s.Destinations, d, d+1)
	}
	return nil
}

func (p *plane) State() ([]table.ServiceState, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := slices.Clone(p.services)
	for i := range out {
		out[i].Flags |= table.Hashed
		out[i].Destinations = slices.Clone(out[i].Destinations)
	}
	return out, nil
}

func (p *plane) Connections(func(*table.Connection) bool) error { return nil }
func (p *plane) Zero(*table.Key) error                          { return nil }
func (p *plane) Timeouts() (table.Timeouts, error)              { return table.Timeouts{}, nil }
func (p *plane) SetTimeouts(table.Timeouts) error               { return nil }
func (p *plane) Daemons() ([]table.Daemon, error)               { return nil, nil }

func (p *plane) StartDaemon(d table.Daemon) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.daemons == nil {
		return table.ErrUnsupported
	}
	if _, ok := p.daemons[d.Role]; ok {
		return table.ErrExists
	}
	p.daemons[d.Role] = d
	return nil
}

func (p *plane) StopDaemon(r table.Role) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.daemons == nil {
		return table.ErrUnsupported
	}
	if _, ok := p.daemons[r]; !ok {
		return table.ErrNotFound
	}
	delete(p.daemons, r)
	return nil
}

func (p *plane) Close() error { p.closed = true; return nil }

// text is the table in one line per service.
func (p *plane) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var lines []string
	for _, s := range p.services {
		line := s.Key.String()
		for _, d := range s.Destinations {
			line += fmt.Sprintf(" %s=%d", d.Addr, d.Weight)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func (p *plane) taken() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.changes
	p.changes = nil
	return out
}

var errRefused = errors.New("refused by the test")
