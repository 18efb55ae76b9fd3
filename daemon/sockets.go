package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"syscall"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/confine"
	"github.com/evenkeel/evenkeel/linux/sock"
)

// sockets are the listening sockets of the director. They outlive workers: a new worker gets
// the same ones, so that a connection that waits to be accepted never notices a reload or a worker's death.
type sockets struct {
	open map[string][]int // by what they listen on
}

// listenKey names a listening address with everything that makes it another socket.
func listenKey(l *config.Listen) string {
	return fmt.Sprintf("%v %s %d %s %v %v %v %o %s %s", l.Addr, l.Path, l.FD, l.Interface, l.V4V6, l.V6Only,
		l.Transparent, l.Mode, l.User, l.Group)
}

// wanted is one address of a configuration.
type wanted struct {
	key     string
	listen  *config.Listen
	options sock.ListenOptions
	count   int // sockets: one for each loop, but one for a UNIX address
}

// wants lists what a configuration listens on.
func wants(p *config.Proxying, threads int) ([]wanted, error) {
	var all []wanted
	seen := make(map[string]bool)
	add := func(l *config.Listen, o sock.ListenOptions, count int) error {
		key := listenKey(l)
		if seen[key] {
			return nil // the same address twice is one set of sockets: both would share the connections
		}
		seen[key] = true
		a, err := confine.Lookup(l.User, l.Group)
		if err != nil {
			return fmt.Errorf("%v: %w", l.Pos, err)
		}
		if l.Group == "" {
			a.GID = -1 // the owner of a socket does not bring the group along, as whom a process becomes does
		}
		o.Interface, o.V4V6, o.V6Only, o.Transparent, o.Mode, o.UID, o.GID = l.Interface, l.V4V6, l.V6Only,
			l.Transparent, l.Mode, a.UID, a.GID
		if l.Path != "" || l.FD >= 0 {
			count = 1
		}
		all = append(all, wanted{key, l, o, count})
		return nil
	}
	for _, px := range p.Proxies {
		if px.Disabled {
			continue
		}
		for _, b := range px.Binds {
			backlog := b.Backlog
			if backlog == 0 {
				backlog = px.Backlog
			}
			if backlog == 0 {
				backlog = px.MaxConn
			}
			if backlog == 0 {
				backlog = 4096
			}
			if err := add(&b.Listen, sock.ListenOptions{Backlog: backlog, DeferAccept: b.DeferAccept,
				FastOpen: b.FastOpen, Keepalive: b.TCPKeepalive}, threads); err != nil {
				return nil, err
			}
		}
	}
	for i := range p.Global.StatsSockets {
		at := &p.Global.StatsSockets[i].Listen
		backlog := cmp.Or(at.Backlog, p.Global.StatsMaxConn, clientsOfAdmin)
		if err := add(at, sock.ListenOptions{Backlog: backlog}, 1); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// prepare opens what the configuration wants and is not open yet. On an error everything is as before.
// The result has every socket the configuration uses; undo closes the new ones, commit
// those no longer used.
func (s *sockets) prepare(p *config.Proxying, threads int) (result map[string][]int, commit, undo func(), err error) {
	list, err := wants(p, threads)
	if err != nil {
		return nil, nil, nil, err
	}
	result = make(map[string][]int)
	var opened []int
	undo = func() {
		for _, fd := range opened {
			syscall.Close(fd)
		}
	}
	for _, w := range list {
		// More threads than before get sockets of their own; with fewer, some threads serve two.
		result[w.key] = append([]int(nil), s.open[w.key]...)
		for len(result[w.key]) < w.count {
			fd, err := listenOn(w)
			if err != nil {
				undo()
				return nil, nil, nil, fmt.Errorf("%v: %w", w.listen.Pos, err)
			}
			opened = append(opened, fd)
			result[w.key] = append(result[w.key], fd)
		}
	}
	commit = func() {
		for key, fds := range s.open {
			if _, used := result[key]; !used {
				for _, fd := range fds {
					syscall.Close(fd)
				}
			}
		}
		s.open = result
	}
	return result, commit, undo, nil
}

func listenOn(w wanted) (int, error) {
	switch {
	case w.listen.FD >= 0:
		fd, err := sock.Dup(w.listen.FD)
		if err == nil {
			err = syscall.SetNonblock(fd, true)
		}
		return fd, err
	case w.listen.Path != "":
		return sock.ListenUnix(w.listen.Path, w.options)
	}
	fd, err := sock.ListenTCP(w.listen.Addr, w.options)
	if errors.Is(err, syscall.EACCES) {
		err = fmt.Errorf("%w: ports below net.ipv4.ip_unprivileged_port_start take root or CAP_NET_BIND_SERVICE", err)
	}
	return fd, err
}

// closeAll ends listening.
func (s *sockets) closeAll() {
	for _, fds := range s.open {
		for _, fd := range fds {
			syscall.Close(fd)
		}
	}
	s.open = nil
}
