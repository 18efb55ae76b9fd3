package config

import "slices"

// globalChanges lists the keywords of global_defs whose values differ.
func globalChanges(a, b Global) []string {
	var list []string
	for _, g := range []struct {
		word string
		same bool
	}{
		{"router_id", a.RouterID == b.RouterID},
		{"script_user", a.ScriptUser == b.ScriptUser},
		{"enable_script_security", a.ScriptSecurity == b.ScriptSecurity},
		{"vrrp_startup_delay", a.StartupDelay == b.StartupDelay},
		{"log_unknown_vrids", a.LogUnknownVRIDs == b.LogUnknownVRIDs},
	} {
		if !g.same {
			list = append(list, g.word)
		}
	}
	return list
}

// differ gives the aspects whose values are not the same.
func differ(same map[Aspect]bool) Aspect {
	var all Aspect
	for a, ok := range same {
		if !ok {
			all |= a
		}
	}
	return all
}

func instanceAspects(a, b *Instance) Aspect {
	return differ(map[Aspect]bool{
		Identity:   a.Interface == b.Interface && a.VRID == b.VRID && a.IPv6 == b.IPv6 && a.Version == b.Version,
		Priority:   a.Priority == b.Priority,
		Timing:     a.AdvertInterval == b.AdvertInterval && a.DownAdverts == b.DownAdverts,
		Preemption: a.Preempt == b.Preempt && a.PreemptDelay == b.PreemptDelay && a.StartMaster == b.StartMaster,
		Auth:       a.AuthPass == b.AuthPass,
		Addresses:  slices.Equal(a.Addresses, b.Addresses),
		Excluded:   slices.Equal(a.Excluded, b.Excluded),
		Path: a.McastSource == b.McastSource && a.McastGroup == b.McastGroup && slices.Equal(a.Peers, b.Peers) &&
			a.UnicastTTL == b.UnicastTTL && a.CheckUnicastSource == b.CheckUnicastSource,
		Trackers: a.DontTrackPrimary == b.DontTrackPrimary &&
			slices.EqualFunc(a.TrackProxies, b.TrackProxies, sameProxy) &&
			slices.Equal(a.TrackInterfaces, b.TrackInterfaces) &&
			slices.EqualFunc(a.TrackScripts, b.TrackScripts, sameTracker),
		Announcing: a.Announce == b.Announce,
		Adverts: a.LowerPrioNoAdvert == b.LowerPrioNoAdvert && a.HigherPrioSendAdvert == b.HigherPrioSendAdvert &&
			a.ChecksumAsV2 == b.ChecksumAsV2 && a.SkipCheckAddresses == b.SkipCheckAddresses,
		Notifying: sameNotify(a.Notify, b.Notify),
		Gate:      a.Gate == b.Gate,
	})
}

func groupAspects(a, b *SyncGroup) Aspect {
	return differ(map[Aspect]bool{
		Members: slices.EqualFunc(a.Members, b.Members, func(x, y *Instance) bool { return x.Name == y.Name }),
		Trackers: slices.Equal(a.TrackInterfaces, b.TrackInterfaces) &&
			slices.EqualFunc(a.TrackScripts, b.TrackScripts, sameTracker) &&
			a.TrackingWeight == b.TrackingWeight,
		Notifying: sameNotify(a.Notify, b.Notify),
	})
}

func scriptAspects(a, b *Script) Aspect {
	return differ(map[Aspect]bool{
		Timing: a.Interval == b.Interval && a.Timeout == b.Timeout && a.Rise == b.Rise && a.Fall == b.Fall,
		Running: sameCommand(a.Command, b.Command) && a.Weight == b.Weight && a.Reverse == b.Reverse &&
			a.InitFail == b.InitFail,
	})
}

// sameTracker compares by the script's name: whether the script itself changes is
// said once, with the script.
func sameTracker(a, b TrackScript) bool {
	return a.Script.Name == b.Script.Name && a.Weight == b.Weight && a.Reverse == b.Reverse
}

func sameNotify(a, b Notify) bool {
	return sameCommand(a.Master, b.Master) && sameCommand(a.Backup, b.Backup) && sameCommand(a.Fault, b.Fault) &&
		sameCommand(a.Stop, b.Stop) &&
		sameCommand(a.MasterRxLowerPri, b.MasterRxLowerPri) && sameCommand(a.Any, b.Any)
}

func sameCommand(a, b Command) bool { return slices.Equal(a.Argv, b.Argv) && a.Owner == b.Owner }

// sameProxy compares tracked proxies; where they are written does not matter.
func sameProxy(a, b TrackProxy) bool { return a.Name == b.Name && a.Weight == b.Weight }
