package keepalived

import (
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/verdict"
)

func openCheck(kind config.CheckerKind) func(*builder, *statement, []value) {
	return func(b *builder, s *statement, _ []value) {
		c := &checkDraft{tok: s.word}
		c.Kind, c.Pos = kind, s.word.pos
		switch kind {
		case config.CheckerHTTP, config.CheckerSSL:
			c.HTTPVersion = "1.0"
		case config.CheckerSMTP:
			c.Helo = "smtpchecker.keepalived.org"
		case config.CheckerDNS:
			c.DNSType, c.DNSName = "SOA", "."
		case config.CheckerUDP:
			c.MaxReply = 255
		}
		b.check = c
		b.real.checks = append(b.real.checks, c)
	}
}

func (b *builder) closeCheck(s *statement) {
	c := b.check
	b.check = nil
	lacks := func(what, cure string) {
		if !c.wrong {
			b.report.Bad(s.word.pos, "missing-word", fmt.Sprintf("%s has no %s", c.Kind, what), cure)
		}
	}
	switch c.Kind {
	case config.CheckerHTTP, config.CheckerSSL:
		if len(c.urls) == 0 {
			lacks("url", "add a block: url { path / }")
		}
	case config.CheckerMisc:
		if !c.command.set {
			lacks("misc_path", `add a line: misc_path "/path/to/check"`)
		}
	case config.CheckerFile:
		if !c.file.set {
			lacks("track_file", "add a line: track_file NAME, and a block track_file NAME { file PATH } above")
		}
	case config.CheckerUDP:
		if c.RequireReply && c.MinReply > c.MaxReply {
			b.report.Bad(s.word.pos, "out-of-range",
				fmt.Sprintf("min_reply_length %d is more than max_reply_length %d: no answer could be right",
					c.MinReply, c.MaxReply), "")
		}
	}
}

func setCheckTime(field func(*checkDraft) *opt[time.Duration]) func(*builder, *statement, []value) {
	return func(b *builder, _ *statement, v []value) { *field(b.check) = given(v[0].d, v[0].tok) }
}

func (b *builder) setCheckRetry(_ *statement, v []value) { b.check.retry = given(v[0].n, v[0].tok) }

func (b *builder) setCheckAlpha(s *statement, v []value) { b.check.alpha = given(isOn(v[0]), s.word) }

func (b *builder) setLogAll(s *statement, v []value) { b.check.logAll = given(isOn(v[0]), s.word) }

// link is the connection being described: that of a host block, or of the checker.
func (b *builder) link() *connectionDraft {
	if b.host != nil {
		b.host.given = true
		return b.host
	}
	b.check.given = true
	return &b.check.connectionDraft
}

func (b *builder) setConnectAddress(_ *statement, v []value) {
	b.link().addr = given(v[0].addr, v[0].tok)
}

func (b *builder) setConnectPort(_ *statement, v []value) { b.link().port = given(v[0].n, v[0].tok) }

func (b *builder) setBind(_ *statement, v []value) { b.link().bind = given(v[0].addr, v[0].tok) }

func (b *builder) setBindPort(_ *statement, v []value) { b.link().bindPort = given(v[0].n, v[0].tok) }

func (b *builder) setBindInterface(_ *statement, v []value) {
	if b.isInterfaceName(v[0].tok) {
		b.link().bindInterface = v[0].tok.text
	}
}

func (b *builder) setConnectTimeout(_ *statement, v []value) {
	b.link().timeout = given(v[0].d, v[0].tok)
}

func (b *builder) setCheckMark(_ *statement, v []value) { b.link().mark = uint32(v[0].n) }

func (b *builder) openHost(*statement, []value) { b.host = &connectionDraft{} }

func (b *builder) closeHost(*statement) {
	b.check.hosts = append(b.check.hosts, b.host)
	b.host = nil
}

func (b *builder) setHTTPVersion(_ *statement, v []value) { b.check.HTTPVersion = v[0].tok.text }

func (b *builder) setCheckHost(_ *statement, v []value) {
	if b.isHeaderValue(v[0].tok) {
		b.check.VirtualHost = v[0].tok.text
	}
}

func (b *builder) setFastRecovery(_ *statement, v []value) { b.check.FastRecovery = isOn(v[0]) }

func (b *builder) setSNI(_ *statement, v []value) { b.check.SNI = isOn(v[0]) }

// setMiscPath reads a command with its arguments.
func (b *builder) setMiscPath(s *statement, _ []value) {
	command, ok := b.command(s)
	if !ok {
		b.check.wrong = true
		return
	}
	command.Pos = s.word.pos
	if len(s.args) > 1 {
		// Differs from Keepalived: in MISC_CHECK too, words after the command are its
		// arguments, as they look. There they are dropped in silence.
		b.report.Warn(s.args[1].pos, "script-arguments", "keepalived runs this program without its arguments",
			`put the whole command in quotes: misc_path "`+verdict.Bare(strings.ReplaceAll(rawWords(s.args), `"`, `'`))+
				`"`)
		for _, arg := range s.args[1:] {
			command.Argv = append(command.Argv, unescape(arg.raw))
		}
	}
	b.check.command = given(command, s.word)
}

func (b *builder) setMiscTimeout(_ *statement, v []value) {
	b.check.runTime = given(v[0].d, v[0].tok)
}

func (b *builder) setDynamic(_ *statement, v []value) { b.check.Dynamic = isOn(v[0]) }

func (b *builder) setCheckUser(_ *statement, v []value) {
	b.check.owner = config.Owner{User: v[0].tok.text, Group: v[1].tok.text}
}

// setHelo takes a name that fits into a line of SMTP.
func (b *builder) setHelo(_ *statement, v []value) {
	if b.isHeaderValue(v[0].tok) {
		b.check.Helo = v[0].tok.text
	}
}

func (b *builder) setDNSType(_ *statement, v []value) { b.check.DNSType = v[0].tok.text }

// setDNSName holds a name to the limits of RFC 1035 section 2.3.4.
func (b *builder) setDNSName(_ *statement, v []value) {
	tok := v[0].tok
	name := strings.TrimSuffix(tok.text, ".")
	if name == "" {
		return // the root
	}
	if len(name) > 253 {
		b.report.Refuse(tok.pos, "bad-value", fmt.Sprintf("name %s is longer than 253 characters", q(tok.text)), "")
		return
	}
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case label == "":
			b.report.Bad(tok.pos, "bad-value", fmt.Sprintf("name %s has an empty part", q(tok.text)), "")
			return
		case len(label) > 63:
			b.report.Refuse(tok.pos, "bad-value",
				fmt.Sprintf("name %s has a part longer than 63 characters", q(tok.text)), "")
			return
		}
	}
	b.check.DNSName = name
}

func (b *builder) setPayload(s *statement, _ []value) {
	data, mask, ok := b.hexadecimal(s, false)
	if ok {
		b.check.Payload = data
	}
	_ = mask
}

// setReply reads what an answer must begin with.
func (b *builder) setReply(s *statement, _ []value) {
	b.check.RequireReply = true
	if len(s.args) == 0 {
		return
	}
	if data, mask, ok := b.hexadecimal(s, true); ok {
		b.check.Reply, b.check.ReplyMask = data, mask
	}
}

// longestDatagram is the longest payload of UDP over IPv4.
const longestDatagram = 65507

// hexadecimal reads bytes written in hexadecimal, in any grouping: two digits are a byte, and a
// last one alone in a word too. With wild, x is any digit, and mask says which bits count.
func (b *builder) hexadecimal(s *statement, wild bool) (data, mask []byte, ok bool) {
	for _, a := range s.args {
		for i := 0; i < len(a.text); i += 2 {
			pair := a.text[i:min(i+2, len(a.text))]
			d, m := byte(0), byte(0xff)
			if len(pair) == 1 {
				pair = "0" + pair
			}
			for _, c := range []byte(pair) {
				n := strings.IndexByte("0123456789abcdef", c|0x20)
				if c >= '0' && c <= '9' {
					n = int(c - '0')
				}
				switch {
				case n >= 0:
					d, m = d<<4|byte(n), m<<4|0xf
				case wild && c|0x20 == 'x':
					d, m = d<<4, m<<4
				default:
					b.report.Bad(a.pos, "bad-value",
						fmt.Sprintf("%s %s: %s is no hexadecimal digit", q(s.word.text), q(a.text), q(string(c))), "")
					return nil, nil, false
				}
			}
			data, mask = append(data, d), append(mask, m)
		}
	}
	if len(data) > longestDatagram {
		b.report.Refuse(s.args[0].pos, "too-many",
			fmt.Sprintf("%s has more bytes than a datagram can carry", q(s.word.text)), "")
		return nil, nil, false
	}
	return data, mask, true
}

func (b *builder) setReplyLength(s *statement, v []value) {
	if s.word.text == "min_reply_length" {
		b.check.MinReply = v[0].n
		return
	}
	b.check.MaxReply = v[0].n
}

func (b *builder) setCheckFile(_ *statement, v []value) {
	b.check.file = given(v[0].tok.text, v[0].tok)
}

func (b *builder) setFileWeight(_ *statement, v []value) {
	b.check.fileWeight = given(v[0].n, v[0].tok)
	b.check.Reverse = v[1].tok.text == "reverse"
}
