package haproxy

import (
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/config"
)

// elsewhere are options for files written for another machine: every name resolves, every
// error file is there.
func elsewhere() Options {
	return Options{
		Getenv:  func(string) (string, bool) { return "", false },
		Resolve: func(string) (netip.Addr, error) { return netip.MustParseAddr("192.0.2.1"), nil },
		ReadFile: func(name string) ([]byte, error) {
			if strings.HasSuffix(name, ".http") || strings.HasSuffix(name, ".html") {
				return []byte("HTTP/1.0 503 Service Unavailable\r\nContent-Type: text/html\r\n\r\n<html>\n"), nil
			}
			if strings.HasSuffix(name, ".cfg") {
				return os.ReadFile(name)
			}
			return nil, fs.ErrNotExist
		},
	}
}

// TestExamples loads the repository's own examples, which must raise nothing.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../examples/*/*haproxy.cfg")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		for _, strict := range []bool{false, true} {
			model, diags := load(file, Options{Strict: strict})
			for _, d := range diags {
				t.Error(d)
			}
			if model == nil {
				t.Errorf("%s does not load, strict %v", file, strict)
			}
		}
	}
}

// TestSeed reads the textbook's file as it stands, where it lies beside the repository: it loads
// with warnings about its dead words, and is refused by the strict verdict.
func TestSeed(t *testing.T) {
	const file = "../../../shared/seed-configs/haproxy-pair/haproxy.cfg"
	if _, err := os.Stat(file); err != nil {
		t.Skip("not beside the repository")
	}
	model, diags := load(file, Options{})
	if model == nil {
		t.Fatal(diags)
	}
	for _, d := range diags {
		if d.Code != "dead-word" || d.Hint == "" {
			t.Error(d)
		}
	}
	if len(diags) != 4 {
		t.Errorf("%d warnings, want 4", len(diags))
	}
	if m, _ := load(file, Options{Strict: true}); m != nil {
		t.Error("strict takes dead words")
	}
	web, back := model.Proxies[1], model.Proxies[2]
	if model.Global.Threads != 1 || web.Name != "web" || web.MaxConn != 4000 || web.DefaultBackend != back ||
		len(web.Switching) != 1 || web.Switching[0].Backend != back ||
		len(web.Log) != 1 || web.Log[0].Max != 6 || web.Timeouts.Client.Seconds() != 50 || back.Redispatch != -1 ||
		len(back.Servers) != 2 ||
		back.Servers[1].MaxConn != 2000 || !back.Servers[0].Check.On || back.Servers[0].Check.Fall != 2 ||
		model.Proxies[0].Stats.Users[0][1] != "123" {
		t.Errorf("%+v", model.Proxies)
	}
}

// TestCorpus reads public configurations, where they lie beside the repository: each must load,
// or be told at which place it is wrong.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("../../../shared/corpus/haproxy/*.cfg")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("no corpus beside the repository")
	}
	loaded := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !Recognise(data) {
			t.Errorf("%s is not recognised", file)
		}
		model, diags := Parse([]File{{file, data}}, elsewhere())
		for _, d := range diags {
			if d.Pos.Line == 0 || d.Pos.Col == 0 || d.Message == "" || d.Code == "" {
				t.Errorf("%s: no place or text: %+v", file, d)
			}
			if testing.Verbose() && d.Severity == config.Error {
				t.Log(d)
			}
		}
		if (model == nil) != config.HasErrors(diags) {
			t.Errorf("%s: model %v and diagnostics disagree", file, model != nil)
		}
		if model != nil {
			loaded++
		}
	}
	t.Logf("%d of %d files load", loaded, len(files))
}
