package haproxy

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
}

// Check reads the files as one configuration, prints every diagnostic to out, and gives the
// exit code of `evenkeel check`: 0 if it loads, 1 if not. With opts.Strict the code is the
// reference's verdict.
func Check(paths []string, opts Options, how Presentation, out io.Writer) int {
	_, diags := LoadFiles(paths, opts)
	if err := Print(diags, opts, how, out); err != nil {
		return 1
	}
	if config.HasErrors(diags) {
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
