package failover

import (
	"reflect"
	"slices"

	"github.com/evenkeel/evenkeel/config"
)

// changes names, in the words of the configuration, what differs between two
// versions of an instance that keeps its identity.
func changes(a, b *config.Instance) []string {
	var words []string
	differ := func(word string, same bool) {
		if !same {
			words = append(words, word)
		}
	}
	differ("priority", a.Priority == b.Priority)
	differ("state", a.StartMaster == b.StartMaster)
	differ("advert_int", a.AdvertInterval == b.AdvertInterval)
	differ("down_timer_adverts", a.DownAdverts == b.DownAdverts)
	differ("preempt", a.Preempt == b.Preempt && a.PreemptDelay == b.PreemptDelay)
	differ("authentication", a.AuthPass == b.AuthPass)
	differ("virtual_ipaddress", slices.Equal(a.Addresses, b.Addresses))
	differ("virtual_ipaddress_excluded", slices.Equal(a.Excluded, b.Excluded))
	differ("source address", a.McastSource == b.McastSource)
	differ("multicast group", a.McastGroup == b.McastGroup)
	differ("unicast_peer", slices.Equal(a.Peers, b.Peers) && a.UnicastTTL == b.UnicastTTL && a.CheckUnicastSource == b.CheckUnicastSource)
	differ("track_interface", slices.Equal(a.TrackInterfaces, b.TrackInterfaces) && a.DontTrackPrimary == b.DontTrackPrimary)
	differ("track_script", slices.EqualFunc(a.TrackScripts, b.TrackScripts, func(s, t config.TrackScript) bool {
		return s.Script.Name == t.Script.Name && s.Weight == t.Weight && s.Reverse == t.Reverse
	}))
	differ("garp", a.Announce == b.Announce)
	differ("answers to other masters", a.LowerPrioNoAdvert == b.LowerPrioNoAdvert && a.HigherPrioSendAdvert == b.HigherPrioSendAdvert &&
		a.SkipCheckAddresses == b.SkipCheckAddresses && a.ChecksumAsV2 == b.ChecksumAsV2)
	differ("notify", reflect.DeepEqual(a.Notify, b.Notify))
	return words
}
