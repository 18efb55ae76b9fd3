package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"net"
	"os"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/option"
)

// ICMP echo messages (RFC 792, RFC 4443 §4.1).
const (
	echoRequest4, echoReply4 = 8, 0
	echoRequest6, echoReply6 = 128, 129
	echoHeader               = 8
)

// verifyPing: an echo request is answered. The kernel's own ICMP sockets need no rights but those
// of net.ipv4.ping_group_range; where they are not to be had, a raw socket is used. Keepalived widens that range;
// we leave it alone.
func verifyPing(ctx context.Context, c *config.Checker) Outcome {
	at := "[" + c.Addr.Addr().String() + "]"
	conn, raw, err := pingSocket(c)
	if err != nil {
		return ill("ICMP connection to " + at + " failed: " + cause(err) + ".")
	}
	defer conn.Close()
	defer unwanted(ctx, conn)()
	extend(ctx, conn, c.Timeout)
	ask := newEcho(c.Addr.Addr().Is6(), raw)
	if _, err := conn.Write(ask.request); err != nil {
		return ill("ICMP connection to " + at + " failed: " + cause(err) + ".")
	}
	if err := awaitEcho(conn, ask); err != nil {
		return ill("ICMP connection to " + at + " failed: " + cause(err) + ".")
	}
	return well("ICMP connection to " + at + " succeeded.")
}

// echo is a request and how its answer is known.
type echo struct {
	request []byte
	reply   byte // type of the answer
	raw     bool // the identifier is ours and not the kernel's; IPv4 answers come with their IP header
	ipv6    bool
}

func newEcho(ipv6, raw bool) echo {
	e := echo{request: make([]byte, echoHeader+48), reply: echoReply4, raw: raw, ipv6: ipv6}
	_, _ = rand.Read(e.request[4:]) // identifier, sequence number and payload; never fails
	e.request[0] = echoRequest4
	if ipv6 {
		// The kernel fills in the checksum of ICMPv6.
		e.request[0], e.reply = echoRequest6, echoReply6
		return e
	}
	binary.BigEndian.PutUint16(e.request[2:], checksum(e.request))
	return e
}

// checksum is that of RFC 1071.
func checksum(b []byte) uint16 {
	sum := uint32(0)
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// answers reports whether a packet is the answer.
func (e echo) answers(packet []byte) bool {
	if e.raw && !e.ipv6 {
		if len(packet) < 1 || len(packet) < int(packet[0]&0xf)*4 {
			return false
		}
		packet = packet[int(packet[0]&0xf)*4:]
	}
	if len(packet) < echoHeader || packet[0] != e.reply || packet[1] != 0 {
		return false
	}
	if e.raw && !bytes.Equal(packet[4:6], e.request[4:6]) {
		return false
	}
	return bytes.Equal(packet[6:], e.request[6:])
}

func awaitEcho(conn net.Conn, e echo) error {
	buf := make([]byte, 2048)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		if e.answers(buf[:n]) {
			return nil
		}
	}
}

// pingSocket opens a connected socket for echo messages.
func pingSocket(c *config.Checker) (conn net.Conn, raw bool, err error) {
	fd, raw, err := option.Echo(c.Addr.Addr())
	if err != nil {
		return nil, raw, err
	}
	file := os.NewFile(uintptr(fd), "ping")
	defer file.Close() // FileConn takes a copy
	if err := preparePing(fd, c); err != nil {
		return nil, raw, err
	}
	conn, err = net.FileConn(file)
	return conn, raw, err
}

// preparePing binds and connects.
func preparePing(fd int, c *config.Checker) error {
	if err := setSocketOptions(fd, &config.Checker{BindInterface: c.BindInterface, Mark: c.Mark}); err != nil {
		return err
	}
	if source := sourceFor(c, c.Addr.Addr()).Addr(); source.IsValid() && !source.IsUnspecified() {
		if err := option.Bind(fd, source); err != nil {
			return named("bindto "+source.String(), err)
		}
	}
	return option.Connect(fd, c.Addr.Addr())
}
