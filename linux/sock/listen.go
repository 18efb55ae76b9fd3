package sock

import (
	"fmt"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// ListenOptions are those of a listening socket.
type ListenOptions struct {
	Backlog      int
	Interface    string
	V4V6, V6Only bool
	Transparent  bool
	DeferAccept  bool
	FastOpen     bool
	Keepalive    bool
	Mode         uint32 // UNIX sockets: permissions; 0 leaves the umask's
	UID, GID     int    // UNIX sockets: owner; -1 leaves it
}

// ListenTCP opens a listener that shares its address with others of this process's
// family (SO_REUSEPORT): one for each loop. Accepted connections inherit TCP_NODELAY.
func ListenTCP(addr netip.AddrPort, o ListenOptions) (fd int, err error) {
	target := TargetOf(addr, "")
	fd, err = unix.Socket(target.domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("listening on %v: %w", addr, err)
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
			fd = -1
		}
	}()
	set := func(level, option, value int, what string) {
		if err == nil {
			if e := unix.SetsockoptInt(fd, level, option, value); e != nil {
				err = fmt.Errorf("listening on %v: %s: %w", addr, what, e)
			}
		}
	}
	set(unix.SOL_SOCKET, unix.SO_REUSEADDR, 1, "SO_REUSEADDR")
	set(unix.SOL_SOCKET, unix.SO_REUSEPORT, 1, "SO_REUSEPORT")
	set(unix.IPPROTO_TCP, unix.TCP_NODELAY, 1, "TCP_NODELAY")
	// Without either word the system decides (net.ipv6.bindv6only), as for the reference.
	if target.domain == unix.AF_INET6 && o.V6Only {
		set(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1, "IPV6_V6ONLY")
	} else if target.domain == unix.AF_INET6 && o.V4V6 {
		set(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0, "IPV6_V6ONLY")
	}
	if o.Keepalive {
		set(unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1, "SO_KEEPALIVE")
	}
	if o.DeferAccept {
		set(unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 1, "TCP_DEFER_ACCEPT")
	}
	if o.FastOpen {
		set(unix.IPPROTO_TCP, unix.TCP_FASTOPEN, o.Backlog, "TCP_FASTOPEN")
	}
	if o.Transparent {
		if target.domain == unix.AF_INET6 {
			set(unix.IPPROTO_IPV6, unix.IPV6_TRANSPARENT, 1, "IPV6_TRANSPARENT (it needs CAP_NET_ADMIN)")
		} else {
			set(unix.SOL_IP, unix.IP_TRANSPARENT, 1, "IP_TRANSPARENT (it needs CAP_NET_ADMIN)")
		}
	}
	if err == nil && o.Interface != "" {
		if e := unix.BindToDevice(fd, o.Interface); e != nil {
			err = fmt.Errorf("listening on %v: interface %s: %w", addr, o.Interface, e)
		}
	}
	if err != nil {
		return -1, err
	}
	if e := unix.Bind(fd, socketAddress(addr)); e != nil {
		return -1, fmt.Errorf("listening on %v: %w", addr, e)
	}
	if e := unix.Listen(fd, o.Backlog); e != nil {
		return -1, fmt.Errorf("listening on %v: %w", addr, e)
	}
	return fd, nil
}

func socketAddress(addr netip.AddrPort) unix.Sockaddr {
	if a := addr.Addr().Unmap(); a.Is4() {
		return &unix.SockaddrInet4{Addr: a.As4(), Port: int(addr.Port())}
	}
	return &unix.SockaddrInet6{Addr: addr.Addr().As16(), Port: int(addr.Port())}
}

// ListenUnix opens a UNIX listener in the place of a dead one's file. A path beginning
// with '@' is an abstract name.
func ListenUnix(path string, o ListenOptions) (fd int, err error) {
	fail := func(err error) (int, error) { return -1, fmt.Errorf("listening on %s: %w", path, err) }
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fail(err)
	}
	file := !strings.HasPrefix(path, "@")
	// The socket appears under its name complete with owner and mode, in place of the old one.
	bound := path
	if file {
		bound = fmt.Sprintf("%s.%d.tmp", path, os.Getpid())
		os.Remove(bound)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: bound}); err != nil {
		unix.Close(fd)
		return fail(err)
	}
	if file {
		if o.Mode != 0 {
			err = os.Chmod(bound, os.FileMode(o.Mode))
		}
		if err == nil && (o.UID >= 0 || o.GID >= 0) {
			err = os.Chown(bound, o.UID, o.GID)
		}
	}
	if err == nil {
		err = unix.Listen(fd, o.Backlog)
	}
	if err == nil && file {
		err = os.Rename(bound, path)
	}
	if err != nil {
		unix.Close(fd)
		if file {
			os.Remove(bound)
		}
		return fail(err)
	}
	return fd, nil
}
