package config

import (
	"fmt"
	"slices"
	"strings"
)

// Aspect is a set of the things about an instance, a group or a script that a new
// Site changes.
type Aspect uint32

// Aspects of an instance; groups and scripts use some of them.
const (
	// Identity is what peers and the kernel know an instance by: interface, VRID,
	// family, version. An instance whose identity changes is another one: it must be
	// stopped and started anew.
	Identity   Aspect = 1 << iota
	Priority          // priority
	Timing            // advert interval, adverts missed before takeover; interval, timeout, rise and fall of a script
	Preemption        // preempt, its delay, and the state to start in
	Auth              // password
	Addresses         // advertised addresses, also their order
	Excluded          // addresses not advertised
	Path              // source, multicast group, peers, TTL and its checks
	Trackers          // tracked interfaces and scripts, and whether the own interface counts
	Announcing        // ARP and neighbour announcements
	Adverts           // when and how adverts are sent and checked
	Notifying         // notify scripts
	Gate              // mode of the lease gate
	Members           // members of a group
	Running           // command, owner, first state and default weight of a script
)

var aspectNames = [...]string{"identity", "priority", "timing", "preemption", "authentication", "addresses",
	"excluded addresses",
	"path of adverts", "trackers", "announcements", "adverts", "notify scripts", "lease gate", "members", "command"}

// Has reports whether all of b is in a.
func (a Aspect) Has(b Aspect) bool { return a&b == b }

// String lists the aspects in prose.
func (a Aspect) String() string {
	var names []string
	for i, name := range aspectNames {
		if a&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// Change says what becomes of one named thing: added if Old is nil, removed if New
// is, else changed in Aspects, which is never empty then.
type Change[T any] struct {
	Name     string
	Old, New *T
	Aspects  Aspect
}

// Added reports a thing that was not there before.
func (c Change[T]) Added() bool { return c.Old == nil }

// Removed reports a thing that is there no more.
func (c Change[T]) Removed() bool { return c.New == nil }

// String gives the change in a few words.
func (c Change[T]) String() string {
	switch {
	case c.Added():
		return c.Name + " added"
	case c.Removed():
		return c.Name + " removed"
	}
	return fmt.Sprintf("%s changed: %v", c.Name, c.Aspects)
}

// InstanceChange is what becomes of one instance. Set and Unset are the addresses
// that the kernel must be told of while it is master, advertised or not; one that
// only moves between the lists is in neither.
type InstanceChange struct {
	Change[Instance]
	Set, Unset []Address
}

// Restart reports whether the change cannot be made while the instance runs.
func (c InstanceChange) Restart() bool { return c.Aspects.Has(Identity) }

// Difference is what a reload changes. Things are matched by name. Things that do
// not change are not in it, and a change of position in a file is none.
type Difference struct {
	// Global lists the settings of the node that change, by their keywords.
	Global    []string
	Instances []InstanceChange
	Groups    []Change[SyncGroup]
	Scripts   []Change[Script]
}

// Empty reports whether there is nothing to do.
func (d Difference) Empty() bool {
	return len(d.Global) == 0 && len(d.Instances) == 0 && len(d.Groups) == 0 && len(d.Scripts) == 0
}

// Lines describes the difference for an operator, one line for each thing.
func (d Difference) Lines() []string {
	var lines []string
	for _, g := range d.Global {
		lines = append(lines, g+" changed")
	}
	for _, c := range d.Scripts {
		lines = append(lines, "vrrp_script "+c.String())
	}
	for _, c := range d.Instances {
		line := "vrrp_instance " + c.String()
		for _, a := range c.Unset {
			line += " -" + a.Prefix.String()
		}
		for _, a := range c.Set {
			line += " +" + a.Prefix.String()
		}
		if c.Restart() {
			line += " (starts anew)"
		}
		lines = append(lines, line)
	}
	for _, c := range d.Groups {
		lines = append(lines, "vrrp_sync_group "+c.String())
	}
	return lines
}

// Diff compares two sites. Removed things come first, then those of new in its
// order. Neither site is changed; the result points into both.
func Diff(old, new *Site) Difference {
	d := Difference{Global: globalChanges(old.Global, new.Global)}
	d.Scripts = changes(old.Scripts, new.Scripts, func(s *Script) string { return s.Name }, scriptAspects)
	d.Groups = changes(old.Groups, new.Groups, func(g *SyncGroup) string { return g.Name }, groupAspects)
	for _, c := range changes(old.Instances, new.Instances, func(i *Instance) string { return i.Name },
		instanceAspects) {
		d.Instances = append(d.Instances, withAddresses(c))
	}
	return d
}

// changes matches two lists by name.
func changes[T any](old, new []*T, name func(*T) string, aspects func(a, b *T) Aspect) []Change[T] {
	before := make(map[string]*T, len(old))
	for _, o := range old {
		before[name(o)] = o
	}
	after := make(map[string]bool, len(new))
	for _, n := range new {
		after[name(n)] = true
	}
	var list []Change[T]
	for _, o := range old {
		if !after[name(o)] {
			list = append(list, Change[T]{Name: name(o), Old: o})
		}
	}
	for _, n := range new {
		o := before[name(n)]
		if o == nil {
			list = append(list, Change[T]{Name: name(n), New: n})
		} else if a := aspects(o, n); a != 0 {
			list = append(list, Change[T]{Name: name(n), Old: o, New: n, Aspects: a})
		}
	}
	return list
}

// withAddresses works out what the kernel must be told. An instance that starts
// anew, begins or ends has all its addresses in Set or Unset.
func withAddresses(c Change[Instance]) InstanceChange {
	ic := InstanceChange{Change: c}
	before, after := allAddresses(c.Old), allAddresses(c.New)
	if ic.Restart() {
		ic.Unset, ic.Set = before, after
		return ic
	}
	for _, a := range before {
		if !slices.Contains(after, a) {
			ic.Unset = append(ic.Unset, a)
		}
	}
	for _, a := range after {
		if !slices.Contains(before, a) {
			ic.Set = append(ic.Set, a)
		}
	}
	return ic
}

// allAddresses lists an instance's addresses as the kernel sees them.
func allAddresses(i *Instance) []Address {
	if i == nil {
		return nil
	}
	all := slices.Concat(i.Addresses, i.Excluded)
	for n := range all {
		all[n].NoTrack = false // only we know of it
	}
	return all
}
