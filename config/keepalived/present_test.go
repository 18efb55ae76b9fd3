package keepalived

import (
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
)

// TestCheckMachine looks for what a site names on a machine that has eth0, eth1, root and 10.9.0.1. strict is what
// keepalived 2.2.7 -t makes of it there: it refuses interfaces, check scripts and their users, and nothing else.
var nobodysScript = "global_defs {\nscript_user nobodyhere\n}\n" + chk + inst("track_script {\nc\n}")

var machineCases = []struct {
	text, want string
	strict     bool
}{
	{inst(""), "", false},
	{strings.ReplaceAll(inst(""), "eth0", "eth99"), `interface "eth99"`, true},
	{"global_defs {\ndynamic_interfaces\n}\n" + strings.ReplaceAll(inst(""), "eth0", "eth99"), "", false},
	{addr("10.9.0.5 dev eth99"), `interface "eth99"`, true},
	{inst("virtual_ipaddress_excluded {\n10.9.0.5 dev eth99\n}"), `interface "eth99"`, true},
	{inst("track_interface {\neth99\n}"), `interface "eth99"`, true},
	{inst("") + w + "vrrp_sync_group G {\ngroup {\nV\nW\n}\ntrack_interface {\neth99\n}\n}\n", `interface "eth99"`,
		true},
	{inst("mcast_src_ip 192.0.2.77"), "192.0.2.77", false},
	{inst("mcast_src_ip 10.9.0.1"), "", false},
	{tracked("", "c"), "", false},
	{strings.ReplaceAll(tracked("", "c"), "/usr/bin/true", "/x"), "script /x does not exist", true},
	{strings.ReplaceAll(tracked("", "c"), "/usr/bin/true", `"</dev/tcp/127.0.0.1/80"`), "is not an absolute path",
		false},
	{tracked("user nobodyhere", "c"), `user "nobodyhere"`, true},
	{tracked("user root nobodyhere", "c"), `group "nobodyhere"`, true},
	{nobodysScript, `user "nobodyhere"`, true},
	{inst(`notify_master "/usr/bin/true" nobodyhere`), `user "nobodyhere"`, false},
	{inst(`notify_master "/x"`), "script /x does not exist", false},
	{checked("MISC_CHECK", "misc_path /x"), "script /x does not exist", false},
	{checked("MISC_CHECK", "misc_path /usr/bin/true\nuser nobodyhere"), `user "nobodyhere"`, true},
}

func TestCheckMachine(t *testing.T) {
	m := Machine{
		HasUser:      func(name string) bool { return name == "root" },
		HasGroup:     func(name string) bool { return name == "root" },
		HasInterface: func(name string) bool { return name == "eth0" || name == "eth1" },
		HasAddress:   func(a netip.Addr) bool { return a == netip.MustParseAddr("10.9.0.1") },
		Stat: func(path string) (fs.FileInfo, error) {
			if path == "/x" {
				return nil, fs.ErrNotExist
			}
			return fileInfo(0o755), nil
		},
	}
	for _, c := range machineCases {
		for _, strict := range []bool{false, true} {
			site, diags := Parse("f", []byte(c.text), Options{})
			if site == nil {
				t.Fatalf("%s: %v", c.text, diags)
			}
			m.Strict = strict
			found := CheckMachine(site, m)
			other := func(d config.Diagnostic) bool { return !strings.Contains(d.Message, c.want) }
			if c.want == "" && len(found) > 0 || c.want != "" && len(found) == 0 ||
				slices.ContainsFunc(found, other) {
				t.Errorf("%s: %v, not %q", c.text, found, c.want)
			}
			if config.HasErrors(found) != (strict && c.strict) {
				t.Errorf("%s, strict %v: %v", c.text, strict, found)
			}
			if slices.ContainsFunc(found, func(d config.Diagnostic) bool { return d.Pos.Line == 0 }) {
				t.Errorf("%s: no line: %v", c.text, found)
			}
		}
	}
}

// fileInfo is a regular file of root with these permissions.
type fileInfo fs.FileMode

func (fileInfo) Name() string        { return "x" }
func (fileInfo) Size() int64         { return 0 }
func (f fileInfo) Mode() fs.FileMode { return fs.FileMode(f) }
func (fileInfo) ModTime() time.Time  { return time.Time{} }
func (fileInfo) IsDir() bool         { return false }
func (fileInfo) Sys() any            { return nil }
