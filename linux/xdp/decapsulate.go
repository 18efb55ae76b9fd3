package xdp

import (
	"errors"
	"net/netip"
)

var errNotYet = errors.New("xdp: decapsulation is not built yet")

// Decapsulate unwraps packets (IPIP, IPv6 in IP, GUE on guePort) for vip that come in on interfaces, on a real
// server behind a director's tunnel, and limits the segment size it offers to clients so that wrapped packets fit.
// Pinned below dir (empty: as in [Options]); it goes on until [Recapsulate].
func Decapsulate(dir string, interfaces []string, vip netip.Addr, guePort uint16) error {
	return errNotYet
}

// Recapsulate undoes [Decapsulate] for vip; the last one takes the programs away.
func Recapsulate(dir string, vip netip.Addr) error { return errNotYet }

// Decapsulated lists the addresses [Decapsulate] is in force for.
func Decapsulated(dir string) ([]netip.Addr, error) { return nil, errNotYet }
