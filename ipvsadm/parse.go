package ipvsadm

import (
	"fmt"
	"math/bits"
	"net/netip"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// Limits and defaults of ipvsadm.
const (
	defaultScheduler = "wlc"
	defaultInterface = "eth0"
	defaultTimeout   = 360 * time.Second
	maxTimeout       = 31 * 24 * 3600 // seconds
	maxInt           = 1<<31 - 1
	maxMessage       = 65535 - 20 - 8
)

// Command is a command line that makes sense.
type Command struct {
	verb     verb
	given    set
	service  table.Service
	dest     table.Destination
	timeouts table.Timeouts
	daemon   table.Daemon
}

// A UsageError is a command line that does not; Status is ipvsadm's exit code for it.
type UsageError struct {
	Text   string
	Status int
}

func (e *UsageError) Error() string { return e.Text }

// Exit codes. ipvsadm ends with -1 where the kernel refuses.
const (
	statusFailed  = 255
	statusUsage   = 2
	statusNothing = 1
)

func usage(format string, args ...any) error {
	return &UsageError{fmt.Sprintf(format, args...), statusUsage}
}

// tryHelp is the complaint about what does not even begin well.
func tryHelp(program string) error {
	return &UsageError{fmt.Sprintf("Try `%s -h' or '%s --help' for more information.", program, program), statusFailed}
}

// Parse reads a command line without the program's name, which is only for complaints. Without
// arguments the command lists the table. The error is a [*UsageError].
func Parse(program string, args []string, names Names) (Command, error) {
	if len(args) == 0 {
		args = []string{"-L"}
	}
	p := parser{scanner: scanner{args: args}, names: names}
	p.service.Scheduler = defaultScheduler
	first, arg, _, ok, complaint := p.next()
	if !ok || complaint != "" || first.opt != none {
		return p.Command, tryHelp(program)
	}
	p.verb = first.verb
	switch p.verb {
	case help, version:
		return p.Command, nil
	case startDaemon, stopDaemon:
		if err := p.setRole(arg); err != nil {
			return p.Command, err
		}
	case restore: // no options; anything left is complained about below
	}
	if err := p.options(); err != nil {
		return p.Command, err
	}
	return p.Command, p.finish()
}

type parser struct {
	scanner
	Command
	names Names
	mark  bool   // the service is by mark
	flags string // -b
	wrap  int    // index of the tunnel's rule
	port  bool   // the real server's port was given
	holes bool   // the mask has holes
}

func (p *parser) setRole(s string) error {
	switch {
	case s == "master":
		p.daemon.Role = table.Master
	case s == "backup":
		p.daemon.Role = table.Backup
	case p.verb == startDaemon:
		return usage("illegal start-daemon parameter specified")
	default:
		return usage("illegal start_daemon specified")
	}
	return nil
}

// options reads everything after the verb.
func (p *parser) options() error {
	for {
		o, arg, hasArg, ok, complaint := p.next()
		switch {
		case !ok:
			return nil
		case complaint != "":
			return &UsageError{complaint, statusFailed}
		case o.opt == none:
			return usage("invalid option `%s'", p.word)
		case o.opt == optIPv6:
			if !p.mark {
				return usage("-6 used before -f\n")
			}
			p.service.IPv6 = true
			p.defaultMask()
			continue
		case o.opt == optSort:
			continue
		case p.given.has(o.opt):
			return usage("multiple '%s' options specified", optionNames[o.opt])
		}
		p.given |= of(o.opt)
		if err := p.set(o, arg, hasArg); err != nil {
			return err
		}
	}
}

// set takes in one option.
func (p *parser) set(o *spelling, arg string, hasArg bool) error {
	switch o.opt {
	case optService:
		return p.setService(o.value, arg)
	case optServer:
		e, ok := parseEndpoint(arg, p.service.Protocol, p.names)
		if !ok {
			return usage("illegal real server address[:port] specified")
		}
		p.dest.Addr, p.port = netip.AddrPortFrom(e.addr, e.port), e.hasPort
	case optScheduler:
		if arg != "" {
			p.service.Scheduler = arg
		}
	case optSchedFlags:
		p.flags = arg
	case optPersistent:
		p.service.Flags |= table.Persistent
		p.service.Timeout = defaultTimeout
		if hasArg {
			return p.seconds(&p.service.Timeout, arg, 1)
		}
	case optNetmask:
		return p.setNetmask(arg)
	case optEngine:
		p.service.Engine = arg
	case optOnePacket:
		p.service.Flags |= table.OnePacket
	case optMethod:
		p.dest.Method = map[string]table.Method{"g": table.Direct, "i": table.Tunnel, "m": table.NAT}[o.value]
	case optTunType:
		return p.setTunnel(arg)
	default:
		return p.setNumber(o.opt, arg)
	}
	return nil
}

// setNumber takes in options whose argument is a number, and those of daemons.
func (p *parser) setNumber(o option, arg string) error {
	var n int64
	ok := true
	read := func(lo, hi int64) { n, ok = number(arg, lo, hi) }
	what := ""
	switch o {
	case optWeight:
		read(0, maxInt)
		p.dest.Weight, what = int(n), "weight"
	case optUpper:
		read(0, maxInt)
		p.dest.Upper, what = uint32(n), "u_threshold"
	case optLower:
		read(0, maxInt)
		p.dest.Lower, what = uint32(n), "l_threshold"
	case optTunPort:
		read(1, 65535)
		p.dest.Wrap.Port, what = uint16(n), "tunnel port"
	case optSyncID:
		read(0, 255)
		p.daemon.ID, what = uint8(n), "syncid"
	case optMaxLen:
		read(1, maxMessage)
		p.daemon.MaxLen, what = uint16(n), "sync-maxlen"
	case optPort:
		read(1, 65535)
		p.daemon.Port, what = uint16(n), "mcast-port"
	case optTTL:
		read(1, 255)
		p.daemon.TTL, what = uint8(n), "mcast-ttl"
	case optGroup:
		return p.setGroup(arg)
	case optInterface:
		p.daemon.Interface = arg
	case optTunCsum:
		p.dest.Wrap.Flags = table.Checksum
	case optTunRemCsum:
		p.dest.Wrap.Flags = table.RemoteChecksum
	}
	if !ok {
		return usage("illegal %s specified", what)
	}
	return nil
}

func (p *parser) setService(kind, arg string) error {
	s := &p.service
	if kind == "mark" {
		n, ok := number(arg, 1, 1<<32-1)
		if !ok {
			return usage("invalid fwmark value `%s' specified", arg)
		}
		s.Mark, p.mark = uint32(n), true
		p.defaultMask()
		return nil
	}
	s.Protocol = map[string]table.Protocol{"tcp": table.TCP, "udp": table.UDP, "sctp": table.SCTP}[kind]
	e, ok := parseEndpoint(arg, s.Protocol, p.names)
	if !ok {
		return usage("illegal virtual server address[:port] specified")
	}
	s.Addr, s.IPv6 = netip.AddrPortFrom(e.addr, e.port), e.addr.Is6()
	p.defaultMask()
	return nil
}

// defaultMask: a mask that was given before an IPv6 service does not count.
func (p *parser) defaultMask() {
	switch {
	case p.service.IPv6:
		p.service.Granularity, p.holes = 128, false
	case !p.given.has(optNetmask):
		p.service.Granularity = 32
	}
}

func (p *parser) setNetmask(arg string) error {
	if p.service.IPv6 {
		n, ok := number(arg, 1, 128)
		if !ok {
			return usage("illegal ipv6 netmask specified")
		}
		p.service.Granularity = int(n)
		return nil
	}
	a, ok := parseIPv4(arg)
	if !ok {
		return usage("illegal virtual server persistent mask specified")
	}
	b := a.As4()
	v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	p.service.Granularity = bits.LeadingZeros32(^v)
	p.holes = v<<p.service.Granularity != 0
	return nil
}

func (p *parser) setTunnel(arg string) error {
	for i, r := range tunnelRules {
		if r.name == arg {
			p.wrap = i
			p.dest.Wrap.Type = [...]table.TunnelType{table.IPIP, table.GUE, table.GRE}[i]
			return nil
		}
	}
	return usage("illegal tunnel type specified")
}

func (p *parser) setGroup(arg string) error {
	if strings.Contains(arg, ":") {
		a, err := netip.ParseAddr(arg)
		if err != nil || !a.IsMulticast() || a.Zone() != "" {
			return usage("invalid IPv6 mcast-group `%s'", arg)
		}
		p.daemon.Group = a
		return nil
	}
	a, err := netip.ParseAddr(arg)
	if err != nil || !a.IsMulticast() {
		return usage("invalid IPv4 mcast-group `%s'", arg)
	}
	p.daemon.Group = a
	return nil
}

func (p *parser) seconds(to *time.Duration, arg string, lo int64) error {
	n, ok := number(arg, lo, maxTimeout)
	if !ok {
		return usage("invalid timeout value `%s' specified", arg)
	}
	*to = time.Duration(n) * time.Second
	return nil
}

// finish checks what belongs together.
func (p *parser) finish() error {
	if p.verb == setTimeouts {
		if err := p.setTimeouts(); err != nil {
			return err
		}
	}
	if len(p.rest) > 0 {
		return usage("unexpected argument %s", p.rest[0])
	}
	if p.verb == list && p.listConflict() {
		return usage("options conflicts in the list command")
	}
	if text := rules[p.verb].check(p.given, "command"); text != "" {
		return usage("%s", text)
	}
	switch p.verb {
	case addService, editService:
		return p.finishService()
	case addServer, editServer, deleteServer:
		return p.finishServer()
	case startDaemon:
		if p.daemon.Interface == "" {
			p.daemon.Interface = defaultInterface
		}
	}
	return nil
}

func (p *parser) setTimeouts() error {
	if len(p.rest) < 3 {
		return usage("--set option requires 3 timeout values")
	}
	for i, to := range []*time.Duration{&p.timeouts.TCP, &p.timeouts.TCPFin, &p.timeouts.UDP} {
		if err := p.seconds(to, p.rest[i], 0); err != nil {
			return err
		}
	}
	p.rest = p.rest[3:]
	return nil
}

// listConflict: lists of other things than services have no columns to choose.
func (p *parser) listConflict() bool {
	columns := of(optStats, optRate, optThresholds)
	if p.given&of(optTimeout, optDaemon) != 0 {
		return p.given&(columns|of(optPersistentConn)) != 0
	}
	return p.given.has(optConnection) && p.given&columns != 0
}

func (p *parser) finishService() error {
	s := &p.service
	if s.Flags&table.OnePacket != 0 && s.Mark == 0 && s.Protocol != table.UDP {
		return usage("One-Packet Scheduling is only for UDP virtual services")
	}
	if s.Mark == 0 && s.Addr.Port() == 0 && s.Flags&table.Persistent == 0 {
		return usage("Zero port specified for non-persistent service")
	}
	// Differs from ipvsadm, which takes any number: such a mask is always a mistake (-M 24).
	if p.holes {
		return usage("illegal virtual server persistent mask specified")
	}
	for flag := range strings.SplitSeq(p.flags, ",") {
		if err := p.setFlag(flag); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) setFlag(name string) error {
	if name == "" {
		return nil
	}
	for _, f := range schedFlags {
		if f.name != name {
			continue
		}
		if f.scheduler != "" && f.scheduler != p.service.Scheduler {
			return usage("incompatible scheduler flag `%s'", name)
		}
		p.service.Flags |= f.flag
		return nil
	}
	return usage("invalid scheduler flag `%s'", name)
}

// schedFlags: those of a scheduler stand for the same bits as the plain ones.
var schedFlags = []struct {
	name, scheduler string
	flag            table.Flags
}{
	{"sh-fallback", "sh", table.Sched1}, {"sh-port", "sh", table.Sched2},
	{"mh-fallback", "mh", table.Sched1}, {"mh-port", "mh", table.Sched2},
	{"flag-1", "", table.Sched1}, {"flag-2", "", table.Sched2}, {"flag-3", "", table.Sched3},
}

func (p *parser) finishServer() error {
	d := &p.dest
	if !p.given.has(optMethod) {
		d.Method = table.Direct
	}
	if !p.given.has(optWeight) {
		d.Weight = 1
	}
	// The service's port, unless translation lets the server have one of its own.
	if p.service.Mark == 0 && (d.Method != table.NAT && p.verb != deleteServer || !p.port) {
		d.Addr = netip.AddrPortFrom(d.Addr.Addr(), p.service.Addr.Port())
	}
	switch {
	case d.Method != table.Tunnel && p.given&tunnelOptions != 0:
		return usage("Tunnel options conflict with forward method")
	case d.Method != table.Tunnel && p.verb != deleteServer && d.Addr.Addr().Is6() != p.service.IPv6:
		return usage("Different address family is allowed only for tunneling servers")
	case d.Method == table.Tunnel:
		r := tunnelRules[p.wrap]
		r.takes |= of(optTunType)
		if text := r.check(p.given&tunnelOptions, "tunnel type"); text != "" {
			return usage("%s", text)
		}
	}
	return nil
}
