package probe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/evenkeel/evenkeel/config"
)

// largestDatagram is the longest payload of UDP over IPv4.
const largestDatagram = 65507

// verifyUDP: a datagram raises no ICMP error before connect_timeout, or, with require_reply, is
// answered as asked for.
func verifyUDP(ctx context.Context, c *config.Checker) Outcome {
	at := serverName(c, c.Addr)
	payload := c.Payload
	if len(payload) == 0 {
		payload = make([]byte, 64)
		_, _ = rand.Read(payload) // never fails
	}
	answer, err := exchange(ctx, c, payload, func([]byte) bool { return true })
	switch {
	case err == nil && !c.RequireReply:
		return well("UDP_CHECK success for " + at + ".")
	case err == nil:
		if why := replyTrouble(c, answer); why != "" {
			return ill("UDP_CHECK invalid reply from " + at + ": " + why + ".")
		}
		return well("UDP_CHECK success for " + at + ".")
	case timedOut(err) && !c.RequireReply && ctx.Err() == nil:
		return well("UDP_CHECK success for " + at + ".")
	}
	return ill("UDP_CHECK of " + at + " failed: " + cause(err) + ".")
}

// replyTrouble says what is wrong with an answer, or nothing. Answer and pattern are compared as
// far as both go.
func replyTrouble(c *config.Checker, answer []byte) string {
	if len(answer) < c.MinReply || len(answer) > c.MaxReply {
		return fmt.Sprintf("%d bytes, not %d to %d", len(answer), c.MinReply, c.MaxReply)
	}
	for i := range min(len(answer), len(c.Reply)) {
		if answer[i]&c.ReplyMask[i] != c.Reply[i]&c.ReplyMask[i] {
			return fmt.Sprintf("byte %d is %02x", i, answer[i])
		}
	}
	return ""
}

// verifyDNS: a query is answered with no error code.
func verifyDNS(ctx context.Context, c *config.Checker) Outcome {
	at := serverName(c, c.Addr)
	id, err := rand.Int(rand.Reader, big.NewInt(1<<16))
	if err != nil {
		return ill("DNS_CHECK of " + at + ": " + cause(err) + ".")
	}
	query, err := dnsQuery(uint16(id.Uint64()), c)
	if err != nil {
		return ill("DNS_CHECK of " + at + ": " + err.Error() + ".")
	}
	code := dnsmessage.RCodeSuccess
	_, err = exchange(ctx, c, query, func(answer []byte) bool {
		var p dnsmessage.Parser
		h, err := p.Start(answer)
		code = h.RCode
		return err == nil && h.Response && h.ID == uint16(id.Uint64())
	})
	switch {
	case err != nil && timedOut(err):
		return ill("DNS_CHECK of " + at + " failed: no answer in time.")
	case err != nil:
		return ill("DNS_CHECK of " + at + " failed: " + cause(err) + ".")
	case code != dnsmessage.RCodeSuccess:
		return ill("DNS_CHECK of " + at + " failed: " +
			strings.TrimPrefix(code.String(), "RCode") + fmt.Sprintf(" (rcode %d).", code))
	}
	return well("DNS_CHECK of " + at + " success.")
}

// dnsTypes are the queries a DNS_CHECK can make.
var dnsTypes = map[string]dnsmessage.Type{"A": dnsmessage.TypeA, "NS": dnsmessage.TypeNS, "CNAME": dnsmessage.TypeCNAME,
	"SOA": dnsmessage.TypeSOA,
	"MX":  dnsmessage.TypeMX, "TXT": dnsmessage.TypeTXT, "AAAA": dnsmessage.TypeAAAA}

func dnsQuery(id uint16, c *config.Checker) ([]byte, error) {
	kind, ok := dnsTypes[c.DNSType]
	if !ok {
		return nil, fmt.Errorf("no such type of query: %q", c.DNSType)
	}
	name, err := dnsmessage.NewName(strings.TrimSuffix(c.DNSName, ".") + ".")
	if err != nil {
		return nil, fmt.Errorf("name %q: %w", c.DNSName, err)
	}
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: id, RecursionDesired: true})
	if err := b.StartQuestions(); err != nil {
		return nil, err
	}
	if err := b.Question(dnsmessage.Question{Name: name, Type: kind, Class: dnsmessage.ClassINET}); err != nil {
		return nil, fmt.Errorf("name %q: %w", c.DNSName, err)
	}
	return b.Finish()
}

// exchange sends a datagram and waits for the first answer that is ours, within
// connect_timeout. An ICMP error is the connection's.
func exchange(ctx context.Context, c *config.Checker, payload []byte, ours func([]byte) bool) ([]byte, error) {
	conn, err := dial(ctx, c, "udp", c.Addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer unwanted(ctx, conn)()
	extend(ctx, conn, c.Timeout)
	if _, err := conn.Write(payload); err != nil {
		return nil, err
	}
	return firstAnswer(conn, ours)
}

func firstAnswer(conn net.Conn, ours func([]byte) bool) ([]byte, error) {
	small := buffers.Get().(*[answerSize]byte)
	defer buffers.Put(small)
	buf := small[:]
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		if ours(buf[:n]) {
			if n > largestDatagram {
				return nil, errors.New("an answer that long cannot be")
			}
			return append([]byte(nil), buf[:n]...), nil
		}
	}
}
