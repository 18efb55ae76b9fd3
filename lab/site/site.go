package site

import (
	"embed"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

//go:embed sites
var siteFiles embed.FS

// Site is a textbook site the lab can build. Its configuration files are the textbook's own;
// the figures here repeat what those files say, so that the lab can say what to expect
// (TestSiteMatchesItsFiles holds the two together).
type Site struct {
	Name      string
	Title     string       // one line for people
	VIP       netip.Prefix // the shared address
	VRID      int
	Interface string        // the nodes' network interface
	Advert    time.Duration // advert_int
	// CheckEvery and CheckLimit are the check script's interval and time limit (its interval,
	// as keepalived has it when no timeout is written).
	CheckEvery, CheckLimit time.Duration
	WebUnit                string // what answers on port 80 of a node: its process name and its service
	Check                  string // the check script's name under /etc/keepalived
	Nodes                  []Node
	Client, Observer       netip.Prefix
	// Proxy is what the nodes do with a request, LVS what they do with its packets; both nil: they
	// are web servers and answer themselves.
	Proxy *Proxy
	LVS   *LVS
}

// LVS is the virtual server of two load balancers, and the real servers behind it.
type LVS struct {
	Kind    string // how packets reach a real server: dr, nat or tun
	Servers []Server
	// The checks: one every Loop, which may take Connect; after a failure up to Retry more,
	// RetryDelay apart.
	Loop, Connect, RetryDelay time.Duration
	Retry                     int
	// Inner is, with nat, the address of the real servers' gateway; it moves with the shared address.
	Inner netip.Prefix
}

// FailedAfter is the longest a server can be failing before it leaves the table, when each check of
// it takes that long.
func (v *LVS) FailedAfter(check time.Duration) time.Duration {
	return v.Loop + time.Duration(v.Retry)*(v.RetryDelay+check) + check
}

// Proxy is the proxy that both nodes run, and the web servers behind it.
type Proxy struct {
	Config        string // file below sites/<site>/
	Servers       []Server
	Inter         time.Duration // between two checks of a server
	Rise, Fall    int           // checks that bring a server back or take it out
	Retries       int
	ServerTimeout time.Duration
	Stats         string // the statistics page as the node itself reaches it
	StatsAuth     string // user:password
}

// StatsPath is the statistics page's path.
func (p *Proxy) StatsPath() string {
	u, err := url.Parse(p.Stats)
	if err != nil {
		return "/"
	}
	return u.Path
}

// Server is a web server behind the proxy, a host of its own.
type Server struct {
	Name    string // the host's
	Line    string // what the proxy's file calls it
	Address netip.Prefix
}

// Node is one of the nodes that share the address. The first node of a site is its master
// while all is well.
type Node struct {
	Name     string
	Address  netip.Prefix
	Priority int
	Config   string // file below sites/<site>/
	Scripts  bool   // its configuration runs the check script
	// Second is another address of the node, in the real servers' network; invalid: none.
	Second netip.Prefix
}

var All = []*Site{
	{
		Name:       "haproxy-pair",
		Title:      "two proxies share 192.168.13.144 and pass requests to two web servers",
		VIP:        netip.MustParsePrefix("192.168.13.144/24"),
		VRID:       80,
		Interface:  "ens33",
		Advert:     time.Second,
		CheckEvery: 5 * time.Second,
		CheckLimit: 5 * time.Second,
		WebUnit:    "haproxy",
		Check:      "check_haproxy_status.sh",
		Nodes: []Node{
			{Name: "node1", Address: netip.MustParsePrefix("192.168.13.141/24"), Priority: 100,
				Config: "master.keepalived.conf", Scripts: true},
			{Name: "node2", Address: netip.MustParsePrefix("192.168.13.142/24"), Priority: 50,
				Config: "backup.keepalived.conf"},
		},
		Client:   netip.MustParsePrefix("192.168.13.50/24"),
		Observer: netip.MustParsePrefix("192.168.13.60/24"),
		Proxy: &Proxy{
			Config: "haproxy.cfg",
			Servers: []Server{
				{Name: "web1", Line: "http1", Address: netip.MustParsePrefix("192.168.13.133/24")},
				{Name: "web2", Line: "http2", Address: netip.MustParsePrefix("192.168.13.137/24")},
			},
			Inter: time.Second, Rise: 2, Fall: 2, Retries: 3, ServerTimeout: 50 * time.Second,
			Stats: "http://127.0.0.1:81/haproxy", StatsAuth: "yjssjm:123",
		},
	},
	{
		Name:       "nginx-pair",
		Title:      "two nginx servers share 192.168.229.100",
		VIP:        netip.MustParsePrefix("192.168.229.100/24"),
		VRID:       55,
		Interface:  "ens33",
		Advert:     time.Second,
		CheckEvery: 2 * time.Second,
		CheckLimit: 2 * time.Second,
		WebUnit:    "nginx",
		Check:      "ck_ng.sh",
		Nodes: []Node{
			{Name: "node1", Address: netip.MustParsePrefix("192.168.229.11/24"), Priority: 100,
				Config: "server1.keepalived.conf", Scripts: true},
			{Name: "node2", Address: netip.MustParsePrefix("192.168.229.12/24"), Priority: 99,
				Config: "server2.keepalived.conf", Scripts: true},
		},
		Client:   netip.MustParsePrefix("192.168.229.50/24"),
		Observer: netip.MustParsePrefix("192.168.229.60/24"),
	},
	lvsSite("dr", "192.168.160.", "load balancers pass packets to two real servers, which answer by themselves "+
		"(direct routing)"),
	lvsSite("nat", "192.168.161.", "load balancers rewrite the packets of two real servers, both ways (NAT)"),
	lvsSite("tun", "192.168.160.",
		"load balancers wrap packets for two real servers, which answer by themselves (tunnel)"),
}

// lvsSite is the textbook's pair of load balancers, whose files say lb_kind DR; the other kinds have files of the
// lab's own that differ in that word, and in the real servers' network with nat.
func lvsSite(kind, network, title string) *Site {
	s := &Site{
		Name:      "lvs-dr",
		Title:     title,
		VIP:       netip.MustParsePrefix("192.168.160.100/24"),
		VRID:      51,
		Interface: "ens33",
		Advert:    time.Second,
		Nodes: []Node{
			{Name: "lvs1", Address: netip.MustParsePrefix("192.168.160.131/24"), Priority: 100,
				Config: "lvs1.keepalived.conf"},
			{Name: "lvs4", Address: netip.MustParsePrefix("192.168.160.134/24"), Priority: 50,
				Config: "lvs4.keepalived.conf"},
		},
		Client:   netip.MustParsePrefix("192.168.160.50/24"),
		Observer: netip.MustParsePrefix("192.168.160.60/24"),
		LVS: &LVS{
			Kind: kind,
			Servers: []Server{
				{Name: "web1", Line: network + "135:80", Address: netip.MustParsePrefix(network + "135/24")},
				{Name: "web2", Line: network + "136:80", Address: netip.MustParsePrefix(network + "136/24")},
			},
			Loop: 6 * time.Second, Connect: 3 * time.Second, Retry: 3, RetryDelay: 3 * time.Second,
		},
	}
	if kind == "nat" {
		s.LVS.Inner = netip.MustParsePrefix(network + "100/24")
		s.Nodes[0].Second = netip.MustParsePrefix(network + "131/24")
		s.Nodes[1].Second = netip.MustParsePrefix(network + "134/24")
	}
	return s
}

// Names lists the names of the sites that can be built.
func Names() []string {
	var names []string
	for _, s := range All {
		if !slices.Contains(names, s.Name) {
			names = append(names, s.Name)
		}
	}
	return names
}

// Kinds lists the values of --kind, of sites that come in several.
func Kinds() []string {
	var kinds []string
	for _, s := range All {
		if s.LVS != nil {
			kinds = append(kinds, s.LVS.Kind)
		}
	}
	return kinds
}

// ByName finds a site; the empty name is the first one, the empty kind a site's first.
func ByName(name, kind string) (*Site, error) {
	if name == "" {
		name = All[0].Name
	}
	if !slices.Contains(Names(), name) {
		return nil, fmt.Errorf("lab: no site %q; there is: %s", name, strings.Join(Names(), ", "))
	}
	i := slices.IndexFunc(All, func(s *Site) bool {
		return s.Name == name && (kind == "" || s.LVS != nil && s.LVS.Kind == kind)
	})
	if i < 0 {
		return nil, fmt.Errorf("lab: no kind %q of %s; there is, of lvs-dr: %s", kind, name,
			strings.Join(Kinds(), ", "))
	}
	return All[i], nil
}

// Node finds a node of the site by name.
func (s *Site) Node(name string) (Node, bool) {
	for _, n := range s.Nodes {
		if n.Name == name {
			return n, true
		}
	}
	return Node{}, false
}

// Server finds a web server of the site by name.
func (s *Site) Server(name string) (Server, bool) {
	for _, w := range s.Servers() {
		if w.Name == name {
			return w, true
		}
	}
	return Server{}, false
}

// Has reports whether something can be done to a host of that name.
func (s *Site) Has(host string) bool {
	_, node := s.Node(host)
	_, server := s.Server(host)
	return node || server
}

// Kind is how a pair of load balancers forwards; empty for other sites.
func (s *Site) Kind() string {
	if s.LVS == nil {
		return ""
	}
	return s.LVS.Kind
}

// Servers are the web servers behind the nodes; none where the nodes answer themselves.
func (s *Site) Servers() []Server {
	switch {
	case s.Proxy != nil:
		return s.Proxy.Servers
	case s.LVS != nil:
		return s.LVS.Servers
	}
	return nil
}

// ServerOf names the host that a line of the proxy's file means.
func (s *Site) ServerOf(line string) string {
	for _, w := range s.Servers() {
		if w.Line == line {
			return w.Name
		}
	}
	return line
}

// Answering names the hosts whose answers the client gets.
func (s *Site) Answering() []string {
	var names []string
	for _, w := range s.Servers() {
		names = append(names, w.Name)
	}
	if names == nil {
		for _, n := range s.Nodes {
			names = append(names, n.Name)
		}
	}
	return names
}

// AnswerLimit is how long the client waits for an answer once it is connected. A proxy that
// meets a stopped server tries again after one second, up to its retries: the client is patient
// enough to see those succeed, and gives up before the proxy does.
func (s *Site) AnswerLimit() time.Duration {
	switch {
	case s.Proxy != nil:
		return time.Duration(s.Proxy.Retries+1) * time.Second
	case s.LVS != nil:
		return SlowAnswer + time.Second // a slow server is to be told from a dead one
	}
	return ConnectLimit
}

// file reads one of the site's files. The files are part of the binary, so a missing one is a
// mistake in the program.
func (s *Site) file(name string) []byte {
	dir := s.Name
	if s.LVS != nil && s.LVS.Kind != "dr" {
		dir += "-" + s.LVS.Kind
	}
	b, err := siteFiles.ReadFile("sites/" + dir + "/" + name)
	if err != nil {
		panic(err)
	}
	return b
}

// Skew is how much longer than the bare interval a node of this priority waits (RFC 3768 §6.1).
func Skew(priority int) time.Duration {
	return time.Duration(256-priority) * time.Second / 256
}

// MasterDown is how long a node of this priority waits after the last advert before it takes
// over: three adverts and the skew (RFC 3768 §6.1).
func (s *Site) MasterDown(priority int) time.Duration {
	return 3*s.Advert + Skew(priority)
}

// MAC is the hardware address of a host of the lab: locally administered, and readable in a
// packet dump because it ends in the last byte of the host's address.
func MAC(a netip.Prefix) string {
	b := a.Addr().As4()
	return fmt.Sprintf("02:0e:5e:00:00:%02x", b[3])
}

// Ports lists the switch's ports in the order in which the hosts are started.
func (s *Site) Ports() []Port {
	var all []Port
	for _, n := range s.Nodes {
		all = append(all, Port{Host: n.Name, Interface: s.Interface, MAC: MAC(n.Address)})
	}
	for _, w := range s.Servers() {
		all = append(all, Port{Host: w.Name, Interface: "eth0", MAC: MAC(w.Address)})
	}
	return append(all,
		Port{Host: "client", Interface: "eth0", MAC: MAC(s.Client)},
		Port{Host: "observer", Interface: "eth0", MAC: MAC(s.Observer)})
}
