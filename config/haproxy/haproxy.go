package haproxy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/verdict"
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
		o.ReadFile = readRegular
	}
	if o.Getenv == nil {
		o.Getenv = os.LookupEnv
	}
	if o.Resolve == nil {
		o.Resolve = resolveHost
	}
	return o
}

// maxFile bounds a configuration file and those it names.
const maxFile = 16 << 20

// readRegular reads a whole file unless it is a device, a pipe or too large.
func readRegular(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, errors.New("is a directory")
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("has more than %d MiB", maxFile>>20)
	}
	return data, err
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

// Load reads the file at path. See Parse.
func Load(path string, opts Options) (*config.Proxying, []config.Diagnostic) {
	return LoadFiles([]string{path}, opts)
}

// LoadFiles reads several files as one configuration, in order, as haproxy -f A -f B does.
// A directory stands for its *.cfg files, sorted by name.
func LoadFiles(paths []string, opts Options) (*config.Proxying, []config.Diagnostic) {
	opts = opts.withDefaults()
	var files []File
	var diags []config.Diagnostic
	for _, path := range expandDirectories(paths) {
		data, err := opts.ReadFile(path)
		if err != nil {
			diags = append(diags, config.Diagnostic{Pos: config.Position{File: path}, Severity: config.Error, Code: "unreadable", Message: reason(err).Error()})
			continue
		}
		files = append(files, File{Name: path, Data: data})
	}
	if len(diags) > 0 {
		return nil, diags
	}
	return Parse(files, opts)
}

// expandDirectories replaces each directory by its *.cfg files.
func expandDirectories(paths []string) []string {
	var all []string
	for _, path := range paths {
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			all = append(all, path)
			continue
		}
		found, err := filepath.Glob(filepath.Join(path, "*.cfg"))
		if err != nil || len(found) == 0 {
			all = append(all, path) // reading it says what is wrong
			continue
		}
		slices.Sort(found)
		all = append(all, found...)
	}
	return all
}

// reason drops the path from a file error: the message has it already.
func reason(err error) error {
	if pe, ok := err.(*fs.PathError); ok {
		return pe.Err
	}
	return err
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
		k, ok := lookup(topLevel, fields[0])
		if !ok || k.absent != "" {
			continue
		}
		if strings.HasSuffix(fields[len(fields)-1], "{") {
			return false
		}
		switch {
		case len(fields) == 1 && (k.word == "global" || k.word == "defaults"), len(fields) > 1 && k.word != "program" && k.word != "cache":
			found = true
		}
	}
	return found
}
