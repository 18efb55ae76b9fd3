package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// WriteText prints each diagnostic on a line of its own. If source is not nil it
// is asked for the text of a file; the line at fault then follows with a caret
// under the column. A nil answer leaves the line out.
func WriteText(w io.Writer, diags []Diagnostic, source func(file string) []byte) error {
	var out bytes.Buffer
	for _, d := range diags {
		fmt.Fprintln(&out, d)
		if source == nil || d.Pos.Line == 0 {
			continue
		}
		if line, ok := lineOf(source(d.Pos.File), d.Pos.Line); ok {
			writeCaret(&out, line, d.Pos.Col)
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}

// lineOf finds the nth line (from 1) without its end.
func lineOf(text []byte, n int) (string, bool) {
	for ; n > 1; n-- {
		_, rest, found := bytes.Cut(text, []byte{'\n'})
		if !found {
			return "", false
		}
		text = rest
	}
	line, _, _ := bytes.Cut(text, []byte{'\n'})
	line = bytes.TrimRight(line, "\r")
	return string(line), len(line) > 0
}

// maxShown keeps a caret on the screen: longer lines are not shown at all.
const maxShown = 160

// writeCaret prints line and a caret under byte column col. Tabs are repeated in
// the margin so that the caret stands right whatever their width, and control
// bytes are replaced so that a hostile file cannot steer the terminal.
func writeCaret(out *bytes.Buffer, line string, col int) {
	if col < 1 || col > len(line)+1 || len(line) > maxShown {
		return
	}
	clean := func(r rune) rune {
		if r != '\t' && (r < ' ' || r >= 0x7f && r < 0xa0 || r == '\ufeff') {
			return '?'
		}
		return r
	}
	pad := func(r rune) rune {
		if r == '\t' {
			return '\t'
		}
		return ' '
	}
	fmt.Fprintf(out, "    %s\n    %s^\n", strings.Map(clean, line), strings.Map(pad, line[:col-1]))
}

// WriteJSON prints the diagnostics as one array of
// {file,line,col,severity,code,message,hint}, empty if there are none.
func WriteJSON(w io.Writer, diags []Diagnostic) error {
	type entry struct {
		File     string   `json:"file"`
		Line     int      `json:"line"`
		Col      int      `json:"col"`
		Severity Severity `json:"severity"`
		Code     string   `json:"code"`
		Message  string   `json:"message"`
		Hint     string   `json:"hint"`
	}
	list := make([]entry, len(diags))
	for i, d := range diags {
		list[i] = entry{d.Pos.File, d.Pos.Line, d.Pos.Col, d.Severity, d.Code, d.Message, d.Hint}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(list)
}
