package main

import (
	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/config/keepalived"
)

func checkCommand() *cobra.Command {
	var files []string
	var opts keepalived.Options
	how := keepalived.Presentation{Scripts: true}
	c := &cobra.Command{
		Use:   "check -f FILE",
		Short: "Read configuration files and print everything wrong with them",
		Long: `Read configuration files and print everything wrong with them, each problem with
its file, line and column. The status is 0 if all of them load, 1 if one does
not. With --strict the verdict is that of the reference program.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if status := keepalived.Check(files, opts, how, c.OutOrStdout()); status != 0 {
				return exitError(status)
			}
			return nil
		},
	}
	c.Flags().StringArrayVarP(&files, "file", "f", nil, "configuration file; may be repeated")
	c.MarkFlagRequired("file")
	c.Flags().BoolVar(&how.JSON, "json", false, "print an array of problems as JSON")
	c.Flags().BoolVar(&how.Brief, "brief", false, "one line for each problem, without the source")
	c.Flags().BoolVar(&opts.Strict, "strict", false, "refuse what keepalived -t refuses")
	return c
}
