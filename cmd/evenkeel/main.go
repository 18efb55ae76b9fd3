// Command evenkeel keeps a service's address up and its load even: it reads
// keepalived.conf and haproxy.cfg, takes part in VRRP elections, makes sure that two nodes never
// answer for one address, and proxies what comes to it. `evenkeel help` lists its commands.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

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
		fmt.Fprintln(complain, "evenkeel:", oneLine(err))
		os.Exit(1)
	}
}

// oneLine takes an error of the command line to one line.
func oneLine(err error) string {
	text, similar, found := strings.Cut(err.Error(), "\n\nDid you mean this?\n")
	switch {
	case found:
		text += "; did you mean " + strings.Join(strings.Fields(similar), " or ") + "?"
	case strings.HasPrefix(text, "unknown command ") && strings.HasSuffix(text, ` for "evenkeel"`): // cobra's own
		text += "; see evenkeel --help"
	}
	return text
}

// usage has a command whose arguments are wrong say how it is called.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		err := check(c, args)
		if err == nil {
			return nil
		}
		text := err.Error()
		if strings.HasPrefix(text, "unknown command ") { // cobra's word for any argument where there may be none
			text = fmt.Sprintf("unexpected %q", args[0])
		}
		return fmt.Errorf("%s; usage: %s", text, c.UseLine())
	}
}

func root() *cobra.Command {
	c := &cobra.Command{
		Use:           "evenkeel",
		Short:         "Keep a service's address up and its load even",
		Version:       programVersion(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	c.SetVersionTemplate("evenkeel {{.Version}}\n")
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s --help", err, c.CommandPath())
	})
	c.SetHelpCommand(helpCommand())
	c.AddCommand(runCommand(), checkCommand(thisMachine()), reloadCommand(), showCommand(), purgeCommand(),
		realserverCommand(), labCommand(), ipvsCommand(), versionCommand())
	return c
}

// parent makes a command that has commands say so: alone it prints its help, and what is none of them is an error.
func parent(c *cobra.Command) *cobra.Command {
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		return unknownCommand(c, args[0])
	}
	return c
}

func unknownCommand(c *cobra.Command, name string) error {
	c.SuggestionsMinimumDistance = 2
	similar := "; see " + c.CommandPath() + " --help"
	if names := c.SuggestionsFor(name); len(names) > 0 {
		similar = "; did you mean " + strings.Join(names, " or ") + "?"
	}
	return fmt.Errorf("unknown command %q for %q%s", name, c.CommandPath(), similar)
}

// helpCommand prints the help of another command.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Help about a command",
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return unknownCommand(about, rest[0])
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// filesFlag is shared by everything that reads a configuration; filesGiven demands it.
func filesFlag(c *cobra.Command, files *[]string) {
	c.Flags().StringArrayVarP(files, "file", "f", nil,
		"configuration `FILE`, or a directory of *.cfg files; needed, may be repeated")
}

func filesGiven(c *cobra.Command, _ []string) error {
	if !c.Flags().Changed("file") {
		return fmt.Errorf("no configuration is given: %s -f FILE, a haproxy.cfg or keepalived.conf; see %s --help",
			c.CommandPath(), c.CommandPath())
	}
	return nil
}

// runtimeDirFlag is shared by everything that talks to a running director.
func runtimeDirFlag(c *cobra.Command, dir *string) {
	c.Flags().StringVar(dir, "runtime-dir", daemon.RuntimeDir(), "directory of the control socket and the lock")
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: usage(cobra.NoArgs),
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
