package keepalived

import (
	"fmt"
	"io"

	"github.com/evenkeel/evenkeel/config"
)

// Presentation says how Check prints.
type Presentation struct {
	JSON bool // one array of diagnostics instead of lines
	// Brief leaves out the line at fault and its caret.
	Brief bool
	// Scripts also looks whether check and notify scripts are there and safe on this
	// machine. What it finds are warnings: the file may be meant for another one.
	Scripts bool
}

// Check reads each file as a configuration of its own, prints every diagnostic to
// out, and gives the exit code of `evenkeel check`: 0 if all of them load, 1 if not.
// With opts.Strict the code is the reference's verdict.
func Check(paths []string, opts Options, how Presentation, out io.Writer) int {
	var all []config.Diagnostic
	for _, path := range paths {
		site, diags := Load(path, opts)
		if site != nil && how.Scripts {
			diags = append(diags, CheckScripts(site, Machine{})...)
		}
		config.SortDiagnostics(diags)
		all = append(all, diags...)
	}
	if err := Print(all, opts, how, out); err != nil {
		return 1
	}
	if config.HasErrors(all) {
		return 1
	}
	return 0
}

// Print presents diagnostics as JSON, or as lines with the source under them.
func Print(diags []config.Diagnostic, opts Options, how Presentation, out io.Writer) error {
	if how.JSON {
		return config.WriteJSON(out, diags)
	}
	var source func(string) []byte
	if !how.Brief {
		source = sources(opts.withDefaults())
	}
	if err := config.WriteText(out, diags, source); err != nil {
		return fmt.Errorf("print diagnostics: %w", err)
	}
	return nil
}

// sources reads each file once, for the lines to show.
func sources(opts Options) func(string) []byte {
	read := make(map[string][]byte)
	return func(file string) []byte {
		data, ok := read[file]
		if !ok {
			data, _ = opts.ReadFile(file) // a file that is gone shows no line
			read[file] = data
		}
		return data
	}
}
