package netns

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

func TestBridgeConnects(t *testing.T) {
	a, b := New(t, "a"), New(t, "b")
	s := Bridge(t, a, b)
	a.Address("eth0", "10.77.0.1/24")
	b.Address("eth0", "10.77.0.2/24")
	var l net.Listener
	a.Do(func() {
		var err error
		if l, err = net.Listen("tcp", "10.77.0.1:80"); err != nil {
			t.Fatal(err)
		}
	})
	defer l.Close()
	const patience = 30 * time.Second
	dial := func(timeout time.Duration) (err error) {
		b.Do(func() {
			var c net.Conn
			if c, err = net.DialTimeout("tcp", "10.77.0.1:80", timeout); err == nil {
				c.Close()
			}
		})
		return err
	}
	if err := dial(patience); err != nil {
		t.Error(err)
	}
	s.Unplug(0)
	if err := dial(100 * time.Millisecond); err == nil {
		t.Error("an unplugged member can be reached")
	}
	s.Plug(0)
	if err := dial(patience); err != nil {
		t.Error(err)
	}
	if out := b.Run("ip", "-br", "link"); !strings.Contains(out, "eth0") {
		t.Errorf("ip link inside the namespace says:\n%s", out)
	}
}

func TestNamespaceIsRemoved(t *testing.T) {
	var name string
	t.Run("inner", func(t *testing.T) { name = New(t, "x").Name })
	if _, err := os.Stat(runDir + "/" + name); name != "" && !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", name, err)
	}
}
