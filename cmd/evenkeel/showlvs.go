package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/daemon"
	"github.com/evenkeel/evenkeel/lvs"
)

func showLVSCommand() *cobra.Command {
	var dir string
	var asJSON bool
	c := &cobra.Command{
		Use: "lvs", Short: "Show virtual servers: quorum, real servers, what their checks say",
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			reply, err := daemon.Ask(dir, daemon.Request{Command: "status"})
			switch {
			case err != nil:
				return err
			case !reply.OK:
				return fmt.Errorf("status: %s", reply.Error)
			}
			if reply.LVS == nil {
				reply.LVS = &lvs.Status{Virtual: []lvs.VirtualStatus{}}
			}
			return showLVS(c.OutOrStdout(), reply.LVS, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	runtimeDirFlag(c, &dir)
	return c
}

func showLVS(w io.Writer, s *lvs.Status, asJSON bool) error {
	if !asJSON {
		return printLVS(w, s)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(s)
}

func printLVS(w io.Writer, s *lvs.Status) error {
	if len(s.Virtual) == 0 {
		fmt.Fprintln(w, "no virtual_server is configured")
		return nil
	}
	fmt.Fprintf(w, "forwarding plane %s\n", s.Driver)
	if l := s.ConnSync; l != nil {
		fmt.Fprintf(w, "flows sent to peers %d, learnt from them %d", l.FlowsSent+l.Dumped, l.Learnt)
		if l.Unknown+l.Refused+l.Failed > 0 {
			fmt.Fprintf(w, " (%d unknown here, %d messages refused, %d not sent)", l.Unknown, l.Refused, l.Failed)
		}
		fmt.Fprintln(w)
	}
	if err := printFates(w, s.Packets); err != nil {
		return err
	}
	for i := range s.Virtual {
		if err := printVirtual(w, &s.Virtual[i]); err != nil {
			return err
		}
	}
	return nil
}

// printVirtual tells of a virtual server and of its real servers.
func printVirtual(w io.Writer, v *lvs.VirtualStatus) error {
	quorum := "quorum"
	switch {
	case !v.Quorate && v.Sorry != "":
		quorum = "no quorum, sorry server " + v.Sorry
	case !v.Quorate:
		quorum = "no quorum"
	}
	if v.Suspended {
		quorum += ", checks suspended: the address is not here"
	}
	fmt.Fprintf(w, "\n%s (%s): weight %d of %d, %s\n", v.Name, strings.Join(v.Keys, ", "), v.Live, v.Quorum, quorum)
	t := tabwriter.NewWriter(w, 2, 4, 2, ' ', 0)
	fmt.Fprintln(t, "  REAL SERVER\tSTATE\tWEIGHT\tCHECKS")
	for _, r := range v.Servers {
		state, weight := "up", fmt.Sprint(r.Weight)
		if !r.Live {
			state = "down"
		}
		if !r.Listed {
			weight = "-"
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", r.Address, state, weight, checksText(r.Checks))
	}
	return t.Flush()
}

// checksText says in words how a real server's checks stand.
func checksText(all []lvs.CheckStatus) string {
	var checks []string
	for _, c := range all {
		text := c.Kind + " passes"
		switch {
		case c.Ran == nil:
			text = c.Kind + " has not run"
		case !c.Passing:
			text = c.Kind + " fails: " + c.Reason
		case c.Reason != "":
			text = c.Kind + " is retried: " + c.Reason
		}
		checks = append(checks, text)
	}
	if checks == nil {
		return "none"
	}
	return strings.Join(checks, "; ")
}

// printFates lists what became of packets, without what never happened.
func printFates(w io.Writer, fates []lvs.Fate) error {
	t := tabwriter.NewWriter(w, 2, 4, 2, ' ', 0)
	title := "\n  PACKETS\t\t\n"
	for _, f := range fates {
		if f.Packets > 0 {
			fmt.Fprintf(t, "%s  %d\t%s\t%s\n", title, f.Packets, f.Name, f.Help)
			title = ""
		}
	}
	return t.Flush()
}
