package haproxy

import (
	"io/fs"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
)

// TestCheckMachine looks for what a proxy needs on a machine that has eth0, the user and group root, 10.9.0.1, a
// directory /run and a file /file.
var machineCases = []struct{ global, bind, server, want string }{
	{"user root", "", "", ""},
	{"user 99999", "", "", ""},
	{"user nobodyhere", "", "", `f:2:7: error: there is no user "nobodyhere" here`},
	{"group nobodyhere", "", "", `f:2:8: error: there is no group "nobodyhere" here`},
	{"chroot /run", "", "", ""},
	{"chroot /none", "", "", `f:2:9: warning: chroot "/none": directory "/none": file does not exist: run will not start`},
	{"chroot /file", "", "", `f:2:9: warning: chroot "/file": directory "/file": not a directory`},
	{"stats socket /run/s", "", "", ""},
	{"stats socket /none/s", "", "", `f:2:15: warning: "/none/s": directory "/none": file does not exist`},
	{"stats socket /run", "", "", `warning: "/run" is a directory`},
	{"stats socket /run/s user nobodyhere", "", "", `f:2:15: error: there is no user "nobodyhere" here`},
	{"", "10.9.0.1:80", "", ""},
	{"", "10.9.0.2:80", "", `f:8:7: warning: "10.9.0.2:80": address 10.9.0.2 is on no interface here`},
	{"", "10.9.0.2:80 transparent", "", ""},
	{"", ":80 interface eth0", "", ""},
	{"", ":80 interface eth9", "", `warning: ":80": there is no interface "eth9" here`},
	{"", "/none/x.sock", "", `warning: "/none/x.sock": directory "/none"`},
	{"", "/run/x.sock group nobodyhere", "", `error: there is no group "nobodyhere" here`},
	{"", "abns@x", "", ""},
	{"", "fd@5", "", ""},
	{"", "fd@6", "", `error: "fd@6": descriptor 6 is not open`},
	{"", "", "source 10.9.0.2", `warning: server "s": source address 10.9.0.2 is on no interface here`},
	{"", "", "source 0.0.0.0 interface eth9", `warning: server "s": there is no interface "eth9" here`},
}

func TestCheckMachine(t *testing.T) {
	root := func(name string) bool { return name == "root" }
	m := Machine{
		HasUser: root, HasGroup: root,
		HasInterface:  func(name string) bool { return name == "eth0" },
		HasAddress:    func(a netip.Addr) bool { return a == netip.MustParseAddr("10.9.0.1") },
		HasDescriptor: func(fd int) bool { return fd == 5 },
		Stat: func(path string) (fs.FileInfo, error) {
			switch path {
			case "/", "/run":
				return machineFile(fs.ModeDir), nil
			case "/file":
				return machineFile(0), nil
			}
			return nil, &fs.PathError{Op: "stat", Path: path, Err: fs.ErrNotExist}
		},
	}
	for _, c := range machineCases {
		if c.bind == "" {
			c.bind = ":80"
		}
		text := "global\n " + c.global +
			"\ndefaults\n timeout client 1s\n timeout server 1s\n timeout connect 1s\nlisten l\n bind " + c.bind +
			"\n server s 10.0.0.1:80 " + c.server + "\n"
		p, diags := Parse([]File{{Name: "f", Data: []byte(text)}}, testOptions())
		if p == nil {
			t.Fatalf("%+v: %v", c, diags)
		}
		var lines []string
		for _, d := range CheckMachine(p, m) {
			lines = append(lines, d.String())
		}
		got := strings.Join(lines, "\n")
		if !strings.Contains(got, c.want) || c.want == "" && got != "" || strings.Contains(got, "\n") {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// TestSocketPathLength: the path of a UNIX socket that no kernel takes is an error, as for haproxy.
func TestSocketPathLength(t *testing.T) {
	for n, bad := range map[int]bool{97: false, 98: true} {
		path := "/" + strings.Repeat("x", n-1)
		for _, line := range []string{"bind " + path, "server s " + path} {
			text := "defaults\n timeout client 1s\n timeout server 1s\n timeout connect 1s\nlisten l\n bind :80\n " +
				line + "\n"
			if _, diags := Parse([]File{{Name: "f", Data: []byte(text)}},
				testOptions()); config.HasErrors(diags) != bad {
				t.Errorf("%d: %v", n, diags)
			}
		}
	}
}

// machineFile is a file of this mode.
type machineFile fs.FileMode

func (machineFile) Name() string        { return "x" }
func (machineFile) Size() int64         { return 0 }
func (f machineFile) Mode() fs.FileMode { return fs.FileMode(f) }
func (machineFile) ModTime() time.Time  { return time.Time{} }
func (f machineFile) IsDir() bool       { return f.Mode().IsDir() }
func (machineFile) Sys() any            { return nil }
