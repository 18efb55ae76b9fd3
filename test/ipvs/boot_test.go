//go:build !ipvsguest

package ipvs

import (
	"bufio"
	"context"
	_ "embed"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/test/binary"
)

var (
	guestRun = flag.String("guest", "", "run only the guest's tests that match this")
	planeRun = flag.String("plane", planeTests, "run only the forwarding plane's tests that match this")
	keep     = flag.Bool("keep", false, "log everything the guest prints, not only of tests that fail")
)

const (
	marker = "EVENKEEL GUEST EXIT " // and the status, from /init
	memory = "1536"                 // MiB
	kargs  = "console=ttyS0 quiet panic=-1 mitigations=off"
)

// patience is how long a machine, emulated on a busy host, may run: until shortly before go test ends this process.
func patience(t testing.TB) time.Duration {
	if t, ok := t.(*testing.T); ok {
		if end, ok := t.Deadline(); ok {
			return time.Until(end).Round(time.Second) - 30*time.Second
		}
	}
	return 25 * time.Minute
}

// inside is how long its tests may run.
func inside(t testing.TB) string {
	return fmt.Sprintf("-test.timeout=%v", patience(t)-10*time.Second)
}

// planeTests are tests of linux/xdp that run in the guest too, for what our own plane asks of an older
// kernel's verifier, of cls_bpf (there is no tcx yet) and of XDP. They begin within five minutes of boot,
// while the 32 bits of the kernel's clock are yet to wrap.
const planeTests = "TestVerifier|TestState|TestForward/_rr$|TestTunnel/type_0|TestOutlivesItsMaker|TestLease|TestFlows|" +
	"TestPersistence|TestFast/Route_v6=false_whole=true|TestMalformed|TestSweep[IKH]|TestLook|TestDoesNotStart|TestBindings/one_port"

//go:embed testdata/init
var initScript []byte

// none runs no test.
const none = "-test.run=^$"

// TestGuest boots two machines side by side, because an emulated one has one processor: the first runs the plane's
// tests, the second the guest's. Each is a subtest here.
func TestGuest(t *testing.T) {
	if testing.Short() {
		t.Skip("boots an emulated machine: not with -short")
	}
	k, image := prepare(t)
	t.Run("plane", func(t *testing.T) {
		t.Parallel()
		machine(t, k, image, nil, []string{"-test.run=" + *planeRun, none}).report(t)
	})
	t.Run("ipvs", func(t *testing.T) {
		t.Parallel()
		args := []string{none, "-test.v", "-test.parallel=16", inside(t)}
		if *guestRun != "" {
			args = append(args, "-test.run="+*guestRun)
		}
		machine(t, k, image, nil, args).report(t)
	})
}

// BenchmarkGuest is the guest's benchmark of packets, printed as it comes.
func BenchmarkGuest(b *testing.B) {
	// One nanosecond of the guest's clock is one instruction: what else the host does, and how it emulates, makes
	// no difference.
	counting := []string{"-icount", "shift=0"}
	k, image := prepare(b)
	r := machine(b, k, image, counting,
		[]string{none, none, "-test.bench=Guest", "-test.benchtime=1x", "-test.timeout=0"})
	for _, line := range r.lines {
		if text, ok := strings.CutPrefix(line, "BENCH "); ok {
			fmt.Println(text)
		}
	}
	if r.status != "0" {
		b.Errorf("the guest ended with status %q:\n%s", r.status, r.last())
	}
}

// prepare builds the guest's file system.
func prepare(t testing.TB) (k kernel, image string) {
	t.Helper()
	need(t)
	tmp := t.TempDir()
	k, err := findKernel()
	if err != nil {
		t.Fatalf("finding Debian's kernel: %v", err)
	}
	image = filepath.Join(tmp, "initramfs")
	begin := time.Now()
	if err := build(k, tmp, image); err != nil {
		t.Fatal(err)
	}
	t.Logf("kernel %s, file system built in %v", k.version, time.Since(begin).Round(100*time.Millisecond))
	return k, image
}

// need stops without the programs; make peers installs them.
func need(t testing.TB) {
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	for _, name := range []string{"qemu-system-x86_64", "busybox", "depmod", "modprobe", "ipvsadm", "keepalived",
		"apt-get", "dpkg", "ldd"} {
		if _, err := exec.LookPath(name); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" {
			t.Fatalf("needs %s (test/install-peers), and in CI nothing is skipped", name)
		}
		t.Skipf("needs %s: run test/install-peers", name)
	}
}

// build makes the guest's file system.
func build(k kernel, tmp, image string) error {
	for out, args := range map[string][]string{
		"guest.test": {"test", "-c", "-tags", "ipvsguest", "-ldflags", "-s -w", "."},
		"plane.test": {"test", "-c", "-ldflags", "-s -w", "../../linux/xdp"},
		"evenkeel":   {"build", "-ldflags", "-s -w", "../../cmd/evenkeel"},
	} {
		if out == "evenkeel" && os.Getenv(binary.Built) != "" {
			if _, err := binary.Put(tmp); err != nil {
				return err
			}
			continue
		}
		args = append([]string{args[0], "-o", filepath.Join(tmp, out)}, args[1:]...)
		cmd := exec.Command("go", args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, text)
		}
	}
	if out, err := run(".", "go", "vet", "-tags", "ipvsguest", "."); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	r := newInitramfs()
	for _, dir := range []string{"/proc", "/sys", "/dev", "/run", "/tmp", "/bin", "/sbin", "/usr/bin", "/usr/sbin",
		"/var/run", "/var/lib", "/etc"} {
		r.dir(dir)
	}
	r.add("/init", 0o755, initScript)
	for name, text := range etc {
		r.add("/etc/"+name, 0o644, []byte(text))
	}
	for _, name := range []string{"busybox", "ipvsadm", "keepalived", "ip", "tc"} {
		var err error
		if name == "busybox" {
			err = r.copy(where(name), "/bin/busybox")
		} else {
			err = r.program(name)
		}
		if err != nil {
			return err
		}
	}
	for from, to := range map[string]string{"guest.test": "/test/guest.test", "plane.test": "/test/plane.test",
		"evenkeel": "/usr/bin/evenkeel"} {
		if err := r.copy(filepath.Join(tmp, from), to); err != nil {
			return err
		}
	}
	if err := r.tree("testdata", "/test/testdata"); err != nil {
		return err
	}
	if err := k.addModules(r, tmp); err != nil {
		return err
	}
	data, err := r.archive()
	if err != nil {
		return err
	}
	return os.WriteFile(image, data, 0o600)
}

func where(name string) string {
	file, _ := exec.LookPath(name)
	return file
}

// etc are the files of names, so that listings with names have some to show.
var etc = map[string]string{
	"passwd": "root:x:0:0:root:/:/bin/sh\nkeepalived_script:x:100:100::/:/bin/sh\n",
	"group":  "root:x:0:\nkeepalived_script:x:100:\n",
	"hosts": "127.0.0.1 localhost\n::1 localhost\n10.9.0.100 www.example.org www\n10.9.1.1 " +
		"web1.example.org\nfd00:9::64 www6.example.org\nfd00:9::65 " +
		"another-name-much-longer-than-the-column.example.org\n192.0.2.55 " +
		"a-name-much-longer-than-the-column.example.org\n",
	"nsswitch.conf": "hosts: files\nservices: files\nprotocols: files\n",
	"services": "ftp 21/tcp\ndomain 53/tcp\ndomain 53/udp\nhttp 80/tcp www # WorldWideWeb\nhttps 443/tcp\nhttps " +
		"443/udp\nsip 5060/tcp\nsip 5060/udp\nhttp-alt 8080/tcp webcache\n",
	"protocols": "tcp 6 TCP\nudp 17 UDP\nsctp 132 SCTP\n",
}

// result is what the guest printed.
type result struct {
	lines  []string
	status string // of the guest's tests; empty if it never said
}

// machine boots the guest and gathers its serial console until it powers off. The first of args is the plane's
// tests', the others the guest's.
func machine(t testing.TB, k kernel, image string, options, args []string) result {
	t.Helper()
	begin := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), patience(t))
	defer cancel()
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", memory, "-smp", "1",
		"-nographic", "-nodefaults", "-no-reboot", "-serial", "stdio", "-kernel", k.image(), "-initrd", image,
		"-append", kargs+" -- "+strings.Join(args, " "))
	cmd.Args = append(cmd.Args, options...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var r result
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		line = strings.TrimRight(line, "\r\n")
		if status, ok := strings.CutPrefix(line, marker); ok {
			r.status = status
		}
		r.lines = append(r.lines, line)
		if *keep {
			fmt.Println(line)
		}
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	cmd.Wait() // says nothing: the marker does
	t.Logf("the machine ran for %v", time.Since(begin).Round(100*time.Millisecond))
	return r
}

var verdict = regexp.MustCompile(`^--- (PASS|FAIL|SKIP): (\S+) \(([0-9.]+s)\)`)

// report makes a subtest of each test of the guest.
func (r result) report(t *testing.T) {
	var text []string // of the test at hand
	n := 0
	for _, line := range r.lines {
		if strings.HasPrefix(line, "=== RUN   Test") && !strings.Contains(line, "/") {
			text = nil
		}
		text = append(text, line)
		m := verdict.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		n++
		t.Run(m[2], func(t *testing.T) {
			switch m[1] {
			case "PASS":
				for _, l := range text {
					if strings.Contains(l, "_test.go:") {
						t.Log(strings.TrimSpace(l))
					}
				}
				t.Logf("%s in the guest", m[3])
			default: // a skipped test is a failure too: the guest has all it needs
				t.Errorf("%s in the guest:\n%s", m[1], strings.Join(text, "\n"))
			}
		})
		text = nil
	}
	if r.status != "0" || n == 0 {
		t.Errorf("the guest ended with status %q after %d tests:\n%s", r.status, n, r.last())
	}
}

// last is the end of what the guest printed.
func (r result) last() string { return strings.Join(r.lines[max(0, len(r.lines)-200):], "\n") }
