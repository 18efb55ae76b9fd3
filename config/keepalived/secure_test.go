package keepalived

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/script"
)

// TestVettedFileIsRun exchanges, between the look at a script and its run, what its link leads to, and a directory
// on its way in a sticky directory: what is run is what was looked at, or nothing.
func TestVettedFileIsRun(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("the files must belong to root")
	}
	const other = 65534
	dir := t.TempDir()
	write := func(name, text string, owner int) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, owner, owner); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ran := filepath.Join(dir, "ran")
	safe := write("safe/check.sh", "echo safe >> "+ran, 0)
	evil := write("home/evil.sh", "echo evil >> "+ran, other)
	link := filepath.Join(dir, "home", "check.sh")
	lead := func(to string) {
		os.Remove(link)
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(filepath.Dir(evil), other, other); err != nil {
		t.Fatal(err)
	}
	global := config.Global{ScriptSecurity: true, ScriptUser: config.Owner{User: "root"}}

	lead(safe)
	resolved := Machine{EvalSymlinks: func(path string) (string, error) {
		real, err := filepath.EvalSymlinks(path)
		lead(evil)
		return real, err
	}}
	c, why := Vet(config.Command{Argv: []string{link, "x"}}, global, resolved)
	if why != "" || c.File != safe || c.Argv[0] != link {
		t.Fatalf("%+v, %s", c, why)
	}
	if err := script.Run(t.Context(), c, global.ScriptUser, time.Minute); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(ran); string(got) != "safe\n" {
		t.Errorf("it ran: %q", got)
	}
	if _, why := Vet(config.Command{Argv: []string{link}}, global, Machine{}); !strings.Contains(why, "is not secure") {
		t.Errorf("the link leads to another user's script: %q", why)
	}

	sticky := filepath.Join(dir, "sticky")
	theirs := filepath.Join(sticky, "theirs")
	mine := write("sticky/theirs/check.sh", "echo evil >> "+ran, other)
	if err := os.Chmod(sticky, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	swap := Machine{EvalSymlinks: func(path string) (string, error) {
		real, err := filepath.EvalSymlinks(path)
		os.Rename(theirs, theirs+".away")
		os.Symlink(filepath.Dir(safe), theirs)
		return real, err
	}}
	if c, why := Vet(config.Command{Argv: []string{mine}}, global, swap); why == "" {
		t.Errorf("a directory became a link while it was looked at: %+v", c)
	}
}

// TestVetFindsWhatRuns: a program without a slash is run from where it was found, whatever PATH the director has.
func TestVetFindsWhatRuns(t *testing.T) {
	t.Setenv("PATH", "/nowhere")
	c, why := Vet(config.Command{Argv: []string{"true"}}, config.Global{}, Machine{})
	if why != "" || !filepath.IsAbs(c.File) {
		t.Fatalf("%+v, %s", c, why)
	}
	if err := script.Run(t.Context(), c, config.Owner{}, time.Minute); err != nil {
		t.Error(err)
	}
}
