package site

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

// Message is one line of JSON on the line between the launcher and a host. Kind says which of
// the other fields mean something.
//
//	launcher -> switch   build, port
//	launcher -> host     configure, do, fetch
//	host -> launcher     ready, done, journal, unit, vrrp, stats, samples, tenures, announce, advert
type Message struct {
	Kind string `json:"kind"`
	ID   int    `json:"id,omitempty"` // ties a done to the order it answers
	Err  string `json:"err,omitempty"`

	Configure *HostConfig `json:"configure,omitempty"`
	Ports     []Port      `json:"ports,omitempty"`  // build: the hosts to start and wire
	Action    Action      `json:"action,omitempty"` // do
	Host      string      `json:"host,omitempty"`   // port: whose cable
	Up        bool        `json:"up,omitempty"`     // port: plugged in

	Line     *JournalLine     `json:"line,omitempty"`
	Unit     *UnitState       `json:"unit,omitempty"`
	VRRP     *DirectorState   `json:"vrrp,omitempty"`
	Stats    *ProxyStats      `json:"stats,omitempty"`
	Table    *TableState      `json:"table,omitempty"` // stats of a director
	Held     *Held            `json:"held,omitempty"`  // done, of the client's long connections
	Path     string           `json:"path,omitempty"`  // fetch
	Page     *WebPage         `json:"page,omitempty"`  // done, of a fetch
	Samples  []measure.Sample `json:"samples,omitempty"`
	Hung     []int64          `json:"hung,omitempty"` // starts of requests still waiting, ns
	Tenures  []measure.Tenure `json:"tenures,omitempty"`
	Blind    *BlindSpell      `json:"blind,omitempty"` // observer
	Announce *Announcement    `json:"announce,omitempty"`
	Advert   *Advert          `json:"advert,omitempty"`
	At       int64            `json:"at,omitempty"` // observer: how far its view reaches, ns
}

// Port is one socket of the switch and the host behind it.
type Port struct {
	Host      string `json:"host"`
	Interface string `json:"interface"` // the host's name for its end of the cable
	MAC       string `json:"mac"`
}

// JournalLine is one line a program of a node wrote.
type JournalLine struct {
	At   int64  `json:"at"`   // ns
	Unit string `json:"unit"` // director, the web server's name, or lab
	Text string `json:"text"`
}

// UnitState says how a program of a host is doing.
type UnitState struct {
	Name  string `json:"name"`  // director, web, or worker
	State string `json:"state"` // one of the states of a unit; of a worker: the number of the process that is new
}

// WebPage is a page a node fetched.
type WebPage struct {
	Status int    `json:"status"`
	Type   string `json:"type"`
	Policy string `json:"policy,omitempty"`
	Body   []byte `json:"body"`
}

// Announcement is a burst of gratuitous ARP for the address by one machine.
type Announcement struct {
	At  int64  `json:"at"`  // first of the burst, ns
	MAC string `json:"mac"` // who announces
}

// Advert is one VRRP advert on the wire.
type Advert struct {
	At       int64  `json:"at"` // ns
	Source   string `json:"source"`
	VRID     int    `json:"vrid"`
	Priority int    `json:"priority"`
}

// BlindSpell is a stretch in which the observer itself did not get to run.
type BlindSpell struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// Line is one end of the connection between the launcher and a host. Send may be called from
// any goroutine.
type Line struct {
	conn net.Conn
	in   *bufio.Reader

	mu sync.Mutex
}

// NewLine takes over f, one end of a socket pair.
func NewLine(f *os.File) (*Line, error) {
	conn, err := net.FileConn(f)
	f.Close()
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return &Line{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}, nil
}

// LinePair makes both ends of a line as files, to be passed on or taken over.
func LinePair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "control"), os.NewFile(uintptr(fds[1]), "control"), nil
}

// Send writes one message. The other side being gone is an error.
func (l *Line) Send(m Message) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err = l.conn.Write(append(b, '\n'))
	return err
}

// Receive waits for the next message.
func (l *Line) Receive() (Message, error) {
	var m Message
	b, err := l.in.ReadBytes('\n')
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("control message: %w", err)
	}
	return m, nil
}

// Close ends the line; the other side's receive fails.
func (l *Line) Close() { l.conn.Close() }

// Now is the instant all records of the lab share: CLOCK_MONOTONIC is one clock for every
// process and namespace of the machine.
func Now() int64 {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0 // cannot happen: the clock exists since Linux 2.6
	}
	return ts.Nano()
}
