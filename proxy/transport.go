package proxy

import (
	"net/netip"

	"github.com/evenkeel/evenkeel/linux/sock"
)

// transport is where the bytes of a connection come from and go to. Nothing else in this package reads or writes a
// connection, asks whether its peer is there, or ends it.
type transport interface {
	// recv reads once; 0 without an error is the end.
	recv(b []byte) (n int, errno sock.Errno)
	// send writes a, then b, as far as there is room.
	send(a, b []byte) (n int, errno sock.Errno)
	// alive says whether the peer has not closed its side, looking past bytes it sent before. more: it has sent some.
	alive() (open, more bool)
	// connected is the outcome of connecting.
	connected() sock.Errno
	// descriptor is the socket where bytes are passed on as they are, so that the kernel may move them; -1: they are
	// not.
	descriptor() int
	local() netip.AddrPort
	keepalive()
	closeWrite()
	// reset has close tell the peer by a reset; silence has it tell nothing, with forget's help where that takes rights
	// that this process has not.
	reset()
	silence(forget func(fd int))
	close()
}

// plain is a socket without any layer over it.
type plain struct{ fd int }

func (p *plain) recv(b []byte) (int, sock.Errno) { return sock.Recv(p.fd, b) }

func (p *plain) send(a, b []byte) (int, sock.Errno) { return sock.Send2(p.fd, a, b) }

func (p *plain) alive() (open, more bool) {
	n, errno := sock.Peek(p.fd)
	return errno == sock.Again || errno == 0 && n > 0, errno == 0 && n > 0
}

func (p *plain) connected() sock.Errno { return sock.ConnectError(p.fd) }
func (p *plain) descriptor() int       { return p.fd }
func (p *plain) local() netip.AddrPort { return sock.Local(p.fd) }
func (p *plain) keepalive()            { sock.Keepalive(p.fd) }
func (p *plain) closeWrite()           { sock.CloseWrite(p.fd) }
func (p *plain) reset()                { sock.Reset(p.fd) }
func (p *plain) close()                { sock.Close(p.fd) }

// silence closes so that the client hears nothing of it: by ourselves where we may, else with the help of a process
// that may. Where nobody may, a reset leaves that the first router stops, as with HAProxy.
func (p *plain) silence(forget func(fd int)) {
	if sock.Silence(p.fd) != 0 {
		sock.Hush(p.fd)
		if forget != nil {
			forget(p.fd)
		}
	}
}

// dialer opens connections to servers.
type dialer interface {
	// dial begins one; done: it stands already. fd is what to watch, t the transport, nil for a plain socket.
	dial(to, from *sock.Target, device string) (fd int, t transport, done bool, errno sock.Errno)
}

// sockets dials plain ones.
type sockets struct{}

func (sockets) dial(to, from *sock.Target, device string) (fd int, t transport, done bool, errno sock.Errno) {
	fd, done, errno = sock.Connect(to, from, device)
	return fd, nil, done, errno
}
