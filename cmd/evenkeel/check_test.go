package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/config/haproxy"
	"github.com/evenkeel/evenkeel/config/keepalived"
)

// checkFiles are files of both dialects, by name.
var checkFiles = map[string]string{
	"good.cfg":     checkFront + "backend b\n",
	"back.cfg":     "backend b\n server s 10.0.0.1:80\n",
	"half.cfg":     checkFront,
	"wrong.cfg":    checkFront + "backend b\n blance source\n",
	"dead.cfg":     checkFront + "backend b\n redispatch\n",
	"refused.cfg":  checkFront + "backend b\n stick on src\n",
	"d/2.cfg":      "backend b\n",
	"d/1.cfg":      checkFront,
	"empty/x":      "",
	"nothing.conf": "",
	"comment.cfg":  "# frontend f\n\n   ! nothing\n",
	"some/1.cfg":   "# the front is in 2.cfg\n",
	"some/2.cfg":   checkFront + "backend b\n",
	"good.conf":    checkInstance("V", "51", ""),
	"other.conf":   checkInstance("W", "52", ""),
	"wrong.conf":   checkInstance("V", "51", "virutal_ipaddress 5"),
	"warned.conf":  checkInstance("V", "51", "state SLAVE"),
	"own.conf":     checkInstance("V", "51", "lease_gate off"),
	"script.conf":  checkInstance("V", "51", "notify /no-such-program"),
	"iface.conf":   checkInstance("V", "51", "track_interface {\nno-such0\n}"),
	"user.cfg":     "global\n user no-such\n" + checkFront + "backend b\n",
	"address.cfg":  strings.ReplaceAll(checkFront, ":80", "192.0.2.1:80") + "backend b\n",
}

const checkFront = "defaults\n mode http\n timeout client 1s\n timeout server 1s\n timeout connect 1s\nfrontend f\n " +
	"bind :80\n default_backend b\n"

func checkInstance(name, id, lines string) string {
	return "vrrp_instance " + name + " {\ninterface eth0\nvirtual_router_id " + id +
		"\nvirtual_ipaddress {\n10.9.0.100\n}\n" + lines + "\n}\n"
}

// runCheck gives what `evenkeel check` prints, and its status.
func runCheck(t *testing.T, args ...string) (string, int) {
	t.Helper()
	var out bytes.Buffer
	there := func(name string) bool { return !strings.HasPrefix(name, "no-such") }
	c := checkCommand(machine{
		keepalived.Machine{HasUser: there, HasGroup: there, HasInterface: there},
		haproxy.Machine{HasUser: there, HasGroup: there, HasInterface: there,
			HasAddress: func(a netip.Addr) bool { return a.IsLoopback() }}})
	c.SilenceUsage, c.SilenceErrors = true, true
	c.SetOut(&out)
	c.SetArgs(args)
	err := c.Execute()
	var status exitError
	if err != nil && !errors.As(err, &status) {
		t.Fatal(err)
	}
	return out.String(), int(status)
}

// What is said more than once.
const (
	wrongWord = "DIR/wrong.conf:7:1: error: unknown word \"virutal_ipaddress\" in vrrp_instance; did you mean " +
		"\"virtual_ipaddress\"?\n"
	wrongProxy = "DIR/wrong.cfg:10:2: error: unknown word \"blance\" in backend; did you mean \"balance\"?\n"
	nothing    = "DIR/nothing.conf: error: there is nothing in it but comments and empty lines; leave it out, or say " +
		"--allow-empty\n"
)

// checks are files of checkFiles with options, and what is said of them.
var checks = []struct {
	name, args string // files without directory, options
	status     int
	want       string
}{
	{"good proxy", "good.cfg", 0, ""},
	{"good proxy, strict", "good.cfg --strict", 0, ""},
	{"two files are one configuration", "half.cfg back.cfg", 0, ""},
	{"the order matters", "back.cfg half.cfg --brief", 1,
		"DIR/back.cfg:1:1: warning: backend b: timeout connect, timeout server are not set: connections may stay for " +
			"ever\n" +
			"DIR/half.cfg:8:18: error: frontend f is in mode http, its default_backend b in mode tcp; set the same " +
			"mode in both\n"},
	{"a directory", "d", 0, ""},
	{"half", "half.cfg --brief", 1, "DIR/half.cfg:8:18: error: frontend f: there is no backend \"b\"\n"},
	{"wrong proxy", "wrong.cfg", 1, wrongProxy + "     blance source\n     ^\n"},
	{"dead", "dead.cfg --brief", 0,
		"DIR/dead.cfg:10:2: warning: \"redispatch\" is gone from haproxy; today's word is option redispatch\n"},
	{"dead, strict", "dead.cfg --brief --strict", 1,
		"DIR/dead.cfg:10:2: error: \"redispatch\" is gone from haproxy; today's word is option redispatch\n"},
	{"refused", "refused.cfg --brief", 1,
		"DIR/refused.cfg:10:2: error: \"stick\" is known to haproxy, but not supported yet\n"},
	{"refused, strict", "refused.cfg --brief --strict", 0,
		"DIR/refused.cfg:10:2: warning: \"stick\" is known to haproxy, but not supported yet\n"},
	{"good", "good.conf", 0, ""},
	{"wrong", "wrong.conf", 1, wrongWord + "    virutal_ipaddress 5\n    ^\n"},
	{"brief", "wrong.conf --brief", 1, wrongWord},
	{"warning", "warned.conf --brief", 0,
		"DIR/warned.conf:7:7: warning: state \"SLAVE\": BACKUP is used; the other state than MASTER is called BACKUP\n"},
	{"warning, strict", "warned.conf --brief --strict", 1,
		"DIR/warned.conf:7:7: error: state \"SLAVE\": BACKUP is used; the other state than MASTER is called BACKUP\n"},
	{"own word", "own.conf", 0, ""},
	{"own word, strict", "own.conf --brief --strict", 1,
		"DIR/own.conf:7:1: error: \"lease_gate\" is a word of evenkeel; keepalived does not know it\n"},
	{"a script that is not there", "script.conf --brief", 0,
		"DIR/script.conf:7:1: warning: notify: script /no-such-program does not exist\n"},
	{"an interface that is not there", "iface.conf --brief", 0,
		"DIR/iface.conf:1:1: warning: vrrp_instance \"V\": there is no interface \"no-such0\" here; if it may come " +
			"later, say so: dynamic_interfaces in global_defs\n"},
	{"an interface that is not there, strict", "iface.conf --brief --strict", 1,
		"DIR/iface.conf:1:1: error: vrrp_instance \"V\": there is no interface \"no-such0\" here; if it may come " +
			"later, say so: dynamic_interfaces in global_defs\n"},
	{"a user that is not there", "user.cfg --brief", 1, "DIR/user.cfg:2:7: error: there is no user \"no-such\" here\n"},
	{"an address that is not there", "address.cfg --brief", 0,
		"DIR/address.cfg:7:7: warning: \"192.0.2.1:80\": address 192.0.2.1 is on no interface here: run will not " +
			"start; sysctl net.ipv4.ip_nonlocal_bind=1, or ipv6's, allows it before the address comes\n"},
	{"two files are one site", "good.conf other.conf --brief", 1,
		"DIR/other.conf:5:1: error: address 10.9.0.100 belongs to vrrp_instance \"V\" too: one would take it from " +
			"the other; give it to one of them\n"},
	{"both dialects", "good.conf good.cfg", 0, ""},
	{"both dialects, both wrong", "wrong.conf wrong.cfg --brief", 1, wrongProxy + wrongWord},
	{"missing", "none.conf", 1, "DIR/none.conf: error: no such file or directory\n"},
	{"an empty file", "nothing.conf", 1, nothing},
	{"an empty file beside another", "nothing.conf good.conf", 1, nothing},
	{"nothing but comments", "comment.cfg", 1, "DIR/comment.cfg" + nothing[len("DIR/nothing.conf"):]},
	{"an empty file that may be", "nothing.conf --allow-empty", 0, ""},
	{"an empty file of a directory", "some", 0, ""},
	{"a directory of nothing", "empty", 1, "DIR/empty: error: is a directory without *.cfg files\n"},
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	for name, text := range checkFiles {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range checks {
		t.Run(test.name, func(t *testing.T) {
			var args []string
			for _, word := range strings.Fields(test.args) {
				if strings.HasPrefix(word, "--") {
					args = append(args, word)
				} else {
					args = append(args, "-f", filepath.Join(dir, word))
				}
			}
			got, status := runCheck(t, args...)
			if status != test.status {
				t.Errorf("status %d, want %d", status, test.status)
			}
			if got = strings.ReplaceAll(got, dir, "DIR"); got != test.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
	t.Run("json", func(t *testing.T) {
		file := filepath.Join(dir, "wrong.cfg")
		out, status := runCheck(t, "-f", file, "--json")
		var got []map[string]any
		if err := json.Unmarshal([]byte(out), &got); err != nil || len(got) != 1 || status != 1 {
			t.Fatalf("%v, status %d: %s", err, status, out)
		}
		for key, want := range map[string]any{"file": file, "line": 10.0, "col": 2.0, "severity": "error",
			"code": "unknown-word", "hint": `did you mean "balance"?`} {
			if got[0][key] != want {
				t.Errorf("%s: %v, want %v", key, got[0][key], want)
			}
		}
	})
}
