package config

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sample is a site with something in every field that Diff looks at.
func exampleSite() *Site {
	script := &Script{Name: "nginx", Command: Command{Argv: []string{"/bin/check", "a"}}, Interval: time.Second,
		Timeout: time.Second, Rise: 1, Fall: 1}
	web := &Instance{Name: "web", Interface: "eth0", VRID: 1, Version: 2, Priority: 100, AdvertInterval: time.Second,
		DownAdverts: 3, Preempt: true,
		Addresses:    []Address{{Prefix: netip.MustParsePrefix("192.0.2.1/24"), Dev: "eth0"}},
		Excluded:     []Address{{Prefix: netip.MustParsePrefix("192.0.2.9/24"), Dev: "eth0"}},
		TrackScripts: []TrackScript{{Script: script, Weight: -20}}}
	mail := &Instance{Name: "mail", Interface: "eth0", VRID: 2, Version: 2, Priority: 100, AdvertInterval: time.Second,
		DownAdverts: 3}
	return &Site{Instances: []*Instance{web, mail}, Scripts: []*Script{script},
		Groups: []*SyncGroup{{Name: "both", Members: []*Instance{web, mail}}}}
}

var extra = Address{Prefix: netip.MustParsePrefix("192.0.2.2/24"), Dev: "eth0"}

var diffCases = []struct {
	name string
	edit func(*Site)
	want []string
}{
	{"nothing", func(*Site) {}, nil},
	{"position only", func(s *Site) {
		s.Instances[0].Pos.Line, s.Scripts[0].Pos.Line, s.Groups[0].Pos.Line = 9, 9, 9
	}, nil},
	{"global", func(s *Site) { s.Global = Global{RouterID: "x", ScriptSecurity: true} },
		[]string{"router_id changed", "enable_script_security changed"}},
	{"priority", func(s *Site) { s.Instances[0].Priority = 1 }, []string{"vrrp_instance web changed: priority"}},
	{"timers", func(s *Site) { s.Instances[0].AdvertInterval *= 2; s.Instances[0].Preempt = false },
		[]string{"vrrp_instance web changed: timing, preemption"}},
	{"interface", func(s *Site) { s.Instances[0].Interface = "eth1" },
		[]string{"vrrp_instance web changed: identity -192.0.2.1/24 -192.0.2.9/24 +192.0.2.1/24 +192.0.2.9/24 " +
			"(starts anew)"}},
	{"version", func(s *Site) { s.Instances[1].Version = 3 },
		[]string{"vrrp_instance mail changed: identity (starts anew)"}},
	{"address added", func(s *Site) { s.Instances[0].Addresses = append(s.Instances[0].Addresses, extra) },
		[]string{"vrrp_instance web changed: addresses +192.0.2.2/24"}},
	{"address exchanged", func(s *Site) { s.Instances[0].Addresses[0] = extra },
		[]string{"vrrp_instance web changed: addresses -192.0.2.1/24 +192.0.2.2/24"}},
	{"label", func(s *Site) { s.Instances[0].Addresses[0].Label = "eth0:1" },
		[]string{"vrrp_instance web changed: addresses -192.0.2.1/24 +192.0.2.1/24"}},
	{"no_track", func(s *Site) { s.Instances[0].Addresses[0].NoTrack = true },
		[]string{"vrrp_instance web changed: addresses"}},
	{"advertised to excluded", func(s *Site) {
		i := s.Instances[0]
		i.Addresses, i.Excluded = nil, append(i.Excluded, i.Addresses...)
	}, []string{"vrrp_instance web changed: addresses, excluded addresses"}},
	{"added and removed", func(s *Site) {
		s.Instances[1] = &Instance{Name: "new", Addresses: []Address{extra}}
		s.Groups = nil
	}, []string{"vrrp_instance mail removed", "vrrp_instance new added +192.0.2.2/24",
		"vrrp_sync_group both removed"}},
	{"order", func(s *Site) { s.Instances[0], s.Instances[1] = s.Instances[1], s.Instances[0] }, nil},
	{"members", func(s *Site) { s.Groups[0].Members = s.Groups[0].Members[:1] },
		[]string{"vrrp_sync_group both changed: members"}},
	{"script", func(s *Site) { s.Scripts[0].Fall = 3; s.Scripts[0].Command.Argv[1] = "b" },
		[]string{"vrrp_script nginx changed: timing, command"}},
	{"weight", func(s *Site) { s.Instances[0].TrackScripts[0].Weight = -30 },
		[]string{"vrrp_instance web changed: trackers"}},
	{"notify", func(s *Site) {
		s.Instances[0].Notify.Fault.Argv = []string{"x"}
		s.Groups[0].Notify.Any.Owner.User = "u"
	},
		[]string{"vrrp_instance web changed: notify scripts", "vrrp_sync_group both changed: notify scripts"}},
}

func TestDiff(t *testing.T) {
	for _, test := range diffCases {
		t.Run(test.name, func(t *testing.T) {
			edited := exampleSite()
			test.edit(edited)
			d := Diff(exampleSite(), edited)
			if diff := cmp.Diff(test.want, d.Lines()); diff != "" {
				t.Error(diff)
			}
			if d.Empty() != (len(test.want) == 0) {
				t.Errorf("Empty is %v", d.Empty())
			}
		})
	}
}

// TestDiffSeesEveryField changes each field of an instance, a group, a script and
// the globals in turn: a field added to the model must not slip through a reload.
func TestDiffSeesEveryField(t *testing.T) {
	// Name is the key: another name is another thing. DynamicInterfaces is for those who check a file.
	ignored := map[string]bool{"Pos": true, "Name": true, "DynamicInterfaces": true}
	pick := map[string]func(*Site) any{
		"Instance":  func(s *Site) any { return s.Instances[0] },
		"SyncGroup": func(s *Site) any { return s.Groups[0] },
		"Script":    func(s *Site) any { return s.Scripts[0] },
		"Global":    func(s *Site) any { return &s.Global },
	}
	for kind, of := range pick {
		typ := reflect.TypeOf(of(exampleSite())).Elem()
		for i := range typ.NumField() {
			if ignored[typ.Field(i).Name] {
				continue
			}
			edited := exampleSite()
			alter(t, reflect.ValueOf(of(edited)).Elem().Field(i))
			if Diff(exampleSite(), edited).Empty() {
				t.Errorf("Diff does not see a change of %s.%s", kind, typ.Field(i).Name)
			}
		}
	}
}

// alter makes a value another one.
func alter(t *testing.T, v reflect.Value) {
	switch x := v.Addr().Interface().(type) {
	case *netip.Addr:
		*x = netip.MustParseAddr("203.0.113.99")
		return
	case *Owner:
		x.User += "x"
		return
	case *Command:
		x.Argv = append(x.Argv, "x")
		return
	case *Notify:
		x.Stop.Argv = append(x.Stop.Argv, "x")
		return
	case *Announce:
		x.Repeat++
		return
	case *[]TrackScript:
		*x = append(*x, TrackScript{Script: &Script{Name: "other"}})
		return
	case *[]*Instance:
		*x = append(*x, &Instance{Name: "other"})
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.Uint8:
		v.SetUint(v.Uint() + 1)
	case reflect.Slice:
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
	default:
		t.Fatalf("alter does not know %v", v.Type())
	}
}
