package config

import (
	"net/netip"
	"time"
)

// Site is everything one node was asked to do. A Site returned by a reader is
// complete and consistent: names are resolved, defaults are filled in, and every
// value is within its documented range. It is immutable once handed to an engine.
type Site struct {
	Global    Global
	Instances []*Instance
	Groups    []*SyncGroup
	Scripts   []*Script
	// Proxying is nil where no haproxy.cfg was given.
	Proxying *Proxying
	// LVS is nil where no virtual_server is configured.
	LVS *LVS
}

// Global holds the settings of a node as a whole (keepalived's global_defs).
type Global struct {
	// RouterID names this node in logs and alarms (router_id). Default: the host name,
	// filled in by the reader's caller when empty.
	RouterID string
	// ScriptUser is who runs scripts that name no user (script_user).
	// Empty: user keepalived_script if it exists, else root.
	ScriptUser Owner
	// ScriptSecurity refuses scripts that someone other than root could change
	// (enable_script_security).
	ScriptSecurity bool
	// DynamicInterfaces: check does not miss interfaces that are not there (dynamic_interfaces).
	DynamicInterfaces bool
	// StartupDelay holds back every instance after start (vrrp_startup_delay), 0 or more.
	StartupDelay time.Duration
	// LogUnknownVRIDs logs adverts of virtual routers not configured here (log_unknown_vrids).
	LogUnknownVRIDs bool
}

// Owner is a user and an optional group, by name or number as written.
type Owner struct {
	User, Group string
}

// Position is a place in a configuration file, for messages about a value long after parsing.
type Position struct {
	File      string
	Line, Col int
}

// Instance is one virtual router (vrrp_instance).
type Instance struct {
	Name string
	Pos  Position

	Interface string // may be empty only for unicast with a source address
	VRID      uint8  // 1-255
	Version   uint8  // 2 or 3
	IPv6      bool   // family of the protocol: that of the first virtual address, else of the unicast peers
	Priority  uint8  // 1-255; 255 owns the address
	// StartMaster is `state MASTER`: a hint, which matters for sync groups only.
	StartMaster bool

	AdvertInterval time.Duration // v2: whole seconds 1-255 s; v3: 10 ms-40.95 s in steps of 10 ms
	DownAdverts    int           // adverts missed before takeover (down_timer_adverts), 1-100, default 3
	Preempt        bool          // false: nopreempt
	PreemptDelay   time.Duration // 0-1000 s
	AuthPass       string        // VRRPv2 simple password, at most 8 bytes; empty: no authentication

	Addresses []Address // advertised (virtual_ipaddress), in file order
	Excluded  []Address // set and announced, not advertised (virtual_ipaddress_excluded)

	McastSource netip.Addr // mcast_src_ip or unicast_src_ip; invalid: first address of the interface
	McastGroup  netip.Addr // 224.0.0.18, ff02::12, or as configured
	Peers       []Peer     // unicast_peer; empty: multicast
	UnicastTTL  int        // TTL of unicast adverts; 0: the default (255)
	// CheckUnicastSource drops unicast adverts from senders that are not peers (check_unicast_src).
	CheckUnicastSource bool

	TrackInterfaces  []TrackInterface
	TrackScripts     []TrackScript
	TrackProxies     []TrackProxy
	DontTrackPrimary bool // ignore the state of Interface itself

	Announce Announce
	// LowerPrioNoAdvert: a master does not answer a lower-priority advert with its own.
	LowerPrioNoAdvert bool
	// HigherPrioSendAdvert: a master sends one last advert before it yields.
	HigherPrioSendAdvert bool
	// ChecksumAsV2 sends VRRPv3 IPv4 checksums without the pseudo-header, as RFC 9568 says
	// (v3_checksum_as_v2). Both forms are always accepted.
	ChecksumAsV2 bool
	// SkipCheckAddresses skips the comparison of advertised addresses while the master stays the same.
	SkipCheckAddresses bool

	Notify Notify
	Gate   GateMode
}

// Peer is a unicast peer with the range of TTLs accepted from it.
type Peer struct {
	Addr           netip.Addr
	MinTTL, MaxTTL int // 0-255; both 0: unchecked
}

// Address is a virtual address with what `ip addr` would be told about it.
type Address struct {
	Prefix netip.Prefix // host address with prefix length; default /32 or /128
	Dev    string       // default: the instance's interface
	Label  string       // IPv4 only; empty: none
	Scope  Scope
	// Broadcast: invalid Addr and BroadcastNone = none; BroadcastAuto = `brd +`.
	Broadcast     netip.Addr
	BroadcastAuto bool
	NoTrack       bool // losing the address is not watched
	// NoSource: nothing that this machine says by itself comes from the address (IPv6; IPv4's never does beside
	// another).
	NoSource bool
}

// Scope is an rtnetlink address scope (RT_SCOPE_*): 0 global, 200 site, 253 link, 254 host.
type Scope uint8

// Scopes by their rtnetlink numbers.
const (
	ScopeGlobal Scope = 0
	ScopeSite   Scope = 200
	ScopeLink   Scope = 253
	ScopeHost   Scope = 254
)

// Announce says how a new master tells the network (garp_* keywords).
type Announce struct {
	Delay            time.Duration // second burst after takeover (5 s); 0: none
	Repeat           int           // messages per address and burst (5; at least 1)
	Refresh          time.Duration // periodic announcement; 0: none
	RefreshRepeat    int           // messages per refresh (1)
	LowerPrioDelay   time.Duration // second burst after a lower-priority advert (Delay)
	LowerPrioRepeat  int           // messages per address then (Repeat)
	Interval, GNAInt time.Duration // spacing of ARP and of NA messages; 0: at once
}

// TrackInterface ties an instance to another interface's state.
type TrackInterface struct {
	Name   string
	Weight int // -253..253; 0: fault when down
	// weight 0: up and down exchanged; else a positive weight is taken away while up, a negative one added while down
	Reverse bool
}

// TrackScript ties an instance to a script's result.
type TrackScript struct {
	Script  *Script
	Weight  int // -253..253; 0: fault when failing
	Reverse bool
}

// TrackProxy ties an instance to the proxy of this node (our keyword track_proxy): a worker that is not there, or
// a named proxy without a usable server, counts as a failure.
type TrackProxy struct {
	Name   string // a frontend, backend or listen; empty: the worker itself
	Weight int    // -253..253; 0: fault
	Pos    Position
}

// Script is a check that runs again and again (vrrp_script).
type Script struct {
	Name     string
	Pos      Position // of its command
	Command  Command
	Interval time.Duration // 1 s
	Timeout  time.Duration // = Interval
	Weight   int           // default for users that name none
	Reverse  bool
	Rise     int // 1
	Fall     int // 1
	InitFail bool
}

// Command is a program with its arguments and who runs it.
type Command struct {
	Argv []string
	// File is what is run as Argv[0], when the check of its permissions says so; empty: Argv[0] itself. A reader
	// leaves it empty.
	File  string
	Owner Owner // empty: Global.ScriptUser
	// Pos is where a notify command is written. A check's command has none: see Script.Pos.
	Pos Position
}

// Defined reports whether there is a command at all.
func (c Command) Defined() bool { return len(c.Argv) > 0 }

// Notify holds the scripts told of changes, each optional.
type Notify struct {
	Master, Backup, Fault, Stop Command
	// MasterRxLowerPri runs when a master hears a lower-priority master.
	MasterRxLowerPri Command
	// Any runs on every change with INSTANCE|GROUP, name, state and priority added.
	Any Command
}

// SyncGroup makes instances move together (vrrp_sync_group).
type SyncGroup struct {
	Name            string
	Pos             Position
	Members         []*Instance
	TrackInterfaces []TrackInterface
	TrackScripts    []TrackScript
	Notify          Notify
	// TrackingWeight keeps weighted trackers on members (sync_group_tracking_weight).
	TrackingWeight bool
}

// GateMode says how an instance's lease gate is built (our keyword lease_gate).
type GateMode uint8

// Gate modes, from the strongest. GateAuto takes the first the kernel accepts.
const (
	GateAuto GateMode = iota
	GateEBPF
	GateNFT
	GateLifetime
	GateOff
)
