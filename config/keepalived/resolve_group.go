package keepalived

import (
	"fmt"
	"slices"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/words"
)

// finishGroup finds the members of a group and settles its trackers and theirs.
func (b *builder) finishGroup(d *groupDraft) {
	for _, name := range d.members {
		b.addGroupMember(d, name)
	}
	d.TrackInterfaces = b.trackedInterfaces(&d.trackers, nil)
	d.TrackScripts = b.trackedScripts(&d.trackers, nil)
	b.trackedTwice(d)
	switch {
	case len(d.members) == 0:
		b.report.Bad(d.Pos, "missing-word", fmt.Sprintf("vrrp_sync_group %s has no members", q(d.Name)),
			"add a block: group { INSTANCE INSTANCE }, one on each line")
	case len(d.members) == 1:
		b.report.Tolerate(d.Pos, "one-member", fmt.Sprintf("vrrp_sync_group %s has only one member", q(d.Name)),
			"it needs two or more to keep together")
	}
}

func (b *builder) addGroupMember(d *groupDraft, name token) {
	member := b.byName.instances[name.text]
	switch {
	case member == nil && b.lost[name.text]:
	case member == nil:
		b.report.Bad(name.pos, "unknown-name",
			fmt.Sprintf("vrrp_sync_group %s: there is no vrrp_instance %s", q(d.Name), q(name.text)),
			words.DidYouMean(name.text, b.instanceNames()))
	case member.memberOf != nil:
		b.report.Bad(name.pos, "two-groups",
			fmt.Sprintf("vrrp_instance %s is in vrrp_sync_group %s already", q(name.text), q(member.memberOf.Name)), "")
	default:
		member.memberOf = d
		b.dropWeights(d, member)
		d.Members = append(d.Members, &member.Instance)
	}
}

// trackedTwice notes interfaces that the group and a member both track.
func (b *builder) trackedTwice(d *groupDraft) {
	for _, r := range d.trackers.interfaces {
		for _, m := range d.Members {
			if m.Interface == r.Name || slices.ContainsFunc(m.TrackInterfaces,
				func(t config.TrackInterface) bool { return t.Name == r.Name }) {
				b.report.Tolerate(r.tok.pos, "repeated",
					fmt.Sprintf("interface %s is tracked by vrrp_instance %s too", q(r.Name), q(m.Name)),
					"once is enough: leave one of them out")
				break
			}
		}
	}
}

// dropWeights takes a member's weighted trackers away: members of a group share one
// fate, and priorities that move apart would pull it in two directions.
// Differs from Keepalived: without sync_group_tracking_weight, a weighted tracker of a
// group's member does nothing. 2.2.7 says the same, but changes the priority.
func (b *builder) dropWeights(d *groupDraft, member *instanceDraft) {
	if d.TrackingWeight {
		return
	}
	say := func(tok token, what string, weight int) {
		b.report.Tolerate(tok.pos, "group-weight",
			fmt.Sprintf("%s %s with weight %d is not used: vrrp_instance %s is in a sync group", what, q(tok.text),
				weight, q(member.Name)),
			"track it in the group, or add sync_group_tracking_weight to it")
	}
	member.TrackInterfaces = slices.DeleteFunc(member.TrackInterfaces, func(t config.TrackInterface) bool {
		if t.Weight != 0 {
			at := slices.IndexFunc(member.trackers.interfaces, func(r interfaceRef) bool { return r.Name == t.Name })
			say(member.trackers.interfaces[at].tok, "interface", t.Weight)
		}
		return t.Weight != 0
	})
	member.TrackScripts = slices.DeleteFunc(member.TrackScripts, func(t config.TrackScript) bool {
		if t.Weight != 0 {
			at := slices.IndexFunc(member.trackers.scripts, func(r scriptRef) bool {
				return r.name.text == t.Script.Name
			})
			say(member.trackers.scripts[at].name, "script", t.Weight)
		}
		return t.Weight != 0
	})
}

// trackedInterfaces checks the interfaces of d, or of a group if d is nil.
func (b *builder) trackedInterfaces(t *trackerDraft, d *instanceDraft) []config.TrackInterface {
	var list []config.TrackInterface
	for _, r := range t.interfaces {
		if d != nil && r.Name == d.Interface {
			b.report.Tolerate(r.tok.pos, "own-interface",
				fmt.Sprintf("interface %s is the instance's own, which is always tracked", q(r.Name)), "leave it out")
			continue
		}
		if d != nil && r.Weight != 0 && d.Priority == ownerPriority {
			b.report.Tolerate(r.tok.pos, "owner-weight",
				fmt.Sprintf("weight %d of interface %s is not used: priority 255 does not change", r.Weight, q(r.Name)),
				"")
			continue
		}
		list = append(list, r.TrackInterface)
	}
	return list
}

// trackedScripts finds the scripts of d, or of a group if d is nil.
func (b *builder) trackedScripts(t *trackerDraft, d *instanceDraft) []config.TrackScript {
	var list []config.TrackScript
	for _, r := range t.scripts {
		script := b.byName.scripts[r.name.text]
		if script == nil {
			// Differs from Keepalived: a track_script that does not exist is an error. There
			// the check is dropped and the instance goes on unchecked.
			if !b.lost[r.name.text] {
				b.report.Bad(r.name.pos, "unknown-name", fmt.Sprintf("there is no vrrp_script %s", q(r.name.text)),
					words.DidYouMean(r.name.text, b.scriptNames()))
			}
			continue
		}
		script.used = true
		tracked := config.TrackScript{Script: &script.Script, Weight: script.Weight, Reverse: script.Reverse}
		if r.weight.set {
			tracked.Weight, tracked.Reverse = r.weight.val, r.reverse
		} else if r.reverse {
			tracked.Reverse = true
		}
		if d != nil && tracked.Weight != 0 && d.Priority == ownerPriority {
			b.report.Tolerate(r.name.pos, "owner-weight",
				fmt.Sprintf("script %s with weight %d is not used: priority 255 does not change", q(r.name.text),
					tracked.Weight), "")
			continue
		}
		list = append(list, tracked)
		if r.early { // keepalived reads on from where it is, through includes too
			b.report.StrictOnly(r.name.pos, "forward-reference",
				fmt.Sprintf("vrrp_script %s is defined after its user: keepalived ignores it here", q(r.name.text)),
				"move the vrrp_script up")
		}
	}
	return list
}

func (b *builder) instanceNames() []string {
	var names []string
	for _, d := range b.instances {
		names = append(names, d.Name)
	}
	return names
}

func (b *builder) scriptNames() []string {
	var names []string
	for _, d := range b.scripts {
		names = append(names, d.Name)
	}
	return names
}
