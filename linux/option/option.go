// Package option sets options of sockets before package net binds or connects them, and opens the socket that package
// net cannot: ICMP echo without privileges.
//
// It never knows what a socket is for.
package option

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// Control makes a function for net.Dialer and net.ListenConfig out of one that takes a descriptor.
func Control(set func(fd int) error) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var failed error
		if err := c.Control(func(fd uintptr) { failed = set(int(fd)) }); err != nil {
			return err
		}
		return failed
	}
}

// Device binds a socket to an interface.
func Device(fd int, name string) error { return unix.BindToDevice(fd, name) }

// Mark sets the mark of a socket's packets.
func Mark(fd int, mark uint32) error {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(mark))
}

// Reuse lets several sockets have the same local port.
func Reuse(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) }

// NoQuickAck makes the kernel delay the last packet of the handshake.
func NoQuickAck(fd int) error {
	return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0)
}

// Echo opens a socket for ICMP echo messages of the family of to. raw: the kernel gives only a raw socket, which gets
// every message with its header.
func Echo(to netip.Addr) (fd int, raw bool, err error) {
	family, protocol := unix.AF_INET, unix.IPPROTO_ICMP
	if to.Is6() {
		family, protocol = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	const flags = unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK
	fd, err = unix.Socket(family, unix.SOCK_DGRAM|flags, protocol)
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EPROTONOSUPPORT) {
		raw = true
		fd, err = unix.Socket(family, unix.SOCK_RAW|flags, protocol)
		if errors.Is(err, unix.EPERM) {
			err = fmt.Errorf("no right to send ICMP: add CAP_NET_RAW, or our group to net.ipv4.ping_group_range: %w",
				err)
		}
	}
	return fd, raw, err
}

// Bind gives a socket its local address.
func Bind(fd int, a netip.Addr) error {
	at, err := sockaddr(a)
	if err != nil {
		return err
	}
	return unix.Bind(fd, at)
}

// Connect sets the remote address of a datagram socket.
func Connect(fd int, a netip.Addr) error {
	to, err := sockaddr(a)
	if err != nil {
		return err
	}
	return unix.Connect(fd, to)
}

func sockaddr(a netip.Addr) (unix.Sockaddr, error) {
	if a.Is4() {
		return &unix.SockaddrInet4{Addr: a.As4()}, nil
	}
	s := &unix.SockaddrInet6{Addr: a.As16()}
	if a.Zone() != "" {
		i, err := net.InterfaceByName(a.Zone())
		if err != nil {
			return nil, err
		}
		s.ZoneId = uint32(i.Index)
	}
	return s, nil
}
