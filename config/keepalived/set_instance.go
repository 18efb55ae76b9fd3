package keepalived

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/config"
)

func (b *builder) openInstance(s *statement, v []value) {
	name := v[0].tok
	d := &instanceDraft{name: name, blamed: make(map[string]bool)}
	d.Name, d.Pos = name.text, s.word.pos
	b.instance = d
	if first := b.byName.instances[d.Name]; first != nil {
		b.duplicate(name, "vrrp_instance", first.Pos)
		return
	}
	b.byName.instances[d.Name] = d
	b.instances = append(b.instances, d)
}

func (b *builder) closeInstance(*statement) { b.instance = nil }

// blame notes that a word of the definition being read is there, but wrong.
func (b *builder) blame(word string) {
	switch {
	case b.instance != nil:
		b.instance.blamed[word] = true
	case b.script != nil && word == "script":
		b.lost[b.script.Name] = true
	case b.url != nil:
		b.url.pathWrong = b.url.pathWrong || word == "path"
	case b.check != nil:
		b.check.wrong = b.check.wrong || word == "url" || word == "misc_path" || word == "track_file"
	case b.trackFile != nil:
		b.lost[b.trackFile.Name] = true
	case b.virtual != nil && b.real == nil:
		b.virtual.blamed[word] = true
		b.virtual.broken = b.virtual.broken || word == "real_server"
	}
}

// duplicate reports a second definition of a name.
func (b *builder) duplicate(name token, what string, first config.Position) {
	b.report.Bad(name.pos, "duplicate-name", fmt.Sprintf("%s %s is defined twice", what, q(name.text)),
		"first at "+first.String())
}

func (b *builder) setInterface(_ *statement, v []value) {
	if !b.isInterfaceName(v[0].tok) {
		b.blame("interface")
		return
	}
	if v[0].tok.text == "lo" {
		b.report.Bad(v[0].tok.pos, "loopback", "a loopback interface cannot carry adverts", "")
		b.blame("interface")
		return
	}
	b.instance.iface = given(v[0].tok.text, v[0].tok)
}

func (b *builder) setVRID(_ *statement, v []value) { b.instance.vrid = given(v[0].n, v[0].tok) }

func (b *builder) setVersion(_ *statement, v []value) { b.instance.version = given(v[0].n, v[0].tok) }

func (b *builder) setPriority(_ *statement, v []value) { b.instance.priority = given(v[0].n, v[0].tok) }

func (b *builder) setState(_ *statement, v []value) {
	tok := v[0].tok
	switch {
	case tok.text == "MASTER" || tok.text == "BACKUP":
		b.instance.state = given(tok.text == "MASTER", tok)
	case strings.EqualFold(tok.text, "SLAVE"):
		b.report.Tolerate(tok.pos, "bad-state", fmt.Sprintf("state %s: BACKUP is used", q(tok.text)),
			`the other state than MASTER is called BACKUP`)
	case strings.EqualFold(tok.text, "MASTER"), strings.EqualFold(tok.text, "BACKUP"):
		b.report.Tolerate(tok.pos, "bad-state", fmt.Sprintf("state %s: BACKUP is used", q(tok.text)),
			"write it in capitals: "+strings.ToUpper(tok.text))
	case tok.text == "FAULT":
		b.report.Tolerate(tok.pos, "bad-state", "state FAULT: BACKUP is used", "an instance cannot start in fault")
	default:
		b.report.Bad(tok.pos, "bad-state", fmt.Sprintf("state %s: must be MASTER or BACKUP", q(tok.text)), "")
	}
}

func (b *builder) setAdvertInterval(_ *statement, v []value) {
	b.instance.advert = given(v[0].d, v[0].tok)
}

func (b *builder) openAuth(s *statement, _ []value) { b.instance.authAt = given(true, s.word) }

func (b *builder) setAuthType(_ *statement, v []value) {
	if v[0].tok.text == "AH" {
		b.report.Refuse(v[0].tok.pos, "not-supported", `auth_type "AH" is known, but not supported yet`,
			"use PASS, or protect the network of the adverts")
	}
	b.instance.auth = given(v[0].tok.text, v[0].tok)
}

// maxPassword is the length of RFC 2338's authentication data.
const maxPassword = 8

func (b *builder) setAuthPass(_ *statement, v []value) {
	tok := v[0].tok
	pass := tok.text
	if len(pass) > maxPassword {
		b.report.Tolerate(tok.pos, "password-cut",
			fmt.Sprintf("the password has %d bytes, of which only the first %d count", len(pass), maxPassword),
			"passwords that begin alike are the same; shorten it")
		pass = pass[:maxPassword]
	}
	b.instance.pass = given(pass, tok)
}

func (b *builder) setMulticastGroup(s *statement, v []value) {
	if b.isGroup(s, v[0], v[0].addr.Is6()) {
		b.instance.group = given(v[0].addr, v[0].tok)
	}
}

func (b *builder) setUnicastSource(_ *statement, v []value) {
	b.instance.unicastSource = given(v[0].addr, v[0].tok)
}

func (b *builder) setMulticastSource(_ *statement, v []value) {
	b.instance.mcastSource = given(v[0].addr, v[0].tok)
}

func (b *builder) setUnicastTTL(_ *statement, v []value) {
	b.instance.unicastTTL = given(v[0].n, v[0].tok)
}

func (b *builder) setCheckUnicast(s *statement, v []value) {
	b.instance.checkUnicast = given(isOn(v[0]), s.word)
}

func (b *builder) setChecksum(s *statement, v []value) {
	b.instance.checksum = given(isOn(v[0]), s.word)
}

func (b *builder) setNoPreempt(s *statement, _ []value) {
	b.instance.nopreempt = given(true, s.word)
}

func (b *builder) setPreempt(s *statement, _ []value) { b.instance.nopreempt = given(false, s.word) }

func (b *builder) setPreemptDelay(_ *statement, v []value) {
	b.instance.preemptDelay = given(v[0].d, v[0].tok)
}

func (b *builder) setLowerPrioNoAdvert(s *statement, v []value) {
	b.instance.lowerNoAdvert = given(isOn(v[0]), s.word)
}

func (b *builder) setHigherPrioSendAdvert(s *statement, v []value) {
	b.instance.higherAdvert = given(isOn(v[0]), s.word)
}

func (b *builder) setDownAdverts(_ *statement, v []value) {
	b.instance.downAdverts = given(v[0].n, v[0].tok)
}

func (b *builder) setSkipCheck(s *statement, v []value) {
	b.instance.skipCheck = given(isOn(v[0]), s.word)
}

func (b *builder) setAccept(s *statement, v []value) {
	if !isOn(v[0]) {
		b.report.Refuse(s.word.pos, "not-supported", `"accept" off is known, but not supported yet`, "")
	}
}

func (b *builder) setDontTrackPrimary(_ *statement, v []value) {
	b.instance.DontTrackPrimary = isOn(v[0])
}

func (b *builder) setGate(s *statement, v []value) { b.instance.gate = given(gateMode(v[0]), s.word) }

func (b *builder) openPeers(s *statement, _ []value) { b.instance.peersAt = given(true, s.word) }

// addPeer reads one line of unicast_peer: ADDRESS [min_ttl N] [max_ttl N].
func (b *builder) addPeer(s *statement) {
	addr, ok := b.address(s.word, "unicast_peer")
	if !ok {
		return
	}
	p := peerDraft{tok: s.word}
	p.Addr = addr
	low, high := opt[int]{}, opt[int]{}
	for i := 0; i < len(s.args); i++ {
		switch word := s.args[i]; word.text {
		case "min_ttl":
			i, low = b.optionNumber(s, i, 0, 255)
		case "max_ttl":
			i, high = b.optionNumber(s, i, 0, 255)
		default:
			b.report.Bad(word.pos, "unknown-option", fmt.Sprintf("unknown option %s of a peer", q(word.text)),
				"one address on each line, then min_ttl or max_ttl")
		}
	}
	if low.set || high.set {
		p.MinTTL, p.MaxTTL = low.or(0), high.or(255)
		if p.MinTTL > p.MaxTTL {
			b.report.Bad(low.tok.pos, "ttl-range",
				fmt.Sprintf("min_ttl %d is above max_ttl %d: nothing could be received", p.MinTTL, p.MaxTTL), "")
		}
	}
	if slices.ContainsFunc(b.instance.peers, func(o peerDraft) bool { return o.Addr == addr }) {
		b.report.Warn(s.word.pos, "repeated", fmt.Sprintf("peer %s is given again and left out", addr), "")
		return
	}
	b.instance.peers = append(b.instance.peers, p)
}

// optionNumber reads the number that follows the option s.args[i] and gives the
// index of the last argument used.
func (b *builder) optionNumber(s *statement, i, lo, hi int) (int, opt[int]) {
	word := s.args[i]
	if i+1 == len(s.args) {
		b.report.Bad(word.pos, "missing-value", fmt.Sprintf("%s needs a number", q(word.text)), "")
		return i, opt[int]{}
	}
	tok := s.args[i+1]
	n, ok := wholeNumber(tok.text)
	if !ok || n < lo || n > hi {
		b.report.Bad(tok.pos, "out-of-range",
			fmt.Sprintf("%s %s: must be a whole number from %d to %d", q(word.text), q(tok.text), lo, hi), "")
		return i + 1, opt[int]{}
	}
	return i + 1, given(n, tok)
}

// clampInterval brings an advert interval to what the version of the protocol can
// say: RFC 3768 has whole seconds in a byte, RFC 9568 hundredths in 12 bits.
func clampInterval(d time.Duration, version uint8) time.Duration {
	if version == 2 {
		return min(max(d.Round(time.Second), time.Second), 255*time.Second)
	}
	return min(max(d.Round(10*time.Millisecond), 10*time.Millisecond), 40950*time.Millisecond)
}
