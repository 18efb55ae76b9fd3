package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/daemon"
	"github.com/evenkeel/evenkeel/failover"
)

func showCommand() *cobra.Command {
	c := parent(&cobra.Command{Use: "show", Short: "Show what a running director does"})
	c.AddCommand(showVRRPCommand(), showLVSCommand())
	return c
}

func showVRRPCommand() *cobra.Command {
	var dir string
	var asJSON bool
	c := &cobra.Command{
		Use: "vrrp", Short: "Show virtual routers: state, why, master, gate, trackers", Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			reply, err := daemon.Ask(dir, daemon.Request{Command: "status"})
			switch {
			case err != nil:
				return err
			case !reply.OK:
				return fmt.Errorf("status: %s", reply.Error)
			case asJSON:
				enc := json.NewEncoder(c.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(reply.Status)
			}
			return printVRRP(c.OutOrStdout(), reply.Status)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	runtimeDirFlag(c, &dir)
	return c
}

func printVRRP(w io.Writer, s *failover.Status) error {
	if s.Gate.Mode == "" {
		_, err := fmt.Fprintln(w, "this director has no vrrp_instance")
		return err
	}
	gate := s.Gate.Mode
	if s.Gate.Why != "" {
		gate += " (" + s.Gate.Why + ")"
	}
	fmt.Fprintf(w, "router %s, lease gate %s\n\n", s.RouterID, gate)
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "INSTANCE\tSTATE\tSINCE\tPRIORITY\tINTERFACE\tVRID\tGATE\tMASTER\tADDRESSES")
	for _, i := range s.Instances {
		master := "-"
		switch {
		case i.State == "MASTER":
			master = "this node"
		case i.Master != "":
			master = fmt.Sprintf("%s (%d)", i.Master, i.MasterPriority)
		}
		priority := fmt.Sprint(i.EffectivePriority)
		if i.EffectivePriority != i.Priority {
			priority += fmt.Sprintf(" (base %d)", i.Priority)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", i.Name, i.State, since(i.Since), priority,
			i.Interface, i.VRID, i.Gate, master, strings.Join(i.Addresses, " "))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, i := range s.Instances {
		fmt.Fprintf(w, "\n%s: %s\n", i.Name, i.Why)
		for _, f := range i.Faults {
			fmt.Fprintf(w, "  fault: %s\n", f)
		}
		for _, tr := range i.Trackers {
			line := fmt.Sprintf("  %s %s: %s", tr.Kind, cmp.Or(tr.Name, "*"), tr.State)
			if tr.Weight != 0 {
				line += fmt.Sprintf(", weight %d", tr.Weight)
			}
			if tr.Last != "" {
				line += ", " + tr.Last
			}
			fmt.Fprintln(w, line)
		}
		for reason, n := range i.Counters.Refused {
			fmt.Fprintf(w, "  refused %d adverts: %s\n", n, reason)
		}
	}
	for _, g := range s.Groups {
		fmt.Fprintf(w, "\ngroup %s: %s (%s)\n", g.Name, g.State, strings.Join(g.Members, ", "))
	}
	return nil
}

func since(t time.Time) string {
	d := time.Since(t).Round(time.Second)
	if d < time.Minute {
		return d.String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}
