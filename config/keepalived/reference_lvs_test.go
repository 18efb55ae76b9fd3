package keepalived

import (
	"fmt"
	"strings"
	"testing"
)

// Frames for words of virtual servers. alive is a checker that makes no demands.
const (
	alive  = "TCP_CHECK {\n}\n"
	byDR   = "lb_algo rr\nlb_kind DR\nprotocol TCP\n"
	byNAT  = "lb_algo rr\nlb_kind NAT\nprotocol TCP\n"
	byTUN  = "lb_algo rr\nlb_kind TUN\nprotocol TCP\n"
	byMark = "lb_algo rr\nlb_kind DR\n"
)

func service(head, lines string, servers ...string) string {
	var b strings.Builder
	b.WriteString("virtual_server " + head + " {\n" + lines + "\n")
	for _, s := range servers {
		b.WriteString("real_server " + s + " {\n" + alive + "}\n")
	}
	return b.String() + "}\n"
}

func virtual(lines string) string {
	return service("10.9.0.5 80", byDR+lines, "10.9.0.6 80")
}

func realServer(lines string) string {
	return "virtual_server 10.9.0.5 80 {\n" + byDR + "real_server 10.9.0.6 80 {\n" + lines + "\n}\n}\n"
}

func checked(kind, lines string) string { return realServer(kind + " {\n" + lines + "\n}") }

func urlBlock(lines string) string { return checked("HTTP_GET", "url {\npath /\n"+lines+"\n}") }

func addresses(lines string) string { return "virtual_server_group g {\n" + lines + "\n}\n" }

func grouped(lines, kind string, servers ...string) string {
	return addresses(lines) + service("group g", kind, servers...)
}

func withVirtual(lines string) string { return "global_defs {\n" + lines + "\n}\n" + virtual("") }

const misc = safe + "virtual_server 10.9.0.5 80 {\n" + byDR + "real_server 10.9.0.6 80 {\nMISC_CHECK {\n%s\n}\n}\n}\n"

const trackedFile = "track_file f {\nfile /tmp/x\n}\n"

// lvsWords are lines for both programs in a frame. A line that begins with ≠ is one that keepalived
// takes and we do not, because what it does with it cannot be meant; any other that it takes must load.
var lvsWords = []struct {
	frame func(string) string
	name  string
	lines []string
}{
	{virtual, "virtual_server", []string{"", "≠persistence_timeout 0x10", "persistence_timeout",
		"persistence_timeout 0", "persistence_timeout 360", "persistence_timeout 2678400",
		"persistence_timeout 2678401",
		"persistence_timeout 5.5", "persistence_timeout foo",
		"persistence_granularity 255.255.255.0", "persistence_granularity 24", "≠persistence_granularity 255.255.0.255",
		"≠persistence_granularity 0.0.0.0", "≠persistence_granularity 64",
		"persistence_granularity", "persistence_granularity foo", "persistence_granularity ffff::",
		"persistence_engine sip", "≠persistence_engine foo",
		"delay_loop 0", "delay_loop 0.5", "delay_loop 4294", "delay_loop 4295", "delay_loop x", "delay_loop -1",
		"delay_loop 1 2",
		"retry 0", "retry 4294967295", "retry 4294967296", "retry -1", "delay_before_retry 0", "delay_before_retry 0.5",
		"delay_before_retry 4295",
		"connect_timeout 0", "connect_timeout 0.5", "connect_timeout 4294.967295", "connect_timeout 4295", "warmup 0",
		"warmup 0.1",
		"weight 0", "weight 65535", "≠weight 65536", "weight -1", "alpha", "alpha off", "alpha foo",
		"inhibit_on_failure off", "inhibit_on_failure foo",
		"virtualhost a b", "virtualhost", "smtp_alert foo", "snmp_name foo", "snmp_name",
		"lb_algo foo", "lb_algo", "lb_algo RR", "lvs_sched wlc", "lb_algo lblc", "lb_algo mh", "lb_algo twos",
		"lb_algo rr foo",
		"lb_kind foo", "lb_kind NAT", "lb_kind TUN", "lb_kind TUN type ipip", "lb_kind TUN type gue port 6080",
		"lb_kind TUN type gue", "lb_kind TUN type gue port 0", "lb_kind TUN type gre",
		"lb_kind TUN type gre port 5", "lb_kind TUN type foo", "lb_kind TUN type gue port 6080 csum",
		"lb_kind TUN type gue port 6080 nocsum", "lb_kind TUN type gue port 6080 remcsum",
		"lb_kind TUN type gre remcsum", "lb_kind TUN type gre csum", "lb_kind TUN type ipip csum", "lb_kind TUN csum",
		"lb_kind TUN type", "lb_kind DR type ipip", "lb_kind NAT foo",
		"lb_kind TUN port 5 type gue", "lb_kind TUN type gue csum port 55", "lb_kind TUN type gue port 6080 foo",
		"lvs_method DR", "lvs_method foo",
		"protocol UDP", "protocol SCTP", "protocol tcp", "protocol foo", "protocol", "ops", "protocol UDP\nops",
		"flag-1", "flag-2 off", "sh-port", "mh-fallback", "lb_algo sh\nsh-port\nsh-fallback", "lb_algo sh\nmh-port",
		"lb_algo mh\nmh-port\nmh-fallback", "lb_algo rr\nflag-1",
		"quorum 0", "quorum 1", "quorum 4294967295", "quorum x", "hysteresis 1", "hysteresis 0",
		"quorum 2\nhysteresis 2", "quorum 100", "weight 5\nquorum 5\nhysteresis 4",
		"quorum_up", "omega", "omega off", "ha_suspend", "ha_suspend foo", "sorry_server 10.9.0.9 80",
		"sorry_server 10.9.0.9", "sorry_server", "sorry_server ::1 80", "sorry_server 10.9.0.9 99999",
		"sorry_server foo 80", "sorry_server 10.9.0.9 8080", "sorry_server_inhibit",
		"sorry_server 10.9.0.9 80\nsorry_server_inhibit", "sorry_server_inhibit\nsorry_server 10.9.0.9 80",
		"sorry_server 10.9.0.9 80\nsorry_server_lvs_method NAT", "sorry_server_lvs_method NAT",
		"sorry_server 10.9.0.9 80\nsorry_server_lvs_method foo", "sorry_server 10.9.0.9 80\nsorry_server 10.9.0.8 80",
		"ip_family inet", "ip_family inet6", "ip_family foo", "nat_mask 255.255.255.0", "foo",
		"real_server 10.9.0.7 80 {\nlb_kind NAT\n}"}},
	{realServer, "real_server", []string{"", "weight 0", "≠weight 65536", "weight -1", "weight x", "uthreshold 0",
		"uthreshold 5", "uthreshold 4294967295", "uthreshold -1", "lthreshold 5", "uthreshold 5\nlthreshold 6",
		"inhibit_on_failure", "inhibit_on_failure foo", "alpha", "alpha off", "alpha foo", "delay_loop 5",
		"delay_loop 0", "retry 2", "retry 0", "delay_before_retry 3", "warmup 0", "connect_timeout 0",
		"connect_timeout 5",
		"virtualhost foo", "smtp_alert", "smtp_alert foo", "snmp_name x", "lvs_method NAT", "lvs_method foo",
		"lvs_method TUN type gue port 4", "persistence_timeout 5", "notify_down"}},
	{func(l string) string { return checked("TCP_CHECK", l) }, "TCP_CHECK",
		[]string{"", "connect_ip 10.9.0.7", "connect_ip foo", "connect_ip 10.9.0.7 81", "connect_ip ::1",
			"connect_port 81", "connect_port 0", "connect_port 65536", "connect_port x",
			"connect_port", "bindto 10.9.0.1", "bindto foo", "bindto ::1", "bind_port 0", "bind_port 99",
			"bind_if eth0",
			"bind_if nope", "bind_if", "fwmark 5", "fwmark 0", "fwmark 4294967296", "fwmark x", "connect_timeout 0",
			"connect_timeout 0.5",
			"delay_loop 0", "delay_loop 0.5", "retry 0", "retry x", "delay_before_retry 0", "delay_before_retry 1.5",
			"warmup 0", "alpha", "alpha off", "alpha foo", "log_all_failures", "log_all_failures off",
			"log_all_failures foo"}},
	{urlBlock, "url", []string{"", "status_code 200", "status_code 200-299 301 400-404", "status_code 99",
		"status_code 100", "status_code 599", "status_code 600", "status_code 1000", "status_code foo",
		"status_code 300-200", "status_code 200-",
		"status_code 200,201", "status_code 200 foo", "digest 9b3a0c85a887a256d6939da88aabd8cd",
		"digest 9B3A0C85A887A256D6939DA88AABD8CD", "digest 9b3a", "digest zz3a0c85a887a256d6939da88aabd8cd", "digest",
		"regex foo", "regex \"a b\"", "≠regex (foo", "≠regex (?=foo)", "regex foo\nregex_no_match", "regex_no_match",
		"regex foo\nregex_options caseless dotall", "≠regex foo\nregex_options nope",
		"regex foo\nregex_min_offset 5\nregex_max_offset 10",
		"≠regex foo\nregex_min_offset 10\nregex_max_offset 5", "regex foo\nregex_stack 1000 2000", "virtualhost foo",
		"virtualhost", "path /b", "path", "tls_compliant"}},
	{func(l string) string { return checked("HTTP_GET", "url {\npath /\n}\n"+l) }, "HTTP_GET",
		[]string{"", "http_protocol 1.0", "http_protocol 1.0C", "http_protocol 1.0c", "http_protocol 1.1",
			"http_protocol 2", "http_protocol",
			"fast_recovery", "fast_recovery off", "fast_recovery foo", "nb_get_retry 3", "retry 0", "enable_sni",
			"enable_sni foo", "virtualhost foo", "virtualhost", "url {\n}", "url {\npath /b\n}"}},
	{func(l string) string { return checked("HTTP_GET", l) }, "HTTP_GET alone",
		[]string{"", "url {\nvirtualhost foo\n}", "url /"}},
	{func(l string) string { return checked("SSL_GET", "url {\npath /\n}\n"+l) }, "SSL_GET",
		[]string{"", "enable_sni", "enable_sni off", "sni_name foo"}},
	{func(l string) string { return fmt.Sprintf(misc, l) }, "MISC_CHECK",
		[]string{"", "misc_path /usr/bin/true", "misc_path \"/usr/bin/true a b\"", "misc_path",
			"misc_path /usr/bin/true\nmisc_timeout 5", "misc_path /usr/bin/true\nmisc_timeout 0",
			"misc_path /usr/bin/true\nmisc_timeout 0.5", "misc_path /usr/bin/true\nmisc_timeout x",
			"misc_path /usr/bin/true\nmisc_dynamic", "misc_path /usr/bin/true\nmisc_dynamic off",
			"misc_path /usr/bin/true\nuser root", "misc_path /usr/bin/true\nuser root root",
			"misc_path /usr/bin/true\nuser", "misc_path /usr/bin/true\nconnect_port 5",
			"misc_path /usr/bin/true\nretry 3\ndelay_loop 5\nalpha\nwarmup 0\ndelay_before_retry 3\nlog_all_failures",
			"misc_path /usr/bin/true\nfwmark 3"}},
	{func(l string) string { return checked("SMTP_CHECK", l) }, "SMTP_CHECK",
		[]string{"", "helo_name foo", "helo_name", "host {\nconnect_ip 10.9.0.8\nconnect_port 26\n}", "host {\n}",
			"host {\nconnect_timeout 3\n}", "host {\nretry 3\n}", "host {\nbindto 10.9.0.1\n}"}},
	{func(l string) string { return checked("DNS_CHECK", l) }, "DNS_CHECK",
		[]string{"", "type A", "type AAAA\nname example.com", "type PTR", "type a", "type", "type ANY", "name .",
			"name example.com.", "name", "name a..b", "≠name " + strings.Repeat("a", 64) + ".com", "retry 0"}},
	{func(l string) string { return checked("UDP_CHECK", l) }, "UDP_CHECK",
		[]string{"", "payload abcd", "payload abc", "payload xx", "payload ab cd e", "payload", "require_reply",
			"require_reply abcd", "require_reply axxd", "require_reply zz", "min_reply_length 5",
			"require_reply\nmin_reply_length 5\nmax_reply_length 4", "require_reply\nmin_reply_length 65536",
			"require_reply\nmax_reply_length 65535", "require_reply\nmax_reply_length 0", "min_reply_length x",
			"require_reply\nmin_reply_length 300"}},
	{func(l string) string { return checked("PING_CHECK", l) }, "PING_CHECK",
		[]string{"", "connect_ip 10.9.0.7", "connect_port 5"}},
	{func(l string) string { return trackedFile + checked("FILE_CHECK", l) }, "FILE_CHECK",
		[]string{"", "track_file f", "track_file g", "track_file f\nweight 5", "track_file f\nweight 0",
			"track_file f\nweight -2147483647",
			"track_file f\nweight 2147483648", "track_file f\nweight 5 reverse", "track_file f\nweight 5 foo",
			"track_file f\ndynamic", "track_file f\ndelay_loop 5", "weight 5"}},
	{func(l string) string { return grouped(l, byDR, "10.9.0.6 80") }, "virtual_server_group",
		[]string{"10.9.0.10 80", "", "10.9.0.10-20 80", "10.9.0.10-10.9.0.20 80", "10.9.0.10-10.9.1.20 80",
			"10.9.0.20-10 80", "10.9.0.250-260 80", "10.9.0.10-10.9.0.9 80",
			"10.9.0.8/29 80", "10.9.0.9/29 80", "10.9.0.0/33 80", "10.9.0.0/32 80", "10.9.0.0/8 80", "10.9.0.10",
			"10.9.0.10 x", "10.9.0.10 80 81", "foo 80", "fwmark 3", "fwmark x", "fwmark", "fwmark 3 inet",
			"fwmark 3 foo",
			"≠10.9.0.10 80\n2001:db8::10 80", "≠2001:db8::10-20 80", "10.9.0.10 80\n10.9.0.10 80",
			"10.9.0.10 80\n10.9.0.10 81", "10.9.0.10-x 80", "10.9.0.0-255 80", "10.9.0.10-20/24 80"}},
	{withVirtual, "global_defs", []string{"lvs_timeouts tcp 5", "lvs_timeouts tcp 0",
		"lvs_timeouts tcp 5 tcpfin 6 udp 7", "lvs_timeouts", "lvs_timeouts foo 5", "lvs_timeouts tcp",
		"lvs_timeouts tcp x", "lvs_timeouts tcp 0.5", "lvs_timeouts tcp 2678401",
		"lvs_flush", "lvs_flush off", "lvs_flush_on_stop", "lvs_flush_on_stop VS", "lvs_flush_on_stop foo",
		"checker_log_all_failures", "checker_log_all_failures foo", "rs_init_notifies", "rs_init_notifies foo",
		"lvs_driver xdp", "lvs_table_size 4096",
		"lvs_sync_daemon eth0", "lvs_sync_daemon eth0 id 5", "lvs_sync_daemon eth0 id 256", "lvs_sync_daemon eth0 id x",
		"lvs_sync_daemon eth0 id", "lvs_sync_daemon eth0 maxlen 0", "lvs_sync_daemon eth0 maxlen 65507",
		"lvs_sync_daemon eth0 port 0",
		"lvs_sync_daemon eth0 ttl 256", "lvs_sync_daemon eth0 group 10.0.0.1", "lvs_sync_daemon eth0 group ff02::81",
		"lvs_sync_daemon eth0 group foo", "lvs_sync_daemon", "lvs_sync_daemon eth0 5 6", "≠lvs_sync_daemon eth0 inst W",
		"lvs_sync_daemon eth0\nlvs_sync_daemon eth1"}},
	{func(l string) string { return "global_defs {\nlvs_sync_daemon " + l + "\n}\n" + inst("") + virtual("") },
		"lvs_sync_daemon", []string{"eth0 V", "eth0 inst V", "eth0 V 5",
			"eth0 inst V id 5 maxlen 1000 port 8849 ttl 3 group 224.0.0.82", "eth0 V inst V", "eth0 inst V W",
			"eth0 inst"}},
}

// lvsCases are whole configurations. refused says why we do not load what keepalived takes.
var lvsCases = []struct{ name, text, refused string }{
	{"no real server", service("10.9.0.5 80", byDR), ""},
	{"no lb_algo", service("10.9.0.5 80", "lb_kind DR\nprotocol TCP", "10.9.0.6 80"), ""},
	{"no lb_kind", service("10.9.0.5 80", "lb_algo rr\nprotocol TCP", "10.9.0.6 80"), ""},
	{"no protocol", service("10.9.0.5 80", byMark, "10.9.0.6 80"), ""},
	{"nothing", service("10.9.0.5 80", "", "10.9.0.6 80"), ""},
	{"no port", service("10.9.0.5", byDR, "10.9.0.6"), ""},
	{"no port, persistent", service("10.9.0.5", byNAT+"persistence_timeout 50", "10.9.0.6 80"), ""},
	{"no port anywhere", service("10.9.0.5", byDR+"persistence_timeout 50", "10.9.0.6"),
		"keepalived connects to port 0"},
	{"port of the real server resetting", service("10.9.0.5", byDR+"persistence_timeout 50", "10.9.0.6 80"), ""},
	{"port 65536", service("10.9.0.5 65536", byDR, "10.9.0.6 80"), ""},
	{"port http", service("10.9.0.5 http", byDR, "10.9.0.6 80"), ""},
	{"bad address", service("10.9.0.500 80", byDR, "10.9.0.6 80"), ""},
	{"prefix length", service("10.9.0.5/24 80", byDR, "10.9.0.6 80"), ""},
	{"extra word", service("10.9.0.5 80 foo", byDR, "10.9.0.6 80"), ""},
	{"range", service("10.9.0.5-10 80", byDR, "10.9.0.6 80"), "keepalived takes the first address"},
	{"colon", service("10.9.0.5:80", byDR, "10.9.0.6 80"), ""},
	{"no address", service("", byDR, "10.9.0.6 80"), ""},
	{"DR, other port", service("10.9.0.5 80", byDR, "10.9.0.6 8080"), ""},
	{"TUN, other port", service("10.9.0.5 80", byTUN, "10.9.0.6 8080"), ""},
	{"NAT, other port", service("10.9.0.5 80", byNAT, "10.9.0.6 8080"), ""},
	{"DR, no port", service("10.9.0.5 80", byDR, "10.9.0.6"), ""},
	{"NAT, no port", service("10.9.0.5 80", byNAT, "10.9.0.6"), ""},
	{"bad real server", service("10.9.0.5 80", byNAT, "foo 80"), ""},
	{"bad real server and a good one", service("10.9.0.5 80", byNAT, "foo 80", "10.9.0.6 80"), ""},
	{"bad port of a real server", service("10.9.0.5 80", byNAT, "10.9.0.6 99999"), ""},
	{"real server twice", service("10.9.0.5 80", byNAT, "10.9.0.6 80", "10.9.0.6 80"), ""},
	{"other family", service("10.9.0.5 80", byNAT, "2001:db8::6 80"), ""},
	{"other family, TUN", service("10.9.0.5 80", byTUN, "2001:db8::6 80"), ""},
	{"IPv6", service("2001:db8::5 80", byDR, "2001:db8::6 80"), ""},
	{"IPv6 mixed", service("2001:db8::5 80", byDR, "2001:db8::6 80", "10.9.0.6 80"), ""},
	{"twice", service("10.9.0.5 80", byNAT, "10.9.0.6 80") + service("10.9.0.5 80", byNAT, "10.9.0.7 80"),
		"each would undo the other"},
	{"TCP and UDP", service("10.9.0.5 80", byNAT, "10.9.0.6 80") + service("10.9.0.5 80",
		"lb_algo rr\nlb_kind NAT\nprotocol UDP", "10.9.0.6 80"), ""},
	{"no checker", "virtual_server 10.9.0.5 80 {\n" + byNAT + "real_server 10.9.0.6 80 {\nweight 1\n}\n}\n", ""},
	{"fwmark", service("fwmark 3", byMark, "10.9.0.6 80"), ""},
	{"fwmark, no port", "virtual_server fwmark 3 {\n" + byMark + "real_server 10.9.0.6 {\nPING_CHECK {\n}\n}\n}\n", ""},
	{"fwmark, protocol", service("fwmark 3", byDR, "10.9.0.6 80"), ""},
	{"fwmark x", service("fwmark x", byMark, "10.9.0.6 80"), ""},
	{"fwmark -1", service("fwmark -1", byMark, "10.9.0.6 80"), ""},
	{"fwmark without number", service("fwmark", byMark, "10.9.0.6 80"), ""},
	{"fwmark too large", service("fwmark 4294967296", byMark, "10.9.0.6 80"), ""},
	{"fwmark, IPv6", service("fwmark 3", byMark, "2001:db8::6 80"), ""},
	{"fwmark, mixed", service("fwmark 3", byMark, "2001:db8::6 80", "10.9.0.6 80"), ""},
	{"fwmark, ip_family of the other kind", service("fwmark 3", byMark+"ip_family inet6", "10.9.0.6 80"), ""},
	{"group after its user", service("group g", byDR, "10.9.0.6 80") + addresses("10.9.0.10 80"), ""},
	{"group missing", service("group g", byDR, "10.9.0.6 80"), "keepalived leaves the service out in silence"},
	{"group unused", addresses("10.9.0.10 80"), ""},
	{"group without name", service("group", byDR, "10.9.0.6 80"), ""},
	{"group of IPv6", grouped("2001:db8::10-20 80", byDR, "2001:db8::6 80"), ""},
	{"group of a network of IPv6", grouped("2001:db8::/124 80", byDR, "2001:db8::6 80"), ""},
	{"group, range too large", grouped("2001:db8::10-1ffff 80", byDR, "2001:db8::6 80"), ""},
	{"group, mixed, TUN", grouped("10.9.0.10 80\n2001:db8::10 80", byTUN, "10.9.0.6 80"), ""},
	{"group, two ports, NAT", grouped("10.9.0.10 80\n10.9.0.10 81", byNAT, "10.9.0.6 80"), ""},
	{"group, no port, persistent", grouped("10.9.0.10", byNAT+"persistence_timeout 50", "10.9.0.6 80"), ""},
	{"group for TCP and UDP", grouped("10.9.0.10 80", byDR, "10.9.0.6 80") + service("group g",
		"lb_algo rr\nlb_kind DR\nprotocol UDP", "10.9.0.7 80"), ""},
	{"sorry server, NAT, other port", service("10.9.0.5 80", byNAT+"sorry_server 10.9.0.9 8080", "10.9.0.6 80"), ""},
	{"sorry server, TUN, other family", service("10.9.0.5 80", byTUN+"sorry_server ::1 80", "10.9.0.6 80"), ""},
	{"sorry server only", service("10.9.0.5 80", byNAT+"sorry_server 10.9.0.9 80"), ""},
	{"IPv6 granularity", service("2001:db8::5 80", byNAT+"persistence_granularity 64", "2001:db8::6 80"), ""},
	{"IPv6 granularity 129", service("2001:db8::5 80", byNAT+"persistence_granularity 129", "2001:db8::6 80"), ""},
	{"IPv6 granularity as a mask",
		service("2001:db8::5 80", byNAT+"persistence_granularity 255.255.255.0", "2001:db8::6 80"), ""},
	{"ops by mark", "virtual_server fwmark 3 {\n" + byMark + "ops\nreal_server 10.9.0.6 {\nPING_CHECK {\n}\n}\n}\n",
		""},
	{"SSL", "SSL {\npassword x\nca /tmp/a\ncertificate /tmp/b\nkey /tmp/c\n}\n" + virtual(""), ""},
	{"SSL empty", "SSL {\n}\n" + virtual(""), ""},
	{"SSL unknown", "SSL {\nfoo x\n}\n" + virtual(""), ""},
	{"defaults after the servers", strings.TrimSuffix(service("10.9.0.5 80", byNAT+"quorum 5", "10.9.0.6 80"), "}\n") +
		"weight 5\n}\n", ""},
	{"quorum_up", safe + service("10.9.0.5 80", byNAT+"quorum_up \"/usr/bin/true a\" root", "10.9.0.6 80"), ""},
	{"notify_up", safe + "virtual_server 10.9.0.5 80 {\n" + byNAT +
		"real_server 10.9.0.6 80 {\nnotify_up \"/usr/bin/true a b\"\nnotify_down /usr/bin/true root root\n}\n}\n", ""},
}

// TestVirtualServersAgainstKeepalived compares the strict verdict with that of keepalived -t, and holds
// ours to what it takes.
func TestVirtualServersAgainstKeepalived(t *testing.T) {
	cases := lvsCases
	for _, w := range lvsWords {
		for _, line := range w.lines {
			plain, refused := strings.CutPrefix(line, "≠")
			c := struct{ name, text, refused string }{w.name + ": " + plain, w.frame(plain), ""}
			if refused {
				c.refused = "it cannot be meant"
			}
			cases = append(cases, c)
		}
	}
	var texts []string
	for _, c := range cases {
		texts = append(texts, c.text)
	}
	same := 0
	for i, said := range reference(t, "testdata/services.verdicts", texts) {
		c := cases[i]
		if strict := strictVerdict("keepalived.conf", c.text); (strict == "") != (said == "") {
			t.Errorf("%s:\nkeepalived: %s\nours:       %s", c.name, said, strict)
			continue
		}
		same++
		if said != "" {
			continue
		}
		site, diags := Parse("keepalived.conf", []byte(c.text), Options{ID: "node1"})
		switch {
		case site == nil && c.refused == "":
			t.Errorf("%s: keepalived takes it, we do not: %v", c.name, diags)
		case site != nil && c.refused != "":
			t.Errorf("%s: it loads, though %s", c.name, c.refused)
		}
	}
	t.Logf("%d of %d verdicts agree", same, len(cases))
}
