package failover

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/test/netns"
)

// tap listens on every port of a switch and keeps what matters of each frame,
// stamped by the kernel.
type tap struct {
	mu     sync.Mutex
	frames []frame
	fd     int
}

// frame is a VRRP advert or an announcement of an address that entered the switch.
type frame struct {
	at       time.Time
	port     int // interface index of the port
	vrid     uint8
	priority uint8
	version  uint8
	announce netip.Addr // gratuitous ARP or unsolicited NA for this address
}

func (f frame) advert() bool { return f.vrid != 0 }

func newTap(t testing.TB, sw *netns.Switch) *tap {
	c := &tap{}
	sw.NS.Do(func() {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(htons(unix.ETH_P_ALL)))
		if err != nil {
			t.Fatal(err)
		}
		c.fd = fd
	})
	unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20)
	unix.SetsockoptTimeval(c.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 100_000})
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.listen(stop)
	}()
	t.Cleanup(func() {
		close(stop)
		<-done
		unix.Close(c.fd)
	})
	return c
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }

func (c *tap) listen(stop <-chan struct{}) {
	buf, oob := make([]byte, 2048), make([]byte, 256)
	for {
		select {
		case <-stop:
			return
		default:
		}
		n, oobn, _, from, err := unix.Recvmsg(c.fd, buf, oob, 0)
		if err != nil {
			continue
		}
		link, ok := from.(*unix.SockaddrLinklayer)
		if !ok || link.Pkttype == unix.PACKET_OUTGOING || n < 14 {
			continue
		}
		f, ok := parseFrame(buf[:n])
		if !ok {
			continue
		}
		f.port, f.at = link.Ifindex, time.Now()
		if cmsgs, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil {
			for _, m := range cmsgs {
				if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS {
					f.at = time.Unix(int64(binary.NativeEndian.Uint64(m.Data)),
						int64(binary.NativeEndian.Uint64(m.Data[8:])))
				}
			}
		}
		c.mu.Lock()
		c.frames = append(c.frames, f)
		c.mu.Unlock()
	}
}

// parseFrame knows adverts and announcements of both families.
func parseFrame(b []byte) (f frame, ok bool) {
	body := b[14:]
	switch binary.BigEndian.Uint16(b[12:]) {
	case unix.ETH_P_ARP:
		if len(body) < 28 {
			return f, false
		}
		sender, target := netip.AddrFrom4([4]byte(body[14:18])), netip.AddrFrom4([4]byte(body[24:28]))
		f.announce = sender
		return f, sender == target
	case unix.ETH_P_IP:
		head := int(body[0]&0xf) * 4
		if len(body) < head+8 || body[9] != 112 {
			return f, false
		}
		return advertFrame(body[head:]), true
	case unix.ETH_P_IPV6:
		if len(body) < 48 {
			return f, false
		}
		switch {
		case body[6] == 112:
			return advertFrame(body[40:]), true
		case body[6] == unix.IPPROTO_ICMPV6 && body[40] == 136 && len(body) >= 64 && body[24] == 0xff:
			f.announce = netip.AddrFrom16([16]byte(body[48:64]))
			return f, true
		}
	}
	return f, false
}

func advertFrame(b []byte) frame {
	return frame{version: b[0] >> 4, vrid: b[1], priority: b[2]}
}

// since returns the frames seen from an instant on.
func (c *tap) since(from time.Time) []frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, f := range c.frames {
		if !f.at.Before(from) {
			return append([]frame(nil), c.frames[i:]...)
		}
	}
	return nil
}

// last returns the latest frame before an instant that satisfies want.
func (c *tap) last(before time.Time, want func(frame) bool) (frame, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := len(c.frames) - 1; i >= 0; i-- {
		if f := c.frames[i]; f.at.Before(before) && want(f) {
			return f, true
		}
	}
	return frame{}, false
}

// first waits for the first frame from an instant on that satisfies want.
func (c *tap) first(t testing.TB, from time.Time, limit time.Duration, what string, want func(frame) bool) frame {
	t.Helper()
	var found frame
	eventually(t, limit, what, func() bool {
		for _, f := range c.since(from) {
			if want(f) {
				found = f
				return true
			}
		}
		return false
	})
	return found
}
