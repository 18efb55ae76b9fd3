package keepalived

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/config"
)

// TestAstrayLines: a line that belongs into another checker is passed over with a warning, as Keepalived passes over
// it; a word that nobody knows, or a block, is still an error.
func TestAstrayLines(t *testing.T) {
	for text, want := range map[string]string{
		checked("MISC_CHECK", "misc_path /usr/bin/true\nconnect_port 80"): `warning: "connect_port" is no word of MISC_CHECK and is not read`,

		checked("TCP_CHECK", "nb_get_retry 3"):              `warning: "nb_get_retry" is no word of TCP_CHECK and is not read; write "retry"`,
		urlBlock("nb_get_retry 3"):                          `warning: "nb_get_retry" is no word of url`,
		realServer("lvs_sched rr\nTCP_CHECK {\n}"):          `warning: "lvs_sched" is no word of real_server`,
		virtual("inhibit_on_failure\nuthreshold 5"):         ``,
		checked("TCP_CHECK", "connetc_port 80"):             `error: unknown word "connetc_port" in TCP_CHECK`,
		checked("TCP_CHECK", "url {\npath /\n}"):            `error: unknown word "url" in TCP_CHECK`,
		checked("TCP_CHECK", "virtual_router_id 5"):         `error: unknown word "virtual_router_id" in TCP_CHECK`,
		inst("") + "vrrp_sync_group G {\nadvert_int 5\n}\n": `error: unknown word "advert_int" in vrrp_sync_group`,
	} {
		_, diags := Parse("f", []byte(text), Options{})
		var lines []string
		for _, d := range diags {
			lines = append(lines, d.String())
		}
		all := strings.Join(lines, "\n")
		if !strings.Contains(all, want) || config.HasErrors(diags) != strings.Contains(want, "error") {
			t.Errorf("%s: %s, not %s", text, all, want)
		}
		_, diags = Parse("f", []byte(text), Options{Strict: true})
		if want != "" && !config.HasErrors(diags) {
			t.Errorf("%s: the strict check takes it", text)
		}
	}
}

// TestForwardScriptInclude: Keepalived knows the scripts that it has read so far, whatever file they are in.
func TestForwardScriptInclude(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"script.conf":   chk,
		"instance.conf": inst("track_script {\nc\n}"),
		"late.conf":     "include instance.conf\ninclude script.conf\n",
		"early.conf":    "include script.conf\ninclude instance.conf\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, late := range map[string]bool{"late.conf": true, "early.conf": false} {
		file := filepath.Join(dir, name)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if model, diags := Parse(file, text, Options{}); model == nil || len(diags) > 0 {
			t.Errorf("%s: %v", name, diags)
		}
		if _, diags := Parse(file, text, Options{Strict: true}); config.HasErrors(diags) != late {
			t.Errorf("%s: strict: %v", name, diags)
		}
	}
}
