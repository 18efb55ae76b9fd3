package launcher

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/lab/site"
)

func TestRealServerFaults(t *testing.T) {
	s := lvsPair
	faults, err := faultsByName(s, []string{"all"})
	if err != nil || len(faults) != 8 {
		t.Fatal(faults, err)
	}
	for _, f := range faults {
		if f.name == "web-server-stop" && (!f.leaves || f.watch != 18*time.Second || f.host != "web1") {
			t.Errorf("%+v", f)
		}
		if f.name == "web-server-freeze" && f.watch != 30*time.Second {
			t.Errorf("%+v", f)
		}
	}
}

// pinned counts the planes pinned on the machine itself.
func pinned(t *testing.T) int {
	t.Helper()
	planes, err := filepath.Glob("/sys/fs/bpf/evenkeel/*")
	if err != nil {
		t.Fatal(err)
	}
	return len(planes)
}

// TestDirectors plays a fault of each sort on the real site, by each kind of forwarding.
func TestDirectors(t *testing.T) {
	needNamespaces(t)
	if os.Geteuid() != 0 && os.Getenv("CI") != "true" {
		t.Skip("a forwarding plane needs root")
	}
	before := pinned(t)
	defer func() {
		if after := pinned(t); after > before {
			t.Errorf("%d planes are left behind", after-before)
		}
	}()
	for kind, faults := range map[string]string{"dr": "kill,web-server-stop", "nat": "freeze", "tun": "stop"} {
		t.Run(kind, func(t *testing.T) {
			rep, code := runLab(t, nil, 3*time.Minute, "lvs-dr", "--kind", kind, "--faults", faults, "--json")
			if code != 0 || !rep.OK || rep.Kind != kind {
				t.Fatalf("exit status %d, report %+v", code, rep)
			}
			for _, r := range rep.Faults {
				if r.Double != 0 {
					t.Errorf("%s: %v ms double master", r.Fault, r.Double)
				}
				if held := r.Held; !strings.HasPrefix(r.Fault, serverFault) &&
					(held == nil || held.Download != "complete" || held.Bytes != site.DownloadSize ||
						held.Idle != "answered") {
					t.Errorf("%s: long connections %+v", r.Fault, held)
				}
			}
		})
	}
}
