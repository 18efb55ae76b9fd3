package keepalived

import "testing"

// TestAddressesThatAreNoSource: our checks must not come from a virtual server's address of IPv6.
func TestAddressesThatAreNoSource(t *testing.T) {
	site, diags := Parse("test.conf", []byte(`vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    virtual_ipaddress {
        fe80::1
        2001:db8::100/64
        2001:db8::101/64
    }
}
virtual_server 2001:db8::100 80 {
    lb_kind DR
    protocol TCP
    real_server 2001:db8::1 80 {
    }
}
`), Options{ID: "node1"})
	if site == nil {
		t.Fatal(diags)
	}
	for i, want := range []bool{false, true, false} {
		if a := site.Instances[0].Addresses[i]; a.NoSource != want {
			t.Errorf("%s: NoSource %v", a.Prefix, a.NoSource)
		}
	}
}
