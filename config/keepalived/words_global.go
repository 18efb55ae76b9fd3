package keepalived

const (
	noMail     = "mail is not sent yet"
	noSNMP     = "it only concerns monitoring: use evenkeel show, or the metrics"
	alwaysSafe = "a reload always checks the whole file first and keeps the old one if it is wrong"
	noFirewall = "only no_accept and use_vmac need a firewall, and they are not supported yet"
	noMarks    = "every address of a group is a service of its own"
	buffers    = "socket buffers are chosen by the program"
)

// globalWords may stand in global_defs.
var globalWords = []keyword{
	// Identity and mail.
	{word: "router_id", args: []arg{word("NAME")}, def: "host name", help: "name of this node in logs and alarms", set: (*builder).setRouterID},
	{word: "notification_email", entries: true, state: harmless, help: "who gets mail", why: noMail},
	{word: "notification_email_from", args: []arg{word("ADDRESS")}, state: harmless, help: "sender of mail", why: noMail},
	{word: "smtp_server", args: []arg{word("HOST"), word("PORT").opt()}, state: harmless, help: "mail server", why: noMail},
	{word: "smtp_helo_name", args: []arg{word("NAME")}, state: harmless, help: "name told to the mail server", why: noMail},
	{word: "smtp_connect_timeout", args: []arg{wholeSeconds(0, 4294)}, state: harmless, def: "30", help: "time allowed for reaching the mail server", why: noMail},
	{word: "smtp_alert", args: []arg{onOff()}, state: harmless, help: "mail on every change", why: noMail},
	{word: "smtp_alert_vrrp", args: []arg{onOff()}, state: harmless, help: "mail on changes of instances", why: noMail},
	{word: "smtp_alert_checker", args: []arg{onOff()}, state: harmless, help: "mail on changes of real servers", why: noMail},
	{word: "no_email_faults", args: []arg{alone()}, state: harmless, help: "no mail for faults", why: noMail},
	{word: "no_checker_emails", args: []arg{onOff()}, state: harmless, help: "no mail for real servers", why: noMail},

	// Scripts.
	{word: "script_user", args: []arg{word("USER"), word("GROUP").opt()}, def: "keepalived_script, else root", help: "who runs scripts that name no user", set: (*builder).setScriptUser},
	{word: "enable_script_security", args: []arg{alone()}, def: "off", help: "refuse scripts that others than root could change", set: (*builder).setScriptSecurity},
	{word: "use_symlink_paths", args: []arg{onOff()}, state: harmless, absent: newer, help: "keep symbolic links in script paths", why: "paths are used as written"},
	{word: "set_supplementary_groups", args: []arg{onOff()}, state: harmless, absent: newer, help: "give scripts their user's other groups", why: "scripts get the groups of their user"},
	{word: "startup_script", args: []arg{rest("COMMAND")}, state: refused, help: "runs before start"},
	{word: "startup_script_timeout", args: []arg{wholeSeconds(1, 1000)}, state: refused, def: "10", help: "time allowed for startup_script"},
	{word: "shutdown_script", args: []arg{rest("COMMAND")}, state: refused, help: "runs after stop"},
	{word: "shutdown_script_timeout", args: []arg{wholeSeconds(1, 1000)}, state: refused, def: "10", help: "time allowed for shutdown_script"},
	{word: "umask", args: []arg{rest("MASK")}, state: harmless, help: "permissions of files it writes", why: "files it writes are for root only"},

	// Defaults of instances.
	{word: "vrrp_version", args: []arg{integer(2, 3)}, def: "2", help: "version of the protocol", set: (*builder).setGlobalVersion},
	{word: "vrrp_mcast_group4", args: []arg{address()}, def: "224.0.0.18", help: "group of IPv4 adverts", set: (*builder).setGlobalGroup4},
	{word: "vrrp_mcast_group6", args: []arg{address()}, def: "ff02::12", help: "group of IPv6 adverts", set: (*builder).setGlobalGroup6},
	{word: "vrrp_strict", args: []arg{alone()}, state: refused, help: "hold every instance to the letter of the RFC",
		why: "leave it out: it forbids passwords, unicast and preempt_delay, and drops packets to the address"},
	{word: "vrrp_skip_check_adv_addr", args: []arg{alone()}, def: "off", help: "compare advertised addresses only when the master changes", set: (*builder).setGlobalSkipCheck},
	{word: "vrrp_check_unicast_src", args: []arg{alone()}, def: "off", help: "drop unicast adverts from addresses that are no peers", set: (*builder).setGlobalCheckUnicast},
	{word: "v3_checksum_as_v2", args: []arg{onOff()}, def: "off", absent: newer, help: "send IPv4 checksums of VRRPv3 without pseudo-header", set: (*builder).setGlobalChecksum},
	{word: "vrrp_lower_prio_no_advert", args: []arg{onOff()}, def: "off", help: "a master does not answer lower-priority adverts", set: (*builder).setGlobalLowerPrioNoAdvert},
	{word: "vrrp_higher_prio_send_advert", args: []arg{onOff()}, def: "off", help: "a master sends one more advert before it yields", set: (*builder).setGlobalHigherPrioSendAdvert},
	{word: "vrrp_owner_ignore_adverts", args: []arg{onOff()}, state: refused, absent: newer, help: "priority 255 does not listen"},
	{word: "vrrp_down_timer_adverts", args: []arg{integer(1, 100)}, def: "3", help: "adverts missed before takeover", set: (*builder).setGlobalDownAdverts},
	{word: "default_interface", args: []arg{word("INTERFACE")}, help: "interface of instances that name none", set: (*builder).setDefaultInterface},
	{word: "dynamic_interfaces", args: []arg{choice("allow_if_changes").opt()}, help: "no warning of interfaces that are not there; they may always come and go", set: (*builder).setDynamicInterfaces},
	{word: "log_unknown_vrids", args: []arg{alone()}, def: "off", help: "log adverts of virtual routers not configured here", set: (*builder).setLogUnknown},
	{word: "disable_local_igmp", args: []arg{alone()}, state: harmless, help: "no IGMP for local groups", why: "it only tunes the kernel"},

	// Announcements.
	{word: "vrrp_garp_master_delay", args: []arg{wholeSeconds(0, 86400)}, def: "5", help: "time to the second burst of announcements; 0: none", set: globalAnnounce(setDelay)},
	{word: "vrrp_garp_master_repeat", args: []arg{integer(1, 255).clamped()}, def: "5", help: "announcements per address and burst", set: globalAnnounce(setRepeat)},
	{word: "vrrp_garp_master_refresh", args: []arg{wholeSeconds(0, 86400)}, def: "0", help: "time between announcements while master; 0: none", set: globalAnnounce(setRefresh)},
	{word: "vrrp_garp_master_refresh_repeat", args: []arg{integer(1, 255).clamped()}, def: "1", help: "announcements per refresh", set: globalAnnounce(setRefreshRepeat)},
	{word: "vrrp_garp_lower_prio_delay", args: []arg{wholeSeconds(0, 86400)}, def: "vrrp_garp_master_delay", help: "the same after a lower-priority advert", set: globalAnnounce(setLowerDelay)},
	{word: "vrrp_garp_lower_prio_repeat", args: []arg{integer(0, 255).clamped()}, def: "vrrp_garp_master_repeat", help: "the same after a lower-priority advert", set: globalAnnounce(setLowerRepeat)},
	{word: "vrrp_garp_interval", args: []arg{seconds(0, 4294)}, def: "0", help: "time between two ARP announcements", set: globalAnnounce(setInterval)},
	{word: "vrrp_gna_interval", args: []arg{seconds(0, 4294)}, def: "0", help: "time between two neighbour announcements", set: globalAnnounce(setGNAInterval)},
	{word: "vrrp_min_garp", args: []arg{onOff()}, def: "off", help: "one announcement per address and no second burst", set: (*builder).setMinGARP},
	{word: "vrrp_garp_extra_if", args: []arg{restOrNone()}, state: refused, help: "announce on other interfaces too"},

	// Start.
	{word: "vrrp_startup_delay", args: []arg{seconds(0, 4294)}, def: "0", help: "hold every instance back after start", set: (*builder).setStartupDelay},
	{word: "vrrp_delay_after_boot", args: []arg{seconds(0, 4294)}, state: refused, absent: newer, help: "hold every instance back after boot", why: "use vrrp_startup_delay"},

	// Notification.
	{word: "notify_fifo", args: []arg{rest("PATH")}, state: refused, help: "pipe that gets every change"},
	{word: "notify_fifo_script", args: []arg{rest("COMMAND")}, state: refused, help: "reader of the pipe"},
	{word: "vrrp_notify_fifo", args: []arg{rest("PATH")}, state: refused, help: "pipe that gets changes of instances"},
	{word: "vrrp_notify_fifo_script", args: []arg{rest("COMMAND")}, state: refused, help: "reader of the pipe"},
	{word: "lvs_notify_fifo", args: []arg{rest("PATH")}, state: refused, help: "pipe that gets changes of real servers", why: "use notify_up, notify_down, quorum_up and quorum_down"},
	{word: "lvs_notify_fifo_script", args: []arg{rest("COMMAND")}, state: refused, help: "reader of the pipe"},
	{word: "vrrp_notify_priority_changes", args: []arg{onOff()}, state: harmless, help: "tell pipes of priorities too", why: "there are no pipes yet"},
	{word: "fifo_write_vrrp_states_on_reload", args: []arg{alone()}, state: harmless, help: "tell pipes all states after a reload", why: "there are no pipes yet"},
	{word: "rs_init_notifies", args: []arg{onOff()}, def: "off", help: "notify_up and notify_down for the first state of a server too", set: (*builder).setInitNotifies},
	{word: "checker_log_all_failures", args: []arg{onOff()}, def: "off", help: "log each failed check", set: (*builder).setAllFailures},

	// Virtual servers.
	{word: "lvs_sync_daemon", args: []arg{rest("INTERFACE [inst] INSTANCE, id, maxlen, port, ttl NUMBER, group ADDRESS")}, help: "tell the peer of connections; with INSTANCE, by its state", set: (*builder).setSyncDaemon},
	{word: "lvs_timeouts", args: []arg{rest("tcp, tcpfin, udp SECONDS")}, def: "900, 120, 300", help: "how long silent connections are remembered", set: (*builder).setTimeouts},
	{word: "lvs_flush", args: []arg{alone()}, def: "off", help: "empty the table at the start", set: (*builder).setFlush},
	{word: "lvs_flush_on_stop", args: []arg{choice("VS").opt()}, def: "off", help: "empty the table at the end; VS: of what is ours", set: (*builder).setFlushOnStop},
	{word: "lvs_driver", args: []arg{choice("auto", "ipvs", "xdp")}, own: true, def: "auto", help: "what forwards: the kernel's IPVS or our own plane; auto: IPVS where it is", set: (*builder).setDriver},
	{word: "lvs_table_size", args: []arg{integer(1024, 16777216)}, own: true, def: "1048576", help: "connections that our own plane remembers", set: (*builder).setTableSize},

	// Firewall.
	{word: "vrrp_iptables", args: []arg{restOrNone()}, state: harmless, instead: "nftables", help: "iptables chains to use", why: noFirewall},
	{word: "vrrp_ipsets", args: []arg{restOrNone()}, state: harmless, absent: notBuilt, instead: "nftables", help: "ipsets to use", why: noFirewall},
	{word: "nftables", args: []arg{word("TABLE").opt()}, state: harmless, help: "nftables table to use", why: noFirewall},
	{word: "nftables_priority", args: []arg{integer(-2147483648, 2147483647)}, state: harmless, def: "-1", help: "priority of its chains", why: noFirewall},
	{word: "nftables_counters", args: []arg{alone()}, state: harmless, help: "counters in its rules", why: noFirewall},
	{word: "nftables_ifindex", args: []arg{alone()}, state: harmless, help: "interfaces by number", why: noFirewall},
	{word: "nftables_ipvs", args: []arg{word("TABLE").opt()}, state: harmless, help: "nftables table of virtual servers", why: noMarks},
	{word: "nftables_ipvs_priority", args: []arg{integer(-2147483648, 2147483647)}, state: harmless, help: "priority of its chains", why: noMarks},
	{word: "nftables_ipvs_start_fwmark", args: []arg{integer(1, 2147483647)}, state: harmless, def: "1000", help: "first mark used", why: noMarks},

	// Scheduling and buffers.
	{word: "max_auto_priority", args: []arg{integer(-1, 99).opt()}, state: harmless, def: "0", help: "raise own priority when late", why: process},
	{word: "min_auto_priority_delay", args: []arg{restOrNone()}, state: harmless, help: "lateness that counts", why: process},
	{word: "vrrp_priority", args: []arg{integer(-20, 19)}, state: harmless, help: "nice value", why: process},
	{word: "vrrp_no_swap", args: []arg{alone()}, state: harmless, help: "lock memory", why: process},
	{word: "vrrp_rt_priority", args: []arg{integer(1, 99)}, state: harmless, help: "real-time priority", why: process},
	{word: "vrrp_cpu_affinity", args: []arg{rest("CPU")}, state: harmless, help: "processors to use", why: process},
	{word: "vrrp_rlimit_rttime", args: []arg{restOrNone()}, state: harmless, help: "limit of real-time use", why: process},
	{word: "vrrp_rlimit_rtime", args: []arg{restOrNone()}, state: harmless, help: "old name of vrrp_rlimit_rttime", why: process},
	{word: "vrrp_process_name", args: []arg{word("NAME").opt()}, state: harmless, help: "name of the process", why: process},
	{word: "checker_priority", args: []arg{integer(-20, 19)}, state: harmless, help: "nice value", why: process},
	{word: "checker_no_swap", args: []arg{alone()}, state: harmless, help: "lock memory", why: process},
	{word: "checker_rt_priority", args: []arg{integer(1, 99)}, state: harmless, help: "real-time priority", why: process},
	{word: "checker_cpu_affinity", args: []arg{rest("CPU")}, state: harmless, help: "processors to use", why: process},
	{word: "checker_rlimit_rttime", args: []arg{restOrNone()}, state: harmless, help: "limit of real-time use", why: process},
	{word: "checker_process_name", args: []arg{word("NAME").opt()}, state: harmless, help: "name of the process", why: process},
	{word: "bfd_priority", args: []arg{integer(-20, 19)}, state: harmless, help: "nice value", why: process},
	{word: "bfd_no_swap", args: []arg{alone()}, state: harmless, help: "lock memory", why: process},
	{word: "bfd_rt_priority", args: []arg{integer(1, 99)}, state: harmless, help: "real-time priority", why: process},
	{word: "bfd_cpu_affinity", args: []arg{rest("CPU")}, state: harmless, help: "processors to use", why: process},
	{word: "bfd_rlimit_rttime", args: []arg{restOrNone()}, state: harmless, help: "limit of real-time use", why: process},
	{word: "bfd_process_name", args: []arg{word("NAME").opt()}, state: harmless, help: "name of the process", why: process},
	{word: "process_name", args: []arg{word("NAME").opt()}, state: harmless, help: "name of the parent process", why: process},
	{word: "vrrp_rx_bufs_policy", args: []arg{rest("POLICY")}, state: harmless, help: "size of receive buffers", why: buffers},
	{word: "vrrp_rx_bufs_multiplier", args: []arg{integer(1, 65535)}, state: harmless, def: "3", help: "size of receive buffers", why: buffers},
	{word: "vrrp_netlink_cmd_rcv_bufs", args: []arg{integer(0, 4294967295)}, state: harmless, help: "netlink buffer", why: buffers},
	{word: "vrrp_netlink_cmd_rcv_bufs_force", args: []arg{onOff()}, state: harmless, help: "netlink buffer", why: buffers},
	{word: "vrrp_netlink_monitor_rcv_bufs", args: []arg{integer(0, 4294967295)}, state: harmless, help: "netlink buffer", why: buffers},
	{word: "vrrp_netlink_monitor_rcv_bufs_force", args: []arg{onOff()}, state: harmless, help: "netlink buffer", why: buffers},
	{word: "lvs_netlink_cmd_rcv_bufs", args: []arg{integer(0, 4294967295)}, state: harmless, help: "netlink buffer", why: buffers},
	{word: "lvs_netlink_cmd_rcv_bufs_force", args: []arg{onOff()}, state: harmless, help: "netlink buffer", why: buffers},
	{word: "lvs_netlink_monitor_rcv_bufs", args: []arg{integer(0, 4294967295)}, state: harmless, help: "netlink buffer", why: buffers},
	{word: "lvs_netlink_monitor_rcv_bufs_force", args: []arg{onOff()}, state: harmless, help: "netlink buffer", why: buffers},
	{word: "process_monitor_rcv_bufs", args: []arg{integer(0, 4294967295)}, state: harmless, help: "process event buffer", why: buffers},
	{word: "process_monitor_rcv_bufs_force", args: []arg{onOff()}, state: harmless, help: "process event buffer", why: buffers},

	// Reload and files.
	{word: "reload_check_config", args: []arg{restOrNone()}, state: harmless, help: "check before reload", why: alwaysSafe},
	{word: "reload_time_file", args: []arg{word("PATH")}, state: refused, help: "file with the time of the next reload"},
	{word: "reload_repeat", args: []arg{alone()}, state: refused, help: "reload at that time every day"},
	{word: "reload_file", args: []arg{word("PATH").opt()}, state: refused, help: "file that must be gone before a reload ends"},
	{word: "include_check", args: []arg{restOrNone()}, state: harmless, help: "what makes an include an error", why: "an included file that is not there is always an error"},
	{word: "config_save_dir", args: []arg{word("PATH")}, state: harmless, help: "where to keep a bad configuration", why: alwaysSafe},
	{word: "tmp_config_directory", args: []arg{word("PATH")}, state: harmless, help: "where to keep the file while reading", why: "it is kept in memory"},
	{word: "data_use_instance", args: []arg{onOff()}, state: harmless, help: "names of dump files", why: noSNMP},
	{word: "state_dump_file", args: []arg{word("PATH")}, state: harmless, absent: newer, help: "where state is dumped", why: noSNMP},
	{word: "stats_dump_file", args: []arg{word("PATH")}, state: harmless, absent: newer, help: "where counters are dumped", why: noSNMP},
	{word: "json_dump_file", args: []arg{word("PATH")}, state: harmless, absent: newer, help: "where JSON is dumped", why: noSNMP},
	{word: "json_version", args: []arg{integer(1, 2)}, state: harmless, absent: newer, def: "1", help: "form of the JSON dump", why: noSNMP},
	{word: "iproute_usr_dir", args: []arg{word("PATH")}, state: harmless, absent: newer, help: "where names of tables are", why: "only routes and rules need it, and they are not supported yet"},
	{word: "iproute_etc_dir", args: []arg{word("PATH")}, state: harmless, absent: newer, help: "where names of tables are", why: "only routes and rules need it, and they are not supported yet"},
	{word: "random_seed", args: []arg{integer(0, 4294967295)}, state: harmless, help: "seed of random numbers", why: "they are used for nothing that a file could see"},

	// SNMP, DBus, virtual MACs.
	{word: "snmp_socket", args: []arg{word("SOCKET")}, state: harmless, help: "SNMP agent", why: noSNMP},
	{word: "enable_traps", args: []arg{alone()}, state: harmless, help: "SNMP traps", why: noSNMP},
	{word: "enable_snmp_keepalived", args: []arg{alone()}, state: harmless, help: "old name of enable_snmp_vrrp", why: noSNMP},
	{word: "enable_snmp_vrrp", args: []arg{alone()}, state: harmless, help: "SNMP of instances", why: noSNMP},
	{word: "enable_snmp_checker", args: []arg{alone()}, state: harmless, help: "SNMP of real servers", why: noSNMP},
	{word: "enable_snmp_rfc", args: []arg{alone()}, state: harmless, help: "SNMP of the RFCs", why: noSNMP},
	{word: "enable_snmp_rfcv2", args: []arg{alone()}, state: harmless, help: "SNMP of RFC 2787", why: noSNMP},
	{word: "enable_snmp_rfcv3", args: []arg{alone()}, state: harmless, help: "SNMP of RFC 6527", why: noSNMP},
	{word: "snmp_vs_stats_update_interval", args: []arg{seconds(0, 4294)}, state: harmless, absent: newer, def: "5", help: "age of SNMP figures", why: noSNMP},
	{word: "snmp_rs_stats_update_interval", args: []arg{seconds(0, 4294)}, state: harmless, absent: newer, help: "age of SNMP figures", why: noSNMP},
	{word: "enable_dbus", args: []arg{alone()}, state: harmless, help: "DBus", why: noSNMP},
	{word: "dbus_service_name", args: []arg{word("NAME")}, state: harmless, help: "DBus", why: noSNMP},
	{word: "dbus_no_interface_name", args: []arg{onOff()}, state: harmless, absent: newer, help: "DBus", why: noSNMP},
	{word: "vmac_prefix", args: []arg{word("NAME")}, state: harmless, def: "vrrp", help: "names of virtual MAC interfaces", why: noVMAC},
	{word: "vmac_addr_prefix", args: []arg{word("NAME")}, state: harmless, help: "names of virtual MAC interfaces", why: noVMAC},

	{word: "vrrp_lease_gate", args: []arg{choice("auto", "ebpf", "nft", "lifetime", "off").opt()}, own: true, def: "auto",
		help: "what keeps a node that lost its mastership from answering for an address", set: (*builder).setGlobalGate},
}
