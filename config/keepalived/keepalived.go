package keepalived

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/source"
	"github.com/evenkeel/evenkeel/config/verdict"
)

// Options say how files are read. The zero value reads from disk, by our own verdict.
type Options struct {
	// Strict judges as keepalived -t 2.2.7 would, on this or any machine: what it
	// complains about is an error, what only we do not support is a warning. A Site
	// still comes back only if both verdicts are good.
	Strict bool
	// ID is compared with the id of @id lines (keepalived -i). Its default is the
	// host name up to the first dot.
	ID string
	// ReadFile reads a file by the name it has in messages. Its default takes
	// regular files of at most 16 MiB.
	ReadFile func(name string) ([]byte, error)
	// Glob gives the files an include stands for, sorted. Its default is filepath.Glob.
	Glob func(pattern string) ([]string, error)
}

func (o Options) withDefaults() Options {
	if o.ReadFile == nil {
		o.ReadFile = source.Read
	}
	if o.Glob == nil {
		o.Glob = filepath.Glob
	}
	if o.ID == "" {
		host, _ := os.Hostname()
		for i := range host {
			if host[i] == '.' {
				host = host[:i]
				break
			}
		}
		o.ID = host
	}
	return o
}

// Load reads the file at path and those it includes. See Parse.
func Load(path string, opts Options) (*config.Site, []config.Diagnostic) {
	opts = opts.withDefaults()
	data, err := opts.ReadFile(path)
	if err != nil {
		return nil, []config.Diagnostic{unreadable(path, err)}
	}
	if !Recognise(data) && isProxy(data) {
		return nil, []config.Diagnostic{{Pos: config.Position{File: path, Line: 1, Col: 1}, Severity: config.Error,
			Code:    "dialect",
			Message: "this is a haproxy.cfg, or meant to be one, and not a keepalived.conf",
			Hint:    "sections of haproxy.cfg have no braces"}}
	}
	return Parse(path, data, opts)
}

// unreadable is the diagnostic of a file that cannot be read.
func unreadable(path string, err error) config.Diagnostic {
	return config.Diagnostic{Pos: config.Position{File: path}, Severity: config.Error, Code: "unreadable",
		Message: source.Reason(err).Error()}
}

// Parse reads the text of one file, named name in messages; a relative include is
// looked for beside it. It gives back everything there is to say, in order of
// position, and a Site if none of it is an error.
func Parse(name string, data []byte, opts Options) (*config.Site, []config.Diagnostic) {
	opts = opts.withDefaults()
	r := &verdict.Report{}
	l := &loader{opts: opts, report: r}
	b := newBuilder(r)
	w := &walker{builder: b}
	w.block(topLevel, l.tree(name, data))
	site := b.site()
	diags := r.Diagnostics(opts.Strict)
	if r.Failed() || config.HasErrors(diags) {
		return nil, diags
	}
	return site, diags
}

// Recognise reports whether a file is of this dialect, by its content: one of the
// words that open a block at the top level begins a line, or an include does.
func Recognise(data []byte) bool {
	// The beginning mostly says enough, and a large file takes its time.
	if end := bytes.LastIndexByte(data[:min(len(data), 1<<16)], '\n'); end >= 0 && recognise(data[:end]) {
		return true
	}
	return recognise(data)
}

func recognise(data []byte) bool {
	for _, tokens := range lex("", data, &verdict.Report{}) {
		word := tokens[0].text
		if k, ok := vocabulary.Lookup(topLevel, word); ok && (k.block != "" || k.entries) {
			return true
		}
		if isInclude(word) {
			return true
		}
	}
	return false
}

// isProxy reports whether a file is of HAProxy's dialect: its sections begin lines.
func isProxy(data []byte) bool {
	for line := range strings.Lines(string(data)) {
		switch word, _, _ := strings.Cut(strings.TrimSpace(line), " "); strings.TrimSpace(word) {
		case "defaults", "listen", "frontend", "backend":
			return true
		}
	}
	return false
}
