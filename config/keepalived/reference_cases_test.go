package keepalived

import (
	"strings"
	"testing"
)

// body is what an instance needs; VIP one address block.
const (
	vip  = "virtual_ipaddress {\n10.9.0.100\n}\n"
	body = "interface eth0\nvirtual_router_id 51\n" + vip
	safe = "global_defs {\nenable_script_security\nscript_user root\n}\n"
	chk  = "vrrp_script c {\nscript /usr/bin/true\n}\n"
	w    = "vrrp_instance W {\ninterface eth1\nvirtual_router_id 52\nvirtual_ipaddress {\n10.9.0.101\n}\n}\n"
)

// inst is an instance with more lines in it, addr one with this address line.
func inst(lines string) string { return "vrrp_instance V {\n" + body + lines + "\n}\n" }

func addr(line string) string {
	return "vrrp_instance V {\ninterface eth0\nvirtual_router_id 51\nvirtual_ipaddress {\n" + line + "\n}\n}\n"
}

func globals(lines string) string { return "global_defs {\n" + lines + "\n}\n" + inst("") }

func tracked(lines, user string) string {
	return safe + "vrrp_script c {\nscript /usr/bin/true\n" + lines + "\n}\n" + inst("track_script {\n"+user+"\n}")
}

func group(lines string) string { return inst("") + w + "vrrp_sync_group G {\n" + lines + "\n}\n" }

// cases are configurations for both programs. differs says why the verdicts are
// meant to be different; such a case must stay different.
var cases = []struct{ name, text, differs string }{
	// Tokens, braces, comments.
	{"plain", inst(""), ""},
	{"empty", "", ""},
	{"comments only", "# a\n! b\n", ""},
	{"unknown word", inst("foo bar"), ""},
	{"unknown top", "foo bar\n" + inst(""), ""},
	{"unknown global", globals("foo"), ""},
	{"byte order mark", "\ufeff" + inst(""), ""},
	{"one line block", strings.ReplaceAll(inst(""), "{\n10.9.0.100\n}", "{ 10.9.0.100 }"), ""},
	{"two addresses on a line", strings.ReplaceAll(inst(""), "{\n10.9.0.100\n}", "{ 10.9.0.100 10.9.0.101 }"), ""},
	{"glued braces", "vrrp_instance V{\ninterface eth0\nvirtual_router_id 51\nvirtual_ipaddress{\n10.9.0.100}\n}\n",
		""},
	{"brace on next line", "vrrp_instance V\n{\n" + body + "}\n", ""},
	{"word after opening brace", "vrrp_instance V { interface eth0\nvirtual_router_id 51\n" + vip + "}\n", ""},
	{"two closing braces", "vrrp_instance V {\ninterface eth0\nvirtual_router_id 51\nvirtual_ipaddress " +
		"{\n10.9.0.100\n}}\n", ""},
	{"block after block on a line", inst("")[:len(inst(""))-1] + " " + w, ""},
	{"missing brace", inst("")[:len(inst(""))-2], ""},
	{"extra brace", inst("") + "}\n", ""},
	{"brace after value", inst("priority 100 }")[:len(inst("priority 100 }"))-2], ""},
	{"brace in word", strings.ReplaceAll(inst(""), "V {", "V{x {"), ""},
	{"closing brace in word", strings.ReplaceAll(inst(""), "V {", "V}x {"), ""},
	{"brace in quotes", strings.ReplaceAll(inst(""), "V {", `"V{" {`), ""},
	{"quoted brace opens nothing", strings.ReplaceAll(inst(""), "V {", `V "{"`), ""},
	{"block for a value", inst("priority {\n50\n}"), ""},
	{"no block", inst("authentication"), ""},
	{"empty block", inst("authentication {\n}"), ""},
	{"no name", strings.ReplaceAll(inst(""), "V {", "{"), ""},
	{"extra value", inst("priority 100 200"), ""},
	{"no value", inst("priority"), ""},
	{"CRLF", strings.ReplaceAll(inst(""), "\n", "\r\n"), ""},
	{"no last newline", strings.TrimSuffix(inst(""), "\n"), ""},
	{"comment in word", inst("priority 50#foo"), ""},
	{"bang in word", inst("priority 50!foo"), ""},
	{"open quote", inst("priority \"50"), ""},
	{"apostrophe", inst("authentication {\nauth_type PASS\nauth_pass it's\n}"), ""},
	{"quoted value", inst("priority \"50\""), ""},
	{"long line", inst("priority 50 " + strings.Repeat(" x", 600)), ""},
	{"long comment", inst("priority 50 #" + strings.Repeat("x", 1100)), ""},
	{"line of 1023", inst("# " + strings.Repeat("x", 1021)), ""},
	{"merge conflict", inst("<<<<<<< HEAD\npriority 5\n=======\npriority 6\n>>>>>>> x"), ""},
	{"conditional kept", inst("@node1 priority 5"), ""},
	{"tabs", strings.ReplaceAll(inst("priority\t50"), " ", "\t"), ""},

	// Identity.
	{"no vrid", "vrrp_instance V {\ninterface eth0\n" + vip + "}\n", ""},
	{"no interface", "vrrp_instance V {\nvirtual_router_id 51\n" + vip + "}\n", ""},
	{"default interface", globals("default_interface eth0"), ""},
	{"no address", "vrrp_instance V {\ninterface eth0\nvirtual_router_id 51\n}\n", ""},
	{"loopback", "vrrp_instance V {\ninterface lo\nvirtual_router_id 51\n" + vip + "}\n", ""},
	{"vrid 0", inst("virtual_router_id 0"), ""},
	{"vrid 256", inst("virtual_router_id 256"), ""},
	{"vrid text", inst("virtual_router_id 5x"), ""},
	{"same name", inst("") + strings.ReplaceAll(w, "W", "V"), ""},
	{"same vrid", inst("") + strings.ReplaceAll(inst(""), "V {", "X {"), ""},
	{"same vrid, other interface",
		inst("") + strings.ReplaceAll(strings.ReplaceAll(inst(""), "V {", "X {"), "eth0", "eth1"), ""},
	{"same vrid, other family", inst("") +
		"vrrp_instance X {\ninterface eth0\nvirtual_router_id 51\nvirtual_ipaddress {\nfe80::5\n}\n}\n", ""},
	{"same vrid, other group", inst("") + strings.ReplaceAll(inst("mcast_dst_ip 224.0.0.99"), "V {", "X {"), ""},
	{"same address twice", addr("10.9.0.5\n10.9.0.5"), ""},
	{"same address in two", inst("") + strings.ReplaceAll(w, "10.9.0.101", "10.9.0.100"), ""},
	{"repeated word", inst("priority 5\npriority 6"), ""},
	{"repeated block", inst("virtual_ipaddress {\n10.9.0.101\n}"), ""},

	// Priority, state, timers.
	{"state SLAVE", inst("state SLAVE"), ""},
	{"state master", inst("state master"), ""},
	{"state MASTERR", inst("state MASTERR"), ""},
	{"state BACKUP", inst("state BACKUP"), ""},
	{"state FAULT", inst("state FAULT"), ""},
	{"state alone", inst("state"), ""},
	{"priority 0", inst("priority 0"), ""},
	{"priority 300", inst("priority 300"), ""},
	{"priority 1.5", inst("priority 1.5"), ""},
	{"priority +5", inst("priority +5"), ""},
	{"priority 0x10", inst("priority 0x10"), ""},
	{"owner", inst("priority 255"), ""},
	{"owner backup", inst("priority 255\nstate BACKUP"), ""},
	{"owner nopreempt", inst("priority 255\nnopreempt"), ""},
	{"master without priority", inst("state MASTER"), ""},
	{"master nopreempt", inst("state MASTER\npriority 100\nnopreempt"), ""},
	{"master preempt_delay", inst("state MASTER\npriority 100\npreempt_delay 5"), ""},
	{"nopreempt preempt_delay", inst("nopreempt\npreempt_delay 5"), ""},
	{"nopreempt 1", inst("nopreempt 1"), ""},
	{"preempt", inst("preempt"), ""},
	{"preempt_delay 1001", inst("preempt_delay 1001"), ""},
	{"preempt_delay 0.5", inst("preempt_delay 0.5"), ""},
	{"preempt_delay x", inst("preempt_delay x"), ""},
	{"advert_int 0.5 v2", inst("advert_int 0.5"), ""},
	{"advert_int 300", inst("advert_int 300"), ""},
	{"advert_int 0", inst("advert_int 0"), ""},
	{"advert_int -1", inst("advert_int -1"), ""},
	{"advert_int x", inst("advert_int x"), ""},
	{"advert_int 0.001", inst("version 3\nadvert_int 0.001"), ""},
	{"advert_int 0.01 v3", inst("version 3\nadvert_int 0.01"), ""},
	{"advert_int 41 v3", inst("version 3\nadvert_int 41"), ""},
	{"advert_int 0.015 v3", inst("version 3\nadvert_int 0.015"), ""},
	{"advert_int 1e1", inst("advert_int 1e1"), ""},
	{"version 1", inst("version 1"), ""},
	{"version 3", inst("version 3"), ""},
	{"down_timer_adverts 0", inst("down_timer_adverts 0"), ""},
	{"down_timer_adverts 5", inst("down_timer_adverts 5"), ""},
	{"global version 4", globals("vrrp_version 4"), ""},
	{"global down_timer_adverts 101", globals("vrrp_down_timer_adverts 101"), ""},
	{"startup delay", globals("vrrp_startup_delay 5.5"), ""},
	{"startup delay 0", globals("vrrp_startup_delay 0"), ""},

	// Authentication.
	{"long password", inst("authentication {\nauth_type PASS\nauth_pass 123456789\n}"), ""},
	{"password", inst("authentication {\nauth_type PASS\nauth_pass 12345678\n}"), ""},
	{"no password", inst("authentication {\nauth_type PASS\n}"), ""},
	{"no type", inst("authentication {\nauth_pass 1234\n}"), ""},
	{"AH", inst("authentication {\nauth_type AH\nauth_pass 1234\n}"), ""},
	{"type pass", inst("authentication {\nauth_type pass\nauth_pass 1234\n}"), ""},
	{"type MD5", inst("authentication {\nauth_type MD5\nauth_pass 1234\n}"), ""},
	{"password v3", inst("version 3\nauthentication {\nauth_type PASS\nauth_pass 1234\n}"), ""},
	{"password on one line", inst("authentication { auth_type PASS auth_pass 1111 }"), ""},
	{"password IPv6", "vrrp_instance V {\ninterface eth0\nvirtual_router_id 5\nvirtual_ipaddress " +
		"{\nfe80::9\n}\nauthentication {\nauth_type PASS\nauth_pass 1234\n}\n}\n", ""},
	{"password IPv6 v2", "vrrp_instance V {\nversion 2\ninterface eth0\nvirtual_router_id 5\nvirtual_ipaddress " +
		"{\nfe80::9\n}\nauthentication {\nauth_type PASS\nauth_pass 1234\n}\n}\n", ""},

	// Addresses.
	{"all options", addr("10.0.0.3/24 dev eth1 label eth1:1 brd + scope link no_track"), ""},
	{"brd -", addr("10.0.0.3/24 brd -"), ""},
	{"brd address", addr("10.0.0.3/24 brd 10.0.0.255"), ""},
	{"brd bad", addr("10.0.0.3/24 brd x"), ""},
	{"broadcast", addr("10.0.0.3/24 broadcast 10.0.0.255"), ""},
	{"brd IPv6", addr("fe80::3/64 brd +"), ""},
	{"label IPv6", addr("fe80::3/64 label eth0:1"), ""},
	{"label too long", addr("10.0.0.3 label eth0:1234567890abcdefg"), ""},
	{"label of another", addr("10.0.0.3 label foo:1"), ""},
	{"scope name", addr("10.0.0.3 scope foo"), ""},
	{"scope number", addr("10.0.0.3 scope 100"), ""},
	{"scope 300", addr("10.0.0.3 scope 300"), ""},
	{"scope host", addr("10.0.0.3 scope host"), ""},
	{"scope site", addr("10.0.0.3 scope site"), ""},
	{"scope nowhere", addr("10.0.0.3 scope nowhere"), ""},
	{"dev unknown option", addr("10.0.0.3 devv eth0"), ""},
	{"dev without value", addr("10.0.0.3 dev"), ""},
	{"mask 33", addr("10.0.0.3/33"), ""},
	{"mask 0", addr("10.0.0.3/0"), ""},
	{"mask 129", addr("fe80::1/129"), ""},
	{"mask text", addr("10.0.0.3/x"), ""},
	{"mask empty", addr("10.0.0.3/"), ""},
	{"netmask", addr("10.0.0.3/255.255.255.0"), ""},
	{"not an address", addr("10.0.0.300"), ""},
	{"short address", addr("10.0.3/24"), ""},
	{"host name", addr("floating_ip"), ""},
	{"zero address", addr("0.0.0.0"), ""},
	{"multicast address", addr("224.0.0.1"), ""},
	{"peer", addr("10.0.0.3/32 peer 10.0.0.4"), ""},
	{"-nodad", addr("fe80::3/64 -nodad"), ""},
	{"other family", inst("virtual_ipaddress {\nfe80::1\n}"), ""},
	{"other family excluded", inst("virtual_ipaddress_excluded {\nfe80::1\n}"), ""},
	{"IPv6", addr("fe80::5\n2001:db8::1"), ""},
	{"IPv6 without link-local", addr("2001:db8::1"), ""},
	{"IPv6 version 2", "vrrp_instance V {\nversion 2\ninterface eth0\nvirtual_router_id 5\nvirtual_ipaddress " +
		"{\nfe80::9\n}\n}\n", ""},
	{"IPv4 in IPv6", addr("::ffff:10.0.0.1"), ""},
	{"leading zeros", addr("010.000.000.001"), ""},
	{"only excluded", "vrrp_instance V {\ninterface eth0\nvirtual_router_id 5\nvirtual_ipaddress_excluded " +
		"{\n10.0.0.3\n}\n}\n", ""},

	// Where adverts go.
	{"unicast", inst("unicast_src_ip 10.9.0.1\nunicast_peer {\n10.9.0.2\n}"), ""},
	{"unicast without source", inst("unicast_peer {\n10.9.0.2\n}"), ""},
	{"unicast other family", inst("unicast_src_ip 10.9.0.1\nunicast_peer {\nfe80::2\n}"), ""},
	{"unicast source other family", inst("unicast_src_ip fe80::1\nunicast_peer {\n10.9.0.2\n}"), ""},
	{"unicast ttl", inst("unicast_src_ip 10.9.0.1\nunicast_peer {\n10.9.0.2 min_ttl 254 max_ttl 255\n}"), ""},
	{"unicast ttl turned", inst("unicast_src_ip 10.9.0.1\nunicast_peer {\n10.9.0.2 min_ttl 255 max_ttl 254\n}"), ""},
	{"unicast ttl 256", inst("unicast_src_ip 10.9.0.1\nunicast_peer {\n10.9.0.2 min_ttl 256\n}"), ""},
	{"unicast option", inst("unicast_src_ip 10.9.0.1\nunicast_peer {\n10.9.0.2 254\n}"), ""},
	{"unicast two on a line", inst("unicast_peer {\n10.9.0.2 10.9.0.3\n}"), ""},
	{"unicast twice", inst("unicast_peer {\n10.9.0.2\n10.9.0.2\n}"), ""},
	{"unicast self", inst("unicast_src_ip 10.9.0.1\nunicast_peer {\n10.9.0.1\n}"), ""},
	{"unicast with mask", inst("unicast_peer {\n10.9.0.2/24\n}"), ""},
	{"unicast_src_ip with mask", inst("unicast_src_ip 10.9.0.1/24\nunicast_peer {\n10.9.0.2\n}"), ""},
	{"unicast empty", inst("unicast_peer {\n}"), ""},
	{"unicast_src_ip alone", inst("unicast_src_ip 10.9.0.1"), ""},
	{"unicast_ttl", inst("unicast_ttl 64\nunicast_peer {\n10.9.0.2\n}"), ""},
	{"unicast_ttl 256", inst("unicast_ttl 256\nunicast_peer {\n10.9.0.2\n}"), ""},
	{"unicast_ttl alone", inst("unicast_ttl 64"), ""},
	{"check_unicast_src alone", inst("check_unicast_src"), ""},
	{"mcast_src_ip", inst("mcast_src_ip 10.9.0.1"), ""},
	{"mcast_src_ip text", inst("mcast_src_ip x"), ""},
	{"mcast_src_ip other family", inst("mcast_src_ip fe80::1"), ""},
	{"mcast_dst_ip", inst("mcast_dst_ip 224.0.0.19"), ""},
	{"mcast_dst_ip unicast", inst("mcast_dst_ip 1.2.3.4"), ""},
	{"group4 unicast", globals("vrrp_mcast_group4 1.2.3.4"), ""},
	{"group6 unicast", globals("vrrp_mcast_group6 fe80::1"), ""},
	{"group6", globals("vrrp_mcast_group6 ff02::13"), ""},

	// Announcements.
	{"garp interval 0", globals("vrrp_garp_interval 0"), ""},
	{"garp interval", globals("vrrp_garp_interval 0.1"), ""},
	{"garp repeat 0", inst("garp_master_repeat 0"), ""},
	{"garp refresh repeat 0", inst("garp_master_refresh_repeat 0"), ""},
	{"garp delay 0", inst("garp_master_delay 0"), ""},
	{"garp delay -1", inst("garp_master_delay -1"), ""},
	{"garp delay 1.5", inst("garp_master_delay 1.5"), ""},
	{"garp lower 0", inst("garp_lower_prio_delay 0\ngarp_lower_prio_repeat 0"), ""},
	{"global garp repeat 0", globals("vrrp_garp_master_repeat 0"), ""},
	{"min_garp", globals("vrrp_min_garp"), ""},

	// Scripts and trackers.
	{"tracked", tracked("", "c"), ""},
	{"tracked weight", tracked("", "c weight 5"), ""},
	{"tracked reverse", tracked("", "c weight 5 reverse"), ""},
	{"tracked weight 500", tracked("", "c weight 500"), ""},
	{"tracked weight alone", tracked("", "c weight"), ""},
	{"tracked bad option", tracked("", "c 5"), ""},
	{"tracked twice", tracked("", "c\nc"), ""},
	{"tracked unknown", tracked("", "c\nd"), ""},
	{"forward script", safe + inst("track_script {\nc\n}") + chk, ""},
	{"unused script", safe + chk + inst(""), ""},
	{"script twice", safe + chk + chk + inst("track_script {\nc\n}"), ""},
	{"no script", safe + "vrrp_script c {\ninterval 3\n}\n" + inst(""), ""},
	{"no script name", safe + "vrrp_script {\nscript /usr/bin/true\n}\n" + inst(""), ""},
	{"owner weight", safe + chk + inst("priority 255\ntrack_script {\nc weight 5\n}"), ""},
	{"interval 0", tracked("interval 0", "c"), ""},
	{"interval 0.5", tracked("interval 0.5", "c"), ""},
	{"interval x", tracked("interval x", "c"), ""},
	{"interval 9999999", tracked("interval 9999999", "c"), ""},
	{"timeout 0", tracked("timeout 0", "c"), ""},
	{"script weight 254", tracked("weight 254", "c"), ""},
	{"script weight -253", tracked("weight -253", "c"), ""},
	{"script weight reverse", tracked("weight 5 reverse", "c"), ""},
	{"script weight foo", tracked("weight 5 foo", "c"), ""},
	{"rise 0", tracked("rise 0", "c"), ""},
	{"fall -1", tracked("fall -1", "c"), ""},
	{"fall 3", tracked("fall 3", "c"), ""},
	{"init_fail", tracked("init_fail", "c"), ""},
	{"init_fail no", tracked("init_fail no", "c"), ""},
	{"interval twice on a line", tracked("interval 1 2", "c"), ""},
	{"track interface", inst("track_interface {\neth1\n}"), ""},
	{"track interface weight", inst("track_interface {\neth1 weight -10 reverse\n}"), ""},
	{"track interface 300", inst("track_interface {\neth1 weight 300\n}"), ""},
	{"track interface number", inst("track_interface {\neth1 10\n}"), ""},
	{"track own interface", inst("track_interface {\neth0\n}"), ""},
	{"track interface twice", inst("track_interface {\neth1\neth1\n}"), ""},
	{"dont_track_primary", inst("dont_track_primary"), ""},
	{"dont_track_primary own", inst("dont_track_primary\ntrack_interface {\neth0\n}"), ""},
	{"notify", safe + inst("notify_master \"/usr/bin/true a b\" root root\nnotify /usr/bin/true"), ""},
	{"notify alone", safe + inst("notify_master"), ""},
	{"notify empty", safe + inst("notify_backup \"\""), ""},

	// Groups.
	{"group", group("group {\nV\nW\n}"), ""},
	{"group on a line", group("group {\nV W\n}"), ""},
	{"group one line", group("group { V W }"), ""},
	{"group first", "vrrp_sync_group G {\ngroup {\nV\nW\n}\n}\n" + inst("") + w, ""},
	{"group unknown member", group("group {\nV\nX\n}"), ""},
	{"group one member", group("group {\nV\n}"), ""},
	{"group member twice", group("group {\nV\nW\nV\n}"), ""},
	{"group without members", group(""), ""},
	{"group without name", inst("") + w + "vrrp_sync_group {\ngroup {\nV\nW\n}\n}\n", ""},
	{"two groups", group("group {\nV\nW\n}") + "vrrp_sync_group H {\ngroup {\nV\nW\n}\n}\n", ""},
	{"group twice", group("group {\nV\nW\n}") + "vrrp_sync_group G {\ngroup {\nV\nW\n}\n}\n", ""},
	{"group member weight", inst("track_interface {\neth1 weight 5\n}") + w +
		"vrrp_sync_group G {\ngroup {\nV\nW\n}\n}\n", ""},
	{"group tracking weight", inst("track_interface {\neth1 weight 5\n}") + w +
		"vrrp_sync_group G {\nsync_group_tracking_weight\ngroup {\nV\nW\n}\n}\n", ""},
	{"group global_tracking", group("global_tracking\ngroup {\nV\nW\n}"), ""},
	{"group notify_deleted", group("notify_deleted /usr/bin/true\ngroup {\nV\nW\n}"), ""},
	{"group track", safe + chk + group("group {\nV\nW\n}\ntrack_script {\nc weight 5\n}\ntrack_interface {\neth1\n}"),
		""},

	// Flags, odds and ends.
	{"skip_check_adv_addr foo", inst("skip_check_adv_addr foo"), ""},
	{"lower_prio_no_advert off", inst("lower_prio_no_advert off"), ""},
	{"lower_prio_no_advert foo", inst("lower_prio_no_advert foo"), ""},
	{"higher_prio_send_advert foo", inst("higher_prio_send_advert foo"), ""},
	{"global lower_prio_no_advert foo", globals("vrrp_lower_prio_no_advert foo"), ""},
	{"smtp_alert foo", inst("smtp_alert foo"), ""},
	{"enable_script_security 0", globals("enable_script_security 0"), ""},
	{"enable_script_security off", globals("enable_script_security off"), ""},
	{"no_accept off", inst("no_accept off"), ""},
	{"log_unknown_vrids", globals("log_unknown_vrids"), ""},
	{"router_id alone", globals("router_id"), ""},
	{"router_id two words", globals("router_id a b"), ""},
	{"mail", globals("notification_email {\na@example.org\n}\nnotification_email_from b@example.org\nsmtp_server " +
		"192.0.2.1 25\nsmtp_connect_timeout 30"), ""},
	{"vrrp_iptables", globals("vrrp_iptables"), ""},
	{"vrrp_strict", globals("vrrp_strict"), ""},
	{"native_ipv6", inst("native_ipv6"), "the family is that of the addresses whatever this says"},
	{"debug 5", inst("debug 5"), ""},
	{"use_vmac", inst("use_vmac"), ""},
	{"accept", inst("accept"), ""},
	{"no_accept", inst("no_accept"), ""},
	{"v3_checksum_as_v2", inst("v3_checksum_as_v2"), ""},
	{"lease_gate", inst("lease_gate off"), ""},
	{"lvs_sync_daemon_interface", inst("lvs_sync_daemon_interface eth0"), ""},
	{"virtual_server", "virtual_server 10.9.0.5 80 {\nlb_algo rr\nlb_kind DR\nprotocol TCP\nreal_server 10.9.0.6 80 " +
		"{\nTCP_CHECK {\nconnect_timeout 3\n}\n}\n}\n", ""},
	{"virtual_server unknown word",
		"virtual_server 10.9.0.5 80 {\nlb_algo rr\nlb_kind DR\nprotocol TCP\nreal_server 10.9.0.6 80 {\nTCP_CHECK " +
			"{\nconnetc_port 3\n}\n}\n}\n", ""},
	{"nb_get_retry in TCP_CHECK", "virtual_server 10.9.0.5 80 {\nlb_algo rr\nlb_kind DR\nprotocol TCP\nreal_server " +
		"10.9.0.6 80 {\nTCP_CHECK {\nnb_get_retry 3\n}\n}\n}\n", ""},
	{"lower-case dr", "virtual_server 10.9.0.5 80 {\nlb_algo rr\nlb_kind dr\nprotocol TCP\nreal_server 10.9.0.6 80 " +
		"{\nTCP_CHECK {\nconnect_timeout 3\n}\n}\n}\n", ""},
	{"include nothing", "include /nonexistent/*.conf\n" + inst(""), ""},
	{"include missing", "include /nonexistent/a.conf\n" + inst(""), ""},
}

// TestAgainstKeepalived compares the strict verdict with that of keepalived -t.
func TestAgainstKeepalived(t *testing.T) {
	var texts []string
	for _, c := range cases {
		texts = append(texts, c.text)
	}
	said := reference(t, "testdata/cases.verdicts", texts)
	same := 0
	for i, c := range cases {
		ours := strictVerdict("keepalived.conf", c.text)
		switch agree := (ours == "") == (said[i] == ""); {
		case agree && c.differs == "":
			same++
		case agree:
			t.Errorf("%s: verdicts agree, though %s", c.name, c.differs)
		case c.differs == "":
			t.Errorf("%s:\nkeepalived: %s\nours:       %s", c.name, said[i], ours)
		}
	}
	t.Logf("%d of %d verdicts agree", same, len(cases))
}
