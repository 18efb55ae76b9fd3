package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/keepalived"
	"github.com/evenkeel/evenkeel/config/source"
	"github.com/evenkeel/evenkeel/daemon"
)

func checkCommand() *cobra.Command {
	var files []string
	var strict, allowEmpty bool
	var how presentation
	c := &cobra.Command{
		Use:   "check -f FILE [-f FILE…]",
		Short: "Read configuration files and print everything wrong with them",
		Long: `Read configuration files as one site, as run would, and print everything wrong with
them, each problem with its file, line and column. The status is 0 if the site loads, 1
if it does not. With --strict the verdict is that of the reference programs.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("%q: files are given with -f", args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error {
			rec := daemon.NewRecorder(readRegular, resolve)
			site, diags := read(files, reading{strict: strict, allowEmpty: allowEmpty}, rec)
			if site != nil {
				diags = append(diags, keepalived.CheckScripts(site, keepalived.Machine{})...)
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
	c.Flags().StringArrayVarP(&files, "file", "f", nil, "configuration file, or a directory of *.cfg files; may be repeated")
	c.MarkFlagRequired("file")
	c.Flags().BoolVar(&how.json, "json", false, "print an array of problems as JSON")
	c.Flags().BoolVar(&how.brief, "brief", false, "one line for each problem, without the source")
	c.Flags().BoolVar(&allowEmpty, "allow-empty", false, "accept files with nothing in them, as run and reload do with it")
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
