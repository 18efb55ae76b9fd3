package sock

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// starved is a listener without descriptors for some time.
type starved struct {
	until  time.Time
	tries  int
	closed chan struct{}
}

func (s *starved) Accept() (net.Conn, error) {
	s.tries++
	select {
	case <-s.closed:
		return nil, net.ErrClosed
	default:
	}
	if time.Now().Before(s.until) {
		errno := []syscall.Errno{syscall.EMFILE, syscall.ENFILE}[s.tries%2]
		return nil, &net.OpError{Op: "accept", Net: "unix", Err: os.NewSyscallError("accept4", errno)}
	}
	conn, _ := net.Pipe()
	return conn, nil
}
func (s *starved) Close() error   { close(s.closed); return nil }
func (s *starved) Addr() net.Addr { return &net.UnixAddr{} }

// TestPatient: a lack of descriptors neither ends an accept loop nor makes it spin, and is told once per cause.
func TestPatient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &starved{until: time.Now().Add(time.Minute), closed: make(chan struct{})}
		var told []error
		l := Patient(s, func(err error) { told = append(told, err) })
		if _, err := l.Accept(); err != nil {
			t.Fatal(err)
		}
		if time.Since(s.until) > acceptPauseMax || s.tries > 100 {
			t.Errorf("accepted %v later, after %d tries", time.Since(s.until), s.tries)
		}
		if len(told) != 2 {
			t.Errorf("%v", told)
		}
		s.until = time.Now().Add(time.Hour)
		ended := make(chan error)
		go func() { _, err := l.Accept(); ended <- err }()
		time.Sleep(time.Minute)
		l.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}
