package ipvsadm

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/evenkeel/evenkeel/lvs/table"
)

// Program is ipvsadm with what it needs of the world.
type Program struct {
	Name    string                       // as it calls itself in complaints
	Version string                       // printed by --version and --help
	Open    func() (table.Driver, error) // called once, when something may be changed
	Look    func() (table.Driver, error) // called once, when something is only listed
	Names   Names
	In      io.Reader // read by --restore only
	Out     io.Writer
	Err     io.Writer
}

// Main runs one command line, without the program's name, and returns its exit status.
func (p *Program) Main(args []string) int {
	c, err := Parse(p.Name, args, p.Names)
	if err != nil {
		return p.complain(err)
	}
	switch c.verb {
	case help:
		printHelp(p.Out, p.Name, p.Version)
		return 0
	case version:
		fmt.Fprintln(p.Out, p.Version)
		return 0
	}
	open := p.Open
	if c.verb == list || c.verb == save {
		open = p.Look
	}
	d, err := open()
	if err != nil {
		fmt.Fprintf(p.Err, "%s: %v\n", p.Name, err)
		return statusUsage
	}
	defer d.Close()
	out := bufio.NewWriter(p.Out)
	defer out.Flush()
	r := run{Program: p, d: d, out: out}
	if c.verb == restore {
		return r.restore()
	}
	return r.command(&c)
}

func (p *Program) complain(err error) int {
	fmt.Fprintln(p.Err, err)
	var u *UsageError
	if errors.As(err, &u) {
		return u.Status
	}
	return statusFailed
}

// run is a Program with its table open.
type run struct {
	*Program
	d     table.Driver
	out   *bufio.Writer
	batch []table.Change // of restore, not yet made
}

// command carries out one command at once.
func (r *run) command(c *Command) int {
	var err error
	switch c.verb {
	case list:
		return r.list(c)
	case save:
		err = r.save(c)
	case zero:
		err = r.zero(c)
	case setTimeouts:
		err = r.d.SetTimeouts(c.timeouts)
	case startDaemon:
		err = r.d.StartDaemon(c.daemon)
	case stopDaemon:
		err = r.d.StopDaemon(c.daemon.Role)
	default:
		err = r.d.Apply([]table.Change{c.change()})
	}
	if err != nil {
		fmt.Fprintln(r.Err, explain(c.verb, err))
		return statusFailed
	}
	return 0
}

func (r *run) zero(c *Command) error {
	if c.given.has(optService) {
		return r.d.Zero(&c.service.Key)
	}
	return r.d.Zero(nil)
}

// changes are the verbs that change the table.
var changes = map[verb]table.Verb{
	addService: table.AddService, editService: table.EditService, deleteService: table.DeleteService,
	addServer: table.AddDestination, editServer: table.EditDestination, deleteServer: table.DeleteDestination,
	flush: table.Flush,
}

func (c *Command) change() table.Change {
	return table.Change{Verb: changes[c.verb], Service: c.service, Destination: c.dest}
}

// restore reads commands, one a line. Changes are gathered and made in one batch, in their order;
// one that fails is complained about and the others are made; the status is that of the last
// line, as ipvsadm's. A line that makes no sense ends it.
func (r *run) restore() int {
	status := 0
	lines := bufio.NewScanner(r.In)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) > 0 && words[0] == "ipvsadm" {
			words = words[1:]
		}
		if len(words) == 0 {
			continue
		}
		c, err := Parse(r.Name, words, r.Names)
		if err == nil && c.verb == restore {
			err = tryHelp(r.Name)
		}
		if err != nil {
			r.apply()
			return r.complain(err)
		}
		if _, ok := changes[c.verb]; ok {
			r.batch = append(r.batch, c.change())
			continue
		}
		r.apply()
		switch c.verb {
		case help:
			printHelp(r.out, r.Name, r.Version)
			return 0
		case version:
			fmt.Fprintln(r.out, r.Version)
			return 0
		}
		status = r.command(&c)
	}
	if len(r.batch) > 0 {
		status = r.apply()
	}
	if err := lines.Err(); err != nil {
		return r.complain(fmt.Errorf("%s: reading commands: %w", r.Name, err))
	}
	return status
}

// apply makes what was gathered and returns the status of the last change.
func (r *run) apply() (status int) {
	left := r.batch
	r.batch = nil
	for len(left) > 0 {
		err := r.d.Apply(left)
		if err == nil {
			return 0
		}
		var ce *table.ChangeError
		if !errors.As(err, &ce) {
			fmt.Fprintln(r.Err, err)
			return statusFailed
		}
		fmt.Fprintln(r.Err, explainChange(ce.Change.Verb, err))
		left = left[ce.Index+1:]
	}
	return statusFailed
}

// explain puts an error into ipvsadm's words where it has some.
func explain(v verb, err error) string {
	if c, ok := changes[v]; ok {
		return explainChange(c, err)
	}
	switch {
	case errors.Is(err, table.ErrNotFound) && v == stopDaemon:
		return "No daemon is running"
	case errors.Is(err, table.ErrNotFound):
		return "No such service"
	case errors.Is(err, table.ErrExists):
		return "Daemon has already run"
	}
	return explainAny(err)
}

func explainChange(v table.Verb, err error) string {
	dest := v >= table.AddDestination && v <= table.DeleteDestination
	switch {
	case errors.Is(err, table.ErrNoService) && dest:
		return "Service not defined"
	case errors.Is(err, table.ErrNotFound) && dest:
		return "No such destination"
	case errors.Is(err, table.ErrNotFound):
		return "No such service"
	case errors.Is(err, table.ErrExists) && dest:
		return "Destination already exists"
	case errors.Is(err, table.ErrExists):
		return "Service already exists"
	case errors.Is(err, table.ErrNoScheduler):
		return "Scheduler or persistence engine not found"
	}
	return explainAny(err)
}

func explainAny(err error) string {
	switch {
	case errors.Is(err, syscall.ENODEV):
		return "No such device"
	case errors.Is(err, syscall.ERANGE):
		return "Numerical result out of range"
	case errors.Is(err, syscall.EINVAL):
		return "Invalid operation.  Possibly wrong module version, address not unicast, ..."
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return "Permission denied (you must be root)"
	}
	return err.Error()
}

func printHelp(w io.Writer, program, version string) {
	fmt.Fprintf(w, "%s\n\nUsage: %s COMMAND [SERVICE] [OPTION]…\n", version, program)
	for i := range spellings {
		s := &spellings[i]
		if title := helpTitles[s.long]; title != "" {
			fmt.Fprintf(w, "\n%s:\n", title)
		}
		if s.long == "" {
			continue
		}
		short := "    "
		if s.short != 0 {
			short = "-" + string(s.short) + ", "
		}
		fmt.Fprintf(w, "  %s%-32s %s\n", short, strings.TrimSpace("--"+s.long+" "+s.arg), s.help)
	}
}

// helpTitles stand before these options.
var helpTitles = map[string]string{
	"add-service": "Commands (the first option)", "tcp-service": "Services", "scheduler": "Of a service",
	"real-server": "Of a real server", "numeric": "Of listings", "mcast-interface": "Of synchronisation",
}
