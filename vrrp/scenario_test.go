package vrrp

import (
	"encoding/hex"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite what scenarios expect")

// TestScenarios replays testdata/*.txt in virtual time. A line that begins with
// "> " is an input; the lines below it are everything the router did in answer,
// with the time in seconds. Inputs:
//
//	add NAME key=value…         an instance; keys are those of parameters below
//	set NAME key=value…         a reload of it
//	group NAME NAME…            the sync group from here on; without names: none
//	run 3.5s                    let time pass, handling every timer
//	hear NAME key=value…        an advert arrives: priority, from, and any parameter the sender has differently
//	fault NAME interface,…      the set of faults; "none" ends them
//	weight NAME n               sum of tracker weights
//	late 5s                     time passes without the process running
//	unsent on|off               adverts cannot be sent
//	slow on|off                 setting addresses takes longer than the gate's first moment
//	answer NAME                 another host answers a probe
//	answering 3.5s              it answers every probe for so long
//	lost NAME                   an address was removed by someone
//	stop NAME
//	remove NAME                 a reload takes it out
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := newScenario(t).play(string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(want) {
				t.Errorf("%s plays as\n%s\n(go test -update rewrites it)", file, got)
			}
		})
	}
}

type scenario struct {
	t         *testing.T
	r         *Router
	now       Time
	ids       map[string]ID
	names     map[ID]string
	gates     map[ID]Time
	unsent    bool
	slow      bool
	answering Time
	out       strings.Builder
}

func newScenario(t *testing.T) *scenario {
	return &scenario{t: t, r: NewRouter(), ids: map[string]ID{}, names: map[ID]string{}, gates: map[ID]Time{}}
}

func (s *scenario) play(text string) string {
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if input, ok := strings.CutPrefix(line, "> "); ok {
			s.out.WriteString(line + "\n")
			s.input(strings.Fields(input))
		} else if line == "" || strings.HasPrefix(line, "#") {
			s.out.WriteString(line + "\n")
		}
	}
	return s.out.String()
}

func (s *scenario) input(f []string) {
	id := func() ID { return s.id(f[1]) }
	switch f[0] {
	case "add":
		s.add(f)
		return // what is known at the start comes before the first timer
	case "set":
		p := *s.r.Params(id())
		s.parameters(&p, f[2:])
		s.carry(s.r.Reconfigure(s.now, id(), p, nil))
	case "group":
		var ids []ID
		for _, name := range f[1:] {
			ids = append(ids, s.ids[name])
		}
		s.carry(s.r.Regroup(s.now, nil, ids))
		return
	case "run":
		s.run(s.now.Add(s.duration(f[1])))
	case "late":
		s.now = s.now.Add(s.duration(f[1]))
		s.run(s.now)
	case "hear":
		s.hear(id(), f[2:])
	case "fault":
		s.carry(s.r.SetFaults(s.now, id(), faults(f[2]), nil))
	case "weight":
		s.carry(s.r.SetWeight(s.now, id(), s.number(f[2]), nil))
	case "unsent":
		s.unsent = f[1] == "on"
	case "slow":
		s.slow = f[1] == "on"
	case "answer":
		s.r.ProbeAnswered(s.now, id())
	case "answering":
		s.answering = s.now.Add(s.duration(f[1]))
	case "lost":
		s.carry(s.r.AddressLost(s.now, id(), nil))
	case "stop":
		s.carry(s.r.Stop(s.now, id(), nil))
	case "remove":
		s.carry(s.r.Withdraw(s.now, id(), nil))
		s.r.Forget(id())
		delete(s.ids, f[1])
	default:
		s.t.Fatalf("unknown input %q", f[0])
	}
	s.run(s.now)
}

// id is an instance by its name.
func (s *scenario) id(name string) ID {
	id, ok := s.ids[name]
	if !ok {
		s.t.Fatalf("no instance %q", name)
	}
	return id
}

func (s *scenario) add(f []string) {
	p := defaults(f[1])
	s.parameters(&p, f[2:])
	if err := p.Validate(); err != nil {
		s.t.Fatal(err)
	}
	id, e := s.r.Add(s.now, p, nil)
	s.ids[f[1]], s.names[id] = id, f[1]
	s.carry(e)
}

// faults reads words with commas between them.
func faults(words string) (all Faults) {
	for _, word := range strings.Split(words, ",") {
		all |= map[string]Faults{
			"none": 0, "interface": FaultInterface, "source": FaultNoSource, "tracker": FaultTracker,
			"pending": FaultPending,
		}[word]
	}
	return all
}

func defaults(name string) Params {
	return Params{Name: name, VRID: 51, Version: 2, Priority: 100, Interval: time.Second, DownAdverts: 3, Preempt: true,
		AuthPass: "1111", Addrs: []netip.Addr{netip.MustParseAddr("10.9.0.100")},
		Source:         netip.MustParseAddr("10.9.0.1"),
		AnnounceRepeat: 5, AnnounceDelay: 5 * time.Second, RefreshRepeat: 1, LowerPrioRepeat: 5,
		LowerPrioDelay: 5 * time.Second}
}

func (s *scenario) parameters(p *Params, words []string) {
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "vrid":
			p.VRID = uint8(s.number(value))
		case "version":
			p.Version = uint8(s.number(value))
			if p.Version == 3 {
				p.AuthPass = ""
			}
		case "priority":
			p.Priority = uint8(s.number(value))
		case "interval":
			p.Interval = s.duration(value)
		case "down":
			p.DownAdverts = s.number(value)
		case "nopreempt":
			p.Preempt = false
		case "preempt_delay":
			p.PreemptDelay = s.duration(value)
		case "start_delay":
			p.StartDelay = s.duration(value)
		case "pass":
			p.AuthPass = value
		case "source":
			p.Source = netip.MustParseAddr(value)
		case "addrs":
			p.Addrs = nil
			for _, a := range strings.Split(value, ",") {
				p.Addrs = append(p.Addrs, netip.MustParseAddr(a))
			}
			p.IPv6 = p.Addrs[0].Is6()
		case "peer":
			p.Peers = append(p.Peers, Peer{Addr: netip.MustParseAddr(value)})
		case "check_source":
			p.CheckSource = true
		case "start_master":
			p.StartMaster = true
		case "checksum_as_v2":
			p.ChecksumAsV2 = true
		case "lower_prio_no_advert":
			p.LowerPrioNoAdvert = true
		case "higher_prio_send_advert":
			p.HigherPrioSendAdvert = true
		case "refresh":
			p.Refresh = s.duration(value)
		default:
			s.t.Fatalf("unknown parameter %q", key)
		}
	}
}

func (s *scenario) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (s *scenario) number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// hear builds an advert as a peer with our parameters would, but for the words.
func (s *scenario) hear(id ID, words []string) {
	p := *s.r.Params(id)
	d := Datagram{Src: netip.MustParseAddr("10.9.0.2"), TTL: 255}
	if p.IPv6 {
		d.Src = netip.MustParseAddr("fe80::2")
	}
	priority := 100
	var rest []string
	var raw string
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "priority":
			priority = s.number(value)
		case "from":
			d.Src = netip.MustParseAddr(value)
		case "to":
			d.Dst = netip.MustParseAddr(value)
		case "ttl":
			d.TTL = s.number(value)
		case "raw":
			raw = value
		default:
			rest = append(rest, word)
		}
	}
	s.parameters(&p, rest)
	if !d.Dst.IsValid() {
		d.Dst = netip.MustParseAddr("224.0.0.18")
		if p.IPv6 {
			d.Dst = netip.MustParseAddr("ff02::12")
		} else if len(p.Peers) > 0 {
			d.Dst = s.r.Params(id).Source
		}
	}
	d.Payload = p.AppendAdvert(nil, uint8(priority), d.Src, d.Dst)
	if raw != "" {
		b, err := hex.DecodeString(raw)
		if err != nil {
			s.t.Fatal(err)
		}
		d.Payload = b
	}
	s.carry(s.r.Receive(s.now, id, &d, nil))
}

// run handles timers up to an instant.
func (s *scenario) run(until Time) {
	for s.r.Deadline() <= until {
		s.now = max(s.now, s.r.Deadline())
		s.carry(s.r.Tick(s.now, nil))
	}
	s.now = until
}

// carry prints effects and answers those that want an answer, as an engine does.
func (s *scenario) carry(effects []Effect) {
	for _, e := range effects {
		what := ""
		switch e.Kind {
		case PermitAdverts:
			what = "permit adverts until " + seconds(e.Until)
		case Advertise:
			what = fmt.Sprintf("advertise %d", e.Priority)
			if e.Until != 0 {
				what += ", lease until " + seconds(e.Until)
			}
		case Probe:
			what = "probe"
		case OpenGate:
			what = "open the gate until " + seconds(e.Until)
		case ConfirmGate:
			what = "confirm the gate until " + seconds(e.Until)
		case ShortenGate:
			what = "shorten the gate to " + seconds(e.Until)
		case CloseGate:
			what = "close the gate"
		case AddAddresses:
			what = "add addresses"
		case RemoveAddresses:
			what = "remove addresses"
		case RestoreAddresses:
			what = "restore addresses"
		case Announce:
			what = fmt.Sprintf("announce %d times", e.Count)
		case AnnounceSource:
			what = "announce own address"
		case Changed:
			what = e.Change.String()
		case RxLower:
			what = fmt.Sprintf("heard a lower master %v priority %d", e.Peer, e.Priority)
		case Complain:
			what = fmt.Sprintf("complain about %v: %v", e.Peer, e.Reason)
		case PriorityChanged:
			what = fmt.Sprintf("priority is now %d", e.Priority)
		}
		if s.unsent && e.Kind == Advertise {
			what += " (not sent)"
		}
		fmt.Fprintf(&s.out, "%9s %s: %s\n", seconds(s.now), s.names[e.ID], what)
		s.follow(e)
	}
}

// lawful checks the order of effects that keeps two nodes from answering: no
// address and no announcement behind a closed gate, no resignation and no removal
// before an open one, no lease beyond what the advert with it binds others to.
func (s *scenario) lawful(e Effect) {
	open := s.gates[e.ID] > s.now
	hold := s.r.Params(e.ID).Hold()
	switch {
	case (e.Kind == AddAddresses || e.Kind == Announce) && !open:
		s.t.Errorf("at %s: kind %d behind a closed gate", seconds(s.now), e.Kind)
	case (e.Kind == RemoveAddresses || e.Kind == Advertise && e.Priority == 0) && open:
		s.t.Errorf("at %s: kind %d with the gate open", seconds(s.now), e.Kind)
	case (e.Kind == Advertise || e.Kind == ConfirmGate) && e.Until > s.now.Add(hold):
		s.t.Errorf("at %s: a lease until %s, longer than %v", seconds(s.now), seconds(e.Until), hold)
	}
}

// follow gives the machine the answers an engine owes it.
func (s *scenario) follow(e Effect) {
	s.lawful(e)
	switch e.Kind {
	case Advertise:
		switch {
		case s.unsent:
			s.carry(s.r.AdvertFailed(s.now, e.ID, nil))
			return
		case e.Until != 0 && s.gates[e.ID] <= s.now:
			s.carry(s.r.GateClosed(s.now, e.ID, nil))
			return
		case e.Until != 0:
			s.gates[e.ID] = e.Until
		}
		s.r.Sent(s.now, e.ID)
	case Probe:
		s.r.Sent(s.now, e.ID)
		if s.now < s.answering {
			s.r.ProbeAnswered(s.now, e.ID)
		}
	case OpenGate:
		s.gates[e.ID] = e.Until
	case AddAddresses:
		if s.slow {
			s.now = max(s.now, s.gates[e.ID])
		}
	case ShortenGate:
		s.gates[e.ID] = min(s.gates[e.ID], e.Until)
	case CloseGate:
		s.gates[e.ID] = 0
	case ConfirmGate:
		ok := s.now < s.gates[e.ID]
		if ok {
			s.gates[e.ID] = e.Until
		}
		s.carry(s.r.Opened(s.now, e.ID, ok, nil))
	}
}

func seconds(t Time) string { return strconv.FormatFloat(float64(t)/1e9, 'f', 4, 64) }
