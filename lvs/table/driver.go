package table

import "fmt"

// Driver is a forwarding plane. Its methods may be called from one goroutine at a time. Every
// error names what was asked and what would make it possible.
type Driver interface {
	Info() (Info, error)
	// Apply makes the changes in their order. At the first that fails it stops and returns a
	// [*ChangeError]; those before it are made.
	Apply([]Change) error
	// State lists all services by the order in which ipvsadm lists them, with all they have.
	State() ([]ServiceState, error)
	// Connections calls yield for each remembered flow, in no order, until it returns false.
	Connections(yield func(*Connection) bool) error
	// Zero sets the counters of one service (and its destinations) to 0, or of all for nil.
	Zero(*Key) error
	Timeouts() (Timeouts, error)
	SetTimeouts(Timeouts) error
	Daemons() ([]Daemon, error)
	StartDaemon(Daemon) error
	StopDaemon(Role) error
	Close() error // forwarding goes on
}

// Verb of a [Change].
type Verb uint8

// Verbs. Editing a destination that is not there, or adding one that is, is an error: ErrNotFound, ErrExists.
const (
	AddService Verb = iota
	EditService
	DeleteService
	AddDestination
	EditDestination
	DeleteDestination
	Flush // everything goes; Service and Destination are not looked at
)

// Change is one step. Delete looks at the Key (and the destination's Addr) only.
type Change struct {
	Verb        Verb
	Service     Service
	Destination Destination
}

// ChangeError says which change failed.
type ChangeError struct {
	Index  int // in what was given to Apply
	Change Change
	Err    error
}

func (e *ChangeError) Error() string { return e.Change.String() + ": " + e.Err.Error() }

func (e *ChangeError) Unwrap() error { return e.Err }

// Errors drivers give, for errors.Is.
var (
	ErrNotFound    = fmt.Errorf("no such service or destination")
	ErrExists      = fmt.Errorf("it exists already")
	ErrUnsupported = fmt.Errorf("not supported")
	ErrNoService   = fmt.Errorf("no such service: %w", ErrNotFound) // for a destination's change
	ErrNoScheduler = fmt.Errorf("no such scheduler or persistence engine")
)

var verbs = [...]string{"add service", "edit service", "delete service", "add destination", "edit destination",
	"delete destination", "clear the table"}

func (c Change) String() string {
	switch {
	case c.Verb == Flush:
		return verbs[c.Verb]
	case c.Verb >= AddDestination:
		return fmt.Sprintf("%s %s of %s", verbs[c.Verb], c.Destination.Addr, c.Service.Key)
	}
	return fmt.Sprintf("%s %s", verbs[c.Verb], c.Service.Key)
}
