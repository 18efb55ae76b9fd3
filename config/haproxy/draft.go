package haproxy

import (
	"maps"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/sample"
	"github.com/evenkeel/evenkeel/sample/logformat"
)

// Defaults the manual names.
const (
	defaultStatsTimeout = 10 * time.Second
	defaultRetries      = 3
	defaultInter        = 2 * time.Second
	defaultPurge        = 5 * time.Second
)

// draft is a proxy or a defaults section being read: the model's Proxy with what cannot be
// decided before everything has been read.
type draft struct {
	proxy *config.Proxy
	kind  caps
	name  word
	head  word   // the word that began it
	from  *draft // the defaults it was given
	used  struct{ explicit, implicit bool }
	acls  *sample.ACLs

	inherited
	servers    []*serverDraft
	byName     map[string]*serverDraft
	byID       map[int]*serverDraft
	switches   []switchDraft
	useServers []useServerDraft
	redirects  []config.Rule // of the redirect keyword, which stand after http-request
	disabled   bool
	bindSeen   bool // there is a bind line, right or wrong

	// names that lines with an error would have defined: their users are not reported as well
	lostACLs, lostServers map[string]bool
	// ranks of the rules seen, for warnings about their order
	rank      int
	rankName  string
	misranked map[int]bool // those warned of
	// what was given in this very section
	timeoutsGiven map[string]bool
	statsOwn      bool
	statsAsks     bool // stats auth or realm
	captureUses   []captureUse
	rawBytes      []word // criteria of conditions that look at raw bytes
}

// inherited is what a section takes over from its defaults, besides the Proxy.
type inherited struct {
	defaultBackend word
	logLines       []*logLine
	logFormat      word   // of log-format
	logOption      string // httplog, clf, tcplog, or httpslog; "" with logFormat, or none
	logAt          word
	uniqueID       word
	server         serverDraft // default-server
	check          checkDraft
	httpRules      bool // a named defaults section with rules
}

type switchDraft struct {
	cond *sample.Condition
	name word
	form *logformat.Format
}

type useServerDraft struct {
	cond *sample.Condition
	name word
}

// captureUse is a rule that stores into a capture slot by its number.
type captureUse struct {
	id       word
	slot     int
	response bool
}

// newDraft is a section with nothing set.
func (r *reader) newDraft(kind caps, head, name word) *draft {
	d := &draft{kind: kind, name: name, head: head, timeoutsGiven: make(map[string]bool), misranked: make(map[int]bool),
		lostACLs: make(map[string]bool), lostServers: make(map[string]bool),
		byName: make(map[string]*serverDraft), byID: make(map[int]*serverDraft),
		acls: sample.NewACLs(r.opts.ReadFile)}
	d.proxy = &config.Proxy{Retries: defaultRetries}
	d.server.Server = config.Server{Weight: 1, PoolMax: -1, PoolPurgeDelay: defaultPurge,
		Check: config.CheckParams{Inter: defaultInter, Rise: 2, Fall: 3, ErrorLimit: 10}}
	return d
}

// inherit takes over everything a defaults section has set.
func (d *draft) inherit(from *draft) {
	d.from = from
	p := *from.proxy
	p.Log = slices.Clone(p.Log)
	p.ErrorFiles = maps.Clone(p.ErrorFiles)
	p.ErrorLoc = maps.Clone(p.ErrorLoc)
	p.Captures.Request = slices.Clone(p.Captures.Request)
	p.Captures.Response = slices.Clone(p.Captures.Response)
	p.MonitorFail = slices.Clone(p.MonitorFail)
	// Differs from HAProxy: rules on connections and the inspect-delay of a defaults section hold where it is
	// taken over. 2.6 takes both there and forgets them.
	p.Rules = config.FrontRules{
		TCPConnection: slices.Clone(p.Rules.TCPConnection), TCPContent: slices.Clone(p.Rules.TCPContent),
		InspectDelay: p.Rules.InspectDelay,
		HTTPRequest:  slices.Clone(p.Rules.HTTPRequest), HTTPResponse: slices.Clone(p.Rules.HTTPResponse),
		HTTPAfter: slices.Clone(p.Rules.HTTPAfter),
	}
	d.proxy = &p
	d.inherited = from.inherited
	d.logLines = slices.Clone(from.logLines)
	d.server = from.server.clone()
	d.check = from.check.clone()
	d.redirects = slices.Clone(from.redirects)
	d.disabled = from.disabled
	d.httpRules = false
}

// front and back are the capabilities of a section.
func (d *draft) front() bool { return d.kind&fl != 0 }
func (d *draft) back() bool  { return d.kind&lb != 0 }
