package main

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/keepalived"
	"github.com/evenkeel/evenkeel/daemon"
	"github.com/evenkeel/evenkeel/failover"
	"github.com/evenkeel/evenkeel/linux/xdp"
)

func runCommand() *cobra.Command {
	var files []string
	opts := daemon.Options{Log: os.Stderr, Version: programVersion()}
	c := &cobra.Command{
		Use:   "run -f FILE [-f FILE…]",
		Short: "Run the site: elections, addresses, lease gates, checks, the proxy",
		Long: `Run what the files say, in the foreground: a keepalived.conf, a haproxy.cfg, or
both together; which is which shows in what is in them. An election needs root, or
the capabilities CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF; a haproxy.cfg alone runs
without. SIGHUP reloads, SIGUSR1 writes the status to evenkeel.data in the runtime
directory, SIGTERM and SIGINT stop.`,
		Args:    usage(cobra.NoArgs),
		PreRunE: filesGiven,
		RunE: func(*cobra.Command, []string) error {
			if daemon.NeedsInit() {
				status, err := daemon.Init()
				if err == nil && status != 0 {
					err = exitError(status)
				}
				return err
			}
			opts.Load = func(allowEmpty bool) (*config.Site, *daemon.Inputs, []config.Diagnostic) {
				return load(files, allowEmpty)
			}
			opts.Vet = func(c config.Command, g config.Global) (config.Command, string) {
				return keepalived.Vet(c, g, keepalived.Machine{})
			}
			return daemon.Run(opts)
		},
	}
	filesFlag(c, &files)
	c.Flags().BoolVarP(&opts.Verbose, "verbose", "v", false, "log debugging details as well")
	c.Flags().BoolVar(&opts.AllowEmpty, "allow-empty", false,
		"accept files with nothing in them, and let reloads take everything away")
	runtimeDirFlag(c, &opts.RuntimeDir)
	return c
}

func reloadCommand() *cobra.Command {
	var dir string
	var allowEmpty bool
	c := &cobra.Command{
		Use:   "reload",
		Short: "Make the running director read its configuration again",
		Long: `Make the running director read its configuration again. A configuration that
does not load changes nothing: the reasons are printed and the status is 1. Nor does
one that would leave nothing of what runs now, unless --allow-empty is given.`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			reply, err := daemon.Ask(dir, daemon.Request{Command: "reload", AllowEmpty: allowEmpty})
			if err != nil {
				return err
			}
			for _, d := range reply.Diagnostics {
				c.PrintErrln(d)
			}
			if !reply.OK {
				c.PrintErrln("evenkeel: reload refused:", reply.Error)
				return exitError(1)
			}
			c.Println(reply.Summary)
			return nil
		},
	}
	c.Flags().BoolVar(&allowEmpty, "allow-empty", false, "accept files with nothing in them, and stop all that runs")
	runtimeDirFlag(c, &dir)
	return c
}

func purgeCommand() *cobra.Command {
	var plane bool
	c := &cobra.Command{
		Use:   "purge",
		Short: "Remove the addresses and gates a dead director left behind",
		Long: `Remove the addresses and lease gates that a director which did not end properly
left in the kernel. The service manager runs it after the director has ended,
however it ended (ExecStopPost). Beside a living director it is refused.

Our own forwarding plane stays, so that connections live on until the next
director; with --plane it is taken away too, with every connection it knows.`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			removed, err := failover.Purge()
			for _, a := range removed {
				name := fmt.Sprint("interface ", a.Ifindex)
				if i, err := net.InterfaceByIndex(a.Ifindex); err == nil {
					name = i.Name
				}
				c.Println("removed", a.Addr.Prefix, "from", name)
			}
			if plane && !errors.Is(err, failover.ErrLiving) { // a living director forwards by it
				err = errors.Join(err, xdp.Remove(""))
			}
			return err
		},
	}
	c.Flags().BoolVar(&plane, "plane", false, "take our own forwarding plane away too")
	return c
}
