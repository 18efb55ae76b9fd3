package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/haproxy"
	"github.com/evenkeel/evenkeel/config/keepalived"
	"github.com/evenkeel/evenkeel/daemon"
)

// sources are configuration files by their dialect.
type sources struct {
	keepalived []string
	haproxy    []haproxy.File
}

// sort tells the dialects of files apart by what is in them. A directory stands for its *.cfg files.
func (s *sources) sort(paths []string, read func(string) ([]byte, error)) (diags []config.Diagnostic) {
	for _, path := range expand(paths) {
		data, err := read(path)
		if err != nil {
			var pe *os.PathError
			if errors.As(err, &pe) {
				err = pe.Err
			}
			diags = append(diags, config.Diagnostic{Pos: config.Position{File: path}, Severity: config.Error,
				Code: "unreadable", Message: err.Error()})
			continue
		}
		if !keepalived.Recognise(data) && (haproxy.Recognise(data) || haproxy.Resembles(data)) {
			s.haproxy = append(s.haproxy, haproxy.File{Name: path, Data: data})
		} else {
			s.keepalived = append(s.keepalived, path)
		}
	}
	return diags
}

func expand(paths []string) []string {
	var all []string
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			found, _ := filepath.Glob(filepath.Join(path, "*.cfg"))
			slices.Sort(found)
			if len(found) > 0 {
				all = append(all, found...)
				continue
			}
		}
		all = append(all, path)
	}
	return all
}

// reading says how files are read.
type reading struct {
	strict     bool // with the verdict of the reference programs
	allowEmpty bool // files with nothing in them are fine
}

// hollow finds the files that have nothing in them but comments: cut short, or not yet written. A file of a directory
// may have, if another one of it has not.
func hollow(paths []string, read func(string) ([]byte, error)) (diags []config.Diagnostic) {
	for _, path := range paths {
		files := expand([]string{path})
		full := slices.ContainsFunc(files, func(name string) bool {
			data, err := read(name)
			return err != nil || !blank(data)
		})
		if !full {
			diags = append(diags, config.Diagnostic{Pos: config.Position{File: path}, Severity: config.Error,
				Code:    "empty",
				Message: "there is nothing in it but comments and empty lines",
				Hint:    "leave it out, or say --allow-empty"})
		}
	}
	return diags
}

// blank reports whether a file of either dialect says nothing.
func blank(data []byte) bool {
	for line := range bytes.Lines(data) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' && line[0] != '!' {
			return false
		}
	}
	return true
}

// read joins configuration files of both dialects into one site.
func read(paths []string, how reading, rec *daemon.Recorder) (*config.Site, []config.Diagnostic) {
	strict := how.strict
	var src sources
	if diags := src.sort(paths, rec.ReadFile); diags != nil {
		return nil, diags
	}
	if !how.allowEmpty {
		if diags := hollow(paths, rec.ReadFile); diags != nil {
			return nil, diags
		}
	}
	site := &config.Site{}
	var diags []config.Diagnostic
	switch kopts := (keepalived.Options{Strict: strict}); len(src.keepalived) {
	case 0:
	case 1:
		site, diags = keepalived.Load(src.keepalived[0], kopts)
	default: // several are one, as if one included them
		var text strings.Builder
		for _, path := range src.keepalived {
			full, err := filepath.Abs(path)
			if err != nil {
				full = path
			}
			fmt.Fprintf(&text, "include %s\n", full)
		}
		site, diags = keepalived.Parse("command line", []byte(text.String()), kopts)
	}
	if len(src.haproxy) > 0 {
		p, more := haproxy.Parse(src.haproxy,
			haproxy.Options{Strict: strict, ReadFile: rec.ReadFile, Resolve: rec.Resolve})
		diags = append(diags, more...)
		if p == nil {
			site = nil
		} else if site != nil {
			site.Proxying = p
		}
	}
	if site == nil {
		return nil, diags
	}
	if more := trackedProxies(site); more != nil {
		return nil, append(diags, more...)
	}
	return site, diags
}

// trackedProxies looks whether the proxies that instances track exist.
func trackedProxies(site *config.Site) (diags []config.Diagnostic) {
	known := make(map[string]bool)
	if site.Proxying != nil {
		for _, p := range site.Proxying.Proxies {
			known[p.Name] = true
		}
	}
	for _, i := range site.Instances {
		for _, t := range i.TrackProxies {
			switch {
			case site.Proxying == nil:
				diags = append(diags, config.Diagnostic{Pos: t.Pos, Severity: config.Error, Code: "unknown-name",
					Message: "track_proxy needs a proxy in this process",
					Hint:    "give the haproxy.cfg as well: -f keepalived.conf -f haproxy.cfg"})
			case t.Name != "" && !known[t.Name]:
				diags = append(diags, config.Diagnostic{Pos: t.Pos, Severity: config.Error, Code: "unknown-name",
					Message: fmt.Sprintf("there is no frontend, backend or listen %q", t.Name)})
			}
		}
	}
	return diags
}

// load reads a configuration for this machine: what check would only warn about,
// a script that is not there or not safe, is looked at here as well.
func load(paths []string, allowEmpty bool) (*config.Site, *daemon.Inputs, []config.Diagnostic) {
	rec := daemon.NewRecorder(readRegular, resolve)
	site, diags := read(paths, reading{allowEmpty: allowEmpty}, rec)
	if site == nil {
		return nil, nil, diags
	}
	if site.Global.RouterID == "" {
		site.Global.RouterID, _ = os.Hostname()
	}
	diags = append(diags, keepalived.CheckScripts(site, keepalived.Machine{})...)
	if site.Proxying != nil {
		for _, d := range haproxy.CheckMachine(site.Proxying, haproxy.Machine{}) {
			if d.Severity == config.Error { // of the rest the sockets will tell
				diags = append(diags, d)
			}
		}
		if config.HasErrors(diags) {
			return nil, nil, diags
		}
	}
	in := rec.Inputs()
	in.Paths = expand(paths)
	return site, in, diags
}

// replay reads the proxy's half again, from what the director recorded.
func replay(in *daemon.Inputs) (*config.Proxying, []config.Diagnostic) {
	var src sources
	if diags := src.sort(in.Paths, in.ReadFile); diags != nil {
		return nil, diags
	}
	return haproxy.Parse(src.haproxy, haproxy.Options{ReadFile: in.ReadFile, Resolve: in.Resolve})
}

// maxFile bounds a configuration file and the files it names.
const maxFile = 16 << 20

func readRegular(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return nil, err
	} else if info.IsDir() {
		return nil, errors.New("is a directory without *.cfg files")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("has more than %d MiB", maxFile>>20)
	}
	return data, err
}

// resolve asks the system for a host's address, IPv4 first.
func resolve(host string) (netip.Addr, error) {
	found, err := net.LookupHost(host)
	if err != nil {
		return netip.Addr{}, err
	}
	var best netip.Addr
	for _, text := range found {
		if addr, err := netip.ParseAddr(text); err == nil && (!best.IsValid() || best.Is6() && addr.Unmap().Is4()) {
			best = addr.Unmap()
		}
	}
	if !best.IsValid() {
		return best, fmt.Errorf("%s has no address", host)
	}
	return best, nil
}
