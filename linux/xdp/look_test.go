package xdp

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/lvs/table"
	"github.com/evenkeel/evenkeel/test/netns"
)

// without calls f on a thread of a namespace that lacks capabilities.
func without(t *testing.T, ns *netns.NS, capabilities uint32, f func() error) error {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		ns.Do(func() {
			done <- func() error {
				head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
				var caps [2]unix.CapUserData
				if err := unix.Capget(&head, &caps[0]); err != nil {
					return err
				}
				all := caps
				caps[0].Effective &^= capabilities
				if err := unix.Capset(&head, &caps[0]); err != nil {
					return err
				}
				defer unix.Capset(&head, &all[0])
				return f()
			}()
		})
	}()
	return <-done
}

// loading is what a thread lacks that may make tables and not load a program of the network's, as where the host
// refuses such programs.
const loading = 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_SYS_ADMIN

// left lists what is pinned in a directory.
func left(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	// the kernel's own
	return slices.DeleteFunc(all, func(path string) bool { return strings.HasSuffix(path, ".debug") })
}

// TestDoesNotStart: a plane that does not start leaves nothing behind, and where it cannot, looking and taking away
// work.
func TestDoesNotStart(t *testing.T) {
	ns := netns.New(t, "n")
	ns.Run("ip", "link", "add", "s0", "type", "veth", "peer", "name", "s1")
	ns.Up("s0")
	dir := filepath.Join(netns.BPFFS(t), "plane")
	if err := os.Mkdir(dir, 0o700); err != nil { // of the tests' bpffs
		t.Fatal(err)
	}
	open := func(interfaces ...string) error {
		p, err := Open(Options{Dir: dir, TableSize: 1024, Mode: TC, Interfaces: interfaces})
		if err == nil {
			p.Close()
		}
		return err
	}
	err := without(t, ns, loading, func() error { return open() })
	var refused *refusal
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
		t.Errorf("without rights: %v", err)
	}
	if all := left(t, dir); len(all) > 0 {
		t.Errorf("left behind by a plane that did not start: %v", all)
	}
	ns.Do(func() {
		if err := open("nosuch0"); err == nil || !strings.Contains(err.Error(), "nosuch0") {
			t.Errorf("on an interface that is not there: %v", err)
		}
	})
	if all := left(t, dir); len(all) > 0 {
		t.Errorf("left behind by a plane on an interface that is not there: %v", all)
	}
	err = without(t, ns, loading, func() error {
		d, err := Look(dir)
		if err != nil {
			return err
		}
		defer d.Close()
		if state, err := d.State(); err != nil || len(state) != 0 {
			t.Errorf("looking where there is nothing: %v, %v", state, err)
		}
		if err := d.Apply([]table.Change{{Verb: table.Flush}}); err == nil {
			t.Error("what is not there was changed")
		}
		if serves, err := Serving(dir); serves || err != nil {
			t.Errorf("serving where there is nothing: %v, %v", serves, err)
		}
		return Remove(dir)
	})
	if err != nil {
		t.Error(err)
	}
	if all := left(t, filepath.Dir(dir)); len(all) > 0 {
		t.Errorf("left behind by looking: %v", all)
	}
}

// lookAt looks at a plane as one who could not start it.
func lookAt(t *testing.T, b *bench, dir string, f func(table.Driver)) {
	t.Helper()
	if err := without(t, b.ns, loading, func() error {
		d, err := Look(dir)
		if err == nil {
			f(d)
			err = d.Close()
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func isServing(t *testing.T, ns *netns.NS, dir string, want bool) {
	t.Helper()
	ns.Do(func() {
		if serves, err := Serving(dir); serves != want || err != nil {
			t.Errorf("serving: %v, %v", serves, err)
		}
	})
}

// TestLook: a plane that runs can be looked at and taken away by who could not start it.
func TestLook(t *testing.T) {
	b := newBench(t, 1024)
	dir := b.p.pins.dir
	look := func(f func(table.Driver)) { t.Helper(); lookAt(t, b, dir, f) }
	serving := func(want bool) { t.Helper(); isServing(t, b.ns, dir, want) }
	serving(false)
	s := b.service(table.TCP, false, 80, "rr", 0, table.Direct, 1, 1)
	serving(true)
	b.send(tcpFrame(client(1, false), s.Addr, syn))
	before := left(t, dir)
	look(func(d table.Driver) {
		state, err := d.State()
		if err != nil || len(state) != 1 || len(state[0].Destinations) != 2 {
			t.Errorf("the state: %+v, %v", state, err)
		}
		n := 0
		if err := d.Connections(func(*table.Connection) bool { n++; return true }); err != nil || n != 1 {
			t.Errorf("%d connections, %v", n, err)
		}
	})
	if after := left(t, dir); len(after) != len(before) {
		t.Errorf("looking changed what is pinned from %v to %v", before, after)
	}
	// Of a namespace that is gone, whose number this one has got.
	isServing(t, netns.New(t, "o"), dir, false)
	b.ns.Do(func() {
		if err := Remove(dir); err != nil {
			t.Error(err)
		}
	})
	if all := left(t, dir); len(all) > 0 {
		t.Errorf("not taken away: %v", all)
	}
	if v, _ := b.send(tcpFrame(client(1, false), s.Addr, ack)); v == 0 {
		t.Error("the test's own descriptor should still run the program")
	}
	if out := b.ns.Run("ip", "-d", "link", "show", "s0"); strings.Contains(out, "prog/") {
		t.Errorf("a program still hangs there:\n%s", out)
	}
	look(func(d table.Driver) {
		if state, err := d.State(); err != nil || len(state) != 0 {
			t.Errorf("the state of what was taken away: %+v, %v", state, err)
		}
	})
}

// TestDecapsulateDoesNotStart: the real server's side that does not start leaves nothing behind, and there is
// nothing to take away.
func TestDecapsulateDoesNotStart(t *testing.T) {
	ns := netns.New(t, "n")
	ns.Run("ip", "link", "add", "s0", "type", "veth", "peer", "name", "s1")
	ns.Up("s0")
	parent := netns.BPFFS(t)
	dir := filepath.Join(parent, "plane")
	err := without(t, ns, loading, func() error { return Decapsulate(dir, nil, vip4, 0) })
	var refused *refusal
	if !errors.As(err, &refused) {
		t.Errorf("without rights: %v", err)
	}
	if all := left(t, parent); len(all) > 0 {
		t.Errorf("left behind: %v", all)
	}
	if err := without(t, ns, loading, func() error {
		if all, err := Decapsulated(dir); err != nil || len(all) > 0 {
			t.Errorf("in force for %v, %v", all, err)
		}
		return Recapsulate(dir, vip4)
	}); err != nil {
		t.Error(err)
	}
	if all := left(t, parent); len(all) > 0 {
		t.Errorf("left behind by taking away: %v", all)
	}
	ns.Do(func() {
		if err := Decapsulate(dir, nil, vip4, 0); err != nil {
			t.Fatal(err)
		}
		if err := Recapsulate(dir, vip4); err != nil {
			t.Fatal(err)
		}
	})
	if all := left(t, parent); len(all) > 0 {
		t.Errorf("left behind in the end: %v", all)
	}
}

// TestFormerPins: what versions before pinned is unpinned when their programs are replaced, and their flows stay,
// with destinations whose blocks they did not pin.
func TestFormerPins(t *testing.T) {
	b := newBench(t, 1024)
	s := b.service(table.TCP, false, 80, "rr", 0, table.Direct, 1, 1)
	b.send(tcpFrame(client(1, false), s.Addr, syn))
	b.send(tcpFrame(client(1, false), s.Addr, ack))
	dir := b.p.pins.dir
	for _, name := range formerPins {
		former, err := b.p.programs[programProgPlaneNow].Clone()
		if err == nil {
			err = former.Pin(filepath.Join(dir, name))
		}
		if err != nil {
			t.Fatal(err)
		}
		former.Close()
	}
	for _, name := range []string{destsPin + "0", countsPin + "0"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	b.p.settings.build = 1
	b.ns.Do(func() {
		next, err := Open(Options{Dir: dir, TableSize: 1024, Mode: TC, Interfaces: []string{"s0"}})
		if err != nil {
			t.Fatal(err)
		}
		defer next.Close()
		n := 0
		if err := next.Connections(func(*table.Connection) bool { n++; return true }); err != nil || n != 1 {
			t.Errorf("%d connections, %v", n, err)
		}
	})
	for _, path := range left(t, dir) {
		if slices.Contains(formerPins, filepath.Base(path)) {
			t.Errorf("%s is pinned still", path)
		}
	}
}
