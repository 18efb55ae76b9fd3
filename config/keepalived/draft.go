package keepalived

import (
	"net/netip"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/verdict"
)

// opt is a setting that may have been given, and where. It is small while it is not set: there may be
// hundreds of thousands.
type opt[T any] struct {
	val T
	set bool
	tok *token // nil if not set
}

func given[T any](v T, tok token) opt[T] { return opt[T]{v, true, &tok} }

func (o opt[T]) or(def T) T {
	if o.set {
		return o.val
	}
	return def
}

// builder collects what the words say, as drafts. Names are resolved and defaults
// filled in only when all files are read, so that order does not matter.
// Differs from Keepalived: a script may be defined after its user. There such a check
// is dropped.
type builder struct {
	report *verdict.Report
	current

	global    globalDraft
	lvs       lvsDraft
	instances []*instanceDraft
	groups    []*groupDraft
	scripts   []*scriptDraft
	byName    names
	// lost holds names of definitions that could not be read, whose users are blameless.
	lost map[string]bool
}

// names finds definitions by name.
type names struct {
	instances map[string]*instanceDraft
	groups    map[string]*groupDraft
	scripts   map[string]*scriptDraft
}

func newBuilder(r *verdict.Report) *builder {
	return &builder{report: r, lost: make(map[string]bool),
		lvs:    lvsDraft{groups: make(map[string]*addressGroup), trackFiles: make(map[string]*trackFileDraft)},
		byName: names{make(map[string]*instanceDraft), make(map[string]*groupDraft), make(map[string]*scriptDraft)}}
}

// current is the definition being read; at most one is set, but for those in another.
type current struct {
	instance *instanceDraft
	group    *groupDraft
	script   *scriptDraft

	virtual   *virtualDraft
	real      *realDraft       // in virtual
	check     *checkDraft      // in real
	url       *urlDraft        // in check
	host      *connectionDraft // in check
	addresses *addressGroup
	trackFile *trackFileDraft
}

type globalDraft struct {
	routerID       opt[string]
	scriptUser     opt[config.Owner]
	scriptSecurity bool
	// dynamicInterfaces: interfaces that are not there are not missed.
	dynamicInterfaces bool
	version           opt[int]
	group4, group6    opt[netip.Addr]
	skipCheck         bool
	checkUnicast      bool
	checksum          bool
	lowerNoAdvert     bool
	higherAdvert      bool
	downAdverts       opt[int]
	iface             opt[string]
	logUnknown        bool
	startupDelay      time.Duration
	announce          announceDraft
	minGARP           bool
	gate              config.GateMode
}

// announceDraft holds the garp words of global_defs or of one instance.
type announceDraft struct {
	delay, refresh, lowerDelay, interval, gnaInterval opt[time.Duration]
	repeat, refreshRepeat, lowerRepeat                opt[int]
}

type instanceDraft struct {
	config.Instance
	name          token
	iface         opt[string]
	vrid          opt[int]
	version       opt[int]
	priority      opt[int]
	state         opt[bool] // master
	advert        opt[time.Duration]
	downAdverts   opt[int]
	nopreempt     opt[bool]
	preemptDelay  opt[time.Duration]
	auth          opt[string] // kind
	authAt        opt[bool]
	pass          opt[string]
	addresses     []addressDraft
	excluded      []addressDraft
	peers         []peerDraft
	peersAt       opt[bool]
	unicastSource opt[netip.Addr]
	mcastSource   opt[netip.Addr]
	group         opt[netip.Addr]
	unicastTTL    opt[int]
	checkUnicast  opt[bool]
	checksum      opt[bool]
	lowerNoAdvert opt[bool]
	higherAdvert  opt[bool]
	skipCheck     opt[bool]
	announce      announceDraft
	trackers      trackerDraft
	gate          opt[config.GateMode]
	memberOf      *groupDraft
	family        opt[bool] // IPv6, of the first address that could be read
	// blamed holds words that were wrong and reported, so that they are not missed too.
	blamed map[string]bool
}

type addressDraft struct {
	config.Address
	tok token
}

type peerDraft struct {
	config.Peer
	tok token
}

// trackerDraft holds the track_ blocks of an instance or a group.
type trackerDraft struct {
	interfaces []interfaceRef
	scripts    []scriptRef
	proxies    []config.TrackProxy
}

type interfaceRef struct {
	config.TrackInterface
	tok token
}

type scriptRef struct {
	name    token
	weight  opt[int]
	reverse bool
	// early: no such script had been defined by then.
	early bool
}

type groupDraft struct {
	config.SyncGroup
	name     token
	members  []token
	trackers trackerDraft
}

type scriptDraft struct {
	config.Script
	name    token
	timeout opt[time.Duration]
	used    bool
}
