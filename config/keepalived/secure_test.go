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

// attacked is a directory in which another user exchanges files while a script is looked at.
type attacked struct {
	t        *testing.T
	dir, ran string // ran gets a line of each script that was run
	safe     string // a script of root's
}

const otherUser = 65534

func attack(t *testing.T) *attacked {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("the files must belong to root")
	}
	a := &attacked{t: t, dir: t.TempDir()}
	if err := os.Chmod(a.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	a.ran = filepath.Join(a.dir, "ran")
	a.safe = a.script("safe/check.sh", "safe", 0)
	return a
}

// script makes a script that writes a word.
func (a *attacked) script(name, word string, owner int) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		a.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho "+word+" >> "+a.ran+"\n"), 0o755); err != nil {
		a.t.Fatal(err)
	}
	if err := os.Chown(path, owner, owner); err != nil {
		a.t.Fatal(err)
	}
	return path
}

var secured = config.Global{ScriptSecurity: true, ScriptUser: config.Owner{User: "root"}}

// TestVettedFileIsRun exchanges, between the look at a script and its run, what its link leads to: what is run is what
// was looked at, or nothing.
func TestVettedFileIsRun(t *testing.T) {
	a := attack(t)
	evil := a.script("home/evil.sh", "evil", otherUser)
	if err := os.Chown(filepath.Dir(evil), otherUser, otherUser); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(a.dir, "home", "check.sh")
	lead := func(to string) {
		os.Remove(link)
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	lead(a.safe)
	resolved := Machine{EvalSymlinks: func(path string) (string, error) {
		real, err := filepath.EvalSymlinks(path)
		lead(evil)
		return real, err
	}}
	c, why := Vet(config.Command{Argv: []string{link, "x"}}, secured, resolved)
	if why != "" || c.File != a.safe || c.Argv[0] != link {
		t.Fatalf("%+v, %s", c, why)
	}
	if err := script.Run(t.Context(), c, secured.ScriptUser, time.Minute); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(a.ran); string(got) != "safe\n" {
		t.Errorf("it ran: %q", got)
	}
	_, why = Vet(config.Command{Argv: []string{link}}, secured, Machine{})
	if !strings.Contains(why, "is not secure") {
		t.Errorf("the link leads to another user's script: %q", why)
	}
}

// TestVettedDirectory exchanges a directory on a script's way in a sticky directory while it is looked at.
func TestVettedDirectory(t *testing.T) {
	a := attack(t)
	sticky := filepath.Join(a.dir, "sticky")
	theirs := filepath.Join(sticky, "theirs")
	mine := a.script("sticky/theirs/check.sh", "evil", otherUser)
	if err := os.Chmod(sticky, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	swap := Machine{EvalSymlinks: func(path string) (string, error) {
		real, err := filepath.EvalSymlinks(path)
		os.Rename(theirs, theirs+".away")
		os.Symlink(filepath.Dir(a.safe), theirs)
		return real, err
	}}
	if c, why := Vet(config.Command{Argv: []string{mine}}, secured, swap); why == "" {
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
