package keepalived

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/lvs/table"
)

// FuzzParse reads anything: it must end, never panic, and place every
// diagnostic inside a file it read. Includes find files made of the input itself.
func FuzzParse(f *testing.F) {
	seed(f)
	f.Fuzz(parseAnything)
}

// seed adds the configurations that the other tests read.
func seed(f *testing.F) {
	for _, pattern := range []string{"testdata/*.conf", "../../examples/*/*.conf",
		"../../../shared/corpus/keepalived/*.conf"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	for _, c := range cases {
		f.Add([]byte(c.text))
	}
	for _, c := range lvsCases {
		f.Add([]byte(c.text))
	}
	for _, w := range lvsWords {
		for _, line := range w.lines {
			f.Add([]byte(w.frame(strings.TrimPrefix(line, "≠"))))
		}
	}
	f.Add([]byte("include a.conf\ninclude {a,b}{c,d}\n@x include *\n"))
}

func parseAnything(t *testing.T, data []byte) {
	opened := map[string][]byte{"main.conf": data}
	reads := 0
	opts := Options{
		ID: "x",
		ReadFile: func(name string) ([]byte, error) {
			if !strings.HasSuffix(name, ".conf") || reads > 50 {
				return nil, fs.ErrNotExist
			}
			reads++
			opened[name] = data[min(len(data), len(name)):]
			return opened[name], nil
		},
		Glob: func(pattern string) ([]string, error) {
			if strings.Contains(pattern, "[") {
				return nil, errors.New("bad pattern")
			}
			return []string{strings.ReplaceAll(pattern, "*", "a")}, nil
		},
	}
	for _, strict := range []bool{false, true} {
		opts.Strict = strict
		site, diags := Parse("main.conf", data, opts)
		if strict == false && (site == nil) != config.HasErrors(diags) {
			t.Errorf("site %v, errors %v", site != nil, config.HasErrors(diags))
		}
		for _, d := range diags {
			checkPlace(t, opened, d)
		}
		if site != nil {
			checkSite(t, site)
			if !config.Diff(site, site).Empty() {
				t.Error("a site differs from itself")
			}
		}
	}
	Recognise(data)
}

// checkPlace holds a diagnostic to a place that exists.
func checkPlace(t *testing.T, opened map[string][]byte, d config.Diagnostic) {
	text, ok := opened[d.Pos.File]
	if !ok {
		t.Errorf("no such file: %v", d)
		return
	}
	lines := bytes.Split(text, []byte{'\n'})
	if d.Pos.Line < 1 || d.Pos.Line > len(lines) || d.Pos.Col < 1 || d.Pos.Col > len(lines[d.Pos.Line-1])+1 {
		t.Errorf("no such place: %v", d)
	}
	if d.Message == "" || d.Code == "" || strings.ContainsAny(d.Message+d.Hint, "\n\r\x00\x1b") {
		t.Errorf("bad text: %q %q", d.Message, d.Hint)
	}
}

// checkSite holds a site to the ranges its fields promise.
func checkSite(t *testing.T, s *config.Site) {
	for _, i := range s.Instances {
		switch {
		case i.VRID == 0, i.Priority == 0, i.Version != 2 && i.Version != 3, i.DownAdverts < 1 || i.DownAdverts > 100,
			len(i.Addresses) == 0 || len(i.Addresses) > 255, len(
				i.AuthPass) > 8, i.Announce.Repeat < 1, !i.McastGroup.IsMulticast(),
			i.Version == 2 && (i.AdvertInterval < time.Second || i.AdvertInterval > 255*time.Second ||
				i.AdvertInterval%time.Second != 0),
			i.Version == 3 && (i.AdvertInterval < 10*time.Millisecond || i.AdvertInterval > 40950*time.Millisecond ||
				i.AdvertInterval%(10*time.Millisecond) != 0),
			i.Interface == "" && (len(i.Peers) == 0 || !i.McastSource.IsValid()):
			t.Errorf("out of range: %+v", i)
		}
		for _, a := range i.Addresses {
			if a.Prefix.Addr().Is6() != i.IPv6 || a.Dev == "" {
				t.Errorf("address: %+v", a)
			}
		}
		for _, p := range i.Peers {
			if p.Addr.Is6() != i.IPv6 {
				t.Errorf("peer: %+v", p)
			}
		}
		for _, tr := range i.TrackScripts {
			if tr.Script == nil || tr.Weight < -253 || tr.Weight > 253 {
				t.Errorf("tracker: %+v", tr)
			}
		}
	}
	for _, c := range s.Scripts {
		if !c.Command.Defined() || c.Interval <= 0 || c.Timeout <= 0 || c.Rise < 1 || c.Fall < 1 {
			t.Errorf("script: %+v", c)
		}
	}
	for _, g := range s.Groups {
		if len(g.Members) == 0 {
			t.Errorf("group: %+v", g)
		}
	}
	if s.LVS != nil {
		checkLVS(t, s.LVS)
	}
}

// checkLVS holds virtual servers to what the model promises.
func checkLVS(t *testing.T, d *config.LVS) {
	names, taken := make(map[string]bool), make(map[table.Key]bool)
	if len(d.Servers) == 0 || d.TableSize != 0 && (d.TableSize < 1024 || d.TableSize > 16<<20) {
		t.Errorf("lvs: %+v", d)
	}
	for _, v := range d.Servers {
		total := 0
		for _, r := range v.Servers {
			total += r.Weight
			checkReal(t, v, r)
		}
		if v.Sorry != nil {
			checkReal(t, v, v.Sorry)
		}
		most := 32
		for _, k := range v.Keys {
			if taken[k] || (k.Mark == 0) != k.Addr.IsValid() ||
				k.Addr.IsValid() && (k.Addr.Addr().Is6() != k.IPv6 || k.Protocol == 0) ||
				k.Mark != 0 && k.Protocol != 0 ||
				k.Mark == 0 && k.Addr.Port() == 0 && v.Template.Flags&table.Persistent == 0 {
				t.Errorf("key: %+v", k)
			}
			taken[k] = true
			if k.IPv6 {
				most = 128
			}
		}
		if names[v.Name] || len(v.Keys) == 0 || len(v.Servers) == 0 || v.Quorum < 0 || v.Quorum > total ||
			v.Hysteresis < 0 || v.Hysteresis > 0 && v.Hysteresis >= v.Quorum ||
			v.Template.Key != (table.Key{}) || v.Template.Scheduler == "" || v.Template.Granularity < 1 ||
			v.Template.Granularity > most || v.Template.Timeout%time.Second != 0 ||
			(v.Template.Timeout > 0) != (v.Template.Flags&table.Persistent != 0) {
			t.Errorf("virtual server: %+v", v)
		}
		names[v.Name] = true
	}
}

func checkReal(t *testing.T, v *config.VirtualServer, r *config.RealServer) {
	if !r.Addr.Addr().IsValid() || r.Weight < 0 || r.Weight > 65535 ||
		r.Method != table.Tunnel && r.Wrap != (table.Wrap{}) || r.Wrap.Type == table.GUE && r.Wrap.Port == 0 {
		t.Errorf("server: %+v", r)
	}
	for _, k := range v.Keys {
		if r.Method != table.Tunnel && k.IPv6 != r.Addr.Addr().Is6() {
			t.Errorf("%v is not of the family of %v", r.Addr, k)
		}
	}
	for _, c := range r.Checkers {
		connects := c.Kind != config.CheckerMisc && c.Kind != config.CheckerFile
		switch {
		case c.Interval <= 0, c.Retry < 0, c.RetryDelay < 0, c.Warmup < 0,
			connects && (c.Timeout <= 0 || !c.Addr.Addr().IsValid() ||
				c.Addr.Port() == 0 && c.Kind != config.CheckerPing),
			c.Kind == config.CheckerMisc && (!c.Command.Defined() || c.RunTime <= 0),
			c.Kind == config.CheckerFile && c.File.Path == "",
			c.Kind == config.CheckerDNS && (c.DNSType == "" || c.DNSName == ""),
			c.Kind == config.CheckerSMTP && c.Helo == "",
			(c.Kind == config.CheckerHTTP || c.Kind == config.CheckerSSL) && len(c.URLs) == 0,
			len(c.Reply) != len(c.ReplyMask):
			t.Errorf("checker: %+v", c)
		}
		for _, u := range c.URLs {
			if u.Path == "" || len(u.Statuses) == 0 || strings.ContainsAny(u.Path+u.VirtualHost+c.VirtualHost, "\r\n") {
				t.Errorf("url: %+v", u)
			}
		}
	}
}
