package failover

import (
	"net/netip"

	"github.com/evenkeel/evenkeel/linux/rawsock"
	"github.com/evenkeel/evenkeel/linux/realtime"
	"github.com/evenkeel/evenkeel/vrrp"
)

// burst is a run of announcements spread over time (vrrp_garp_interval). With no
// spacing configured it is over within one call.
type burst struct {
	rounds int // messages per address still to go, the current round included
	index  int // next address of the round
	next   vrrp.Time
}

func (b *burst) stop() { *b = burst{next: vrrp.Never} }

// announce tells the neighbours of every address's interface, round robin over
// the addresses.
func (r *router) announce(m *instance, count int) {
	m.burst = burst{rounds: max(count, 1)}
	r.announceSome(m, vrrp.Time(realtime.Now()))
}

// announceSome sends until the burst is over or has to pause.
func (r *router) announceSome(m *instance, now vrrp.Time) {
	b := &m.burst
	for b.rounds > 0 {
		if b.index >= len(m.assigned) {
			b.index = 0
			b.rounds--
			continue
		}
		a := &m.assigned[b.index]
		b.index++
		pause := m.cfg.Announce.Interval
		if a.Addr.Prefix.Addr().Is6() {
			pause = m.cfg.Announce.GNAInt
		}
		r.announceOne(m, a.Ifindex, a.Addr.Prefix.Addr())
		if pause > 0 {
			b.next = now.Add(pause)
			return
		}
	}
	b.stop()
}

// spread continues bursts that pause between messages.
func (r *router) spread(now vrrp.Time) {
	for _, m := range r.instances {
		if m.burst.next <= now {
			r.announceSome(m, now)
		}
	}
}

func (r *router) announceOne(m *instance, ifindex int, ip netip.Addr) {
	a := r.announcer(ifindex)
	if a == nil {
		return
	}
	var err error
	if ip.Is4() {
		err = a.GratuitousARP(ip)
	} else {
		err = a.UnsolicitedNA(ip, forwarding6(r.links[ifindex].Name))
	}
	if err != nil && m.sendError != err.Error() {
		m.sendError = err.Error()
		r.logf(LevelWarning, "(%s) announcing %v on %s: %v", m.cfg.Name, ip, r.links[ifindex].Name, err)
	}
}

// announceSource tells unicast peers where our own address is again.
func (r *router) announceSource(m *instance) {
	if m.source.IsValid() && m.ifindex != 0 {
		r.announceOne(m, m.ifindex, m.source)
	}
}

// announcer returns the announcing socket of an interface, or nil where there is
// nobody to tell (loopback, tunnels, NOARP).
func (r *router) announcer(ifindex int) *rawsock.Announcer {
	if a := r.announcers[ifindex]; a != nil {
		return a
	}
	link, ok := r.links[ifindex]
	if !ok || !link.Ethernet || link.NoARP || link.Loopback {
		return nil
	}
	a, err := rawsock.OpenAnnouncer(ifindex, link.HardwareAddr)
	if err != nil {
		r.logf(LevelWarning, "no announcements on %s: %v", link.Name, err)
		return nil
	}
	r.announcers[ifindex] = a
	return a
}

// maxProbed is how many addresses of an instance are asked for: if its first ones
// are let go of, all are.
const maxProbed = 50

// probe asks who answers for the instance's addresses.
func (r *router) probe(m *instance) {
	as, _ := r.assignments(m)
	as = as[:min(len(as), maxProbed)]
	if m.probe == nil {
		r.openReplies(m)
	}
	for _, a := range as {
		if ann := r.announcer(a.Ifindex); ann != nil {
			ann.Probe(a.Addr.Prefix.Addr()) // a probe that cannot be sent is one nobody answers
		}
	}
}

// openReplies listens for answers, by interface and family, until closeReplies.
func (r *router) openReplies(m *instance) {
	type where struct {
		ifindex int
		ipv6    bool
	}
	as, _ := r.assignments(m)
	wanted := map[where][]netip.Addr{}
	for _, a := range as[:min(len(as), maxProbed)] {
		ip := a.Addr.Prefix.Addr()
		wanted[where{a.Ifindex, ip.Is6()}] = append(wanted[where{a.Ifindex, ip.Is6()}], ip)
	}
	for w, ips := range wanted {
		link := r.links[w.ifindex]
		if !link.Ethernet {
			continue
		}
		s, err := rawsock.OpenReplies(w.ifindex, link.HardwareAddr, ips)
		if err != nil {
			r.logf(LevelWarning, "(%s) cannot ask %s who holds the addresses: %v", m.cfg.Name, link.Name, err)
			continue
		}
		m.probe = append(m.probe, s)
		r.watch(s.Fd(), func() { r.replies(m, s) })
	}
}

// replyBudget is how many answers are read before timers have their turn.
const replyBudget = 64

func (r *router) replies(m *instance, s *rawsock.Replies) {
	for range replyBudget {
		_, _, ok, err := s.Receive(r.buf)
		if err != nil || !ok {
			return
		}
		r.machine.ProbeAnswered(vrrp.Time(realtime.Now()), m.id)
	}
}

// closeReplies stops listening. Closing waits for the kernel's network path to
// drain, so it is done beside the thread.
func (r *router) closeReplies(m *instance) {
	for _, s := range m.probe {
		r.unwatch(s.Fd())
		go s.Close()
	}
	m.probe = nil
}
