package failover

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/test/netns"
)

// TestScriptsInheritNothing: scripts that run again and again beside reloads, which open sockets and start workers,
// find no descriptor of the director's, nor one that the director was started with.
func TestScriptsInheritNothing(t *testing.T) {
	netns.Root(t)
	dir := t.TempDir()
	seen, runs := filepath.Join(dir, "seen"), filepath.Join(dir, "runs")
	script := filepath.Join(dir, "look.sh")
	// Of the shell's own descriptors only the script it reads is open while it waits for this program.
	text := fmt.Sprintf("#!/bin/sh\nreadlink /proc/$$/fd/[3-9] /proc/$$/fd/[1-9][0-9] >> %s\necho >> %s\n", seen, runs)
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	conf := "global_defs {\n    script_user root\n}\n"
	inst := "vrrp_instance VI_1 {\n    interface eth0\n    virtual_router_id 51\n    version 3\n    advert_int 0.1\n " +
		"   track_script {\n"
	for i := range 8 {
		conf += fmt.Sprintf("vrrp_script s%d {\n    script %s\n    interval 1\n}\n", i, script)
		inst += fmt.Sprintf("        s%d weight 1\n", i)
	}
	conf += inst + "    }\n    virtual_ipaddress {\n        10.9.0.100/24\n    }\n}\n"
	// sh leaves descriptor 7 open to the program it becomes.
	n, write := whole(t, conf, says("one", 8080), "sh", "-c", "exec 7</etc/passwd; exec \"$@\"", "sh")
	for i := range 12 {
		write(says("one", 8080, 8081+i))
		if out, err := n.evenkeel("reload"); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	eventually(t, slack, "the scripts have run", func() bool {
		b, _ := os.ReadFile(runs)
		return len(b) > 16
	})
	b, err := os.ReadFile(seen)
	if err != nil {
		t.Fatal(err)
	}
	if all := strings.ReplaceAll(string(b), script+"\n", ""); all != "" {
		t.Errorf("scripts inherit:\n%s", all)
	} else if len(b) == 0 {
		t.Error("the scripts have seen nothing at all")
	}
}
