package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/daemon"
	"github.com/evenkeel/evenkeel/linux/realserver"
)

// realserverCommand prepares a real server, or undoes it.
func realserverCommand() *cobra.Command {
	var dir string
	c := parent(&cobra.Command{
		Use:   "realserver",
		Short: "Prepare this machine to stand behind a load balancer (DR or TUN)",
		Long: `A real server has the virtual address on lo and must not answer questions about it. This is what the
textbook does by hand with ifconfig lo:0, arp_ignore and arp_announce; with --tun it also unwraps what a
load balancer sends through a tunnel (IPIP, and GUE on --gue-port). Nothing is kept over a reboot.`,
	})
	host := func() realserver.Host { return realserver.Host{StateDir: dir} }
	del := &cobra.Command{Use: "del VIP", Aliases: []string{"delete", "remove"},
		Short: "Serve a virtual address no more", Args: usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			vip, err := netip.ParseAddr(args[0])
			if err != nil {
				return fmt.Errorf("%q is not an IP address; usage: %s", args[0], c.UseLine())
			}
			return host().Delete(vip.Unmap())
		}}
	var asJSON bool
	show := &cobra.Command{Use: "show", Short: "List the virtual addresses this machine serves",
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			list, err := host().List()
			if err != nil {
				return err
			}
			return printServed(c.OutOrStdout(), list, asJSON)
		}}
	show.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.AddCommand(realserverAdd(host), del, show)
	fallback := daemon.RuntimeDir()
	c.PersistentFlags().StringVar(&dir, "runtime-dir", fallback, "where it is remembered")
	return c
}

func realserverAdd(host func() realserver.Host) *cobra.Command {
	var a realserver.Address
	add := &cobra.Command{Use: "add VIP", Short: "Serve a virtual address", Args: usage(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			vip, err := netip.ParseAddr(args[0])
			if err != nil {
				return fmt.Errorf("%q is not an IP address; usage: %s", args[0], c.UseLine())
			}
			if a.VIP = vip.Unmap(); !a.Tunnel {
				a.GUEPort = 0
			}
			return host().Add(a)
		}}
	add.Flags().BoolVar(&a.Tunnel, "tun", false, "unwrap tunnelled packets for the address")
	add.Flags().Uint16Var(&a.GUEPort, "gue-port", 6080, "with --tun: UDP port of GUE packets")
	return add
}

// printServed lists the virtual addresses of a real server.
func printServed(w io.Writer, list []realserver.Address, asJSON bool) error {
	if asJSON {
		if list == nil {
			list = []realserver.Address{}
		}
		return json.NewEncoder(w).Encode(list)
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "ADDRESS\tTUNNEL")
	for _, a := range list {
		tunnel := "no"
		if a.Tunnel {
			tunnel = "IPIP"
			if a.GUEPort != 0 {
				tunnel += fmt.Sprintf(", GUE on port %d", a.GUEPort)
			}
		}
		fmt.Fprintf(t, "%s\t%s\n", a.VIP, tunnel)
	}
	return t.Flush()
}
