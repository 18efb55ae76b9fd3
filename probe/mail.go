package probe

import (
	"context"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/health"
)

// verifySMTP: it greets and takes a HELO.
func verifySMTP(ctx context.Context, c *config.Checker) Outcome {
	at := serverName(c, c.Addr)
	if why := askMail(ctx, c); why != "" {
		return ill("SMTP_CHECK of " + at + " failed: " + why + ".")
	}
	return well("Remote SMTP server " + at + " succeed on service.")
}

// askMail says what is wrong with one mail server, or nothing. The talk is that of HAProxy's
// smtpchk.
func askMail(ctx context.Context, c *config.Checker) string {
	conn, err := dial(ctx, c, "tcp", c.Addr)
	if err != nil {
		return cause(err)
	}
	defer hangUp(conn)
	p := &probe{t: &Target{Addr: c.Addr, Check: &config.HealthCheck{Kind: config.CheckSMTP, Hello: "HELO " + c.Helo}},
		ctx: ctx, conn: conn, buf: buffers.Get().(*[answerSize]byte)}
	defer buffers.Put(p.buf)
	p.answer = p.buf[:0]
	defer unwanted(ctx, conn)()
	extend(ctx, conn, 3*c.Timeout)
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
