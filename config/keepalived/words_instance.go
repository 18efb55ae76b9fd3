package keepalived

// instanceWords may stand in vrrp_instance.
var instanceWords = []keyword{
	{word: "interface", args: []arg{word("INTERFACE")}, help: "interface that sends and hears adverts", set: (*builder).setInterface},
	{word: "virtual_router_id", args: []arg{integer(1, 255)}, help: "number of the virtual router on its network", set: (*builder).setVRID},
	{word: "priority", args: []arg{integer(1, 255)}, def: "100", help: "the highest becomes master; 255 owns the address", set: (*builder).setPriority},
	{word: "state", args: []arg{word("MASTER|BACKUP")}, def: "BACKUP", help: "a hint; the election decides", set: (*builder).setState},
	{word: "advert_int", args: []arg{{kind: aDuration, name: "SECONDS", min: 0.01, max: 255}}, def: "1", help: "time between adverts", set: (*builder).setAdvertInterval},
	{word: "version", args: []arg{integer(2, 3)}, def: "vrrp_version", help: "version of the protocol", set: (*builder).setVersion},
	{word: "virtual_ipaddress", entries: true, multi: true, help: "the addresses, advertised", entry: (*builder).addVirtual},
	{word: "virtual_ipaddress_excluded", entries: true, multi: true, help: "more addresses, not advertised; of either family", entry: (*builder).addExcluded},
	{word: "no_virtual_ipaddress", args: []arg{onOff()}, absent: newer, state: refused, help: "an instance without addresses"},
	{word: "virtual_routes", entries: true, multi: true, state: refused, help: "routes that move with mastership"},
	{word: "virtual_rules", entries: true, multi: true, state: refused, help: "routing rules that move with mastership"},
	{word: "promote_secondaries", args: []arg{alone()}, state: refused, help: "keep secondary addresses when a primary goes"},
	{word: "authentication", block: inAuth, help: "simple password of VRRPv2", set: (*builder).openAuth},
	{word: "auth_hmac", block: inAuthHMAC, state: refused, absent: newer, help: "signed adverts"},

	// Where adverts go.
	{word: "unicast_peer", entries: true, multi: true, help: "send to these addresses instead of a group", set: (*builder).openPeers, entry: (*builder).addPeer},
	{word: "unicast_src_ip", args: []arg{address()}, def: "first address of the interface", help: "source of adverts", set: (*builder).setUnicastSource},
	{word: "mcast_src_ip", args: []arg{address()}, def: "first address of the interface", help: "source of adverts", set: (*builder).setMulticastSource},
	{word: "track_src_ip", args: []arg{alone()}, state: refused, help: "fault while the source address is missing"},
	{word: "mcast_dst_ip", args: []arg{address()}, def: "vrrp_mcast_group4/6", help: "group of adverts", set: (*builder).setMulticastGroup},
	{word: "unicast_ttl", args: []arg{integer(0, 255)}, def: "255", help: "TTL of unicast adverts", set: (*builder).setUnicastTTL},
	{word: "check_unicast_src", args: []arg{alone()}, def: "vrrp_check_unicast_src", help: "drop unicast adverts from addresses that are no peers", set: (*builder).setCheckUnicast},
	{word: "unicast_fault_no_peer", args: []arg{alone()}, state: refused, help: "fault without peers"},
	{word: "vrf", args: []arg{word("NAME")}, state: refused, help: "VRF of an instance without interface"},
	{word: "old_unicast_checksum", args: []arg{choice("never").opt()}, state: refused, help: "unicast checksum of old versions"},
	{word: "v3_checksum_as_v2", args: []arg{onOff()}, def: "v3_checksum_as_v2 in global_defs", absent: newer, help: "send IPv4 checksums of VRRPv3 without pseudo-header", set: (*builder).setChecksum},

	// Election.
	{word: "nopreempt", help: "do not take over from a lower master", set: (*builder).setNoPreempt},
	{word: "preempt", help: "take over from a lower master (the default)", set: (*builder).setPreempt},
	{word: "preempt_delay", args: []arg{seconds(0, 1000)}, def: "0", help: "wait before taking over from a lower master", set: (*builder).setPreemptDelay},
	{word: "lower_prio_no_advert", args: []arg{onOff()}, def: "vrrp_lower_prio_no_advert", help: "a master does not answer lower-priority adverts", set: (*builder).setLowerPrioNoAdvert},
	{word: "higher_prio_send_advert", args: []arg{onOff()}, def: "vrrp_higher_prio_send_advert", help: "a master sends one more advert before it yields", set: (*builder).setHigherPrioSendAdvert},
	{word: "down_timer_adverts", args: []arg{integer(1, 100)}, def: "vrrp_down_timer_adverts", help: "adverts missed before takeover", set: (*builder).setDownAdverts},
	{word: "timer_expired_backup", args: []arg{integer(1, 254).opt()}, state: refused, absent: newer, help: "step down when late"},
	{word: "thread_timer_expired", args: []arg{integer(1, 254).opt()}, state: refused, absent: newer, help: "other name of timer_expired_backup"},
	{word: "owner_ignore_adverts", args: []arg{onOff()}, state: refused, absent: newer, help: "priority 255 does not listen"},
	{word: "skip_check_adv_addr", args: []arg{onOff()}, def: "vrrp_skip_check_adv_addr", help: "compare advertised addresses only when the master changes", set: (*builder).setSkipCheck},
	{word: "strict_mode", args: []arg{onOff()}, state: refused, help: "hold it to the letter of the RFC",
		why: "leave it out: it forbids passwords, unicast and preempt_delay, and drops packets to the address"},
	{word: "accept", args: []arg{alone()}, def: "on", help: "take packets to the address (always so)", set: (*builder).setAccept},
	{word: "no_accept", args: []arg{alone()}, state: refused, help: "drop packets to the address"},

	// Tracking.
	{word: "track_interface", entries: true, multi: true, help: "interfaces whose state counts", entry: (*builder).addTrackInterface},
	{word: "track_script", entries: true, multi: true, help: "scripts whose result counts", entry: (*builder).addTrackScript},
	{word: "track_proxy", entries: true, multi: true, own: true, help: "proxies of this node that must have a usable server; * for the worker process alone", entry: (*builder).addTrackProxy},
	{word: "track_file", entries: true, multi: true, state: refused, help: "files whose number counts"},
	{word: "track_process", entries: true, multi: true, state: refused, help: "processes that must run", why: "use a vrrp_script with pidof or pgrep"},
	{word: "track_bfd", entries: true, multi: true, state: refused, help: "BFD sessions that must be up"},
	{word: "dont_track_primary", args: []arg{alone()}, def: "off", help: "ignore the state of the own interface", set: (*builder).setDontTrackPrimary},
	{word: "linkbeat_use_polling", state: harmless, instead: "linkbeat_interfaces", help: "poll the interface for carrier", why: "the kernel reports carrier by itself"},

	// Announcements.
	{word: "garp_master_delay", args: []arg{wholeSeconds(0, 86400)}, def: "vrrp_garp_master_delay", help: "time to the second burst of announcements; 0: none", set: instanceAnnounce(setDelay)},
	{word: "garp_master_repeat", args: []arg{integer(1, 255).clamped()}, def: "vrrp_garp_master_repeat", help: "announcements per address and burst", set: instanceAnnounce(setRepeat)},
	{word: "garp_master_refresh", args: []arg{wholeSeconds(0, 86400)}, def: "vrrp_garp_master_refresh", help: "time between announcements while master; 0: none", set: instanceAnnounce(setRefresh)},
	{word: "garp_master_refresh_repeat", args: []arg{integer(1, 255).clamped()}, def: "vrrp_garp_master_refresh_repeat", help: "announcements per refresh", set: instanceAnnounce(setRefreshRepeat)},
	{word: "garp_lower_prio_delay", args: []arg{wholeSeconds(0, 86400)}, def: "garp_master_delay", help: "the same after a lower-priority advert", set: instanceAnnounce(setLowerDelay)},
	{word: "garp_lower_prio_repeat", args: []arg{integer(0, 255).clamped()}, def: "garp_master_repeat", help: "the same after a lower-priority advert", set: instanceAnnounce(setLowerRepeat)},
	{word: "garp_extra_if", args: []arg{restOrNone()}, state: refused, help: "announce on other interfaces too"},
	{word: "vmac_garp_intvl", args: []arg{restOrNone()}, state: refused, instead: "garp_extra_if", help: "old name of garp_extra_if"},

	// Notification.
	{word: "notify_master", args: []arg{rest("COMMAND [USER [GROUP]]")}, help: "runs when it becomes master", set: (*builder).setNotify},
	{word: "notify_backup", args: []arg{rest("COMMAND [USER [GROUP]]")}, help: "runs when it becomes backup", set: (*builder).setNotify},
	{word: "notify_fault", args: []arg{rest("COMMAND [USER [GROUP]]")}, help: "runs when it fails", set: (*builder).setNotify},
	{word: "notify_stop", args: []arg{rest("COMMAND [USER [GROUP]]")}, help: "runs when it is stopped", set: (*builder).setNotify},
	{word: "notify", args: []arg{rest("COMMAND [USER [GROUP]]")}, help: "runs on every change, with INSTANCE, name, state and priority added", set: (*builder).setNotify},
	{word: "notify_master_rx_lower_pri", args: []arg{rest("COMMAND [USER [GROUP]]")}, help: "runs when a master hears a lower one", set: (*builder).setNotify},
	{word: "notify_deleted", args: []arg{restOrNone()}, state: refused, help: "runs when a reload removes it", why: "notify_stop runs then"},
	{word: "notify_priority_changes", args: []arg{onOff()}, state: harmless, help: "tell pipes of priorities too", why: "there are no pipes yet"},
	{word: "smtp_alert", args: []arg{onOff()}, state: harmless, help: "mail on every change", why: noMail},

	// Virtual MACs.
	{word: "use_vmac", args: []arg{restOrNone()}, state: refused, help: "the RFC's MAC address for the virtual address"},
	{word: "use_vmac_addr", args: []arg{alone()}, state: refused, help: "the same for addresses on other interfaces"},
	{word: "vmac_xmit_base", args: []arg{alone()}, state: harmless, help: "send adverts from the parent interface", why: "adverts always leave from the interface itself"},
	{word: "use_ipvlan", args: []arg{restOrNone()}, state: refused, help: "ipvlan instead of a virtual MAC"},

	// Tuning and old words.
	{word: "kernel_rx_buf_size", args: []arg{integer(0, 4294967295)}, state: harmless, help: "receive buffer", why: buffers},
	{word: "debug", args: []arg{integer(0, 4)}, state: harmless, help: "nothing, since long", why: "it does nothing in keepalived either"},
	{word: "native_ipv6", state: harmless, help: "nothing, since long", why: "the first virtual address says the family"},
	{word: "lvs_sync_daemon_interface", args: []arg{word("INTERFACE")}, state: harmless, instead: "lvs_sync_daemon in global_defs", help: "share connections with the peer", why: "nothing is shared because of it"},

	{word: "lease_gate", args: []arg{choice("auto", "ebpf", "nft", "lifetime", "off").opt()}, own: true, def: "vrrp_lease_gate",
		help: "what keeps this node from answering for the address once its mastership has run out", set: (*builder).setGate},
}

// groupWords may stand in vrrp_sync_group.
var groupWords = []keyword{
	{word: "group", entries: true, multi: true, help: "the instances in it", entry: (*builder).addMember},
	{word: "track_interface", entries: true, multi: true, help: "interfaces whose state counts for all", entry: (*builder).addTrackInterface},
	{word: "track_script", entries: true, multi: true, help: "scripts whose result counts for all", entry: (*builder).addTrackScript},
	{word: "track_file", entries: true, multi: true, state: refused, help: "files whose number counts"},
	{word: "track_process", entries: true, multi: true, state: refused, help: "processes that must run", why: "use a vrrp_script with pidof or pgrep"},
	{word: "track_bfd", entries: true, multi: true, state: refused, help: "BFD sessions that must be up"},
	{word: "sync_group_tracking_weight", args: []arg{alone()}, def: "off", help: "weights of members' trackers count", set: (*builder).setTrackingWeight},
	{word: "global_tracking", args: []arg{onOff()}, state: harmless, instead: "track_interface and track_script in the group", help: "trackers of one member count for all",
		why: "a fault of one member moves the whole group"},
	{word: "notify_master", args: []arg{rest("COMMAND [USER [GROUP]]")}, help: "runs when the group becomes master", set: (*builder).setNotify},
	{word: "notify_backup", args: []arg{rest("COMMAND [USER [GROUP]]")}, help: "runs when the group becomes backup", set: (*builder).setNotify},
	{word: "notify_fault", args: []arg{rest("COMMAND [USER [GROUP]]")}, help: "runs when the group fails", set: (*builder).setNotify},
	{word: "notify_stop", args: []arg{rest("COMMAND [USER [GROUP]]")}, help: "runs when the group is stopped", set: (*builder).setNotify},
	{word: "notify", args: []arg{rest("COMMAND [USER [GROUP]]")}, help: "runs on every change, with GROUP, name, state and priority 0 added", set: (*builder).setNotify},
	{word: "notify_priority_changes", args: []arg{onOff()}, state: harmless, help: "tell pipes of priorities too", why: "there are no pipes yet"},
	{word: "smtp_alert", args: []arg{onOff()}, state: harmless, help: "mail on every change", why: noMail},
}

// scriptWords may stand in vrrp_script.
var scriptWords = []keyword{
	{word: "script", args: []arg{rest("COMMAND")}, help: "what to run; exit 0 means well", set: (*builder).setScript},
	{word: "interval", args: []arg{wholeSeconds(0.001, 4294)}, def: "1", help: "time between runs", set: (*builder).setScriptInterval},
	{word: "timeout", args: []arg{wholeSeconds(0.001, 4294)}, def: "interval", help: "time allowed for a run, after which it counts as failed", set: (*builder).setScriptTimeout},
	{word: "weight", args: []arg{integer(-253, 253), choice("reverse", "noreverse").opt()}, def: "0", help: "change of priority; 0: failure is a fault", set: (*builder).setScriptWeight},
	{word: "rise", args: []arg{integer(1, 2147483647)}, def: "1", help: "successes in a row that count as well", set: (*builder).setRise},
	{word: "fall", args: []arg{integer(1, 2147483647)}, def: "1", help: "failures in a row that count as failed", set: (*builder).setFall},
	{word: "user", args: []arg{word("USER"), word("GROUP").opt()}, def: "script_user", help: "who runs it", set: (*builder).setUser},
	{word: "init_fail", help: "it counts as failed until it has run", set: (*builder).setInitFail},
}
