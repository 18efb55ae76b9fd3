package ipvs

import (
	"strings"
	"testing"
)

// TestHasServices: what Linux 6.1 lists, without and with a service.
func TestHasServices(t *testing.T) {
	const headings = "IP Virtual Server version 1.2.1 (size=4096)\n" +
		"Prot LocalAddress:Port Scheduler Flags\n" +
		"  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n"
	const service = "TCP  0A090064:0050 rr  \n  -> 0A09010B:0050      Masq    1      0          0         \n"
	for list, want := range map[string]bool{"": false, headings: false, headings + service: true} {
		if got := hasServices(strings.NewReader(list)); got != want {
			t.Errorf("%v for %q", got, list)
		}
	}
}
