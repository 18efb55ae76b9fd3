package site

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// statistics as haproxy writes them, cut to the fields that are read and one that is not.
const statistics = `# pxname,svname,qcur,stot,status,wretr,wredis,hrsp_5xx,req_tot
stats,FRONTEND,,7,OPEN,,,0,9
stats,BACKEND,0,0,UP,1,1,0,
web,FRONTEND,,50,OPEN,,,3,49
httpservers,http1,0,20,DOWN,4,2,1,
httpservers,http2,0,29,UP 1/2,0,0,2,
httpservers,BACKEND,0,49,UP,4,2,3,
`

func TestReadStatistics(t *testing.T) {
	st, err := readStatistics(strings.NewReader(statistics))
	if err != nil {
		t.Fatal(err)
	}
	if st.Requests != 49 || st.Retries != 4 || st.Redispatches != 2 || st.Errors != 3 {
		t.Errorf("%+v", st)
	}
	if got := st.Status("http1"); got != "DOWN" || IsUp(got) {
		t.Errorf("http1 is %q", got)
	}
	if got := st.Status("http2"); got != "UP 1/2" || !IsUp(got) {
		t.Errorf("http2 is %q", got)
	}
	for _, bad := range []string{"", "401 Unauthorized\n", strings.Replace(statistics, "wretr", "x", 1)} {
		if _, err := readStatistics(strings.NewReader(bad)); err == nil {
			t.Errorf("%.20q is taken for statistics", bad)
		}
	}
}

// TestProxyAccount: the textbook's user is there for every kind of node, and means what it must.
func TestProxyAccount(t *testing.T) {
	const passwd = "root:x:0:0:root:/root:/bin/bash\nhaproxy:x:104:108::/var/lib/haproxy:/usr/sbin/nologin\nnobody:x:65534:65534::/:/bin/false\n"
	const without = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n"
	for _, tt := range []struct {
		name     string
		machine  string
		rootless bool
		director string
		want     string // the account's line; empty: the machine's file is good
	}{
		{"installed", passwd, false, "evenkeel", ""},
		{"not installed", without, false, "evenkeel", "haproxy:x:981:981::/:/usr/sbin/nologin"},
		{"rootless", passwd, true, "evenkeel", "haproxy:x:0:-1::/:/usr/sbin/nologin"},
		{"rootless, the reference", passwd, true, "keepalived", "haproxy:x:0:0::/:/usr/sbin/nologin"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			for _, dir := range []string{"etc", strings.TrimPrefix(hostEtc, "/")} {
				if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(root+hostEtc+"/passwd", []byte(tt.machine), 0o644); err != nil {
				t.Fatal(err)
			}
			c := HostConfig{Rootless: tt.rootless, Director: tt.director}
			if _, err := c.writeAccounts(root); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(root + "/etc/passwd")
			if tt.want == "" {
				if err == nil {
					t.Errorf("wrote %q", b)
				}
				return
			}
			if want := tt.want + "\n" + without; string(b) != want {
				t.Errorf("passwd:\n%swant:\n%s", b, want)
			}
			if group := readFile(t, root+"/etc/group"); !strings.HasPrefix(group, "haproxy:x:") {
				t.Errorf("group: %q", group)
			}
		})
	}
}

// TestModern: what is given to the reference differs from the textbook's file in the dead words only.
func TestModern(t *testing.T) {
	seed := strings.Split(string(haproxyPair.file("haproxy.cfg")), "\n")
	got := strings.Split(string(modern(haproxyPair.file("haproxy.cfg"))), "\n")
	if len(seed) != len(got) {
		t.Fatalf("%d lines of %d", len(got), len(seed))
	}
	changed := 0
	for i := range seed {
		if seed[i] != got[i] {
			changed++
			if f := strings.Fields(seed[i]); !strings.Contains("nbproc contimeout clitimeout srvtimeout", f[0]) {
				t.Errorf("%q became %q", seed[i], got[i])
			}
		}
	}
	if changed != 4 {
		t.Errorf("%d lines changed", changed)
	}
}

// TestPsStandIn: it finds a process by its name and fails when there is none.
func TestPsStandIn(t *testing.T) {
	comm := strings.TrimSpace(readFile(t, "/proc/self/comm"))
	if code := standInPs([]string{"-C", comm, "--no-heading"}); code != 0 {
		t.Errorf("ps -C %s: status %d", comm, code)
	}
	if code := standInPs([]string{"-C", "no-such-name"}); code != 1 {
		t.Errorf("ps -C no-such-name: status %d", code)
	}
	if code := standInPs([]string{"aux"}); code != 1 {
		t.Errorf("ps aux: status %d", code)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
