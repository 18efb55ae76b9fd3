package failover

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/test/netns"
)

// says is a proxy that answers with a word, on some ports.
func says(word string, ports ...int) string {
	conf := "defaults\n mode http\n timeout client 5s\n timeout server 5s\n timeout connect 5s\nfrontend f\n"
	for _, p := range ports {
		conf += fmt.Sprintf(" bind 10.9.0.1:%d\n", p)
	}
	return conf + fmt.Sprintf(" http-request return status 200 content-type text/plain string %s\n", word)
}

const noInstance = "global_defs {\n    router_id r\n}\n"

// whole is a node with a keepalived.conf and a haproxy.cfg; wrap stands before the program.
func whole(t *testing.T, keepalived, proxy string, wrap ...string) (*node, func(string)) {
	netns.Root(t)
	ns := netns.New(t, "w")
	netns.Bridge(t, ns)
	ns.Address("eth0", "10.9.0.1/24")
	n := newNode(t, ns, ours, keepalived)
	cfg := filepath.Join(n.dir, "haproxy.cfg")
	write := func(text string) {
		if err := os.WriteFile(cfg, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	n.write(keepalived)
	write(proxy)
	args := append(wrap, programFile, "run", "-f", n.confFile(), "-f", cfg, "--runtime-dir", n.dir)
	n.cmd = exec.Command(args[0], args[1:]...)
	n.cmd.Stdout, n.cmd.Stderr = n.log, n.log
	ns.Start(n.cmd)
	n.logged(slack, "evenkeel is running")
	return n, write
}

// get is what the proxy says on a port, or an error in words.
func (n *node) get(port int) string {
	var c net.Conn
	var err error
	n.ns.Do(func() { c, err = net.DialTimeout("tcp4", fmt.Sprintf("10.9.0.1:%d", port), slack) })
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(slack))
	fmt.Fprint(c, "GET / HTTP/1.0\r\n\r\n")
	b, err := io.ReadAll(c)
	if err != nil {
		return err.Error()
	}
	_, body, _ := strings.Cut(string(b), "\r\n\r\n")
	return body
}

// TestReloadIsAllOrNothing reloads a proxy with an election that cannot begin here: the proxy
// goes on with what it had, in its worker, on its ports, and the next reload is as good as any.
func TestReloadIsAllOrNothing(t *testing.T) {
	n, write := whole(t, noInstance, says("one", 8080), "setpriv", "--bounding-set", "-net_admin", "--inh-caps",
		"-net_admin")
	if got := n.get(8080); got != "one" {
		t.Fatalf("before: %s", got)
	}
	n.write(dialect{version: 3, advert: time.Second}.conf(1, 100))
	write(says("two", 8080, 8081))
	out, err := n.evenkeel("reload")
	if err == nil || !strings.Contains(out, "CAP_NET_ADMIN") || !strings.Contains(out, "everything goes on as before") {
		t.Fatalf("the reload says %v:\n%s", err, out)
	}
	n.logged(slack, "worker 2 (process")
	for range 20 {
		if got := n.get(8080); got != "one" {
			t.Fatalf("after a refused reload: %s", got)
		}
	}
	if got := n.get(8081); !strings.Contains(got, "refused") {
		t.Errorf("a port of the refused configuration: %s", got)
	}
	n.write(noInstance)
	if out, err := n.evenkeel("reload"); err != nil {
		t.Fatalf("the reload after it: %v\n%s", err, out)
	}
	if a, b := n.get(8080), n.get(8081); a != "two" || b != "two" {
		t.Errorf("after the next reload: %s, %s", a, b)
	}
}

// TestReloadEmptiesNothing cuts files short under a running site.
func TestReloadEmptiesNothing(t *testing.T) {
	instance := dialect{version: 3, advert: 100 * time.Millisecond}.conf(1, 100)
	n, write := whole(t, instance, says("one", 8080))
	eventually(t, slack, "it has the address", func() bool { return n.has("10.9.0.100") })
	for _, c := range []struct{ name, keepalived, proxy, want string }{
		{"both empty", "", "", "nothing in it"},
		{"one empty", "", says("two", 8080), "nothing in it"},
		{"comments", "# soon\n", says("two", 8080), "nothing in it"},
		{"nothing left", noInstance, "global\n maxconn 100\n", "--allow-empty"},
	} {
		n.write(c.keepalived)
		write(c.proxy)
		if out, err := n.evenkeel("reload"); err == nil || !strings.Contains(out, c.want) {
			t.Errorf("%s: the reload says %v:\n%s", c.name, err, out)
		}
		if got := n.get(8080); got != "one" || !n.has("10.9.0.100") {
			t.Fatalf("%s: %s, address held: %v", c.name, got, n.has("10.9.0.100"))
		}
	}
	n.write("")
	write("# gone\n")
	if out, err := n.evenkeel("reload", "--allow-empty"); err != nil {
		t.Fatalf("--allow-empty: %v\n%s", err, out)
	}
	if got := n.get(8080); !strings.Contains(got, "refused") || n.has("10.9.0.100") {
		t.Errorf("after --allow-empty: %s, address held: %v", got, n.has("10.9.0.100"))
	}
	n.write(instance)
	write(says("two", 8080))
	if out, err := n.evenkeel("reload"); err != nil {
		t.Fatalf("filled again: %v\n%s", err, out)
	}
	eventually(t, slack, "it has the address again", func() bool { return n.has("10.9.0.100") && n.get(8080) == "two" })
}
