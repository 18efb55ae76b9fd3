package lvs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/lvs/table"
)

// keeper keeps the plane's table as it should be. It knows which services are ours; those of
// others are left alone.
type keeper struct {
	d      *director
	driver table.Driver
	// ours are the services we want, with what the plane is believed to have.
	ours map[table.Key]table.ServiceState
	// left are services of a run that died.
	left map[table.Key]bool
	// dirty are virtual servers whose entries may have changed.
	dirty map[*virtual]bool
	// failing: the last write failed, so the table is looked at soon. reported: the failure has been logged.
	failing  bool
	reported string
	took     time.Duration // of the last look
}

func newKeeper(d *director) keeper {
	return keeper{d: d, driver: d.engine.opts.Driver, ours: map[table.Key]table.ServiceState{},
		left: map[table.Key]bool{}, dirty: map[*virtual]bool{}}
}

// pause is how long until the plane is asked for its table again: often enough to notice a
// stranger's hand, never more than a hundredth of the time.
func (k *keeper) pause() time.Duration {
	if k.failing {
		return max(time.Second, 10*k.took)
	}
	return max(5*time.Second, 100*k.took)
}

// wanted is the groups of a virtual server as they should be now.
func (v *virtual) wanted() []table.Group {
	var entries []table.Destination
	at := map[netip.AddrPort]int{}
	for i, s := range v.servers {
		if weight, ok := v.pool.Entry(i); ok {
			dest := s.cfg.Destination
			dest.Weight = weight
			at[dest.Addr] = len(entries)
			entries = append(entries, dest)
		}
	}
	if v.cfg.Sorry != nil {
		dest := v.cfg.Sorry.Destination
		if weight, ok := v.pool.SorryEntry(dest.Weight); ok {
			dest.Weight = weight
			if i, too := at[dest.Addr]; !too {
				entries = append(entries, dest)
			} else if weight > 0 && entries[i].Weight == 0 { // it is one of the servers, inhibited
				entries[i] = dest
			}
		}
	}
	var groups []table.Group
	for _, key := range v.cfg.Keys {
		s := v.cfg.Template
		s.Key = key
		groups = append(groups, table.Group{Service: s, Destinations: ported(entries, key)})
	}
	return groups
}

// ported gives destinations the ports they have behind a service: theirs with NAT if they are written with one,
// else the service's, which a mark has not.
func ported(entries []table.Destination, key table.Key) []table.Destination {
	out := slices.Clone(entries)
	for i := range out {
		d := &out[i]
		switch {
		case d.Method == table.NAT && d.Addr.Port() != 0:
		case key.Mark != 0:
			d.Addr = netip.AddrPortFrom(d.Addr.Addr(), 0)
		default:
			d.Addr = netip.AddrPortFrom(d.Addr.Addr(), key.Addr.Port())
		}
	}
	return out
}

// replace makes the table that of other virtual servers. It compares with what the plane
// really has, so nothing that is right already is touched.
func (k *keeper) replace(_ *config.Directing, virtuals []*virtual) error {
	state, err := k.state()
	if err != nil {
		return err
	}
	want, keys := groupsOf(virtuals)
	have := k.own(state, keys)
	changes := table.Diff(have, want)
	if err := k.driver.Apply(changes); err != nil {
		// Back to what was, so that a reload that fails changes nothing.
		if now, failed := k.state(); failed == nil {
			before, beforeKeys := groupsOf(k.d.virtuals)
			maps.Copy(beforeKeys, keys)
			if failed := k.driver.Apply(table.Diff(k.own(now, beforeKeys), before)); failed != nil {
				err = errors.Join(err, fmt.Errorf("and undoing it: %w", failed))
			}
		}
		return fmt.Errorf("lvs: %w", err)
	}
	clear(k.ours)
	clear(k.left)
	clear(k.dirty)
	for _, g := range want {
		k.believe(g)
	}
	k.failing = false
	k.writeDown()
	return nil
}

func groupsOf(virtuals []*virtual) (groups []table.Group, keys map[table.Key]bool) {
	keys = map[table.Key]bool{}
	for _, v := range virtuals {
		for _, g := range v.wanted() {
			keys[g.Key] = true
			groups = append(groups, g)
		}
	}
	return groups, keys
}

// own leaves of a state what is ours: wanted now, wanted until now, or left by a run that died.
func (k *keeper) own(state []table.ServiceState, keys map[table.Key]bool) []table.ServiceState {
	var own []table.ServiceState
	for _, s := range state {
		_, until := k.ours[s.Key]
		if keys[s.Key] || until || k.left[s.Key] {
			own = append(own, s)
		}
	}
	return own
}

// believe notes what the plane has of a service.
func (k *keeper) believe(g table.Group) {
	s := table.ServiceState{Service: g.Service}
	for _, d := range g.Destinations {
		s.Destinations = append(s.Destinations, table.DestinationState{Destination: d})
	}
	k.ours[g.Key] = s
}

func (k *keeper) state() ([]table.ServiceState, error) {
	began := time.Now()
	state, err := k.driver.State()
	k.took = time.Since(began)
	if err != nil {
		return nil, fmt.Errorf("lvs: reading the table: %w", err)
	}
	return state, nil
}

// write makes the changes of dirty virtual servers.
func (k *keeper) write() {
	if len(k.dirty) == 0 {
		return
	}
	var have []table.ServiceState
	var want []table.Group
	for v := range k.dirty {
		for _, g := range v.wanted() {
			have = append(have, k.ours[g.Key])
			want = append(want, g)
		}
	}
	clear(k.dirty)
	changes := table.Diff(have, want)
	if len(changes) == 0 {
		return
	}
	for _, g := range want {
		k.believe(g)
	}
	if err := k.driver.Apply(changes); err != nil {
		// Somebody may have changed what we believed in: the next look puts it right.
		k.failing = true
		k.d.logf(Warning, "lvs: %v; the table is looked at again", err)
		k.look()
		return
	}
}

// look compares the plane's table with what it should be, and puts right and tells what somebody
// else has changed.
func (k *keeper) look() {
	state, err := k.state()
	if err != nil {
		k.complain(err)
		return
	}
	want, keys := groupsOf(k.d.virtuals)
	changes := table.Diff(k.own(state, keys), want)
	if len(changes) == 0 {
		k.failing, k.reported = false, ""
		return
	}
	if !k.failing {
		k.tellChanges(changes)
	}
	if err := k.driver.Apply(changes); err != nil {
		k.complain(err)
		return
	}
	for _, g := range want {
		k.believe(g)
	}
	k.failing, k.reported = false, ""
}

// complain logs a failure once, however often it comes back.
func (k *keeper) complain(err error) {
	k.failing = true
	if err.Error() != k.reported {
		k.reported = err.Error()
		k.d.logf(Error, "%v; it is tried again", err)
	}
}

// mostTold is how many foreign changes are told one by one.
const mostTold = 5

func (k *keeper) tellChanges(changes []table.Change) {
	for i, c := range changes {
		if i == mostTold {
			k.d.logf(Warning, "and %d more", len(changes)-mostTold)
			break
		}
		k.d.logf(Warning, "the table was changed by someone else; putting it right: %s", c)
	}
}

// remove takes our services away at the end.
func (k *keeper) remove(mode config.FlushMode) error {
	var changes []table.Change
	if mode == config.FlushAll {
		changes = []table.Change{{Verb: table.Flush}}
	} else {
		for _, s := range k.ours {
			changes = append(changes, table.Change{Verb: table.DeleteService, Service: s.Service})
		}
	}
	var err error
	for len(changes) > 0 {
		failed := k.driver.Apply(changes)
		if failed == nil {
			break
		}
		var at *table.ChangeError
		if !errors.As(failed, &at) {
			err = failed
			break
		}
		if !errors.Is(failed, table.ErrNotFound) { // someone was faster
			err = failed
		}
		changes = changes[at.Index+1:]
	}
	clear(k.ours)
	k.writeDown()
	if err != nil {
		return fmt.Errorf("lvs: clearing the table: %w", err)
	}
	return nil
}

// recall reads what a run that died has left.
func (k *keeper) recall() {
	path := k.d.engine.opts.StateFile
	if path == "" {
		return
	}
	b, err := os.ReadFile(path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			k.d.logf(Warning, "lvs: %v", err)
		}
		return
	}
	var keys []table.Key
	if err := json.Unmarshal(b, &keys); err != nil {
		k.d.logf(Warning, "lvs: %s: %v", path, err)
		return
	}
	for _, key := range keys {
		k.left[key] = true
	}
}

// writeDown notes which services are ours.
func (k *keeper) writeDown() {
	path := k.d.engine.opts.StateFile
	if path == "" {
		return
	}
	if len(k.ours) == 0 {
		os.Remove(path)
		return
	}
	keys := slices.SortedFunc(maps.Keys(k.ours), func(a, b table.Key) int { return a.Addr.Compare(b.Addr) })
	b, err := json.Marshal(keys)
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		k.d.logf(Warning, "lvs: %v", err)
	}
}
