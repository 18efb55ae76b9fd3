package probe

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"hash"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/h1"
	"github.com/evenkeel/evenkeel/health"
)

const (
	// keptBody is how much of a body a regex can see.
	keptBody = 1 << 20
	// longestBody ends an answer that would go on for ever.
	longestBody = 256 << 20
)

// verifyPages is HTTP_GET and SSL_GET: every url in turn, each over a connection of its own,
// until one is not as it should be. Keepalived lets delay_loop pass between two urls.
func verifyPages(ctx context.Context, c *config.Checker, rs *config.RealServer) Outcome {
	if len(c.URLs) == 0 {
		return ill("no url to ask for")
	}
	var v Outcome
	for _, u := range c.URLs {
		if v = verifyPage(ctx, c, u, hostOf(c, u, rs)); !v.OK {
			return v
		}
	}
	return well("Remote Web server " + serverName(c, c.Addr) + " succeed on service.")
}

// hostOf is the virtual host asked for, by inheritance; empty: none was given.
func hostOf(c *config.Checker, u *config.CheckURL, rs *config.RealServer) string {
	switch {
	case u.VirtualHost != "":
		return u.VirtualHost
	case c.VirtualHost != "":
		return c.VirtualHost
	}
	return rs.VirtualHost
}

// verifyPage asks for one page.
func verifyPage(ctx context.Context, c *config.Checker, u *config.CheckURL, host string) Outcome {
	at := serverName(c, c.Addr)
	conn, err := dial(ctx, c, "tcp", c.Addr)
	if err != nil {
		if timedOut(err) {
			return ill("Timeout connecting server " + at + ".")
		}
		return ill("Error connecting server " + at + ": " + cause(err) + ".")
	}
	defer hangUp(conn)
	defer unwanted(ctx, conn)()
	talk := conn
	if c.Kind == config.CheckerSSL {
		secured, err := secure(ctx, c, conn, host)
		if err != nil {
			return ill("SSL handshake with " + at + " failed: " + cause(err) + ".")
		}
		talk = secured
	}
	// The probe of http-check reads and takes heads apart here too; its server is not looked at.
	p := &probe{t: &Target{Addr: c.Addr}, ctx: ctx, conn: talk, buf: buffers.Get().(*[answerSize]byte)}
	defer buffers.Put(p.buf)
	p.answer = p.buf[:0]
	extend(ctx, talk, c.Timeout)
	if r, ok := p.send(pageRequest(c, u, host)); !ok {
		return ill("Error sending the request to " + at + ": " + trouble(r) + ".")
	}
	extend(ctx, talk, c.Timeout)
	return judgePage(p, c, u, at)
}

// pageRequest is what is asked, byte for byte as Keepalived does.
func pageRequest(c *config.Checker, u *config.CheckURL, host string) []byte {
	version, closing := "1.0", false
	switch c.HTTPVersion {
	case "1.0C":
		closing = true
	case "1.1":
		version, closing = "1.1", true
	}
	var b strings.Builder
	b.WriteString("GET " + u.Path + " HTTP/" + version + "\r\nUser-Agent: KeepAliveClient\r\n")
	if closing {
		b.WriteString("Connection: close\r\n")
	}
	if host == "" {
		host = authority(c.Addr)
	}
	b.WriteString("Host: " + host + "\r\n\r\n")
	return []byte(b.String())
}

// authority is the Host header for a server that has no name.
func authority(a netip.AddrPort) string {
	if a.Port() != 80 && a.Port() != 443 {
		return a.String()
	}
	if a.Addr().Is6() {
		return "[" + a.Addr().String() + "]"
	}
	return a.Addr().String()
}

// judgePage reads the answer and compares it with what was asked for.
func judgePage(p *probe, c *config.Checker, u *config.CheckURL, at string) Outcome {
	resp := response{method: h1.MethodGet}
	resp.head.Reset(h1.Response, 101)
	if r, ok := p.readHead(&resp); !ok {
		if len(p.answer) == 0 && r.Status == health.L7RSP {
			return ill("Read, no data received from " + at + ".")
		}
		return ill("No HTTP answer from " + at + " url(" + u.Path + "): " + trouble(r) + ".")
	}
	status := resp.head.Status()
	if !statusWanted(u, status) {
		return ill(fmt.Sprintf("HTTP status code error to %s url(%s), status_code [%d].", at, u.Path, status))
	}
	if u.Digest == nil && u.Regex == nil {
		return well("HTTP status code success to " + at + " url(" + u.Path + ").")
	}
	body := pageBody{keep: u.Regex != nil}
	if u.Digest != nil {
		body.sum = md5.New()
		if resp.head.Chunked() {
			body.framed = md5.New()
		}
	}
	if why := body.read(p, &resp, c.Timeout); why != "" {
		return ill("Body from " + at + " url(" + u.Path + "): " + why + ".")
	}
	if u.Digest != nil {
		if got := body.sum.Sum(nil); string(got) != string(u.Digest[:]) && !body.framedAs(u.Digest) {
			return ill("MD5 digest error to " + at + " url[" + u.Path + "], MD5SUM [" + hex.EncodeToString(got) + "].")
		}
	}
	if u.Regex != nil && matchesPage(u, body.kept) == u.RegexNoMatch {
		if u.RegexNoMatch {
			return ill("Regex matches the answer of " + at + " url[" + u.Path + "].")
		}
		return ill("Regex does not match the answer of " + at + " url[" + u.Path + "].")
	}
	return well("Answer of " + at + " url(" + u.Path + ") is as it should be.")
}

// trouble says why an answer could not be read.
func trouble(r health.Result) string {
	switch {
	case r.Status == health.L7TOUT:
		return "timeout"
	case r.Info != "":
		return r.Info
	}
	return "it is not HTTP"
}

func statusWanted(u *config.CheckURL, status int) bool {
	if len(u.Statuses) == 0 {
		return status >= 200 && status <= 299
	}
	for _, r := range u.Statuses {
		if status >= r[0] && status <= r[1] {
			return true
		}
	}
	return false
}

// matchesPage searches a body for a match that begins within the offsets.
func matchesPage(u *config.CheckURL, body []byte) bool {
	if u.MinOffset > len(body) {
		return false
	}
	found := u.Regex.FindIndex(body[u.MinOffset:])
	return found != nil && (u.MaxOffset == 0 || u.MinOffset+found[0] < u.MaxOffset)
}

// pageBody takes a body in: its digest, and, if a regex wants to see it, its first bytes.
type pageBody struct {
	sum hash.Hash
	// framed is the sum of a chunked body as it came, chunk sizes and all: what genhash -P 1.1 prints
	// and Keepalived compares. Both sums are good.
	framed hash.Hash
	keep   bool
	kept   []byte
	size   int
}

// read takes the body until its end, or until enough of it is there. It says what is wrong with
// it, or nothing.
func (b *pageBody) read(p *probe, resp *response, limit time.Duration) string {
	used := resp.size // of p.answer
	for {
		for !resp.body.Done() && used < len(p.answer) {
			out, n, err := resp.body.Next(p.answer[used:], nil, h1.Unchunk)
			if err != nil {
				return err.Error()
			}
			b.take(out)
			if b.framed != nil {
				b.framed.Write(p.answer[used : used+n])
			}
			used += n
			if n == 0 {
				break
			}
		}
		switch {
		case resp.body.Done(), b.enough():
			return ""
		case b.size > longestBody:
			return "longer than " + strconv.Itoa(longestBody>>20) + " MiB"
		}
		// What is left is the beginning of a chunk's frame at most.
		p.answer = p.buf[:copy(p.buf[:], p.answer[used:])]
		used = 0
		before := len(p.answer)
		extend(p.ctx, p.conn, limit)
		if r, ok := p.read(); !ok {
			return trouble(r)
		}
		if p.closed && len(p.answer) == before {
			if err := resp.body.EOF(); err != nil {
				return err.Error()
			}
			return ""
		}
	}
}

func (b *pageBody) framedAs(want *[md5.Size]byte) bool {
	return b.framed != nil && string(b.framed.Sum(nil)) == string(want[:])
}

// enough reports whether nothing more needs to be read.
func (b *pageBody) enough() bool { return b.sum == nil && len(b.kept) >= keptBody }

func (b *pageBody) take(part []byte) {
	b.size += len(part)
	if b.sum != nil {
		b.sum.Write(part)
	}
	if b.keep {
		b.kept = append(b.kept, part[:min(len(part), keptBody-len(b.kept))]...)
	}
}
