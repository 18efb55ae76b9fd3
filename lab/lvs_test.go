package lab

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func lvs(t *testing.T, kind string) *Site {
	t.Helper()
	s, err := siteByName("lvs-dr", kind)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDirectorsMatchTheirFiles holds what the lab expects of the directors against their files, and the files of
// kind dr against the textbook's.
func TestDirectorsMatchTheirFiles(t *testing.T) {
	for _, kind := range Kinds() {
		s := lvs(t, kind)
		for _, n := range s.Nodes {
			text := strings.Join(strings.Fields(string(s.file(n.Config))), " ")
			want := []string{"interface " + s.Interface, "virtual_router_id " + strconv.Itoa(s.VRID), "priority " + strconv.Itoa(n.Priority),
				s.VIP.String() + " dev", "virtual_server " + s.VIP.Addr().String() + " 80", "lb_kind " + strings.ToUpper(kind),
				"delay_loop " + strconv.Itoa(int(s.LVS.Loop.Seconds())), "connect_timeout " + strconv.Itoa(int(s.LVS.Connect.Seconds())),
				"retry " + strconv.Itoa(s.LVS.Retry), "delay_before_retry " + strconv.Itoa(int(s.LVS.RetryDelay.Seconds()))}
			if s.LVS.Inner.IsValid() {
				want = append(want, s.LVS.Inner.String()+" dev")
			}
			for _, w := range s.LVS.Servers {
				want = append(want, "real_server "+strings.ReplaceAll(w.Line, ":", " "))
			}
			for _, words := range want {
				if !strings.Contains(text, words) {
					t.Errorf("%s, %s: the file does not say %q", kind, n.Config, words)
				}
			}
			seed, err := os.ReadFile("../../shared/seed-configs/lvs-dr/" + n.Config)
			if err == nil && kind == "dr" && string(seed) != string(s.file(n.Config)) {
				t.Errorf("%s is not the textbook's", n.Config)
			}
		}
	}
}

func TestSiteKinds(t *testing.T) {
	if _, err := siteByName("lvs-dr", "vxlan"); err == nil || !strings.Contains(err.Error(), "dr, nat, tun") {
		t.Error(err)
	}
	if _, err := siteByName("nginx-pair", "nat"); err == nil {
		t.Error("nginx-pair came as kind nat")
	}
	if s := lvs(t, ""); s.LVS.Kind != "dr" {
		t.Errorf("kind %q by default", s.LVS.Kind)
	}
}

func TestReadTable(t *testing.T) {
	listing := "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n" +
		"TCP  192.168.160.100:80 rr\n  -> 192.168.160.135:80           Route   1      2          1\n"
	connections := "IPVS connection entries\npro expire state       source             virtual            destination\n" +
		"TCP 14:59  ESTABLISHED 192.168.160.50:40000 192.168.160.100:80 192.168.160.135:80\n" +
		"TCP 01:02  FIN_WAIT    192.168.160.50:40001 192.168.160.100:80 192.168.160.136:80\n" +
		"TCP 14:58  ESTABLISHED 192.168.160.50:40002 192.168.160.100:80 192.168.160.135:80\n"
	totals := "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n  -> RemoteAddress:Port\n" +
		"TCP  192.168.160.100:80                 30      200        0    20000        0\n" +
		"  -> 192.168.160.135:80                 20      150        0    15000        0\n  -> 192.168.160.136:80                 10       50        0     5000        0\n"
	table, servers := readTable(listing, connections, totals)
	if table.Connections["ESTABLISHED"] != 2 || table.Connections["FIN_WAIT"] != 1 || len(table.Connections) != 2 {
		t.Errorf("%v", table.Connections)
	}
	if len(servers) != 2 || servers[0] != (serverStats{"192.168.160.135:80", "UP", 20}) {
		t.Errorf("%v", servers)
	}
	var known []serverStats
	merge(&known, servers)
	left := merge(&known, servers[1:])
	if len(left) != 2 || left[0].Status != "DOWN" || left[1].Status != "UP" {
		t.Errorf("%v", left)
	}
}

func TestRealServerFaults(t *testing.T) {
	s := lvs(t, "dr")
	faults, err := faultsByName(s, []string{"all"})
	if err != nil || len(faults) != 8 {
		t.Fatal(faults, err)
	}
	for _, f := range faults {
		if f.name == "web-server-stop" && (!f.leaves || f.watch != 18*time.Second || f.host != "web1") {
			t.Errorf("%+v", f)
		}
		if f.name == "web-server-freeze" && f.watch != 30*time.Second {
			t.Errorf("%+v", f)
		}
	}
}

// pinned counts the planes pinned on the machine itself.
func pinned(t *testing.T) int {
	t.Helper()
	planes, err := filepath.Glob("/sys/fs/bpf/evenkeel/*")
	if err != nil {
		t.Fatal(err)
	}
	return len(planes)
}

// TestDirectors plays a fault of each sort on the real site, by each kind of forwarding.
func TestDirectors(t *testing.T) {
	needNamespaces(t)
	if os.Geteuid() != 0 && os.Getenv("CI") != "true" {
		t.Skip("a forwarding plane needs root")
	}
	before := pinned(t)
	defer func() {
		if after := pinned(t); after > before {
			t.Errorf("%d planes are left behind", after-before)
		}
	}()
	for kind, faults := range map[string]string{"dr": "kill,web-server-stop", "nat": "freeze", "tun": "stop"} {
		t.Run(kind, func(t *testing.T) {
			rep, code := runLab(t, nil, 3*time.Minute, "lvs-dr", "--kind", kind, "--faults", faults, "--json")
			if code != 0 || !rep.OK || rep.Kind != kind {
				t.Fatalf("exit status %d, report %+v", code, rep)
			}
			for _, r := range rep.Faults {
				if r.Double != 0 {
					t.Errorf("%s: %v ms double master", r.Fault, r.Double)
				}
				if held := r.Held; !strings.HasPrefix(r.Fault, serverFault) && (held == nil || held.Download != "complete" || held.Bytes != downloadSize || held.Idle != "answered") {
					t.Errorf("%s: long connections %+v", r.Fault, held)
				}
			}
		})
	}
}
