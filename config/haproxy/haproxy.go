package haproxy

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/source"
	"github.com/evenkeel/evenkeel/config/verdict"
	"github.com/evenkeel/evenkeel/spelling"
)

// Options say how files are read. The zero value reads from disk, by our own verdict.
type Options struct {
	// Strict judges as haproxy -c 2.6.12 would: what it refuses is an error, what only we
	// do not support is a warning. A Proxying still comes back only if both verdicts are good.
	Strict bool
	// ReadFile reads a file by the name it has in messages: the configuration itself and
	// every file it names (errorfile, acl -f, http-request return file). Its default takes regular files
	// of at most 16 MiB.
	ReadFile func(name string) ([]byte, error)
	// Getenv gives an environment variable and whether it is set. Its default is os.LookupEnv.
	Getenv func(name string) (string, bool)
	// Resolve gives the address of a server's host name. Its default asks the system.
	Resolve func(host string) (netip.Addr, error)
}

// File is one configuration file: its name in messages and its text.
type File struct {
	Name string
	Data []byte
}

func (o Options) withDefaults() Options {
	if o.ReadFile == nil {
		o.ReadFile = source.Read
	}
	if o.Getenv == nil {
		o.Getenv = os.LookupEnv
	}
	if o.Resolve == nil {
		o.Resolve = resolveHost
	}
	return o
}

// resolveHost asks the system for a host's address, IPv4 first as HAProxy prefers it.
func resolveHost(host string) (netip.Addr, error) {
	found, err := net.LookupHost(host)
	if err != nil {
		return netip.Addr{}, err
	}
	best := netip.Addr{}
	for _, text := range found {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			continue
		}
		if addr = addr.Unmap(); !best.IsValid() || best.Is6() && addr.Is4() {
			best = addr
		}
	}
	if !best.IsValid() {
		return best, errors.New("has no address")
	}
	return best, nil
}

// Parse reads the texts of files as one configuration. It gives back everything there is to
// say, in order of position within each file, and a Proxying if none of it is an error.
func Parse(files []File, opts Options) (*config.Proxying, []config.Diagnostic) {
	r := newReader(opts.withDefaults(), &verdict.Report{})
	for _, f := range files {
		r.read(f)
	}
	out := r.proxying()
	diags := r.report.Diagnostics(opts.Strict)
	if r.report.Failed() || config.HasErrors(diags) {
		return nil, diags
	}
	return out, diags
}

// Recognise reports whether a file is of this dialect, by its content: a word that opens a
// section begins a line, and none of them is followed by a brace, as in other programs' files.
func Recognise(data []byte) bool {
	found := false
	for line := range strings.Lines(strings.TrimPrefix(string(data), byteOrderMark)) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		k, ok := table.Lookup(topLevel, fields[0])
		if !ok || k.absent != "" {
			continue
		}
		if strings.HasSuffix(fields[len(fields)-1], "{") {
			return false
		}
		switch {
		case len(fields) == 1 && (k.word == "global" || k.word == "defaults"), len(fields) > 1 && k.word != "program" &&
			k.word != "cache":
			found = true
		}
	}
	return found
}

// Resembles reports whether a file that is of no dialect begins with a word that opens a section here, but for a slip
// of the finger.
func Resembles(data []byte) bool {
	for line := range strings.Lines(strings.TrimPrefix(string(data), byteOrderMark)) {
		line, _, _ = strings.Cut(line, "#")
		if fields := strings.Fields(line); len(fields) > 0 {
			return !strings.HasSuffix(fields[len(fields)-1], "{") && nearestSection(fields[0]) != ""
		}
	}
	return false
}

// nearestSection is the word that opens a section and was likely meant.
func nearestSection(text string) string {
	var known []string
	for _, k := range table.Rows(topLevel) {
		if k.absent == "" {
			known = append(known, k.word)
		}
	}
	return spelling.Nearest(text, known)
}
