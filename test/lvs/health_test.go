package lvs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// quickly is a check that finds out at once that a server is stopped: its host refuses. One that is only slow is
// waited for.
const quickly = "        TCP_CHECK {\n            connect_timeout 20\n        }\n"

// diary is a file that notify programs write to.
type diary struct {
	t    *testing.T
	file string
}

func (s *site) diary() *diary {
	return &diary{s.t, filepath.Join(s.d1.dir, "diary")}
}

// note is a program that writes a line.
func (d *diary) note(line string) string {
	d.t.Helper()
	program := filepath.Join(filepath.Dir(d.file), strings.ReplaceAll(line, " ", "-")+".sh")
	if err := os.WriteFile(program, fmt.Appendf(nil, "#!/bin/sh\necho '%s' >> %s\n", line, d.file), 0o755); err != nil {
		d.t.Fatal(err)
	}
	return program
}

func (d *diary) lines() []string {
	b, _ := os.ReadFile(d.file)
	return strings.Fields(strings.ReplaceAll(string(b), " ", "_"))
}

// says waits for the lines, in this order and no others.
func (d *diary) says(want ...string) {
	d.t.Helper()
	deadline := time.Now().Add(patience)
	for strings.Join(d.lines(), " ") != strings.Join(want, " ") {
		if time.Now().After(deadline) {
			d.t.Fatalf("the programs ran as %v, not as %v", d.lines(), want)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// scripts is what lets a test's programs run, wherever its directory is.
const scripts = "global_defs {\n    script_user root\n}\n"

// TestQuorum: losing servers runs programs, the quorum more, and brings the server of last resort; so does their return
// backwards; omega ends it all.
func TestQuorum(t *testing.T) {
	s := newSite(t, "dr")
	sorry := &web{t: t, ns: s.client, name: "sorry", addr: "192.168.160.137", dir: t.TempDir()}
	sorry.ns = addHost(s, "sorry", sorry.addr)
	sorry.realserver("add", vip)
	sorry.start()
	d := s.diary()
	text := s.service(80, fmt.Sprintf("    lb_algo rr\n    lb_kind DR\n    protocol TCP\n    omega\n    quorum 2\n   "+
		" quorum_up %q\n    quorum_down %q\n    sorry_server %s 80\n",
		d.note("quorum up"), d.note("quorum down"), sorry.addr), quickly)
	for _, w := range s.webs {
		text = strings.Replace(text, "real_server "+w.addr+" 80 {\n",
			fmt.Sprintf("REAL %s 80 {\n        notify_up %q\n        notify_down %q\n", w.addr, d.note(w.name+" up"),
				d.note(w.name+" down")), 1)
	}
	s.d1.start(scripts + s.mastery() + strings.ReplaceAll(text, "REAL", "real_server"))
	s.d1.master()
	eventually(t, patience, "the site serves", func() bool { return s.ask() != "" })
	if got := s.shares(10); got["web1"] != 5 || got["web2"] != 5 {
		t.Errorf("10 requests were answered by %v", got)
	}
	s.webs[0].stop()
	d.says("quorum_up", "web1_down", "quorum_down")
	eventually(t, patience, "the server of last resort serves", func() bool { return s.ask() == "sorry" })
	if got := s.shares(10); got["web2"]+got["web1"] != 0 {
		t.Errorf("without a quorum: %v", got)
	}
	s.webs[0].start()
	d.says("quorum_up", "web1_down", "quorum_down", "web1_up", "quorum_up")
	eventually(t, patience, "both serve again", func() bool {
		got := s.shares(2)
		return got["web1"] == 1 && got["web2"] == 1
	})
	s.d1.stop()
	lines := d.lines()
	if len(lines) != 8 || lines[7] != "quorum_down" || !strings.Contains(fmt.Sprint(lines[5:7]), "web1_down") ||
		!strings.Contains(fmt.Sprint(lines[5:7]), "web2_down") {
		t.Errorf("at the end: %v", lines)
	}
}

// TestInhibit: a server that fails stays in the table with weight 0, so its connections go on.
func TestInhibit(t *testing.T) {
	s := newSite(t, "dr")
	flag := filepath.Join(s.d1.dir, "broken")
	program := filepath.Join(s.d1.dir, "check.sh")
	if err := os.WriteFile(program, fmt.Appendf(nil, "#!/bin/sh\n! test -e %s\n", flag), 0o755); err != nil {
		t.Fatal(err)
	}
	s.d1.start(scripts + s.mastery() + s.service(80, "    lb_algo rr\n    lb_kind DR\n    protocol TCP\n",
		fmt.Sprintf("        inhibit_on_failure\n        MISC_CHECK {\n            misc_path %q\n            "+
			"misc_timeout 20\n        }\n", program)))
	s.d1.master()
	eventually(t, patience, "the site serves", func() bool { return s.ask() != "" })
	first, second := s.ticking(), s.ticking()
	if err := os.WriteFile(flag, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s.d1.logged("Disabling service [" + s.webs[0].addr + "]:tcp:80")
	s.d1.logged("Disabling service [" + s.webs[1].addr + "]:tcp:80")
	eventually(t, patience, "both weigh nothing", func() bool {
		return strings.Count(s.d1.must("ipvs", "-Ln"), "Route   0 ") == 2
	})
	if who := s.ask(); who != "" {
		t.Errorf("%s answered a new connection", who)
	}
	first.goesOn(t, "with weight 0")
	second.goesOn(t, "with weight 0")
	os.Remove(flag)
	s.d1.logged("Enabling service [" + s.webs[0].addr + "]:tcp:80")
	s.d1.logged("Enabling service [" + s.webs[1].addr + "]:tcp:80")
	eventually(t, patience, "both serve again", func() bool {
		got := s.shares(2)
		return got["web1"] == 1 && got["web2"] == 1
	})
}

// TestInhibitBesideSorry: while a sorry server serves, inhibited servers stay in the table with weight 0, so that their
// connections go on: those of servers that failed, and of one that is well when there are too few.
func TestInhibitBesideSorry(t *testing.T) {
	s := newSite(t, "nat")
	sorry := &web{t: t, name: "sorry", addr: s.inner + "137", dir: t.TempDir()}
	sorry.ns = addHost(s, "sorry", sorry.addr)
	sorry.ns.Run("ip", "route", "add", "default", "via", s.inner+"100")
	sorry.start()
	text := s.service(80, fmt.Sprintf("    lb_algo rr\n    lb_kind NAT\n    protocol TCP\n    quorum 2\n    "+
		"sorry_server %s 80\n", sorry.addr), "        inhibit_on_failure\n        PROBE\n")
	flags := map[string]string{}
	for _, w := range s.webs {
		flags[w.name] = filepath.Join(s.d1.dir, w.name)
		program := flags[w.name] + ".sh"
		if err := os.WriteFile(program, fmt.Appendf(nil, "#!/bin/sh\n! test -e %s\n", flags[w.name]),
			0o755); err != nil {
			t.Fatal(err)
		}
		text = strings.Replace(text, "PROBE",
			fmt.Sprintf("MISC_CHECK {\n            misc_path %q\n            misc_timeout 20\n        }", program), 1)
	}
	s.d1.start(scripts + s.mastery() + text)
	s.d1.master()
	eventually(t, patience, "both serve", func() bool {
		got := s.shares(2)
		return got["web1"] == 1 && got["web2"] == 1
	})
	first, second := s.ticking(), s.ticking()
	weights := func(when string, want int, sorryServes bool) {
		t.Helper()
		eventually(t, patience, when, func() bool {
			listing := s.d1.must("ipvs", "-Ln")
			return strings.Count(listing, "Masq    0 ") == want &&
				strings.Contains(listing, sorry.addr+":80") == sorryServes
		})
	}
	for i, w := range s.webs {
		if err := os.WriteFile(flags[w.name], nil, 0o644); err != nil {
			t.Fatal(err)
		}
		s.d1.logged("Disabling service [" + w.addr + "]:tcp:80")
		weights(fmt.Sprintf("the sorry server beside both with weight 0, %d failed", i+1), 2, true)
		if got := s.shares(4); got["sorry"] != 4 {
			t.Errorf("%d failed: new connections go to %v", i+1, got)
		}
		first.goesOn(t, fmt.Sprintf("while the sorry server serves, %d failed", i+1))
		second.goesOn(t, fmt.Sprintf("while the sorry server serves, %d failed", i+1))
	}
	for _, w := range s.webs {
		os.Remove(flags[w.name])
	}
	weights("all is as before", 0, false)
	eventually(t, patience, "both serve again", func() bool {
		got := s.shares(2)
		return got["web1"] == 1 && got["web2"] == 1
	})
	first.goesOn(t, "after the sorry server")
	second.goesOn(t, "after the sorry server")
}

// TestDynamicWeight: what a program of MISC_CHECK says is the weight in the table, and what clients get.
func TestDynamicWeight(t *testing.T) {
	s := newSite(t, "dr")
	text := s.service(80, "    lb_algo wrr\n    lb_kind DR\n    protocol TCP\n", "        weight 5\n        PROBE\n")
	for _, w := range s.webs {
		file := filepath.Join(s.d1.dir, w.name)
		if err := os.WriteFile(file+".sh", fmt.Appendf(nil, "#!/bin/sh\nexit $(cat %s)\n", file), 0o755); err != nil {
			t.Fatal(err)
		}
		weigh(t, file, 0)
		text = strings.Replace(text, "PROBE",
			fmt.Sprintf("MISC_CHECK {\n            misc_path %q\n            misc_timeout 20\n            "+
				"misc_dynamic\n        }", file+".sh"), 1)
	}
	s.d1.start(scripts + s.mastery() + text)
	s.d1.master()
	eventually(t, patience, "the site serves", func() bool { return s.ask() != "" })
	if listing := s.d1.must("ipvs", "-Ln"); strings.Count(listing, "Route   5 ") != 2 {
		t.Errorf("at first:\n%s", listing)
	}
	// Exit codes 2 to 255 are weights 0 to 253.
	weigh(t, filepath.Join(s.d1.dir, "web1"), 2+30)
	weigh(t, filepath.Join(s.d1.dir, "web2"), 2+10)
	eventually(t, patience, "the table has both weights", func() bool {
		listing := s.d1.must("ipvs", "-Ln")
		return strings.Contains(listing, s.webs[0].addr+":80           Route   30 ") &&
			strings.Contains(listing, s.webs[1].addr+":80           Route   10 ")
	})
	if got := s.shares(40); got["web1"] != 30 || got["web2"] != 10 {
		t.Errorf("40 requests with weights 30 and 10: %v", got)
	}
	weigh(t, filepath.Join(s.d1.dir, "web1"), 1)
	s.d1.dropped(s.webs[0].addr)
	if got := s.shares(10); got["web2"] != 10 {
		t.Errorf("with web1 failed: %v", got)
	}
	weigh(t, filepath.Join(s.d1.dir, "web1"), 0)
	s.d1.logged("Adding service [" + s.webs[0].addr + "]:tcp:80")
}

// weigh sets what a check program exits with, at once.
func weigh(t *testing.T, file string, code int) {
	t.Helper()
	if err := os.WriteFile(file+".new", fmt.Appendln(nil, code), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// TestSuspended: with ha_suspend a backup leaves the real servers alone until the address is here.
func TestSuspended(t *testing.T) {
	s := newSite(t, "dr")
	d := s.diary()
	service := s.service(80, "    lb_algo rr\n    lb_kind DR\n    protocol TCP\n    ha_suspend\n", quickly)
	s.d1.start(s.election(150) + service)
	s.d1.master()
	loud := strings.Replace(service, quickly,
		fmt.Sprintf("        MISC_CHECK {\n            misc_path %q\n            misc_timeout 20\n        }\n",
			d.note("checked")), 1)
	s.d2.start(scripts + s.election(100) + loud)
	s.d2.logged("Suspending checks of VS [" + vip + "]:tcp:80")
	eventually(t, patience, "the site serves", func() bool { return s.ask() != "" })
	s.webs[1].stop()
	s.d1.logged("Removing service [" + s.webs[1].addr + "]:tcp:80")
	if strings.Contains(s.d2.log.String(), "Removing service") {
		t.Error("the backup noticed that a server has gone")
	}
	before := d.lines()
	s.d1.kill()
	s.d2.master()
	s.d2.logged("Activating checks of VS [" + vip + "]:tcp:80")
	s.d2.logged("Removing service [" + s.webs[1].addr + "]:tcp:80")
	eventually(t, patience, "it is checked again", func() bool { return len(d.lines()) > len(before) })
	// At most the checks that ran before the first look at the addresses.
	if len(before) > 1 {
		t.Errorf("the backup checked %d times", len(before))
	}
}
