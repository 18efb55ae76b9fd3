package table

import "net/netip"

// Diff gives the changes that make want of have, so that no flow is cut that need not be: new
// services and destinations first, then edits, deletions last. Services are the same by Key,
// destinations by Addr. Flags the kernel sets by itself ([Hashed]) do not count, nor does
// the granularity of services that are not persistent.
func Diff(have []ServiceState, want []Group) []Change {
	was := make(map[Key]*ServiceState, len(have))
	for i := range have {
		was[have[i].Key] = &have[i]
	}
	var out, gone []Change
	seen := make(map[Key]bool, len(want))
	for i := range want {
		w := &want[i]
		seen[w.Key] = true
		h, ok := was[w.Key]
		if !ok {
			out = append(out, Change{Verb: AddService, Service: w.Service})
			for _, d := range w.Destinations {
				out = append(out, Change{Verb: AddDestination, Service: w.Service, Destination: d})
			}
			continue
		}
		if !Same(h.Service, w.Service) {
			out = append(out, Change{Verb: EditService, Service: w.Service})
		}
		out, gone = destinations(out, gone, h, w)
	}
	for i := range have {
		if !seen[have[i].Key] {
			gone = append(gone, Change{Verb: DeleteService, Service: have[i].Service})
		}
	}
	return append(out, gone...)
}

func destinations(out, gone []Change, h *ServiceState, w *Group) (changes, later []Change) {
	at := make(map[netip.AddrPort]*Destination, len(h.Destinations))
	for i := range h.Destinations {
		at[h.Destinations[i].Addr] = &h.Destinations[i].Destination
	}
	for _, d := range w.Destinations {
		name := d.Addr
		old, ok := at[name]
		delete(at, name)
		switch {
		case !ok:
			out = append(out, Change{Verb: AddDestination, Service: w.Service, Destination: d})
		case *old != d:
			out = append(out, Change{Verb: EditDestination, Service: w.Service, Destination: d})
		}
	}
	for i := range h.Destinations {
		if _, left := at[h.Destinations[i].Addr]; left {
			gone = append(gone, Change{Verb: DeleteDestination, Service: w.Service,
				Destination: h.Destinations[i].Destination})
		}
	}
	return out, gone
}

// Same reports whether two services with the same Key are set alike.
func Same(a, b Service) bool {
	a.Flags &^= Hashed
	b.Flags &^= Hashed
	if a.Flags&Persistent == 0 && b.Flags&Persistent == 0 {
		a.Granularity, b.Granularity = 0, 0
		a.Timeout, b.Timeout = 0, 0
	}
	return a == b
}
