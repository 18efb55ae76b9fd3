package keepalived

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/verdict"
)

// TestBothVerdicts: what only we do not support passes a strict check, and gives no site all the same.
func TestBothVerdicts(t *testing.T) {
	text := inst("") + "garp_group {\ninterface eth0\ngarp_interval 1\n}\n"
	for _, strict := range []bool{false, true} {
		if site, diags := Parse("f", []byte(text), Options{Strict: strict}); site != nil ||
			config.HasErrors(diags) == strict {
			t.Errorf("strict %v: site %v, %v", strict, site != nil, diags)
		}
	}
}

// TestUnreadable: a file that cannot be read is named with the reason.
func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	for file, reason := range map[string]string{filepath.Join(dir, "none.conf"): "no such file or directory",
		dir: "is a directory", "/dev/zero": "is not a regular file"} {
		site, diags := Load(file, Options{})
		if want := file + ": error: " + reason; site != nil || len(diags) != 1 || diags[0].String() != want {
			t.Errorf("%v, want %s", diags, want)
		}
	}
}

// TestFloodIsBounded: a file that is not one at all is refused in few words and soon.
func TestFloodIsBounded(t *testing.T) {
	_, diags := Parse("f", bytes.Repeat([]byte("xyzzy plugh {\n"), 200_000), Options{})
	if len(diags) == 0 || len(diags) > verdict.Most+1 {
		t.Errorf("%d diagnostics", len(diags))
	}
	if last := diags[len(diags)-1]; !config.HasErrors(diags) || last.Severity != config.Error {
		t.Errorf("last: %v", last)
	}
}

// TestManyInstances: 20,000 instances are read in a time that does not grow with
// their square.
func TestManyInstances(t *testing.T) {
	var text strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&text, "vrrp_instance v%d {\ninterface eth%d\nvirtual_router_id %d\nvirtual_ipaddress "+
			"{\n10.%d.%d.1\n}\n}\n", i, i/255, i%255+1, i/250, i%250)
	}
	site, diags := Parse("f", []byte(text.String()), Options{})
	if site == nil || len(site.Instances) != 20_000 || len(diags) > 0 {
		t.Fatalf("%v", diags)
	}
}

func TestCheckScripts(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	fine, plain, open := write("fine", 0o755), write("plain", 0o644), write("open", 0o757)
	write("wide/script", 0o755)
	if err := os.Chmod(filepath.Join(dir, "wide"), 0o777); err != nil {
		t.Fatal(err)
	}
	root := os.Getuid() == 0
	tests := []struct {
		program string
		secure  bool
		want    string // "" when nothing is wrong
		rooted  bool   // only where the test's files belong to root
	}{
		{fine, false, "", false},
		{"true", false, "", false},
		{"no-such-program-here", false, "there is no program", false},
		{"if", false, "sh -c", false},
		{"./x", false, "not an absolute path", false},
		{dir + "/none", false, "does not exist", false},
		{dir + "/no/such/dir/x", false, "there is no directory " + dir + "/no", false},
		{plain, false, "is not executable (mode -rw-r--r--); chmod +x", false},
		{dir, false, "is a directory", false},
		{fine + "/x", false, "not a directory", false},
		{"/dev/null", false, "is not a regular file", false},
		{open, false, "", false},
		{open, true, dir + "/open is writable by everyone", true},
		{dir + "/wide/script", true, dir + "/wide is writable by everyone", true},
		{"/usr/bin/env", true, "", false},
	}
	for _, test := range tests {
		if test.rooted && !root {
			continue
		}
		problem, hint := FindScript(test.program, Machine{}, test.secure)
		if got := problem + "; " + hint; (problem == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s secure %v: %q, want %q", test.program, test.secure, got, test.want)
		}
	}

	checkedInPlace(t, dir, plain)
}

// checkedInPlace: a script that cannot be run is told of where the configuration names it.
func checkedInPlace(t *testing.T, dir, plain string) {
	t.Helper()
	conf := fmt.Sprintf("vrrp_script c {\n  script %q\n}\n%s", dir+"/none",
		inst("notify_fault "+plain+"\ntrack_script {\nc\n}"))
	site, diags := Parse("f.conf", []byte(conf), Options{})
	if site == nil {
		t.Fatal(diags)
	}
	found := CheckScripts(site, Machine{})
	want := []string{
		"f.conf:2:3: warning: script: script " + dir + "/none does not exist",
		"f.conf:10:1: warning: notify_fault: script " + plain + " is not executable (mode -rw-r--r--); chmod +x " +
			plain,
	}
	if len(found) != len(want) {
		t.Fatalf("%v", found)
	}
	for i := range want {
		if found[i].String() != want[i] {
			t.Errorf("got  %s\nwant %s", found[i], want[i])
		}
	}
}

// TestInsecureScripts: only what runs as root must be root's alone.
func TestInsecureScripts(t *testing.T) {
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root: the script must belong to it")
		}
		t.Skip("needs root: the script must belong to it")
	}
	open := filepath.Join(t.TempDir(), "open")
	if err := os.WriteFile(open, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		global, user string
		exists       bool // user keepalived_script
		warned       bool
	}{
		{"enable_script_security", "", false, true},
		{"enable_script_security", "", true, false},
		{"enable_script_security", "user root", true, true},
		{"enable_script_security\nscript_user root", "user nobody", true, false},
		{"enable_script_security\nscript_user root", "", true, true},
		{"script_user root", "", false, false},
	} {
		text := fmt.Sprintf("global_defs {\n%s\n}\nvrrp_script c {\nscript %s\n%s\n}\n%s", test.global, open, test.user,
			inst("track_script {\nc\n}"))
		site, diags := Parse("f", []byte(text), Options{})
		if site == nil {
			t.Fatal(diags)
		}
		found := CheckScripts(site, Machine{HasUser: func(name string) bool {
			return name != defaultScriptUser ||
				test.exists
		}})
		if (len(found) > 0) != test.warned {
			t.Errorf("%+v: %v", test, found)
		}
	}
}

// TestMachineErrors: an error that is not "does not exist" is told as it is.
func TestMachineErrors(t *testing.T) {
	m := Machine{Stat: func(path string) (fs.FileInfo, error) {
		return nil, &fs.PathError{Op: "stat", Path: path, Err: errors.New("i/o error")}
	}}
	if problem, _ := FindScript("/bin/x", m, false); problem != "script /bin/x: i/o error" {
		t.Error(problem)
	}
}

func TestCheckOtherDialect(t *testing.T) {
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, []byte("global\n    daemon\ndefaults\n    mode http\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, diags := Load(file, Options{})
	if len(diags) != 1 || diags[0].Code != "dialect" {
		t.Errorf("a file of HAProxy's gives %v, not one word about it", diags)
	}
}
