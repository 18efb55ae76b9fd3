package lab

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/lab/measure"
)

// message is one line of JSON on the line between the launcher and a host. Kind says which of
// the other fields mean something.
//
//	launcher -> switch   build, port
//	launcher -> host     configure, do, fetch
//	host -> launcher     ready, done, journal, unit, vrrp, stats, samples, tenures, announce, advert
type message struct {
	Kind string `json:"kind"`
	ID   int    `json:"id,omitempty"` // ties a done to the order it answers
	Err  string `json:"err,omitempty"`

	Configure *hostConfig `json:"configure,omitempty"`
	Ports     []port      `json:"ports,omitempty"`  // build: the hosts to start and wire
	Action    Action      `json:"action,omitempty"` // do
	Host      string      `json:"host,omitempty"`   // port: whose cable
	Up        bool        `json:"up,omitempty"`     // port: plugged in

	Line     *journalLine     `json:"line,omitempty"`
	Unit     *unitState       `json:"unit,omitempty"`
	VRRP     *directorState   `json:"vrrp,omitempty"`
	Stats    *proxyStats      `json:"stats,omitempty"`
	Table    *tableState      `json:"table,omitempty"` // stats of a director
	Held     *Held            `json:"held,omitempty"`  // done, of the client's long connections
	Path     string           `json:"path,omitempty"`  // fetch
	Page     *page            `json:"page,omitempty"`  // done, of a fetch
	Samples  []measure.Sample `json:"samples,omitempty"`
	Hung     []int64          `json:"hung,omitempty"` // starts of requests still waiting, ns
	Tenures  []measure.Tenure `json:"tenures,omitempty"`
	Blind    *blindSpell      `json:"blind,omitempty"` // observer
	Announce *announcement    `json:"announce,omitempty"`
	Advert   *advert          `json:"advert,omitempty"`
	At       int64            `json:"at,omitempty"` // observer: how far its view reaches, ns
}

// port is one socket of the switch and the host behind it.
type port struct {
	Host      string `json:"host"`
	Interface string `json:"interface"` // the host's name for its end of the cable
	MAC       string `json:"mac"`
}

// journalLine is one line a program of a node wrote.
type journalLine struct {
	At   int64  `json:"at"`   // ns
	Unit string `json:"unit"` // director, the web server's name, or lab
	Text string `json:"text"`
}

// unitState says how a program of a host is doing.
type unitState struct {
	Name  string `json:"name"`  // director, web, or worker
	State string `json:"state"` // one of the states of a unit; of a worker: the number of the process that is new
}

// page is a page a node fetched.
type page struct {
	Status int    `json:"status"`
	Type   string `json:"type"`
	Policy string `json:"policy,omitempty"`
	Body   []byte `json:"body"`
}

// announcement is a burst of gratuitous ARP for the address by one machine.
type announcement struct {
	At  int64  `json:"at"`  // first of the burst, ns
	MAC string `json:"mac"` // who announces
}

// advert is one VRRP advert on the wire.
type advert struct {
	At       int64  `json:"at"` // ns
	Source   string `json:"source"`
	VRID     int    `json:"vrid"`
	Priority int    `json:"priority"`
}

// blindSpell is a stretch in which the observer itself did not get to run.
type blindSpell struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// line is one end of the connection between the launcher and a host. Send may be called from
// any goroutine.
type line struct {
	conn net.Conn
	in   *bufio.Reader

	mu sync.Mutex
}

// newLine takes over f, one end of a socket pair.
func newLine(f *os.File) (*line, error) {
	conn, err := net.FileConn(f)
	f.Close()
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return &line{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}, nil
}

// linePair makes both ends of a line as files, to be passed on or taken over.
func linePair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "control"), os.NewFile(uintptr(fds[1]), "control"), nil
}

// send writes one message. The other side being gone is an error.
func (l *line) send(m message) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err = l.conn.Write(append(b, '\n'))
	return err
}

// receive waits for the next message.
func (l *line) receive() (message, error) {
	var m message
	b, err := l.in.ReadBytes('\n')
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("control message: %w", err)
	}
	return m, nil
}

// close ends the line; the other side's receive fails.
func (l *line) close() { l.conn.Close() }

// now is the instant all records of the lab share: CLOCK_MONOTONIC is one clock for every
// process and namespace of the machine.
func now() int64 {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0 // cannot happen: the clock exists since Linux 2.6
	}
	return ts.Nano()
}
