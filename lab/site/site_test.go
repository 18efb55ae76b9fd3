package site

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// haproxyPair is the site with proxies.
var haproxyPair = mustSite("haproxy-pair")

func mustSite(name string) *Site {
	s, err := ByName(name, "")
	if err != nil {
		panic(err)
	}
	return s
}

func lvs(t *testing.T, kind string) *Site {
	t.Helper()
	s, err := ByName("lvs-dr", kind)
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
			want := []string{"interface " + s.Interface, "virtual_router_id " + strconv.Itoa(s.VRID),
				"priority " + strconv.Itoa(n.Priority),
				s.VIP.String() + " dev", "virtual_server " + s.VIP.Addr().String() + " 80",
				"lb_kind " + strings.ToUpper(kind),
				"delay_loop " + strconv.Itoa(int(s.LVS.Loop.Seconds())),
				"connect_timeout " + strconv.Itoa(int(s.LVS.Connect.Seconds())),
				"retry " + strconv.Itoa(s.LVS.Retry),
				"delay_before_retry " + strconv.Itoa(int(s.LVS.RetryDelay.Seconds()))}
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
			seed, err := os.ReadFile("../../../shared/seed-configs/lvs-dr/" + n.Config)
			if err == nil && kind == "dr" && string(seed) != string(s.file(n.Config)) {
				t.Errorf("%s is not the textbook's", n.Config)
			}
		}
	}
}

func TestSiteKinds(t *testing.T) {
	if _, err := ByName("lvs-dr", "vxlan"); err == nil || !strings.Contains(err.Error(), "dr, nat, tun") {
		t.Error(err)
	}
	if _, err := ByName("nginx-pair", "nat"); err == nil {
		t.Error("nginx-pair came as kind nat")
	}
	if s := lvs(t, ""); s.LVS.Kind != "dr" {
		t.Errorf("kind %q by default", s.LVS.Kind)
	}
}

func TestReadTable(t *testing.T) {
	listing := "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> " +
		"RemoteAddress:Port           Forward Weight ActiveConn InActConn\n" +
		"TCP  192.168.160.100:80 rr\n  -> 192.168.160.135:80           Route   1      2          1\n"
	connections := "IPVS connection entries\npro expire state       source             virtual            " +
		"destination\n" +
		"TCP 14:59  ESTABLISHED 192.168.160.50:40000 192.168.160.100:80 192.168.160.135:80\n" +
		"TCP 01:02  FIN_WAIT    192.168.160.50:40001 192.168.160.100:80 192.168.160.136:80\n" +
		"TCP 14:58  ESTABLISHED 192.168.160.50:40002 192.168.160.100:80 192.168.160.135:80\n"
	totals := "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port               Conns   InPkts  " +
		"OutPkts  InBytes OutBytes\n  -> RemoteAddress:Port\n" +
		"TCP  192.168.160.100:80                 30      200        0    20000        0\n" +
		"  -> 192.168.160.135:80                 20      150        0    15000        0\n  -> 192.168.160.136:80     " +
		"            10       50        0     5000        0\n"
	table, servers := readTable(listing, connections, totals)
	if table.Connections["ESTABLISHED"] != 2 || table.Connections["FIN_WAIT"] != 1 || len(table.Connections) != 2 {
		t.Errorf("%v", table.Connections)
	}
	if len(servers) != 2 || servers[0] != (ServerStats{"192.168.160.135:80", "UP", 20}) {
		t.Errorf("%v", servers)
	}
	var known []ServerStats
	merge(&known, servers)
	left := merge(&known, servers[1:])
	if len(left) != 2 || left[0].Status != "DOWN" || left[1].Status != "UP" {
		t.Errorf("%v", left)
	}
}

// TestSiteMatchesItsFiles holds the figures the lab expects against the files it hands out.
func TestSiteMatchesItsFiles(t *testing.T) {
	for _, s := range All {
		for _, n := range s.Nodes {
			text := string(s.file(n.Config))
			word := func(pattern string) string {
				m := regexp.MustCompile(`(?m)^\s*` + pattern).FindStringSubmatch(text)
				if m == nil {
					t.Errorf("%s/%s: nothing matches %s", s.Name, n.Config, pattern)
					return ""
				}
				return m[1]
			}
			check := func(what, got, want string) {
				if got != want {
					t.Errorf("%s/%s: %s is %q in the file, %q in the site", s.Name, n.Config, what, got, want)
				}
			}
			check("priority", word(`priority (\d+)`), strconv.Itoa(n.Priority))
			check("virtual_router_id", word(`virtual_router_id (\d+)`), strconv.Itoa(s.VRID))
			check("interface", word(`interface (\S+)`), s.Interface)
			check("advert_int", word(`advert_int (\d+)`), strconv.Itoa(int(s.Advert.Seconds())))
			check("virtual_ipaddress", word(`virtual_ipaddress \{\s*(\S+)`), s.VIP.String())
			if strings.Contains(text, "mcast_src_ip") {
				check("mcast_src_ip", word(`mcast_src_ip (\S+)`), n.Address.Addr().String())
			}
			if n.Scripts {
				check("script", word(`script "/etc/keepalived/(\S+)"`), s.Check)
				check("interval", word(`interval (\d+)`), strconv.Itoa(int(s.CheckEvery.Seconds())))
			}
		}
	}
}

// TestProxySiteMatchesItsFile holds what the lab expects of the proxy against its file.
func TestProxySiteMatchesItsFile(t *testing.T) {
	p, text := haproxyPair.Proxy, string(haproxyPair.file("haproxy.cfg"))
	has := func(words string) {
		t.Helper()
		if !strings.Contains(strings.Join(strings.Fields(text), " "), words) {
			t.Errorf("the file does not say %q", words)
		}
	}
	check := "check inter " + strconv.Itoa(int(p.Inter.Seconds())) + "s rise " + strconv.Itoa(p.Rise) + " fall " +
		strconv.Itoa(p.Fall)
	for _, w := range p.Servers {
		has("server " + w.Line + " " + w.Address.Addr().String() + ":80 maxconn 2000 weight 1 " + check)
	}
	has("retries " + strconv.Itoa(p.Retries))
	has("srvtimeout " + strconv.Itoa(int(p.ServerTimeout.Milliseconds())))
	has("stats auth " + p.StatsAuth)
	has("stats uri " + p.Stats[strings.LastIndexByte(p.Stats, '/'):])
	has("bind *:81")
}

func TestServerButtons(t *testing.T) {
	all := []Action{ServerStop, ServerFreeze, ServerSlow, ServerFail, ServerMend}
	for state, want := range map[string][]bool{
		UnitRunning: {true, true, true, true, false},
		UnitStopped: {false, false, false, false, true},
		unitFrozen:  {false, false, false, false, true},
		unitSlow:    {true, true, false, true, true},
		unitFailing: {true, true, true, false, true},
	} {
		for i, a := range all {
			if ok, _ := a.PossibleServer(state); ok != want[i] {
				t.Errorf("%s of a server that is %s: %v", a, state, ok)
			}
		}
	}
}
