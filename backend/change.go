package backend

import (
	"fmt"
	"net/netip"

	"github.com/evenkeel/evenkeel/health"
)

// What an operator changes while the program runs. These may be called from any goroutine and do not wait for traffic;
// errors can be shown to the operator.

// SetAdmin sets what the operator wants of the server.
func (srv *Server) SetAdmin(state health.Admin) {
	srv.tell(func(h *health.Server, now health.Time, effects []health.Effect) []health.Effect {
		return h.SetAdmin(now, state, effects)
	})
}

// SetWeight sets the weight, 0-256.
func (srv *Server) SetWeight(weight int) error {
	if weight < 0 || weight > 256 {
		return fmt.Errorf("weight %d is not within 0-256", weight)
	}
	if b := srv.Backend; !b.chooser.dynamic() && weight != srv.Config.Weight && weight != 0 {
		return fmt.Errorf("backend %s balances by a static algorithm: only weight 0 and %d are possible", b.Config.Name,
			srv.Config.Weight)
	}
	srv.reweigh(weight)
	return nil
}

// SetAddress moves the server; an empty address or port 0 leaves that part. Connections in pools lead to where it was.
func (srv *Server) SetAddress(addr string, port int) (err error) {
	old := srv.Addr()
	ip, p := old.Addr(), old.Port()
	if addr != "" {
		if ip, err = netip.ParseAddr(addr); err != nil {
			return fmt.Errorf("%q is not an address", addr)
		}
	}
	if port != 0 {
		if port < 1 || port > 65535 {
			return fmt.Errorf("port %d is not within 1-65535", port)
		}
		p = uint16(port)
	}
	srv.setAddr(netip.AddrPortFrom(ip, p))
	select {
	case srv.moved <- struct{}{}:
	default:
	}
	return nil
}

// SetHealth sets what checks would have found.
func (srv *Server) SetHealth(op health.Operation) error {
	if srv.tracked != nil {
		return fmt.Errorf("server %s/%s tracks another one: set that one's health", srv.Backend.Config.Name,
			srv.Config.Name)
	}
	srv.tell(func(m *health.Server, now health.Time, effects []health.Effect) []health.Effect {
		return m.Force(now, op, effects)
	})
	return nil
}

// SetMaxConn sets how many streams the server takes; 0: any number.
func (srv *Server) SetMaxConn(n int) {
	srv.maxConn.Store(int64(n))
	srv.offer()
}

// EnableChecks has the server checked or not.
func (srv *Server) EnableChecks(on bool) error {
	if !srv.Config.Check.On {
		return fmt.Errorf("server %s/%s has no check", srv.Backend.Config.Name, srv.Config.Name)
	}
	srv.Backend.group.states.Lock()
	defer srv.Backend.group.states.Unlock()
	srv.health.Pause(!on)
	return nil
}
