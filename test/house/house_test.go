// Package house tests the rules of the house: who may import whom, how long a
// file may be, which names are not used.
package house

import (
	"bytes"
	"encoding/json"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/evenkeel/evenkeel"

// A floor is a set of packages with what they may import.
type floor struct {
	name     string
	packages []string // below the module, whole path or prefix ending in /
	ours     []string // of ours, besides themselves
	std      bool     // nothing but the standard library otherwise
}

// The floors, from the ground (ARCHITECTURE.md). A package may import packages of
// its own entry's list only.
var floors = []floor{
	{name: "machine", packages: []string{"vrrp", "h1", "balance", "health", "lvs/table", "lvs/pool", "lvs/connsync",
		"spelling", "proxyproto", "lease", "heartbeat"}, ours: []string{"lvs/table", "spelling"}, std: true},
	{name: "a node's votes", packages: []string{"quorum"}, ours: []string{"heartbeat", "lease"}, std: true},
	{name: "literals", packages: []string{"sample/literal"}, std: true},
	{name: "patterns", packages: []string{"sample/pattern"}, ours: []string{"sample/literal"}, std: true},
	{name: "rules", packages: []string{"sample"}, ours: []string{"sample/literal", "sample/pattern", "spelling"},
		std: true},
	{name: "formats", packages: []string{"sample/logformat"}, ours: []string{"sample", "sample/literal", "spelling"},
		std: true},
	{name: "model", packages: []string{"config"}, ours: []string{"vrrp", "sample", "sample/logformat", "lvs/table"},
		std: true},
	{name: "dialects' ground", packages: []string{"config/verdict", "config/source", "config/words"},
		ours: []string{"config", "spelling"}, std: true},
	{name: "dialect", packages: []string{"config/keepalived", "config/haproxy"},
		ours: []string{"config", "config/verdict", "config/source", "config/words", "spelling", "sample",
			"sample/pattern", "sample/logformat", "lvs/table"}, std: true},
	{name: "edge", packages: []string{"linux/loop", "linux/realtime", "linux/sock", "linux/rawsock", "linux/netif",
		"linux/gate", "linux/confine", "linux/ipvs", "linux/xdp", "linux/realserver", "linux/option"},
		ours: []string{"config", "linux/", "lvs/table", "balance"}},
	{name: "log edge", packages: []string{"syslog"}, ours: []string{"config", "linux/"}},
	{name: "script edge", packages: []string{"script"}, ours: []string{"config"}, std: true},
	{name: "engines' ground", packages: []string{"counter"}, ours: []string{"config"}, std: true},
	{name: "backends", packages: []string{"backend"},
		ours: []string{"balance", "health", "counter", "config", "linux/sock"}, std: true},
	{name: "engine", packages: []string{"failover", "proxy", "probe", "lvs"},
		ours: []string{"vrrp", "h1", "sample", "balance", "health", "proxyproto", "spelling", "counter", "backend",
			"config", "script", "syslog", "linux/", "lvs/"}},
	{name: "admin", packages: []string{"admin"}, ours: []string{"proxy", "spelling", "config"}},
	{name: "process", packages: []string{"daemon"},
		ours: []string{"failover", "proxy", "backend", "lvs", "lvs/table", "probe", "admin", "syslog", "health",
			"config", "script", "linux/"}},
	{name: "command line of ipvsadm", packages: []string{"ipvsadm"}, ours: []string{"lvs/table"}, std: true},
	{name: "lab figures", packages: []string{"lab/measure"}, std: true},
	{name: "lab site", packages: []string{"lab/site"}, ours: []string{"lab/measure"}},
	{name: "lab board", packages: []string{"lab/board"}, ours: []string{"lab/measure", "lab/site"}, std: true},
	{name: "lab launcher", packages: []string{"lab/launcher"}, ours: []string{"lab/measure", "lab/site", "lab/board"}},
	{name: "command", packages: []string{"cmd/evenkeel"},
		ours: []string{"daemon", "lab/launcher", "lab/site", "config", "config/", "failover", "proxy", "admin",
			"ipvsadm", "lvs", "lvs/table", "linux/ipvs", "linux/xdp", "linux/netif", "linux/realserver"}},
	{name: "tests", packages: []string{"test/"}, ours: []string{"", "/"}},
}

// kernel are the modules through which the kernel is reached; only the edges, the
// lab (which builds networks) and tests may use them.
var kernel = []string{"golang.org/x/sys/unix", "github.com/vishvananda/netlink", "github.com/cilium/ebpf",
	"github.com/google/nftables", "github.com/mdlayher/netlink", "github.com/mdlayher/genetlink",
	"golang.org/x/net/bpf"}

var mayUseKernel = map[string]bool{"edge": true, "lab site": true, "lab launcher": true, "tests": true}

type pkg struct {
	ImportPath   string
	Dir          string
	Imports      []string
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
	TestImports  []string
	XTestImports []string
	Doc          string
}

var packages = sync.OnceValues(func() (all []pkg, err error) {
	cmd := exec.Command("go", "list", "-json", "./...")
	cmd.Dir = "../.."
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	for dec := json.NewDecoder(bytes.NewReader(out)); err == nil; {
		var p pkg
		if err = dec.Decode(&p); err == nil {
			all = append(all, p)
		}
	}
	if err == io.EOF {
		err = nil
	}
	return all, err
})

// list gives all packages.
func list(t *testing.T) []pkg {
	t.Helper()
	all, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func floorOf(path string) (floor, bool) {
	for _, f := range floors {
		for _, p := range f.packages {
			if path == p || strings.HasSuffix(p, "/") && strings.HasPrefix(path, p) {
				return f, true
			}
		}
	}
	return floor{}, false
}

func allowed(f floor, path string) bool {
	for _, o := range f.ours {
		if path == o || o == "/" || strings.HasSuffix(o, "/") && strings.HasPrefix(path, o) {
			return true
		}
	}
	return false
}

// TestFloors fails when an import breaks a floor.
func TestFloors(t *testing.T) {
	for _, p := range list(t) {
		path := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		f, ok := floorOf(path)
		if !ok {
			t.Errorf("%s stands on no floor: add it to floors, where ARCHITECTURE.md puts it", path)
			continue
		}
		for _, imp := range p.Imports {
			own, ours := strings.CutPrefix(imp, module+"/")
			switch {
			case ours && !allowed(f, own):
				t.Errorf("%s (%s) must not import %s", path, f.name, own)
			case !ours && f.std && strings.Contains(strings.Split(imp, "/")[0], "."):
				t.Errorf("%s (%s) must import nothing but the standard library: %s", path, f.name, imp)
			}
			for _, k := range kernel {
				if (imp == k || strings.HasPrefix(imp, k+"/")) && !mayUseKernel[f.name] {
					t.Errorf("%s (%s) must not reach for the kernel by itself: %s", path, f.name, imp)
				}
			}
		}
	}
}

// TestMachinesArePure: machines have no clock, no process, no goroutine.
func TestMachinesArePure(t *testing.T) {
	for _, name := range []string{"vrrp", "h1", "sample", "sample/literal", "sample/pattern", "sample/logformat",
		"balance", "health", "lvs/table", "lvs/pool", "lvs/connsync", "lab/measure", "spelling", "proxyproto"} {
		files, err := filepath.Glob(filepath.Join(root(t), name, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", name, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, imp := range parsed.Imports {
				switch path, _ := strconv.Unquote(imp.Path.Value); path {
				case "os", "net", "sync", "context", "math/rand", "math/rand/v2", "syscall", "runtime":
					t.Errorf("%s imports %s", file, path)
				}
			}
			for _, word := range []string{"time.Now", "time.After", "time.Sleep", "time.NewTimer", "\tgo ",
				"time.Since"} {
				if bytes.Contains(text, []byte(word)) {
					t.Errorf("%s uses %q", file, strings.TrimSpace(word))
				}
			}
		}
	}
}

// maxLines is how long a file may be; longer ones want to be two.
const maxLines = 600

// TestFiles checks lengths, names and package comments.
func TestFiles(t *testing.T) {
	drawers := map[string]bool{"util": true, "utils": true, "common": true, "helper": true, "helpers": true,
		"misc": true}
	for _, p := range list(t) {
		if drawers[filepath.Base(p.Dir)] {
			t.Errorf("%s is a drawer, not a noun", p.ImportPath)
		}
		if p.Doc == "" && len(p.GoFiles) > 0 {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
		for _, name := range p.GoFiles {
			if drawers[strings.TrimSuffix(name, ".go")] {
				t.Errorf("%s/%s is a drawer", p.ImportPath, name)
			}
			text, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(text, []byte("\n")); n > maxLines {
				t.Errorf("%s/%s has %d lines, more than %d", p.ImportPath, name, n, maxLines)
			}
		}
	}
}

// words gives a variable of the Makefile, as go list names packages.
func words(t *testing.T, makefile, variable string) map[string]bool {
	t.Helper()
	_, text, ok := strings.Cut(makefile, "\n"+variable+" := ")
	if !ok {
		t.Fatalf("the Makefile has no %s", variable)
	}
	named := make(map[string]bool)
	for line := range strings.Lines(text) {
		body, more := strings.CutSuffix(strings.TrimSpace(line), "\\")
		for _, word := range strings.Fields(body) {
			if other, ok := strings.CutPrefix(word, "$("); ok {
				maps.Copy(named, words(t, makefile, strings.TrimSuffix(other, ")")))
				continue
			}
			named[module+strings.TrimPrefix(word, ".")] = true
		}
		if !more {
			break
		}
	}
	return named
}

// TestTiers: what a package's tests need says to which part of `make test` it belongs: its list in the Makefile. None
// is in `make check` that makes namespaces, and each with recorded verdicts is asked for them.
func TestTiers(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	kernel, peers := words(t, string(text), "KERNEL"), words(t, string(text), "PEERS")
	for _, p := range list(t) {
		imports := slices.Concat(p.TestImports, p.XTestImports)
		if needs := slices.Contains(imports, module+"/test/netns") ||
			p.ImportPath == module+"/test/netns"; needs && !kernel[p.ImportPath] {
			t.Errorf("%s makes namespaces: add it to KERNEL in the Makefile", p.ImportPath)
		}
		if asks := slices.Contains(imports, module+"/test/peers"); asks && !peers[p.ImportPath] &&
			!kernel[p.ImportPath] {
			t.Errorf("%s has verdicts of the reference programs: add it to PEERS in the Makefile", p.ImportPath)
		}
		delete(kernel, p.ImportPath)
		delete(peers, p.ImportPath)
	}
	for path := range kernel {
		t.Errorf("the Makefile's KERNEL names %s, which is not there", path)
	}
	for path := range peers {
		t.Errorf("the Makefile's PEERS names %s, which is not there", path)
	}
}
