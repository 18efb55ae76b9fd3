package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// TestWhichPlane: the table that is shown and changed is the one that serves, and IPVS is not asked for, which
// would load the module, while our own plane does.
func TestWhichPlane(t *testing.T) {
	missing := fmt.Errorf("no such module: %w", table.ErrUnsupported)
	broken := errors.New("of another version")
	for _, c := range []struct {
		driver      string
		look        bool
		serving     bool
		servingErr  error
		ipvsServing bool
		ipvs        error // of opening it
		want        string
		err         error
	}{
		{driver: "auto", look: true, serving: true, want: "look"},
		{driver: "auto", serving: true, want: "xdp"},
		{driver: "auto", look: true, serving: true, ipvsServing: true, want: "say look"},
		{driver: "auto", look: true, want: "ipvs"},
		{driver: "auto", want: "ipvs"},
		{driver: "auto", look: true, ipvs: missing, want: "ipvs look"},
		{driver: "auto", ipvs: missing, want: "ipvs xdp"},
		{driver: "auto", look: true, servingErr: broken, want: "", err: broken},
		{driver: "auto", look: true, servingErr: fs.ErrPermission, want: "ipvs"},
		{driver: "ipvs", serving: true, want: "ipvs"},
		{driver: "ipvs", look: true, ipvs: missing, want: "ipvs", err: missing},
		{driver: "xdp", look: true, want: "look"},
		{driver: "xdp", want: "xdp"},
	} {
		var did []string
		opens := func(name string, err error) func() (table.Driver, error) {
			return func() (table.Driver, error) { did = append(did, name); return nil, err }
		}
		d := drivers{
			serving:     func() (bool, error) { return c.serving, c.servingErr },
			ipvsServing: func() bool { return c.ipvsServing },
			ipvs:        opens("ipvs", c.ipvs), xdp: opens("xdp", nil), look: opens("look", nil),
			say: func(string) { did = append(did, "say") },
		}
		_, err := d.open(c.driver, c.look)
		if got := strings.Join(did, " "); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%+v: it did %q, %v", c, got, err)
		}
	}
}
