package netns

import (
	"fmt"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// Veth lays a cable between interface aName in a and bName in b and brings both ends up.
// a and b may be the same namespace.
func Veth(t testing.TB, a *NS, aName string, b *NS, bName string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = aName
	cable := &netlink.Veth{LinkAttrs: attrs, PeerName: bName}
	if a != b {
		cable.PeerNamespace = netlink.NsFd(int(b.handle))
	}
	if err := a.links.LinkAdd(cable); err != nil {
		t.Fatalf("laying a cable %s:%s to %s:%s: %v", a.Name, aName, b.Name, bName, err)
	}
	a.Up(aName)
	b.Up(bName)
	a.carries(aName)
	b.carries(bName)
}

// carries waits until an interface carries packets: the kernel makes it ready on a worker of its own some time after it
// is up, on a busy machine seconds later, and loses what is sent before.
func (n *NS) carries(name string) {
	n.t.Helper()
	for range 3000 {
		if n.Link(name).Attrs().OperState == netlink.OperUp {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	n.t.Fatalf("%s: %s carries nothing 30 s after it was brought up", n.Name, name)
}

// A Switch is a learning bridge in a namespace of its own. Member i of the call to
// [Bridge] hangs on port i.
type Switch struct {
	NS    *NS
	ports []string
}

// Bridge connects the members to a new switch. Each gets one new interface, up and
// without addresses: eth0, or the first free ethN.
func Bridge(t testing.TB, members ...*NS) *Switch {
	t.Helper()
	s := &Switch{NS: New(t, "sw")}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "br0"
	if err := s.NS.links.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
		t.Fatalf("making a bridge: %v", err)
	}
	for _, member := range members {
		s.Add(t, member)
	}
	s.NS.Up("br0")
	s.NS.carries("br0")
	return s
}

// Add connects one more member.
func (s *Switch) Add(t testing.TB, member *NS) {
	t.Helper()
	port := fmt.Sprintf("p%d", len(s.ports))
	Veth(t, s.NS, port, member, member.freeName())
	if err := s.NS.links.LinkSetMaster(s.NS.Link(port), s.NS.Link("br0")); err != nil {
		t.Fatalf("plugging %s in: %v", port, err)
	}
	s.ports = append(s.ports, port)
}

// Unplug pulls the cable of member i: both ends lose their carrier.
func (s *Switch) Unplug(i int) { s.NS.Down(s.ports[i]) }

// Plug puts the cable of member i back.
func (s *Switch) Plug(i int) { s.NS.Up(s.ports[i]) }

func (n *NS) freeName() string {
	for i := 0; ; i++ {
		name := fmt.Sprintf("eth%d", i)
		if _, err := n.links.LinkByName(name); err != nil {
			return name
		}
	}
}
