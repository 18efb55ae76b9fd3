package keepalived

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"

	"github.com/evenkeel/evenkeel/config"
)

// site turns the drafts into the model: names become pointers, defaults are filled
// in, and what the words say together is checked.
func (b *builder) site() *config.Site {
	s := &config.Site{Global: config.Global{
		RouterID:          b.global.routerID.val,
		ScriptUser:        b.global.scriptUser.val,
		ScriptSecurity:    b.global.scriptSecurity,
		DynamicInterfaces: b.global.dynamicInterfaces,
		StartupDelay:      b.global.startupDelay,
		LogUnknownVRIDs:   b.global.logUnknown,
	}}
	for _, d := range b.scripts {
		s.Scripts = append(s.Scripts, b.finishScript(d))
	}
	for _, d := range b.instances {
		b.finishInstance(d)
		s.Instances = append(s.Instances, &d.Instance)
	}
	for _, d := range b.groups {
		b.finishGroup(d)
		if len(d.Members) > 0 {
			s.Groups = append(s.Groups, &d.SyncGroup)
		}
	}
	s.LVS = b.lvsSite()
	keepFromTalking(s)
	b.checkVRIDs()
	b.checkSharedAddresses()
	for _, d := range b.scripts {
		if !d.used && !b.lost[d.Name] {
			b.report.Warn(d.name.pos, "unused",
				fmt.Sprintf("script %s is not tracked by any instance or group, so it never runs", q(d.Name)), "")
		}
	}
	return s
}

func (b *builder) finishScript(d *scriptDraft) *config.Script {
	d.Interval = cmp.Or(d.Interval, time.Second)
	d.Timeout = d.timeout.or(d.Interval)
	return &d.Script
}

// finishInstance fills in one instance.
func (b *builder) finishInstance(d *instanceDraft) {
	b.resolveFamily(d)
	b.resolveIdentity(d)
	b.resolvePriority(d)
	b.resolveTiming(d)
	b.resolveAuth(d)
	b.resolveAddresses(d)
	b.resolvePath(d)
	d.Announce = b.announce(d)
	d.LowerPrioNoAdvert = d.lowerNoAdvert.or(b.global.lowerNoAdvert)
	d.HigherPrioSendAdvert = d.higherAdvert.or(b.global.higherAdvert)
	d.ChecksumAsV2 = d.checksum.or(b.global.checksum)
	d.SkipCheckAddresses = d.skipCheck.or(b.global.skipCheck)
	d.Gate = d.gate.or(b.global.gate)
	d.TrackInterfaces = b.trackedInterfaces(&d.trackers, d)
	d.TrackScripts = b.trackedScripts(&d.trackers, d)
	d.TrackProxies = d.trackers.proxies
}

// resolveFamily takes the family from the first address, else from the first peer,
// else from the source.
func (b *builder) resolveFamily(d *instanceDraft) {
	switch {
	case d.family.set:
		d.IPv6 = d.family.val
	case len(d.peers) > 0:
		d.IPv6 = d.peers[0].Addr.Is6()
	case d.unicastSource.set:
		d.IPv6 = d.unicastSource.val.Is6()
	}
	d.Version = uint8(d.version.or(b.global.version.or(2)))
	if d.IPv6 && !d.version.set {
		d.Version = 3
	}
}

// resolveIdentity checks what makes an instance what it is: interface and VRID.
func (b *builder) resolveIdentity(d *instanceDraft) {
	d.Interface = d.iface.or(b.global.iface.or(""))
	unicast := len(d.peers) > 0 && (d.unicastSource.set || d.mcastSource.set)
	if d.Interface == "" && !d.blamed["interface"] && !unicast {
		b.report.Bad(d.Pos, "missing-word", fmt.Sprintf("vrrp_instance %s has no interface", q(d.Name)),
			"add a line: interface NAME")
	}
	d.VRID = uint8(d.vrid.val)
	if !d.vrid.set && !d.blamed["virtual_router_id"] {
		b.report.Bad(d.Pos, "missing-word", fmt.Sprintf("vrrp_instance %s has no virtual_router_id", q(d.Name)),
			"add a line: virtual_router_id NUMBER (1..255), the same on every node")
	}
}

// ownerPriority is the priority of the address owner (RFC 9568 section 5.2.4).
const ownerPriority = 255

func (b *builder) resolvePriority(d *instanceDraft) {
	master := d.state.or(false)
	switch {
	case d.priority.set:
		d.Priority = uint8(d.priority.val)
	case master:
		d.Priority = ownerPriority
		b.report.Warn(d.state.tok.pos, "owner",
			fmt.Sprintf("vrrp_instance %s is MASTER without a priority: it gets 255, as the owner of the addresses",
				q(d.Name)),
			"add a line: priority 100, unless it is their owner")
	default:
		d.Priority = 100
	}
	d.StartMaster = master || d.Priority == ownerPriority
	d.Preempt = !d.nopreempt.or(false)
	d.PreemptDelay = d.preemptDelay.or(0)
	switch {
	case !d.Preempt && d.Priority == ownerPriority:
		b.report.Tolerate(d.nopreempt.tok.pos, "nopreempt", "nopreempt has no effect on priority 255, the owner", "")
		d.Preempt = true
	case !d.Preempt && d.StartMaster:
		b.report.Tolerate(d.nopreempt.tok.pos, "nopreempt", "nopreempt has no effect with state MASTER",
			"write state BACKUP on both nodes; the higher priority still wins at the start")
		d.Preempt = true
	}
	if d.PreemptDelay > 0 && (!d.Preempt || d.StartMaster) {
		why := "with state MASTER"
		if !d.Preempt {
			why = "with nopreempt"
		}
		b.report.Tolerate(d.preemptDelay.tok.pos, "preempt-delay", "preempt_delay has no effect "+why, "")
		d.PreemptDelay = 0
	}
}

func (b *builder) resolveTiming(d *instanceDraft) {
	want := d.advert.or(time.Second)
	d.AdvertInterval = clampInterval(want, d.Version)
	if d.AdvertInterval != want {
		steps := "whole seconds from 1 to 255"
		if d.Version == 3 {
			steps = "steps of 0.01 s up to 40.95 s"
		}
		b.report.Tolerate(d.advert.tok.pos, "rounded",
			fmt.Sprintf("advert_int %s: VRRPv%d knows %s; %v is used", d.advert.tok.text, d.Version, steps,
				d.AdvertInterval), "")
	}
	d.DownAdverts = d.downAdverts.or(b.global.downAdverts.or(3))
}

func (b *builder) resolveAuth(d *instanceDraft) {
	if !d.authAt.set {
		return
	}
	switch {
	case !d.pass.set || d.pass.val == "":
		if d.auth.set {
			b.report.Tolerate(d.authAt.tok.pos, "no-password", "authentication without auth_pass: no password is used",
				"")
		} else {
			b.report.Warn(d.authAt.tok.pos, "no-password", "authentication is empty: no password is used", "")
		}
	case d.Version == 3:
		b.report.Tolerate(d.authAt.tok.pos, "no-authentication",
			"VRRPv3 has no authentication: the password is not used", "leave it out, or use version 2")
	case d.IPv6:
		b.report.Warn(d.authAt.tok.pos, "no-authentication",
			"VRRPv2 over IPv6 has no authentication: the password is not used", "")
	default:
		d.AuthPass = d.pass.val
	}
}

// resolvePath settles where adverts come from and go to.
func (b *builder) resolvePath(d *instanceDraft) {
	d.McastGroup = b.groupOf(d)
	d.McastSource = b.source(d, d.mcastSource)
	if d.unicastSource.set {
		d.McastSource = b.source(d, d.unicastSource)
	}
	for _, p := range d.peers {
		if p.Addr.Is6() != d.IPv6 {
			b.report.Bad(p.tok.pos, "family",
				fmt.Sprintf("peer %s is not %s, as the instance is", p.Addr, family(d.IPv6)), "")
			continue
		}
		if d.McastSource.IsValid() && p.Addr == d.McastSource {
			b.report.Warn(p.tok.pos, "own-address",
				fmt.Sprintf("peer %s is the source address of this node and left out", p.Addr),
				"name the other nodes only")
			continue
		}
		d.Peers = append(d.Peers, p.Peer)
	}
	d.UnicastTTL = d.unicastTTL.or(0)
	d.CheckUnicastSource = d.checkUnicast.or(b.global.checkUnicast)
	for _, p := range d.Peers {
		d.CheckUnicastSource = d.CheckUnicastSource || p.MinTTL != 0 || p.MaxTTL != 0
	}
	if len(d.peers) == 0 {
		b.unicastWithoutPeers(d)
	}
}

// groupOf gives the multicast group of an instance.
func (b *builder) groupOf(d *instanceDraft) netip.Addr {
	group := b.global.group4.or(defaultGroup(false))
	if d.IPv6 {
		group = b.global.group6.or(defaultGroup(true))
	}
	if d.group.set {
		if d.group.val.Is6() == d.IPv6 {
			return d.group.val
		}
		b.report.Bad(d.group.tok.pos, "family",
			fmt.Sprintf("group %s is not %s, as the instance is", d.group.val, family(d.IPv6)), "")
	}
	return group
}

// source checks the family of a source address.
func (b *builder) source(d *instanceDraft, o opt[netip.Addr]) netip.Addr {
	if o.set && o.val.Is6() != d.IPv6 {
		b.report.Bad(o.tok.pos, "family",
			fmt.Sprintf("source address %s is not %s, as the instance is", o.val, family(d.IPv6)), "")
		return netip.Addr{}
	}
	return o.val
}

// unicastWithoutPeers warns of words that only matter with peers.
func (b *builder) unicastWithoutPeers(d *instanceDraft) {
	for _, w := range []struct {
		set bool
		tok *token
		say string
	}{
		{d.unicastSource.set, d.unicastSource.tok,
			"unicast_src_ip without unicast_peer: adverts go to the multicast group, from this address"},
		{d.peersAt.set, d.peersAt.tok, "unicast_peer is empty: adverts go to the multicast group"},
		{d.unicastTTL.set, d.unicastTTL.tok, "unicast_ttl without unicast_peer has no effect"},
		{d.checkUnicast.set && d.checkUnicast.val, d.checkUnicast.tok,
			"check_unicast_src without unicast_peer has no effect"},
	} {
		if w.set {
			b.report.Tolerate(w.tok.pos, "no-peers", w.say, "add unicast_peer { ADDRESS } or leave it out")
		}
	}
	d.UnicastTTL, d.CheckUnicastSource = 0, false
}

// announce fills in the announcements of an instance: its own words, else those of
// global_defs, else the defaults.
func (b *builder) announce(d *instanceDraft) config.Announce {
	g, i := &b.global.announce, &d.announce
	delay, repeat := 5*time.Second, 5
	if b.global.minGARP {
		delay, repeat = 0, 1
	}
	a := config.Announce{
		Delay:         i.delay.or(g.delay.or(delay)),
		Repeat:        i.repeat.or(g.repeat.or(repeat)),
		Refresh:       i.refresh.or(g.refresh.or(0)),
		RefreshRepeat: i.refreshRepeat.or(g.refreshRepeat.or(1)),
		Interval:      i.interval.or(g.interval.or(0)),
		GNAInt:        i.gnaInterval.or(g.gnaInterval.or(0)),
	}
	a.LowerPrioDelay = i.lowerDelay.or(g.lowerDelay.or(a.Delay))
	a.LowerPrioRepeat = i.lowerRepeat.or(g.lowerRepeat.or(a.Repeat))
	return a
}
