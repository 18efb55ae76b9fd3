package main

import (
	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/keepalived"
	"github.com/evenkeel/evenkeel/daemon"
)

func checkCommand() *cobra.Command {
	var files []string
	var strict bool
	var how keepalived.Presentation
	c := &cobra.Command{
		Use:   "check -f FILE [-f FILE…]",
		Short: "Read configuration files and print everything wrong with them",
		Long: `Read configuration files as one site, as run would, and print everything wrong with
them, each problem with its file, line and column. The status is 0 if the site loads, 1
if it does not. With --strict the verdict is that of the reference programs.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			rec := daemon.NewRecorder(readRegular, resolve)
			site, diags := read(files, strict, rec)
			if site != nil {
				diags = append(diags, keepalived.CheckScripts(site, keepalived.Machine{})...)
			}
			config.SortDiagnostics(diags)
			if err := keepalived.Print(diags, keepalived.Options{}, how, c.OutOrStdout()); err != nil {
				return err
			}
			if config.HasErrors(diags) {
				return exitError(1)
			}
			return nil
		},
	}
	c.Flags().StringArrayVarP(&files, "file", "f", nil, "configuration file, or a directory of *.cfg files; may be repeated")
	c.MarkFlagRequired("file")
	c.Flags().BoolVar(&how.JSON, "json", false, "print an array of problems as JSON")
	c.Flags().BoolVar(&how.Brief, "brief", false, "one line for each problem, without the source")
	c.Flags().BoolVar(&strict, "strict", false, "refuse what keepalived -t and haproxy -c refuse")
	return c
}
