package ipvsadm

import (
	"bufio"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// listing prints what --list and --save do.
type listing struct {
	out     *bufio.Writer
	names   Names
	numeric bool
	exact   bool
	format  *format
}

// A format is what a listing has beside the names of services and servers.
type format struct {
	title   string // its first line; the second ends in rest
	rest    string
	service bool // the service's scheduler and flags follow its name
	columns func(*listing, *table.DestinationState) string
	numbers func(table.Counters, table.Rates) [5]uint64 // of services and servers alike
}

const plainTitle = "Prot LocalAddress:Port Scheduler Flags"

var (
	plainFormat = format{title: plainTitle, rest: "           Forward Weight ActiveConn InActConn", service: true,
		columns: func(_ *listing, d *table.DestinationState) string {
			return fmt.Sprintf("%-7s %-6d %-10d %-10d", d.Method, d.Weight, d.Active, d.Inactive)
		}}
	tunnelFormat = format{title: plainTitle, rest: "           Forward TunnelInfo    Weight ActiveConn InActConn",
		service: true,
		columns: func(_ *listing, d *table.DestinationState) string {
			return fmt.Sprintf("%-7s %-13s %-6d %-10d %-10d", d.Method, wrapText(&d.Destination), d.Weight, d.Active,
				d.Inactive)
		}}
	thresholdFormat = format{title: columns("%-33s %-10s %-10s %-10s %-10s", "Uthreshold", "Lthreshold", "ActiveConn",
		"InActConn"), service: true,
		columns: func(_ *listing, d *table.DestinationState) string {
			return fmt.Sprintf("%-10d %-10d %-10d %-10d", d.Upper, d.Lower, d.Active, d.Inactive)
		}}
	persistentFormat = format{title: columns("%-33s %-9s %-11s %-10s %-10s", "Weight", "PersistConn", "ActiveConn",
		"InActConn"), service: true,
		columns: func(_ *listing, d *table.DestinationState) string {
			return fmt.Sprintf("%-9d %-11d %-10d %-10d", d.Weight, d.Persistent, d.Active, d.Inactive)
		}}
	statsFormat = format{title: columns("%-33s %8s %8s %8s %8s %8s", "Conns", "InPkts", "OutPkts", "InBytes",
		"OutBytes"),
		numbers: func(c table.Counters, _ table.Rates) [5]uint64 {
			return [5]uint64{c.Connections, c.InPackets, c.OutPackets, c.InBytes, c.OutBytes}
		}}
	rateFormat = format{title: columns("%-33s %8s %8s %8s %8s %8s", "CPS", "InPPS", "OutPPS", "InBPS", "OutBPS"),
		numbers: func(_ table.Counters, r table.Rates) [5]uint64 {
			return [5]uint64{r.Connections, r.InPackets, r.OutPackets, r.InBytes, r.OutBytes}
		}}
)

func columns(layout string, names ...any) string {
	return fmt.Sprintf(layout, append([]any{"Prot LocalAddress:Port"}, names...)...)
}

// formatOf: the first that is given decides.
func formatOf(given set) *format {
	switch {
	case given.has(optStats):
		return &statsFormat
	case given.has(optRate):
		return &rateFormat
	case given.has(optThresholds):
		return &thresholdFormat
	case given.has(optPersistentConn):
		return &persistentFormat
	case given.has(optTunInfo):
		return &tunnelFormat
	}
	return &plainFormat
}

func (r *run) list(c *Command) int {
	l := listing{out: r.out, names: r.Names, numeric: c.given.has(optNumeric), exact: c.given.has(optExact),
		format: formatOf(c.given)}
	var err error
	switch {
	case c.given.has(optConnection):
		err = l.connections(r.d, c.given.has(optPersistentConn))
	case c.given.has(optTimeout):
		err = l.timeouts(r.d)
	case c.given.has(optDaemon):
		err = l.daemons(r.d)
	case c.given.has(optService):
		found := false
		if found, err = l.one(r.d, c); err == nil && !found {
			fmt.Fprintln(r.Err, "No such service")
			return statusNothing
		}
	default:
		err = l.all(r.d, !c.given.has(optNoSort))
	}
	if err != nil {
		fmt.Fprintln(r.Err, explain(list, err))
		return statusNothing
	}
	return 0
}

func (l *listing) all(d table.Driver, sorted bool) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	services, err := d.State()
	if err != nil {
		return err
	}
	fmt.Fprintf(l.out, "IP Virtual Server version %s (size=%d)\n", info.Version, info.Size)
	l.heading()
	if sorted {
		sortServices(services)
	}
	for i := range services {
		l.service(&services[i], sorted)
	}
	return nil
}

func (l *listing) one(d table.Driver, c *Command) (found bool, err error) {
	services, err := d.State()
	if err != nil {
		return false, err
	}
	for i := range services {
		if services[i].Key == c.service.Key {
			l.heading()
			l.service(&services[i], !c.given.has(optNoSort))
			return true, nil
		}
	}
	return false, nil
}

func (l *listing) heading() {
	fmt.Fprintf(l.out, "%s\n  -> RemoteAddress:Port%s\n", l.format.title, l.format.rest)
}

// width is how much of a name a listing shows; numbers and IPv6 are never cut.
const width = 28

func (l *listing) short(name string, v6 bool) string {
	if l.numeric || v6 {
		return name
	}
	return name[:min(len(name), width)]
}

func (l *listing) service(s *table.ServiceState, sorted bool) {
	name := l.short(l.serviceName(s.Key), s.IPv6)
	if l.format.numbers != nil {
		fmt.Fprintf(l.out, "%-33s", name5(s.Key)+name)
		l.numbers(l.format.numbers(s.Counters, s.Rates))
	} else {
		fmt.Fprintf(l.out, "%s%s %s%s\n", name5(s.Key), name, s.Scheduler, flagText(&s.Service))
	}
	if sorted {
		sortDestinations(s.Destinations)
	}
	for i := range s.Destinations {
		d := &s.Destinations[i]
		name := l.short(l.text(d.Addr, s.Protocol), d.Addr.Addr().Is6())
		if l.format.numbers != nil {
			fmt.Fprintf(l.out, "  -> %-28s", name)
			l.numbers(l.format.numbers(d.Counters, d.Rates))
		} else {
			fmt.Fprintf(l.out, "  -> %-28s %s\n", name, l.format.columns(l, d))
		}
	}
}

// name5 is the protocol, five characters wide.
func name5(k table.Key) string {
	if k.Mark != 0 {
		return "FWM  "
	}
	return fmt.Sprintf("%-4s ", k.Protocol)
}

func (l *listing) serviceName(k table.Key) string {
	switch {
	case k.Mark == 0:
		return l.text(k.Addr, k.Protocol)
	case k.IPv6:
		return strconv.FormatUint(uint64(k.Mark), 10) + " IPv6"
	}
	return strconv.FormatUint(uint64(k.Mark), 10)
}

// flagText is what follows a service's scheduler.
func flagText(s *table.Service) string {
	var b strings.Builder
	if s.Flags&anyFlag != 0 {
		b.WriteString(" (" + strings.Join(flagNames(s), ",") + ")")
	}
	if s.Flags&table.Persistent != 0 {
		fmt.Fprintf(&b, " persistent %d", s.Timeout/time.Second)
		if m := maskText(s); m != "" {
			b.WriteString(" mask " + m)
		}
		if s.Engine != "" {
			b.WriteString(" pe " + s.Engine)
		}
	}
	if s.Flags&table.OnePacket != 0 {
		b.WriteString(" ops")
	}
	return b.String()
}

const anyFlag = table.Sched1 | table.Sched2 | table.Sched3

// flagNames are the scheduler's flags with the names they have there; not all have one.
func flagNames(s *table.Service) (names []string) {
	own := ""
	if s.Scheduler == "sh" || s.Scheduler == "mh" {
		own = s.Scheduler
	}
	for _, f := range schedFlags {
		if f.scheduler == own && s.Flags&f.flag != 0 {
			names = append(names, f.name)
		}
	}
	return names
}

// maskText is the granularity where it is not each client by itself.
func maskText(s *table.Service) string {
	if s.IPv6 {
		if s.Granularity == 128 {
			return ""
		}
		return strconv.Itoa(s.Granularity)
	}
	if s.Granularity == 32 {
		return ""
	}
	v := ^uint32(0) << (32 - s.Granularity)
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}).String()
}

// wrapText tells a tunnel: its type, its port, whether there is a checksum.
func wrapText(d *table.Destination) string {
	if d.Method != table.Tunnel {
		return "n/a"
	}
	sum := "-c"
	switch d.Wrap.Flags {
	case table.Checksum:
		sum = "+c"
	case table.RemoteChecksum:
		sum = "r+c"
	}
	switch d.Wrap.Type {
	case table.GUE:
		return fmt.Sprintf("gue:%d:%s", d.Wrap.Port, sum)
	case table.GRE:
		return "gre:" + sum
	}
	return "ipip"
}

func (l *listing) numbers(n [5]uint64) {
	for _, v := range n {
		l.out.WriteString(l.number(v))
	}
	l.out.WriteByte('\n')
}

// units of rounded counters: below limit they are divided by per.
var units = []struct {
	limit, per uint64
	unit       string
}{
	{1e8, 1, ""}, {1e9, 1e3, "K"}, {1e11, 1e6, "M"}, {1e14, 1e9, "G"}, {1<<64 - 1, 1e12, "T"},
}

// number is nine characters wide where it fits.
func (l *listing) number(v uint64) string {
	if l.exact {
		return fmt.Sprintf(" %8d", v)
	}
	u := units[len(units)-1]
	for _, u = range units {
		if v < u.limit {
			break
		}
	}
	return fmt.Sprintf("%*d%s", 9-len(u.unit), v/u.per, u.unit)
}

func (l *listing) timeouts(d table.Driver) error {
	t, err := d.Timeouts()
	if err == nil {
		fmt.Fprintf(l.out, "Timeout (tcp tcpfin udp): %d %d %d\n", t.TCP/time.Second, t.TCPFin/time.Second,
			t.UDP/time.Second)
	}
	return err
}

func (l *listing) daemons(d table.Driver) error {
	all, err := d.Daemons()
	for i := range all {
		one := &all[i]
		fmt.Fprintf(l.out, "%s sync daemon (mcast=%s, syncid=%d", one.Role, one.Interface, one.ID)
		if one.MaxLen != 0 {
			fmt.Fprintf(l.out, ", maxlen=%d", one.MaxLen)
		}
		if one.Group.IsValid() {
			fmt.Fprintf(l.out, ", group=%s", one.Group)
		}
		if one.Port != 0 {
			fmt.Fprintf(l.out, ", port=%d", one.Port)
		}
		if one.TTL != 0 {
			fmt.Fprintf(l.out, ", ttl=%d", one.TTL)
		}
		fmt.Fprintln(l.out, ")")
	}
	return err
}

// connections lists flows; with engines also what persistence engines keep.
func (l *listing) connections(d table.Driver, engines bool) error {
	fmt.Fprintln(l.out, "IPVS connection entries")
	row := func(proto, expires, state, source, virtual, dest, pe, data string) {
		if engines && pe != "" {
			fmt.Fprintf(l.out, "%-3s %-6s %-11s %-18s %-18s %-18s %-16s %s\n", proto, expires, state, source, virtual,
				dest, pe, data)
		} else {
			fmt.Fprintf(l.out, "%-3s %-6s %-11s %-18s %-18s %s\n", proto, expires, state, source, virtual, dest)
		}
	}
	row("pro", "expire", "state", "source", "virtual", "destination", "pe name", "pe_data")
	return d.Connections(func(c *table.Connection) bool {
		secs := c.Expires / time.Second
		row(protocolText(c.Protocol), fmt.Sprintf("%02d:%02d", secs/60, secs%60), string(c.State),
			l.text(c.Client, c.Protocol), l.text(c.Virtual, c.Protocol), l.text(c.Destination, c.Protocol), c.PE,
			c.PEData)
		return true
	})
}

// protocolText: bindings of clients to services by mark have no protocol.
func protocolText(p table.Protocol) string {
	switch p {
	case 0:
		return "IP"
	case 1:
		return "ICMP"
	case 58:
		return "ICMPv6"
	}
	return p.String()
}
