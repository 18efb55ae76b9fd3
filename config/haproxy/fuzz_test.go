package haproxy

import (
	"bytes"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
)

// FuzzParse reads anything: it must end, never panic, and place every diagnostic inside a file
// it read. Files that lines name are made of the input itself.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*.cfg", "../../examples/*/*.cfg",
		"../../../shared/corpus/haproxy/*.cfg"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	const frame = "defaults\n mode http\nfrontend f\n bind :80\nbackend b\n "
	for _, p := range places {
		for _, k := range table.Rows(p) {
			f.Add([]byte(frame + string(p) + " " + k.word + " 1 2 if TRUE\n"))
			f.Add([]byte(frame + k.word + " x 1.2.3.4:80\n"))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		half := len(data) / 2
		files := []File{{"a.cfg", data[:half]}, {"b.cfg", data[half:]}}
		opened := map[string][]byte{"a.cfg": files[0].Data, "b.cfg": files[1].Data}
		opts := Options{
			ReadFile: func(name string) ([]byte, error) {
				if len(name)%2 == 0 {
					return nil, fs.ErrNotExist
				}
				return data[min(len(data), len(name)):], nil
			},
			Getenv: func(name string) (string, bool) { return name + " " + name, len(name)%2 == 0 },
			Resolve: func(host string) (netip.Addr, error) {
				if len(host)%2 == 0 {
					return netip.Addr{}, errors.New("no such host")
				}
				return netip.MustParseAddr("192.0.2.1"), nil
			},
		}
		for _, strict := range []bool{false, true} {
			opts.Strict = strict
			model, diags := Parse(files, opts)
			if !strict && (model == nil) != config.HasErrors(diags) {
				t.Errorf("model %v, errors %v", model != nil, config.HasErrors(diags))
			}
			for _, d := range diags {
				checkPlace(t, opened, d)
			}
			if model != nil {
				checkModel(t, model)
			}
		}
		Recognise(data)
	})
}

// checkPlace holds a diagnostic to a place that exists.
func checkPlace(t *testing.T, opened map[string][]byte, d config.Diagnostic) {
	text, ok := opened[d.Pos.File]
	if !ok {
		t.Errorf("no such file: %v", d)
		return
	}
	lines := bytes.Split(text, []byte{'\n'})
	if d.Pos.Line < 1 || d.Pos.Line > len(lines) || d.Pos.Col < 1 || d.Pos.Col > len(lines[d.Pos.Line-1])+1 {
		t.Errorf("no such place: %v", d)
	}
	if d.Message == "" || d.Code == "" || strings.ContainsAny(d.Message+d.Hint, "\n\r\x00\x1b") {
		t.Errorf("bad text: %q %q", d.Message, d.Hint)
	}
}

// checkModel holds a model to what its fields promise.
func checkModel(t *testing.T, m *config.Proxying) {
	ids := make(map[int]bool)
	for _, p := range m.Proxies {
		if p.Name == "" || p.ID < 1 || ids[p.ID] || !p.Front && !p.Back || !p.Front && len(p.Binds) > 0 ||
			!p.Back && len(p.Servers) > 0 {
			t.Errorf("proxy: %+v", p)
		}
		ids[p.ID] = true
		if p.Mode == config.TCP && (p.Stats != nil || len(p.Rules.HTTPRequest) > 0 || p.Cookie.Name != "") {
			t.Errorf("an http word in a tcp proxy: %+v", p)
		}
		for _, d := range []time.Duration{p.Timeouts.Client, p.Timeouts.Server, p.Timeouts.Queue, p.Timeouts.Check} {
			if d < 0 || d > maxDuration {
				t.Errorf("timeouts: %+v", p.Timeouts)
			}
		}
		for _, b := range p.Binds {
			if (b.Path != "") == b.Addr.IsValid() && b.FD < 0 || b.Addr.IsValid() && b.Addr.Port() == 0 || b.ID < 1 {
				t.Errorf("bind: %+v", b)
			}
		}
		for _, r := range p.Rules.HTTPRequest {
			checkRule(t, r)
		}
		for _, s := range p.Servers {
			c := s.Check
			switch {
			case s.Name == "", s.ID < 1, s.Weight < 0 ||
				s.Weight > 256, c.Inter <= 0, c.FastInter <= 0, c.DownInter <= 0, c.Rise < 1, c.Fall < 1,
				s.Addr.IsValid() && s.Path != "", !s.Addr.IsValid() && s.Path == "" && s.Host == "", s.Track != nil &&
					c.On, s.MinConn > s.MaxConn:
				t.Errorf("server: %+v", s)
			}
		}
		if h := p.Check; h != nil {
			for _, s := range h.Steps {
				if s.Kind == config.StepHTTPSend && (s.Method == "" || s.URI == "" || s.Version == "") {
					t.Errorf("step: %+v", s)
				}
			}
		}
	}
}

// checkRule holds a rule to having what its action needs.
func checkRule(t *testing.T, r config.Rule) {
	bad := false
	switch r.Do {
	case config.ActSetHeader, config.ActAddHeader:
		bad = r.Name == "" || r.Format == nil
	case config.ActReplaceHeader, config.ActReplaceValue:
		bad = r.Name == "" || r.Format == nil || r.Pattern == nil
	case config.ActReplacePath, config.ActReplaceURI:
		bad = r.Format == nil || r.Pattern == nil
	case config.ActSetPath, config.ActSetQuery, config.ActSetURI, config.ActSetMethod, config.ActSetPathQuery:
		bad = r.Format == nil
	case config.ActRedirect:
		bad = r.Redirect == nil || r.Redirect.To == nil || r.Redirect.Code < 301
	case config.ActReturn:
		bad = r.Reply == nil
	case config.ActDeny:
		bad = r.Status < 200
	case config.ActCapture:
		bad = r.Expr == nil
	}
	if bad {
		t.Errorf("rule: %+v", r)
	}
}
