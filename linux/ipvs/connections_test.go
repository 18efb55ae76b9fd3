package ipvs

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/evenkeel/evenkeel/lvs/table"
)

const procConnections = `Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP 0A090001 9C40 0A090064 0050 0A090102 1F90 ESTABLISHED     893
UDP [fd00:0000:0000:0000:0000:0000:0000:0001] 9C40 [fd00:0000:0000:0000:0000:0000:0000:0064] 13C4 0A090102 13C4 UDP             299 sip callid@host
IP  0A090001 0000 00000007 0000 0A090102 0000 NONE             49
`

func TestReadConnections(t *testing.T) {
	want := []table.Connection{
		{Protocol: table.TCP, Client: netip.MustParseAddrPort("10.9.0.1:40000"),
			Virtual:     netip.MustParseAddrPort("10.9.0.100:80"),
			Destination: netip.MustParseAddrPort("10.9.1.2:8080"), State: table.Established,
			Expires: 893 * time.Second},
		{Protocol: table.UDP, Client: netip.MustParseAddrPort("[fd00::1]:40000"),
			Virtual:     netip.MustParseAddrPort("[fd00::64]:5060"),
			Destination: netip.MustParseAddrPort("10.9.1.2:5060"), State: table.UDPState, Expires: 299 * time.Second,
			PE: "sip", PEData: "callid@host"},
		{Client: netip.MustParseAddrPort("10.9.0.1:0"), Virtual: netip.MustParseAddrPort("0.0.0.7:0"),
			Destination: netip.MustParseAddrPort("10.9.1.2:0"), State: table.None, Expires: 49 * time.Second},
	}
	var got []table.Connection
	err := readConnections(strings.NewReader(procConnections), func(c *table.Connection) bool {
		got = append(got, *c)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); d != "" {
		t.Error(d)
	}
}

func TestReadConnectionsStops(t *testing.T) {
	n := 0
	if err := readConnections(strings.NewReader(procConnections),
		func(*table.Connection) bool { n++; return false }); err != nil || n != 1 {
		t.Errorf("%d calls, %v", n, err)
	}
}

func FuzzParseConnection(f *testing.F) {
	for line := range strings.Lines(procConnections) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		var c table.Connection
		if err := parseConnection(line, &c); err == nil &&
			(!c.Client.IsValid() || !c.Virtual.IsValid() || !c.Destination.IsValid()) {
			t.Errorf("%q: %+v", line, c)
		}
	})
}

// What Open says on a kernel without IPVS names the cure.
func TestOpenWithout(t *testing.T) {
	if Available() {
		t.Skip("this kernel has IPVS; the tests in test/ipvs use it")
	}
	_, err := Open()
	if !errors.Is(err, table.ErrUnsupported) || !strings.Contains(err.Error(), "modprobe ip_vs") {
		t.Error(err)
	}
}
