package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/lab/launcher"
	"github.com/evenkeel/evenkeel/lab/site"
)

func labCommand() *cobra.Command {
	var opt launcher.Options
	var faults []string
	c := &cobra.Command{
		Use:   "lab [" + strings.Join(site.Names(), "|") + "]",
		Short: "Build a textbook site in network namespaces and break it at the press of a button",
		Long: `Build a site on this machine, in network namespaces of its own: a client, a
switch, two nodes that share a virtual address, the web servers. A page shows it
live and has a button for each fault. Nothing is left behind when the lab ends,
however it ends. Without root it needs user namespaces.

Faults for --faults: ` + strings.Join(launcher.FaultNames(), ", ") + `, or all.`,
		Args:      usage(cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs)),
		ValidArgs: site.Names(),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				opt.Site = args[0]
			}
			opt.Faults = faults
			status, err := launcher.Run(c.Context(), opt)
			if err != nil {
				c.PrintErrln("evenkeel:", err)
			}
			if status != 0 {
				return exitError(status)
			}
			return nil
		},
	}
	c.Flags().StringSliceVar(&faults, "faults", nil, "play these faults once without the page, and end")
	c.Flags().BoolVar(&opt.JSON, "json", false, "with --faults: print the result as JSON")
	c.Flags().BoolVar(&opt.Story, "story", false, "tell the story first: play the main faults one after the other")
	c.Flags().StringVar(&opt.Listen, "listen", "", "address of the page (default 127.0.0.1:8080 or the next free port)")
	c.Flags().StringVar(&opt.Kind, "kind", "",
		"with lvs-dr: how packets reach a real server: "+strings.Join(site.Kinds(), ", ")+" (default dr)")
	c.Flags().StringVar(&opt.Director, "director", "", "what runs on the nodes: evenkeel, or keepalived for comparison")
	return c
}
