package keepalived

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/config"
)

// TestExamples loads the repository's own examples, which must raise nothing, but that the textbook's
// directors ask for a persistence of 0.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../examples/*/*.keepalived.conf")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		site, diags := Load(file, Options{})
		for _, d := range diags {
			if !strings.HasPrefix(d.Message, "persistence_timeout 0: ") || !strings.Contains(file, "/lvs-") {
				t.Error(d)
			}
		}
		if site == nil {
			t.Errorf("%s does not load", file)
		}
	}
}

// TestCorpus reads public configurations, where they lie beside the repository:
// each must load, or be told at which place it is wrong.
func TestCorpus(t *testing.T) {
	var files []string
	for _, pattern := range []string{"corpus/keepalived/*.conf", "seed-configs/*/*keepalived.conf"} {
		found, err := filepath.Glob(filepath.Join("../../../shared", pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
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
		site, diags := Parse(file, data, Options{})
		for _, d := range diags {
			if d.Pos.Line == 0 || d.Pos.Col == 0 || d.Message == "" || d.Code == "" {
				t.Errorf("%s: no place or text: %+v", file, d)
			}
		}
		if (site == nil) != config.HasErrors(diags) {
			t.Errorf("%s: site %v and diagnostics disagree", file, site != nil)
		}
		if site != nil {
			loaded++
		}
	}
	t.Logf("%d of %d files load", loaded, len(files))
}
