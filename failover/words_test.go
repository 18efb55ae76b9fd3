package failover

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/keepalived"
	"github.com/evenkeel/evenkeel/linux/netif"
	"github.com/evenkeel/evenkeel/linux/rawsock"
	"github.com/evenkeel/evenkeel/vrrp"
)

// siteOf reads a file of one instance on eth0, with 10.9.0.100, and more words of global_defs and of the instance.
func siteOf(t *testing.T, global, words string) *config.Site {
	t.Helper()
	if !strings.Contains(words, "virtual_ipaddress") {
		words += "\nvirtual_ipaddress {\n10.9.0.100/24\n}"
	}
	text := fmt.Sprintf("global_defs {\n%s\n}\n"+
		"vrrp_instance VI_1 {\nvirtual_router_id 51\npriority 100\n%s\n}\n", global, words)
	if !strings.Contains(global, "default_interface") {
		text = strings.Replace(text, "priority 100\n", "priority 100\ninterface eth0\n", 1)
	}
	site, diags := keepalived.Parse("keepalived.conf", []byte(text), keepalived.Options{})
	if site == nil || len(site.Instances) != 1 {
		t.Fatal(diags, text)
	}
	return site
}

// heard are adverts of another node that come each second, from one time on, up to another.
type heard struct {
	from, to time.Duration
	priority uint8
	source   string
	address  string // advertised
}

// play is an instance of a file in virtual time, with an engine that does at once what it is told to.
type play struct {
	machine *vrrp.Router
	id      vrrp.ID
	now     vrrp.Time
	gate    vrrp.Time
	told    []string // what is watched, each with its time
	watch   map[vrrp.Kind]bool
}

func newPlay(t *testing.T, site *config.Site, watch ...vrrp.Kind) *play {
	t.Helper()
	r := &router{site: site}
	params := r.params(&instance{cfg: site.Instances[0], source: netip.MustParseAddr("10.9.0.1")})
	if err := params.Validate(); err != nil {
		t.Fatal(err)
	}
	p := &play{machine: vrrp.NewRouter(), watch: map[vrrp.Kind]bool{}}
	for _, k := range watch {
		p.watch[k] = true
	}
	id, effects := p.machine.Add(0, params, nil)
	p.id = id
	p.carry(effects)
	return p
}

func (p *play) carry(effects []vrrp.Effect) {
	for _, e := range effects {
		if p.watch[e.Kind] && (e.Kind != vrrp.Changed || e.Change.To == vrrp.Master) {
			p.told = append(p.told, p.text(e))
		}
		switch e.Kind {
		case vrrp.Advertise:
			if e.Until != 0 && p.gate <= p.now {
				p.carry(p.machine.GateClosed(p.now, p.id, nil))
				continue
			}
			p.gate = max(p.gate, e.Until)
			p.machine.Sent(p.now, p.id)
		case vrrp.Probe:
			p.machine.Sent(p.now, p.id)
		case vrrp.OpenGate, vrrp.ShortenGate, vrrp.CloseGate:
			p.gate = e.Until
		case vrrp.ConfirmGate:
			ok := p.now < p.gate
			if ok {
				p.gate = e.Until
			}
			p.carry(p.machine.Opened(p.now, p.id, ok, nil))
		}
	}
}

// text is an effect with its time in tenths of a second.
func (p *play) text(e vrrp.Effect) string {
	at := fmt.Sprintf("%.1f", time.Duration(p.now).Seconds())
	switch e.Kind {
	case vrrp.Announce:
		return fmt.Sprintf("%s ×%d", at, e.Count)
	case vrrp.Complain:
		return at + " " + e.Reason.String()
	}
	return at
}

// until lets time pass and adverts come.
func (p *play) until(end time.Duration, h heard) string {
	next := vrrp.Never
	if h.source != "" {
		next = vrrp.Time(h.from)
	}
	for {
		due := min(p.machine.Deadline(), next)
		if due > vrrp.Time(end) {
			return strings.Join(p.told, ", ")
		}
		p.now = max(p.now, due)
		if due < next {
			p.carry(p.machine.Tick(p.now, nil))
			continue
		}
		if next = next.Add(time.Second); next > vrrp.Time(h.to) {
			next = vrrp.Never
		}
		theirs := *p.machine.Params(p.id)
		theirs.Addrs = []netip.Addr{netip.MustParseAddr(h.address)}
		d := vrrp.Datagram{Src: netip.MustParseAddr(h.source), Dst: netip.MustParseAddr("224.0.0.18"), TTL: 255}
		if len(theirs.Peers) > 0 {
			d.Dst = theirs.Source
		}
		d.Payload = theirs.AppendAdvert(nil, h.priority, d.Src, d.Dst)
		p.carry(p.machine.Receive(p.now, p.id, &d, nil))
	}
}

const sec = time.Second

// What is heard: one advert of a lower or a higher node once this one is master, a outsider or a lower master all the
// time, a higher master with other addresses.
var (
	nobody   = heard{}
	lower    = heard{12 * sec, 12 * sec, 50, "10.9.0.2", "10.9.0.100"}
	higher   = heard{12 * sec, 12 * sec, 150, "10.9.0.2", "10.9.0.100"}
	lowest   = heard{1 * sec, 20 * sec, 50, "10.9.0.2", "10.9.0.100"}
	outsider = heard{1 * sec, 20 * sec, 150, "10.9.0.9", "10.9.0.100"}
	odd      = heard{1 * sec, 5 * sec, 150, "10.9.0.2", "10.9.0.77"}
)

const (
	peer     = "unicast_peer {\n10.9.0.2\n}"
	differ   = "virtual addresses differ from ours; both sides should list the same"
	refresh4 = "vrrp_garp_master_refresh 10\nvrrp_garp_master_refresh_repeat 4"
)

// instanceCases are words of an instance and of global_defs, what the instance hears, what of what it does is looked
// at, and what that is: when it becomes master, advertises, announces how often, complains.
var instanceCases = []struct {
	global, words string
	hears         heard
	watch         vrrp.Kind
	until         time.Duration
	want          string
}{
	{"", "", nobody, vrrp.Changed, 10 * sec, "3.6"},
	{"vrrp_down_timer_adverts 5", "", nobody, vrrp.Changed, 10 * sec, "5.6"},
	{"vrrp_down_timer_adverts 5", "down_timer_adverts 2", nobody, vrrp.Changed, 10 * sec, "2.6"},
	{"", "", lowest, vrrp.Changed, 10 * sec, "3.6"},
	{"", "nopreempt", lowest, vrrp.Changed, 10 * sec, ""},
	{"", "nopreempt\npreempt", lowest, vrrp.Changed, 10 * sec, "3.6"},
	{"", peer, outsider, vrrp.Changed, 10 * sec, ""},
	{"vrrp_check_unicast_src", peer, outsider, vrrp.Changed, 10 * sec, "3.6"},
	{"", "", lower, vrrp.Advertise, 13 * sec, "3.6, 4.6, 5.6, 6.6, 7.6, 8.6, 9.6, 10.6, 11.6, 12.0, 13.0"},
	{"vrrp_lower_prio_no_advert", "", lower, vrrp.Advertise, 13 * sec,
		"3.6, 4.6, 5.6, 6.6, 7.6, 8.6, 9.6, 10.6, 11.6, 12.6"},
	{"", "", higher, vrrp.Advertise, 13 * sec, "3.6, 4.6, 5.6, 6.6, 7.6, 8.6, 9.6, 10.6, 11.6"},
	{"vrrp_higher_prio_send_advert", "", higher, vrrp.Advertise, 13 * sec,
		"3.6, 4.6, 5.6, 6.6, 7.6, 8.6, 9.6, 10.6, 11.6, 12.0"},
	{"", "", odd, vrrp.Complain, 10 * sec, "1.0 " + differ + ", 2.0 " + differ},
	{"vrrp_skip_check_adv_addr", "", odd, vrrp.Complain, 10 * sec, "1.0 " + differ},
	{"", "skip_check_adv_addr", odd, vrrp.Complain, 10 * sec, "1.0 " + differ},
	{"vrrp_skip_check_adv_addr", "skip_check_adv_addr off", odd, vrrp.Complain, 10 * sec,
		"1.0 " + differ + ", 2.0 " + differ},
	{"", "", nobody, vrrp.Announce, 40 * sec, "3.6 ×5, 8.6 ×5"},
	{"vrrp_min_garp", "", nobody, vrrp.Announce, 40 * sec, "3.6 ×1"},
	{"vrrp_garp_master_repeat 3", "", nobody, vrrp.Announce, 40 * sec, "3.6 ×3, 8.6 ×3"},
	{"vrrp_garp_master_repeat 3", "garp_master_repeat 2", nobody, vrrp.Announce, 40 * sec, "3.6 ×2, 8.6 ×2"},
	{"vrrp_garp_master_delay 2", "", nobody, vrrp.Announce, 40 * sec, "3.6 ×5, 5.6 ×5"},
	{"vrrp_garp_master_delay 2", "garp_master_delay 0", nobody, vrrp.Announce, 40 * sec, "3.6 ×5"},
	{"vrrp_garp_master_refresh 10", "", nobody, vrrp.Announce, 30 * sec, "3.6 ×5, 8.6 ×5, 13.6 ×1, 23.6 ×1"},
	{refresh4, "", nobody, vrrp.Announce, 30 * sec, "3.6 ×5, 8.6 ×5, 13.6 ×4, 23.6 ×4"},
	{refresh4, "garp_master_refresh_repeat 2", nobody, vrrp.Announce, 30 * sec, "3.6 ×5, 8.6 ×5, 13.6 ×2, 23.6 ×2"},
	{"", "", lower, vrrp.Announce, 40 * sec, "3.6 ×5, 8.6 ×5, 12.0 ×5, 17.0 ×5"},
	{"vrrp_garp_lower_prio_repeat 2", "", lower, vrrp.Announce, 40 * sec, "3.6 ×5, 8.6 ×5, 12.0 ×2, 17.0 ×2"},
	{"vrrp_garp_lower_prio_repeat 2", "garp_lower_prio_repeat 1", lower, vrrp.Announce, 40 * sec,
		"3.6 ×5, 8.6 ×5, 12.0 ×1, 17.0 ×1"},
	{"vrrp_garp_lower_prio_delay 8", "", lower, vrrp.Announce, 40 * sec, "3.6 ×5, 8.6 ×5, 12.0 ×5, 20.0 ×5"},
	{"vrrp_garp_lower_prio_delay 8", "garp_lower_prio_delay 3", lower, vrrp.Announce, 40 * sec,
		"3.6 ×5, 8.6 ×5, 12.0 ×5, 15.0 ×5"},
}

// TestInstanceWords shows what words of an instance, and their like in global_defs, make of its elections and of its
// announcements.
func TestInstanceWords(t *testing.T) {
	for _, c := range instanceCases {
		t.Run(c.global+"/"+c.words, func(t *testing.T) {
			if got := newPlay(t, siteOf(t, c.global, c.words), c.watch).until(c.until, c.hears); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestAnnouncementsApart: vrrp_garp_interval is the pause between two announcements of IPv4 addresses,
// vrrp_gna_interval that of IPv6 ones.
func TestAnnouncementsApart(t *testing.T) {
	for words, want := range map[string][2]time.Duration{ // 0: the burst is over at once
		"":                       {0, 0},
		"vrrp_garp_interval 0.5": {sec / 2, 0},
		"vrrp_gna_interval 0.25": {0, sec / 4},
	} {
		for i, address := range []string{"10.9.0.100/24", "fd00::100/64"} {
			r := &router{announcers: map[int]*rawsock.Announcer{}, links: map[int]netif.Link{}}
			m := &instance{cfg: siteOf(t, words, "virtual_ipaddress {\n"+address+"\n}").Instances[0]}
			m.assigned = []netif.Assignment{{Ifindex: 1, Addr: m.cfg.Addresses[0]}}
			m.burst = burst{rounds: 3}
			for n := range 3 {
				now := vrrp.Time(n) * vrrp.Time(time.Minute)
				r.announceSome(m, now)
				over := want[i] == 0
				if over != (m.burst.next == vrrp.Never) || !over && m.burst.next.Sub(now) != want[i] {
					t.Errorf("%q: after announcement %d of %s: %+v, want a pause of %v", words, n, address, m.burst,
						want[i])
				}
				if over {
					break
				}
			}
		}
	}
}
