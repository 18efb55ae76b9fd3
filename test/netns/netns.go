// Package netns builds small networks of network namespaces for tests: namespaces,
// cables, switches, code that runs inside them, and a place to pin what it pins.
//
// It owns the namespaces it makes and removes them when the test ends; a run that was
// killed leaves named namespaces, which the next run sweeps away. It must never touch
// the namespace the test started in, and it knows nothing of what the tests test.
//
// A typical test:
//
//	a, b := netns.New(t, "a"), netns.New(t, "b")
//	netns.Bridge(t, a, b) // both now have eth0, up
//	a.Address("eth0", "10.9.0.1/24")
//	a.Do(func() { … })    // sockets opened here belong to a
//	b.Run("ping", "-c1", "10.9.0.1")
//
// All of it needs root; without it tests are skipped, or fail where CI=true.
package netns

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// prefix starts the name of every namespace made here; the process id follows.
const prefix = "ek"

const runDir = "/run/netns"

var counter atomic.Int64

// An NS is one network namespace of a test. Its methods fail the test on error, so they
// must be called from the test's own goroutine, except where noted.
type NS struct {
	// Name is the name `ip netns` lists, unique on the machine.
	Name string

	t      testing.TB
	handle netns.NsHandle
	links  *netlink.Handle
}

// Root skips the test unless it runs as root; where CI=true it fails instead.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("needs root for network namespaces, and in CI nothing is skipped")
	}
	t.Skip("needs root for network namespaces")
}

var sweep = sync.OnceFunc(func() {
	left, _ := filepath.Glob(filepath.Join(runDir, prefix+"*-*"))
	for _, path := range left {
		name := filepath.Base(path)
		pid, _, _ := strings.Cut(strings.TrimPrefix(name, prefix), "-")
		if strings.Trim(pid, "0123456789") != "" {
			continue // not a name of ours
		}
		if _, err := os.Stat("/proc/" + pid); os.IsNotExist(err) {
			netns.DeleteNamed(name)
		}
	}
})

// roomForFloods lets more packets wait for this machine's processors than its 1000: the queue is the machine's, not a
// namespace's, and what one test floods it with must not push another's adverts out.
var roomForFloods = sync.OnceFunc(func() {
	const path, room = "/proc/sys/net/core/netdev_max_backlog", 30_000
	if text, err := os.ReadFile(path); err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && n < room {
			_ = os.WriteFile(path, []byte(strconv.Itoa(room)), 0o644)
		}
	}
})

// New makes a namespace with lo up and IPv6 duplicate address detection off, so that
// addresses are usable at once. label only helps people who look at `ip netns`.
// The namespace goes away with the test.
func New(t testing.TB, label string) *NS {
	t.Helper()
	Root(t)
	sweep()
	roomForFloods()
	n := &NS{
		Name: fmt.Sprintf("%s%d-%d%s", prefix, os.Getpid(), counter.Add(1), label),
		t:    t,
	}
	if err := n.create(); err != nil {
		t.Fatalf("making network namespace %s: %v", n.Name, err)
	}
	t.Cleanup(n.remove)
	n.Sysctl("net/ipv6/conf/default/accept_dad", "0")
	n.Sysctl("net/ipv6/conf/all/accept_dad", "0")
	n.Up("lo")
	return n
}

func (n *NS) create() (err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		return err
	}
	defer home.Close()
	if n.handle, err = netns.NewNamed(n.Name); err != nil {
		return err
	}
	if err := netns.Set(home); err != nil {
		// The thread is lost to the wrong namespace: keep it locked so it ends with us.
		runtime.LockOSThread()
		return err
	}
	n.links, err = netlink.NewHandleAt(n.handle)
	return err
}

func (n *NS) remove() {
	if n.links != nil {
		n.links.Close()
	}
	n.handle.Close()
	if err := netns.DeleteNamed(n.Name); err != nil {
		n.t.Errorf("removing network namespace %s: %v", n.Name, err)
	}
}

// Do runs f on the calling goroutine with its thread inside the namespace. Sockets that f
// opens and processes that f starts belong to the namespace for good; goroutines that f
// starts do not (give each its own Do, which may be called from any goroutine).
// f may call t.Fatal if the test's goroutine called Do.
func (n *NS) Do(f func()) {
	n.t.Helper()
	runtime.LockOSThread()
	home, err := netns.Get()
	if err == nil {
		err = netns.Set(n.handle)
	}
	if err != nil {
		runtime.UnlockOSThread()
		panic(fmt.Sprintf("entering network namespace %s: %v", n.Name, err))
	}
	defer func() {
		if err := netns.Set(home); err != nil {
			panic(fmt.Sprintf("leaving network namespace %s: %v", n.Name, err))
		}
		home.Close()
		runtime.UnlockOSThread()
	}()
	f()
}

// Start starts cmd inside the namespace and kills it when the test ends.
func (n *NS) Start(cmd *exec.Cmd) {
	n.t.Helper()
	n.Do(func() {
		if err := cmd.Start(); err != nil {
			n.t.Fatalf("starting %s in %s: %v", cmd.Path, n.Name, err)
		}
	})
	n.t.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
}

// Run runs a program inside the namespace and returns what it printed. A failing
// program fails the test.
func (n *NS) Run(name string, args ...string) string {
	n.t.Helper()
	var out []byte
	var err error
	n.Do(func() { out, err = exec.Command(name, args...).CombinedOutput() })
	if err != nil {
		n.t.Fatalf("%s: %s %s: %v\n%s", n.Name, name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Sysctl writes a kernel setting of the namespace; key is a path below /proc/sys.
func (n *NS) Sysctl(key, value string) {
	n.t.Helper()
	n.Do(func() {
		if err := os.WriteFile(filepath.Join("/proc/sys", key), []byte(value), 0); err != nil {
			n.t.Fatalf("%s: %v", n.Name, err)
		}
	})
}

// Links returns a netlink handle inside the namespace, for what this package does not cover.
func (n *NS) Links() *netlink.Handle { return n.links }

// Link returns the interface called name.
func (n *NS) Link(name string) netlink.Link {
	n.t.Helper()
	link, err := n.links.LinkByName(name)
	if err != nil {
		n.t.Fatalf("%s: interface %s: %v", n.Name, name, err)
	}
	return link
}

// Index returns the interface index of name.
func (n *NS) Index(name string) int {
	n.t.Helper()
	return n.Link(name).Attrs().Index
}

// Up brings an interface up.
func (n *NS) Up(name string) {
	n.t.Helper()
	if err := n.links.LinkSetUp(n.Link(name)); err != nil {
		n.t.Fatalf("%s: bringing %s up: %v", n.Name, name, err)
	}
}

// Down takes an interface down.
func (n *NS) Down(name string) {
	n.t.Helper()
	if err := n.links.LinkSetDown(n.Link(name)); err != nil {
		n.t.Fatalf("%s: taking %s down: %v", n.Name, name, err)
	}
}

// Address adds an address such as 10.9.0.1/24 to an interface; IPv6 addresses are added
// without duplicate address detection.
func (n *NS) Address(name, prefix string) {
	n.t.Helper()
	addr, err := netlink.ParseAddr(prefix)
	if err != nil {
		n.t.Fatal(err)
	}
	if addr.IP.To4() == nil {
		addr.Flags = unix.IFA_F_NODAD
	}
	if err := n.links.AddrAdd(n.Link(name), addr); err != nil {
		n.t.Fatalf("%s: adding %s to %s: %v", n.Name, prefix, name, err)
	}
}
