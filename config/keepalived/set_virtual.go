package keepalived

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/verdict"
	"github.com/evenkeel/evenkeel/config/words"
	"github.com/evenkeel/evenkeel/lvs/table"
)

// openVirtual reads what a virtual_server is: ADDRESS [PORT], fwmark NUMBER or group NAME.
func (b *builder) openVirtual(s *statement, _ []value) {
	d := &virtualDraft{head: s.args[0], blamed: make(map[string]bool)}
	d.Pos = s.word.pos
	b.virtual = d
	ok := true
	used := 2
	switch kind := s.args[0]; kind.text {
	case "fwmark":
		d.mark, ok = b.markOf(s)
	case "group":
		if len(s.args) < 2 {
			b.report.Bad(kind.pos, "missing-value", `"group" needs a name`, "write virtual_server group NAME")
			ok = false
			break
		}
		d.group = given(s.args[1].text, s.args[1])
	default:
		d.at, ok = b.endpoint(s.args, "virtual_server")
		used = min(2, len(s.args))
	}
	if !ok {
		return
	}
	if len(s.args) > used {
		b.report.Warn(s.args[used].pos, "extra-word",
			fmt.Sprintf("%s after %s is not read", q(s.args[used].text), q(s.word.text)), "")
	}
	var words []string
	for _, a := range s.args[:used] {
		words = append(words, a.text)
	}
	d.Name = strings.Join(words, " ")
	b.lvs.virtuals = append(b.lvs.virtuals, d)
}

// markOf reads fwmark NUMBER.
func (b *builder) markOf(s *statement) (opt[uint32], bool) {
	if len(s.args) < 2 {
		b.report.Bad(s.args[0].pos, "missing-value", `"fwmark" needs a number`, "write virtual_server fwmark NUMBER")
		return opt[uint32]{}, false
	}
	n, ok := b.mark(s.args[1])
	return given(n, s.args[1]), ok
}

// mark reads a firewall mark, which is not 0.
func (b *builder) mark(tok token) (uint32, bool) {
	n, ok := wholeNumber(tok.text)
	if !ok || n < 0 || n > 4294967295 {
		b.report.Bad(tok.pos, "bad-number",
			fmt.Sprintf("fwmark %s: must be a whole number from 1 to 4294967295", q(tok.text)), "")
		return 0, false
	}
	if n == 0 {
		b.report.Refuse(tok.pos, "out-of-range", "fwmark 0 is no mark: packets without one have it", "")
		return 0, false
	}
	return uint32(n), true
}

// endpoint reads ADDRESS [PORT]. Port 0 is none.
func (b *builder) endpoint(words []token, what string) (endpoint, bool) {
	e := endpoint{tok: words[0]}
	text := words[0].text
	if host, port, found := strings.Cut(text, ":"); found && isAddress(host) && !strings.Contains(port, ":") {
		b.report.Bad(words[0].pos, "bad-address", fmt.Sprintf("%s: %s is not an IP address", what, q(text)),
			"the port is a word of its own: "+host+" "+verdict.Bare(port))
		return e, false
	}
	if first, last, found := strings.Cut(text, "-"); found && isAddress(first) && last != "" {
		b.report.Refuse(words[0].pos, "bad-address", fmt.Sprintf("%s: %s is a range of addresses", what, q(text)),
			"put it into a virtual_server_group")
		return e, false
	}
	addr, ok := b.address(words[0], what)
	if !ok {
		return e, false
	}
	e.addr = addr
	if len(words) > 1 {
		e.port, ok = b.port(words[1], what)
	}
	return e, ok
}

func isAddress(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil
}

func (b *builder) port(tok token, what string) (uint16, bool) {
	n, ok := wholeNumber(tok.text)
	if !ok || n < 0 || n > 65535 {
		b.report.Bad(tok.pos, "bad-number",
			fmt.Sprintf("%s: port %s must be a whole number from 1 to 65535", what, q(tok.text)), "")
		return 0, false
	}
	return uint16(n), true
}

func (b *builder) closeVirtual(*statement) { b.virtual = nil }

func (b *builder) openReal(s *statement, _ []value) {
	at, ok := b.endpoint(s.args, "real_server")
	b.real = &realDraft{at: at}
	b.real.Pos = s.word.pos
	if len(s.args) > 2 {
		b.report.Warn(s.args[2].pos, "extra-word",
			fmt.Sprintf("%s after %s is not read", q(s.args[2].text), q(s.word.text)), "")
	}
	if !ok {
		b.virtual.broken = true
		return
	}
	b.virtual.servers = append(b.virtual.servers, b.real)
}

func (b *builder) closeReal(*statement) { b.real = nil }

// defaults are those of the real server being read, or of the virtual one.
func (b *builder) defaults() *serverDefaults {
	if b.real != nil {
		return &b.real.serverDefaults
	}
	return &b.virtual.serverDefaults
}

func setTime(field func(*serverDefaults) *opt[time.Duration]) func(*builder, *statement, []value) {
	return func(b *builder, _ *statement, v []value) { *field(b.defaults()) = given(v[0].d, v[0].tok) }
}

func (b *builder) setServerRetry(_ *statement, v []value) {
	b.defaults().retry = given(v[0].n, v[0].tok)
}

func (b *builder) setServerAlpha(s *statement, v []value) {
	b.defaults().alpha = given(isOn(v[0]), s.word)
}

func (b *builder) setInhibit(s *statement, v []value) {
	b.defaults().inhibit = given(isOn(v[0]), s.word)
}

func (b *builder) setServerHost(_ *statement, v []value) {
	if b.isHeaderValue(v[0].tok) {
		b.defaults().host = given(v[0].tok.text, v[0].tok)
	}
}

// heaviest is the largest weight the planes know.
const heaviest = 65535

func (b *builder) setWeight(s *statement, v []value) {
	if v[0].n > heaviest {
		b.report.Refuse(v[0].tok.pos, "out-of-range",
			fmt.Sprintf("%s %s: weights go up to %d here", q(s.word.text), q(v[0].tok.text), heaviest),
			"only their proportions count: make all smaller")
		return
	}
	b.defaults().weight = given(v[0].n, v[0].tok)
}

func (b *builder) setMethod(s *statement, _ []value) {
	if f, ok := b.forwarding(s); ok {
		b.defaults().forward = given(f, s.args[0])
	}
}

func (b *builder) setSorryMethod(s *statement, _ []value) {
	if f, ok := b.forwarding(s); ok {
		if !b.virtual.sorry.set {
			b.report.StrictOnly(s.word.pos, "order",
				q(s.word.text)+" stands before sorry_server: keepalived ignores it here", "move it down")
		}
		b.virtual.sorryKind = given(f, s.word)
	}
}

// forwarding reads NAT, DR or TUN [type ipip|gue port NUMBER|gre] [nocsum|csum|remcsum].
func (b *builder) forwarding(s *statement) (forwarding, bool) {
	f := forwarding{method: map[string]table.Method{"NAT": table.NAT, "DR": table.Direct,
		"TUN": table.Tunnel}[s.args[0].text]}
	var wrap wrapDraft
	if !b.wrapOptions(s, &wrap) {
		return f, false
	}
	if len(s.args) > 1 && f.method != table.Tunnel {
		b.report.Warn(s.args[1].pos, "no-effect",
			fmt.Sprintf("%s of a tunnel has no effect with %s", q(s.args[1].text), s.args[0].text), "")
		return f, true
	}
	f.wrap = wrap.Wrap
	bad := func(message string) (forwarding, bool) {
		b.report.Bad(s.args[0].pos, "tunnel", message, "write TUN type gue port NUMBER, TUN type gre or TUN")
		return f, false
	}
	switch {
	case f.wrap.Type == table.GUE && f.wrap.Port == 0:
		return bad("a tunnel of type gue needs a port")
	case f.wrap.Type != table.GUE && f.wrap.Port != 0:
		return bad("only a tunnel of type gue has a port")
	case f.wrap.Type == table.IPIP && wrap.sum:
		return bad("a tunnel of type ipip has no checksum")
	case f.wrap.Type == table.GRE && f.wrap.Flags == table.RemoteChecksum:
		return bad("a tunnel of type gre has no remcsum")
	}
	return f, true
}

// wrapDraft is a tunnel while its options are read; sum: a word about checksums was given.
type wrapDraft struct {
	table.Wrap
	sum bool
}

func (b *builder) wrapOptions(s *statement, w *wrapDraft) bool {
	ok := true
	for i := 1; i < len(s.args); i++ {
		option := s.args[i]
		var val token
		if option.text == "type" || option.text == "port" {
			if i+1 == len(s.args) {
				b.report.Bad(option.pos, "missing-value", fmt.Sprintf("%s needs a value", q(option.text)), "")
				return false
			}
			i++
			val = s.args[i]
		}
		switch option.text {
		case "type":
			ok = b.wrapType(val, w) && ok
		case "port":
			n, good := wholeNumber(val.text)
			if !good || n < 1 || n > 65535 {
				b.report.Bad(val.pos, "bad-number",
					fmt.Sprintf("port %s: must be a whole number from 1 to 65535", q(val.text)), "")
				ok = false
			}
			w.Port = uint16(n)
		case "nocsum", "csum", "remcsum":
			w.sum = true
			w.Flags = map[string]table.TunnelFlags{"csum": table.Checksum, "remcsum": table.RemoteChecksum}[option.text]
		default:
			b.report.Bad(option.pos, "unknown-option", fmt.Sprintf("unknown option %s of a tunnel", q(option.text)),
				words.DidYouMean(option.text, []string{"type", "port", "nocsum", "csum", "remcsum"}))
			ok = false
		}
	}
	return ok
}

func (b *builder) wrapType(tok token, w *wrapDraft) bool {
	types := map[string]table.TunnelType{"ipip": table.IPIP, "gue": table.GUE, "gre": table.GRE}
	t, ok := types[tok.text]
	if !ok {
		b.report.Bad(tok.pos, "unknown-option", fmt.Sprintf("unknown type %s of a tunnel", q(tok.text)),
			"it is ipip, gue or gre")
	}
	w.Type = t
	return ok
}

func (b *builder) setScheduler(_ *statement, v []value) {
	b.virtual.scheduler = given(v[0].tok.text, v[0].tok)
}

func (b *builder) setProtocol(_ *statement, v []value) {
	p := map[string]table.Protocol{"TCP": table.TCP, "UDP": table.UDP, "SCTP": table.SCTP}[v[0].tok.text]
	b.virtual.protocol = given(p, v[0].tok)
}

func (b *builder) setFamily(_ *statement, v []value) {
	b.virtual.ipv6 = given(v[0].tok.text == "inet6", v[0].tok)
}

// defaultPersistence is what persistence_timeout alone, or the need for it, means.
const defaultPersistence = 360 * time.Second

func (b *builder) setPersistence(s *statement, v []value) {
	timeout := defaultPersistence
	if v[0].given {
		if timeout = v[0].d; timeout == 0 {
			b.report.Tolerate(v[0].tok.pos, "out-of-range",
				"persistence_timeout 0: the service is not persistent, as without the line",
				"leave the line out: keepalived calls it invalid")
			return
		}
		timeout = max(timeout.Round(time.Second), time.Second)
	}
	b.virtual.persistence = given(timeout, s.word)
}

func (b *builder) setGranularity(_ *statement, v []value) {
	b.virtual.granularity = given(v[0].tok.text, v[0].tok)
}

func (b *builder) setEngine(_ *statement, v []value) {
	if v[0].tok.text != "sip" {
		b.report.Refuse(v[0].tok.pos, "bad-value", fmt.Sprintf("there is no persistence engine %s", q(v[0].tok.text)),
			"the kernel has one: sip")
		return
	}
	b.virtual.engine = given(v[0].tok.text, v[0].tok)
}

func (b *builder) setOnePacket(s *statement, v []value) {
	b.virtual.onePacket = given(isOn(v[0]), s.word)
}

func setFlag(f table.Flags) func(*builder, *statement, []value) {
	return func(b *builder, s *statement, v []value) {
		if isOn(v[0]) {
			b.virtual.flags = append(b.virtual.flags, flagDraft{f, s.word, !b.virtual.scheduler.set})
		}
	}
}

func (b *builder) setQuorum(_ *statement, v []value) { b.virtual.quorum = given(v[0].n, v[0].tok) }

func (b *builder) setHysteresis(_ *statement, v []value) {
	b.virtual.hysteresis = given(v[0].n, v[0].tok)
}

func (b *builder) setOmega(_ *statement, v []value) { b.virtual.Omega = isOn(v[0]) }

func (b *builder) setSuspend(_ *statement, v []value) { b.virtual.HASuspend = isOn(v[0]) }

func (b *builder) setSorry(s *statement, _ []value) {
	if len(s.args) > 2 {
		b.report.Warn(s.args[2].pos, "extra-word",
			fmt.Sprintf("%s after %s is not read", q(s.args[2].text), q(s.word.text)), "")
	}
	if e, ok := b.endpoint(s.args, "sorry_server"); ok {
		b.virtual.sorry = given(e, s.word)
	}
}

func (b *builder) setSorryInhibit(s *statement, v []value) {
	if !b.virtual.sorry.set {
		b.report.StrictOnly(s.word.pos, "order",
			q(s.word.text)+" stands before sorry_server: keepalived ignores it here", "move it down")
	}
	b.virtual.sorryIn = given(isOn(v[0]), s.word)
}

func (b *builder) setUpper(_ *statement, v []value) { b.real.Upper = uint32(v[0].n) }

func (b *builder) setLower(_ *statement, v []value) { b.real.Lower = uint32(v[0].n) }

// setQuorumScript and setServerScript read COMMAND [USER [GROUP]].
func (b *builder) setQuorumScript(s *statement, _ []value) {
	if c, ok := b.ownedCommand(s); ok {
		if s.word.text == "quorum_up" {
			b.virtual.QuorumUp = c
			return
		}
		b.virtual.QuorumDown = c
	}
}

func (b *builder) setServerScript(s *statement, _ []value) {
	if c, ok := b.ownedCommand(s); ok {
		if s.word.text == "notify_up" {
			b.real.NotifyUp = c
			return
		}
		b.real.NotifyDn = c
	}
}

// openGroupOfAddresses begins a virtual_server_group.
func (b *builder) openGroupOfAddresses(_ *statement, v []value) {
	g := &addressGroup{name: v[0].tok}
	b.addresses = g
	if first := b.lvs.groups[g.name.text]; first != nil {
		b.report.Refuse(g.name.pos, "duplicate-name",
			fmt.Sprintf("virtual_server_group %s is defined twice", q(g.name.text)),
			"first at "+first.name.pos.String())
		return
	}
	b.lvs.groups[g.name.text] = g
}

func (b *builder) closeGroupOfAddresses(*statement) {
	g := b.addresses
	b.addresses = nil
	if len(g.entries) == 0 && !g.wrong {
		b.report.Bad(g.name.pos, "empty-group", fmt.Sprintf("virtual_server_group %s has no addresses", q(g.name.text)),
			"write one on each line: ADDRESS PORT")
		g.wrong = true
	}
}

func (b *builder) openTrackFile(_ *statement, v []value) {
	b.trackFile = &trackFileDraft{TrackFile: config.TrackFile{Name: v[0].tok.text}, weight: 1}
	if b.lvs.trackFiles[v[0].tok.text] != nil {
		b.report.Refuse(v[0].tok.pos, "duplicate-name", fmt.Sprintf("track_file %s is defined twice", q(v[0].tok.text)),
			"")
		return
	}
	b.lvs.trackFiles[v[0].tok.text] = b.trackFile
}

func (b *builder) closeTrackFile(s *statement) {
	if b.trackFile.Path == "" && !b.lost[b.trackFile.Name] {
		b.report.Bad(s.word.pos, "missing-word", fmt.Sprintf("track_file %s has no file", q(b.trackFile.Name)),
			`add a line: file "/path"`)
	}
	b.trackFile = nil
}

func (b *builder) setTrackedPath(_ *statement, v []value) { b.trackFile.Path = v[0].tok.text }

func (b *builder) setTrackedWeight(_ *statement, v []value) {
	b.trackFile.weight, b.trackFile.reverse = v[0].n, v[1].tok.text == "reverse"
}

func (b *builder) openTLS(s *statement, _ []value) {
	b.lvs.tls = given(config.CheckTLS{}, s.word)
}

func (b *builder) setTLSWord(s *statement, v []value) {
	tls := &b.lvs.tls.val
	switch s.word.text {
	case "password":
		tls.Password = v[0].tok.text
	case "ca":
		tls.CA = v[0].tok.text
	case "certificate":
		tls.Certificate = v[0].tok.text
	case "key":
		tls.Key = v[0].tok.text
	}
}

func (b *builder) closeTLS(s *statement) {
	tls := b.lvs.tls.val
	if tls.Key != "" && tls.Certificate == "" {
		b.report.Warn(s.word.pos, "no-effect", "a key without certificate is not used", "")
	}
}

// isHeaderValue holds a word to what may stand in a header line.
func (b *builder) isHeaderValue(tok token) bool {
	if slices.ContainsFunc([]byte(tok.text), func(c byte) bool { return c < ' ' || c == 0x7f }) || tok.text == "" {
		b.report.Refuse(tok.pos, "bad-value", fmt.Sprintf("%s cannot be sent in a line", q(tok.text)), "")
		return false
	}
	return true
}
