// Command evenkeel keeps a service's address up and its load even: it reads
// keepalived.conf and haproxy.cfg, takes part in VRRP elections, makes sure that two nodes never
// answer for one address, and proxies what comes to it. `evenkeel help` lists its commands.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/daemon"
	"github.com/evenkeel/evenkeel/lab/site"
)

// version is set by the linker for releases.
var version = ""

// exitError ends the program with a status of its own; the reason has been printed.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func main() {
	if len(os.Args) > 1 && os.Args[1] == site.EntryPoint {
		os.Exit(site.Main(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == daemon.WorkerEntry {
		if err := daemon.RunWorker(replay); err != nil {
			fmt.Fprintln(&daemon.Printable{W: os.Stderr}, "evenkeel:", err)
			os.Exit(1)
		}
		return
	}
	if calledAsIPVSADM() {
		os.Exit(runIPVS("ipvsadm", "auto", os.Args[1:]))
	}
	complain := &daemon.Printable{W: os.Stderr}
	c := root()
	c.SetOut(&daemon.Printable{W: os.Stdout})
	c.SetErr(complain)
	err := c.Execute()
	var status exitError
	switch {
	case err == nil:
	case errors.As(err, &status):
		os.Exit(int(status))
	default:
		fmt.Fprintln(complain, "evenkeel:", err)
		os.Exit(1)
	}
}

func root() *cobra.Command {
	c := &cobra.Command{
		Use:           "evenkeel",
		Short:         "Keep a service's address up and its load even",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	c.AddCommand(runCommand(), checkCommand(), reloadCommand(), showCommand(), purgeCommand(), realserverCommand(), labCommand(), ipvsCommand(), versionCommand())
	return c
}

// runtimeDirFlag is shared by everything that talks to a running director.
func runtimeDirFlag(c *cobra.Command, dir *string) {
	c.Flags().StringVar(dir, "runtime-dir", daemon.RuntimeDir(), "directory of the control socket and the lock")
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Run: func(c *cobra.Command, _ []string) {
			fmt.Fprintln(c.OutOrStdout(), "evenkeel", programVersion())
		},
	}
}

// programVersion is the release's version, or what the build knows.
func programVersion() string {
	if info, ok := debug.ReadBuildInfo(); version == "" && ok {
		return info.Main.Version
	}
	return version
}
