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

// reconciler keeps the plane's table as desired. It knows which services are ours; those of
// others are left alone.
type reconciler struct {
	ctl    *controller
	driver table.Driver
	// ours are the desired services, with what the plane has of them as far as is known.
	ours map[table.Key]table.ServiceState
	// left are services of a run that died.
	left map[table.Key]bool
	// dirty are virtual servers whose entries may have changed.
	dirty map[*virtual]bool
	// failing: the last write failed, so the table is reconciled soon. reported: the failure has been logged.
	failing  bool
	reported string
	took     time.Duration // reading the table, the last time
}

func newReconciler(d *controller) reconciler {
	return reconciler{ctl: d, driver: d.engine.opts.Driver, ours: map[table.Key]table.ServiceState{},
		left: map[table.Key]bool{}, dirty: map[*virtual]bool{}}
}

// interval is the time until the plane's table is compared again: often enough to notice changes by
// others, never more than a hundredth of the time.
func (r *reconciler) interval() time.Duration {
	if r.failing {
		return max(time.Second, 10*r.took)
	}
	return max(5*time.Second, 100*r.took)
}

// desired is the groups of a virtual server as they should be now.
func (v *virtual) desired() []table.Group {
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
func (r *reconciler) replace(_ *config.LVS, virtuals []*virtual) error {
	state, err := r.state()
	if err != nil {
		return err
	}
	want, keys := groupsOf(virtuals)
	have := r.owned(state, keys)
	changes := table.Diff(have, want)
	if err := r.driver.Apply(changes); err != nil {
		// Back to what was, so that a reload that fails changes nothing.
		if now, failed := r.state(); failed == nil {
			before, beforeKeys := groupsOf(r.ctl.virtuals)
			maps.Copy(beforeKeys, keys)
			if failed := r.driver.Apply(table.Diff(r.owned(now, beforeKeys), before)); failed != nil {
				err = errors.Join(err, fmt.Errorf("and undoing it: %w", failed))
			}
		}
		return fmt.Errorf("lvs: %w", err)
	}
	clear(r.ours)
	clear(r.left)
	clear(r.dirty)
	for _, g := range want {
		r.record(g)
	}
	r.failing = false
	r.saveState()
	return nil
}

func groupsOf(virtuals []*virtual) (groups []table.Group, keys map[table.Key]bool) {
	keys = map[table.Key]bool{}
	for _, v := range virtuals {
		for _, g := range v.desired() {
			keys[g.Key] = true
			groups = append(groups, g)
		}
	}
	return groups, keys
}

// owned filters what is ours from a state: desired now, desired until now, or left by a run that died.
func (r *reconciler) owned(state []table.ServiceState, keys map[table.Key]bool) []table.ServiceState {
	var own []table.ServiceState
	for _, s := range state {
		_, until := r.ours[s.Key]
		if keys[s.Key] || until || r.left[s.Key] {
			own = append(own, s)
		}
	}
	return own
}

// record notes what the plane has of a service.
func (r *reconciler) record(g table.Group) {
	s := table.ServiceState{Service: g.Service}
	for _, d := range g.Destinations {
		s.Destinations = append(s.Destinations, table.DestinationState{Destination: d})
	}
	r.ours[g.Key] = s
}

func (r *reconciler) state() ([]table.ServiceState, error) {
	began := time.Now()
	state, err := r.driver.State()
	r.took = time.Since(began)
	if err != nil {
		return nil, fmt.Errorf("lvs: reading the table: %w", err)
	}
	return state, nil
}

// write makes the changes of dirty virtual servers.
func (r *reconciler) write() {
	if len(r.dirty) == 0 {
		return
	}
	var have []table.ServiceState
	var want []table.Group
	for v := range r.dirty {
		for _, g := range v.desired() {
			have = append(have, r.ours[g.Key])
			want = append(want, g)
		}
	}
	clear(r.dirty)
	changes := table.Diff(have, want)
	if len(changes) == 0 {
		return
	}
	for _, g := range want {
		r.record(g)
	}
	if err := r.driver.Apply(changes); err != nil {
		// Somebody may have changed the table: reconciling corrects it.
		r.failing = true
		r.ctl.logf(Warning, "lvs: %v; comparing the whole table", err)
		r.reconcile()
		return
	}
}

// reconcile compares the plane's table with what is desired, corrects it and logs what somebody
// else has changed.
func (r *reconciler) reconcile() {
	state, err := r.state()
	if err != nil {
		r.logFailure(err)
		return
	}
	want, keys := groupsOf(r.ctl.virtuals)
	changes := table.Diff(r.owned(state, keys), want)
	if len(changes) == 0 {
		r.failing, r.reported = false, ""
		return
	}
	if !r.failing {
		r.logChanges(changes)
	}
	if err := r.driver.Apply(changes); err != nil {
		r.logFailure(err)
		return
	}
	for _, g := range want {
		r.record(g)
	}
	r.failing, r.reported = false, ""
}

// logFailure logs a failure once, however often it comes back.
func (r *reconciler) logFailure(err error) {
	r.failing = true
	if err.Error() != r.reported {
		r.reported = err.Error()
		r.ctl.logf(Error, "%v; retrying", err)
	}
}

// maxLogged is how many foreign changes are logged one by one.
const maxLogged = 5

func (r *reconciler) logChanges(changes []table.Change) {
	for i, c := range changes {
		if i == maxLogged {
			r.ctl.logf(Warning, "and %d more", len(changes)-maxLogged)
			break
		}
		r.ctl.logf(Warning, "the table was changed by someone else; putting it right: %s", c)
	}
}

// remove takes our services away at the end.
func (r *reconciler) remove(mode config.FlushMode) error {
	var changes []table.Change
	if mode == config.FlushAll {
		changes = []table.Change{{Verb: table.Flush}}
	} else {
		for _, s := range r.ours {
			changes = append(changes, table.Change{Verb: table.DeleteService, Service: s.Service})
		}
	}
	var err error
	for len(changes) > 0 {
		failed := r.driver.Apply(changes)
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
	clear(r.ours)
	r.saveState()
	if err != nil {
		return fmt.Errorf("lvs: clearing the table: %w", err)
	}
	return nil
}

// loadState reads which services a run that died has left.
func (r *reconciler) loadState() {
	path := r.ctl.engine.opts.StateFile
	if path == "" {
		return
	}
	b, err := os.ReadFile(path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			r.ctl.logf(Warning, "lvs: %v", err)
		}
		return
	}
	var keys []table.Key
	if err := json.Unmarshal(b, &keys); err != nil {
		r.ctl.logf(Warning, "lvs: %s: %v", path, err)
		return
	}
	for _, key := range keys {
		r.left[key] = true
	}
}

// saveState records which services are ours.
func (r *reconciler) saveState() {
	path := r.ctl.engine.opts.StateFile
	if path == "" {
		return
	}
	if len(r.ours) == 0 {
		os.Remove(path)
		return
	}
	keys := slices.SortedFunc(maps.Keys(r.ours), func(a, b table.Key) int { return a.Addr.Compare(b.Addr) })
	b, err := json.Marshal(keys)
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		r.ctl.logf(Warning, "lvs: %v", err)
	}
}
