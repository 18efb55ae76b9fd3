package keepalived

import (
	"fmt"
	"slices"

	"github.com/evenkeel/evenkeel/config"
)

func (b *builder) openGroup(s *statement, v []value) {
	name := v[0].tok
	d := &groupDraft{name: name}
	d.Name, d.Pos = name.text, s.word.pos
	b.group = d
	if first := b.byName.groups[d.Name]; first != nil {
		b.duplicate(name, "vrrp_sync_group", first.Pos)
		return
	}
	b.byName.groups[d.Name] = d
	b.groups = append(b.groups, d)
}

func (b *builder) closeGroup(*statement) { b.group = nil }

// addMember reads one line of group. Keepalived takes several names on a line too.
func (b *builder) addMember(s *statement) {
	b.group.members = append(b.group.members, s.word)
	b.group.members = append(b.group.members, s.args...)
}

func (b *builder) setTrackingWeight(_ *statement, v []value) { b.group.TrackingWeight = isOn(v[0]) }

// trackers are those of the instance or group being read.
func (b *builder) trackers() *trackerDraft {
	if b.group != nil {
		return &b.group.trackers
	}
	return &b.instance.trackers
}

// maxWeight bounds the weight of a tracker: priorities are 1 to 254.
const maxWeight = 253

// trackOptions reads weight N [reverse|noreverse] after the name of a tracker.
func (b *builder) trackOptions(s *statement) (weight opt[int], reverse bool) {
	for i := 0; i < len(s.args); i++ {
		switch tok := s.args[i]; tok.text {
		case "weight":
			i, weight = b.optionNumber(s, i, -maxWeight, maxWeight)
		case "reverse":
			reverse = true
		case "noreverse":
			reverse = false
		default:
			b.report.Bad(tok.pos, "unknown-option", fmt.Sprintf("unknown option %s of a tracker", q(tok.text)),
				"one name on each line, then weight NUMBER [reverse]")
			return weight, reverse
		}
	}
	return weight, reverse
}

func (b *builder) addTrackInterface(s *statement) {
	weight, reverse := b.trackOptions(s)
	t := b.trackers()
	if !b.isInterfaceName(s.word) {
		return
	}
	if slices.ContainsFunc(t.interfaces, func(o interfaceRef) bool { return o.Name == s.word.text }) {
		b.report.Tolerate(s.word.pos, "repeated",
			fmt.Sprintf("interface %s is tracked twice: the first counts", q(s.word.text)), "")
		return
	}
	t.interfaces = append(t.interfaces,
		interfaceRef{config.TrackInterface{Name: s.word.text, Weight: weight.or(0), Reverse: reverse}, s.word})
}

func (b *builder) addTrackScript(s *statement) {
	weight, reverse := b.trackOptions(s)
	t := b.trackers()
	if slices.ContainsFunc(t.scripts, func(o scriptRef) bool { return o.name.text == s.word.text }) {
		b.report.Tolerate(s.word.pos, "repeated",
			fmt.Sprintf("script %s is tracked twice: the first counts", q(s.word.text)), "")
		return
	}
	t.scripts = append(t.scripts, scriptRef{name: s.word, weight: weight, reverse: reverse,
		early: b.byName.scripts[s.word.text] == nil})
}

// anyProxy stands for the worker process, whatever its proxies do.
const anyProxy = "*"

// addTrackProxy reads our own keyword track_proxy: NAME [weight N].
func (b *builder) addTrackProxy(s *statement) {
	weight, reverse := b.trackOptions(s)
	if reverse {
		b.report.Bad(s.word.pos, "unknown-option", "a proxy cannot be tracked in reverse", "")
	}
	tracked := config.TrackProxy{Name: s.word.text, Weight: weight.or(0), Pos: s.word.pos}
	if tracked.Name == anyProxy {
		tracked.Name = ""
	}
	t := b.trackers()
	if slices.ContainsFunc(t.proxies, func(o config.TrackProxy) bool { return o.Name == tracked.Name }) {
		b.report.Tolerate(s.word.pos, "repeated",
			fmt.Sprintf("proxy %s is tracked twice: the first counts", q(s.word.text)), "")
		return
	}
	t.proxies = append(t.proxies, tracked)
}
