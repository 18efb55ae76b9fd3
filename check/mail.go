package check

import (
	"context"
	"net/netip"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/health"
)

// verifySMTP: every host greets and takes a HELO.
func verifySMTP(ctx context.Context, c *config.Checker) Verdict {
	hosts := c.Hosts
	if len(hosts) == 0 {
		hosts = []netip.AddrPort{c.Addr}
	}
	for _, host := range hosts {
		if why := askMail(ctx, c, host); why != "" {
			return ill("SMTP_CHECK of " + place(c, host) + " failed: " + why + ".")
		}
	}
	return well("Remote SMTP server " + place(c, hosts[0]) + " succeed on service.")
}

// askMail says what is wrong with one mail server, or nothing. The talk is that of HAProxy's
// smtpchk.
func askMail(ctx context.Context, c *config.Checker, host netip.AddrPort) string {
	conn, err := dial(ctx, c, "tcp", host)
	if err != nil {
		return cause(err)
	}
	defer hangUp(conn)
	p := &probe{t: &Target{Addr: host, Check: &config.HealthCheck{Kind: config.CheckSMTP, Hello: "HELO " + c.Helo}},
		ctx: ctx, conn: conn, buf: buffers.Get().(*[answerSize]byte)}
	defer buffers.Put(p.buf)
	p.answer = p.buf[:0]
	extend(conn, 3*c.Timeout)
	r := p.smtp()
	switch {
	case r.Status == health.L7OK:
		return ""
	case r.Status == health.L7TOUT:
		return "timeout"
	case r.Info != "":
		return r.Info
	}
	return "it does not speak SMTP"
}
