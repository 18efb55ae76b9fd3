package admin

import (
	"io"
	"net"
	"time"
)

// pieceSize is how much of an answer is kept before it is sent.
const pieceSize = 16 << 10

// An answer goes to the client of a runtime socket while it is made: a piece and a row of it are all that is kept,
// however long the answers to one line are. When the client has gone, or has taken nothing for its time, the rest is
// not made.
type answer struct {
	to   io.Writer
	buf  []byte
	fate error // why nothing more is sent
}

// more sends what has gathered, if it is a piece, and says whether to go on.
func (a *answer) more() bool {
	if len(a.buf) >= pieceSize {
		a.flush()
	}
	return a.fate == nil
}

func (a *answer) flush() {
	if a.fate == nil && len(a.buf) > 0 {
		_, a.fate = a.to.Write(a.buf)
	}
	a.buf = a.buf[:0]
}

func (a *answer) text(s string) bool {
	a.buf = append(a.buf, s...)
	return a.more()
}

// Write lets fmt write an answer.
func (a *answer) Write(b []byte) (int, error) {
	a.buf = append(a.buf, b...)
	a.more()
	return len(b), a.fate
}

// patient is a connection each of whose writes has as long as timeout says at that moment.
type patient struct {
	conn    net.Conn
	timeout *time.Duration
}

func (p patient) Write(b []byte) (int, error) {
	_ = p.conn.SetWriteDeadline(time.Now().Add(*p.timeout))
	return p.conn.Write(b)
}
