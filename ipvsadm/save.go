package ipvsadm

import (
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// save prints the table as commands for restore. Like ipvsadm it leaves out thresholds.
func (r *run) save(c *Command) error {
	services, err := r.d.State()
	if err != nil {
		return err
	}
	l := listing{out: r.out, names: r.Names, numeric: c.given.has(optNumeric)}
	sortServices(services)
	for i := range services {
		s := &services[i]
		name := l.argument(s.Key)
		fmt.Fprintf(l.out, "-A %s -s %s%s\n", name, s.Scheduler, flagArguments(&s.Service))
		sortDestinations(s.Destinations)
		for j := range s.Destinations {
			d := &s.Destinations[j]
			fmt.Fprintf(l.out, "-a %s -r %s %s -w %d%s\n", name, l.text(d.Addr, s.Protocol), methodArgument(d.Method),
				d.Weight, wrapArguments(&d.Destination))
		}
	}
	return nil
}

// argument names a service.
func (l *listing) argument(k table.Key) string {
	switch {
	case k.Mark != 0 && k.IPv6:
		return fmt.Sprintf("-f %d -6", k.Mark)
	case k.Mark != 0:
		return fmt.Sprintf("-f %d", k.Mark)
	}
	option := map[table.Protocol]string{table.TCP: "-t", table.UDP: "-u", table.SCTP: "--sctp-service"}[k.Protocol]
	return option + " " + l.text(k.Addr, k.Protocol)
}

func flagArguments(s *table.Service) string {
	var b strings.Builder
	if s.Flags&table.Persistent != 0 {
		fmt.Fprintf(&b, " -p %d", s.Timeout/time.Second)
		if m := maskText(s); m != "" {
			b.WriteString(" -M " + m)
		}
	}
	if s.Engine != "" {
		b.WriteString(" --pe " + s.Engine)
	}
	if s.Flags&table.OnePacket != 0 {
		b.WriteString(" -o")
	}
	if s.Flags&anyFlag != 0 {
		names := flagNames(s)
		// Differs from ipvsadm, which leaves out flag-3 of sh and mh, and then cannot read what it saved.
		if s.Flags&table.Sched3 != 0 && (s.Scheduler == "sh" || s.Scheduler == "mh") {
			names = append(names, "flag-3")
		}
		b.WriteString(" -b " + strings.Join(names, ","))
	}
	return b.String()
}

func methodArgument(m table.Method) string {
	switch m {
	case table.NAT:
		return "-m"
	case table.Tunnel:
		return "-i"
	}
	return "-g"
}

func wrapArguments(d *table.Destination) string {
	if d.Method != table.Tunnel {
		return ""
	}
	sum := " --tun-nocsum"
	switch d.Wrap.Flags {
	case table.Checksum:
		sum = " --tun-csum"
	case table.RemoteChecksum:
		sum = " --tun-remcsum"
	}
	switch d.Wrap.Type {
	case table.GUE:
		return fmt.Sprintf(" --tun-type gue --tun-port %d%s", d.Wrap.Port, sum)
	case table.GRE:
		return " --tun-type gre" + sum
	}
	return " --tun-type ipip"
}
