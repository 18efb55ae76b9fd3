package proxy

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/linux/netif"
	"github.com/evenkeel/evenkeel/linux/sock"
)

// TestUNIXClient: a client of a UNIX socket is local at both ends, and its port is the listener's number.
func TestUNIXClient(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	rules := withRules(t, `http-request return status 200 content-type text/plain lf-string `+
		`"%ci:%cp %fi:%fp %[src_is_local] %[dst_is_local]"`)
	startWith(t, config.HTTP, func(p *config.Proxy) {
		rules(p)
		p.Binds[0].Path, p.Binds[0].ID = path, 77
	}, func(o *Options) {
		o.Listeners = func(*config.Bind) []int {
			fd, err := sock.ListenUnix(path, sock.ListenOptions{Backlog: 16, UID: -1, GID: -1})
			if err != nil {
				t.Fatal(err)
			}
			return []int{fd}
		}
	})
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	client := http.Client{Transport: &http.Transport{DialContext: dial}}
	defer client.CloseIdleConnections()
	r, err := client.Get("http://any/")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if body, _ := io.ReadAll(r.Body); string(body) != "unix:77 unix:77 1 1" {
		t.Errorf("a UNIX client is told %q", body)
	}
}

// TestLocalAddresses: rules ask the machine whether an address is its own.
func TestLocalAddresses(t *testing.T) {
	s := startOne(t, nil)
	is := s.engine.cores[0].ctx.IsLocal
	for _, a := range []string{"127.0.0.1", "192.0.2.77"} {
		if addr := netip.MustParseAddr(a); is == nil || is(addr) != netif.IsLocal(addr) {
			t.Errorf("rules do not ask whether %s is local", a)
		}
	}
}
