package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/haproxy"
	"github.com/evenkeel/evenkeel/config/keepalived"
	"github.com/evenkeel/evenkeel/config/source"
	"github.com/evenkeel/evenkeel/daemon"
)

// machine is what configurations are checked against: the one this program runs on, but for tests.
type machine struct {
	keepalived keepalived.Machine
	haproxy    haproxy.Machine
}

// thisMachine asks the machine this program runs on.
func thisMachine() machine {
	return machine{keepalived.Machine{HasAddress: hasAddress}, haproxy.Machine{HasAddress: mayBind}}
}

// hasAddress reports whether an interface has this address.
func hasAddress(a netip.Addr) bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return true // what cannot be seen is not missed
	}
	return slices.ContainsFunc(addrs, func(has net.Addr) bool {
		p, err := netip.ParsePrefix(has.String())
		return err == nil && (p.Addr() == a.WithZone("") || p.Addr().IsLoopback() && p.Contains(a))
	})
}

// mayBind reports whether a socket may be bound to an address now.
func mayBind(a netip.Addr) bool {
	family := "ipv4"
	if a.Is6() && !a.Is4In6() {
		family = "ipv6"
	}
	text, err := os.ReadFile("/proc/sys/net/" + family + "/ip_nonlocal_bind")
	return err == nil && strings.TrimSpace(string(text)) == "1" || hasAddress(a.Unmap())
}

// check gives what is wrong with a site on the machine. Of what is wrong with a site itself the readers have told.
func (m machine) check(site *config.Site, strict bool) []config.Diagnostic {
	m.keepalived.Strict = strict
	diags := keepalived.CheckMachine(site, m.keepalived)
	if site.Proxying != nil {
		diags = append(diags, haproxy.CheckMachine(site.Proxying, m.haproxy)...)
	}
	return diags
}

func checkCommand(m machine) *cobra.Command {
	var files []string
	var strict, allowEmpty bool
	var how presentation
	c := &cobra.Command{
		Use:   "check -f FILE [-f FILE…]",
		Short: "Read configuration files and print everything wrong with them",
		Long: `Read configuration files as one site, as run would, and print everything wrong with
them, each problem with its file, line and column. What they need of this machine is
looked for as well: users and groups, scripts, interfaces, addresses, directories.
The status is 0 if the site loads, 1 if it does not. With --strict the verdict is that
of the reference programs.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("%q: files are given with -f: %s -f %s", args[0], c.CommandPath(), args[0])
			}
			return nil
		},
		PreRunE: filesGiven,
		RunE: func(c *cobra.Command, _ []string) error {
			rec := daemon.NewRecorder(readRegular, resolve)
			site, diags := read(files, reading{strict: strict, allowEmpty: allowEmpty}, rec)
			if site != nil {
				diags = append(diags, m.check(site, strict)...)
			}
			config.SortDiagnostics(diags)
			if err := how.print(c.OutOrStdout(), diags); err != nil {
				return err
			}
			if config.HasErrors(diags) {
				return exitError(1)
			}
			return nil
		},
	}
	filesFlag(c, &files)
	c.Flags().BoolVar(&how.json, "json", false, "print an array of problems as JSON")
	c.Flags().BoolVar(&how.brief, "brief", false, "one line for each problem, without the source")
	c.Flags().BoolVar(&allowEmpty, "allow-empty", false,
		"accept files with nothing in them, as run and reload do with it")
	c.Flags().BoolVar(&strict, "strict", false, "refuse what keepalived -t and haproxy -c refuse")
	return c
}

// presentation says how diagnostics are printed.
type presentation struct {
	json  bool // one array instead of lines
	brief bool // without the line at fault and its caret
}

func (p presentation) print(out io.Writer, diags []config.Diagnostic) error {
	if p.json {
		return config.WriteJSON(out, diags)
	}
	var text func(string) []byte
	if !p.brief {
		text = source.Once(source.Read)
	}
	if err := config.WriteText(out, diags, text); err != nil {
		return fmt.Errorf("print diagnostics: %w", err)
	}
	return nil
}
