package daemon

import (
	"testing"

	"github.com/evenkeel/evenkeel/config"
)

// TestShares: whatever the limit, connections and pipes leave what is kept for checks and operators.
func TestShares(t *testing.T) {
	keep := reserved(&config.Proxying{Proxies: []*config.Proxy{{Servers: make([]*config.Server, 20)}}}, 2, 3)
	if keep != 8+6+10+20 {
		t.Errorf("%d are kept", keep)
	}
	for _, c := range []struct {
		maxConn      int
		have         uint64
		conns, pipes int
	}{
		{0, 1500, 613, 68},
		{0, 1024, 412, 46},
		{0, 1 << 20, 100_000, 25_000},
		{0, 100, 16, 0},
		{600, 1500, 600, 81},
		{500, 1500, 500, 125},
		{400, 1500, 400, 100},
		{4000, 1500, 681, 0},
		{4000, 1 << 20, 4000, 1000},
	} {
		s := share(c.maxConn, keep, c.have)
		if s.conns != c.conns || s.pipes != c.pipes {
			t.Errorf("maxconn %d, %d descriptors: %d connections and %d pipes", c.maxConn, c.have, s.conns, s.pipes)
		}
		if used := 2*s.conns + 2*s.pipes + keep; used > int(c.have) && s.conns > 16 {
			t.Errorf("maxconn %d: %d descriptors used of %d", c.maxConn, used, c.have)
		}
	}
}
