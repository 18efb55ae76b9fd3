package sock

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// Patient gives l an Accept that ends only when the listener is closed: a connection that was gone before it was
// accepted and a lack of descriptors or memory pass. It waits meanwhile, a second at most, so that it neither dies nor
// takes a processor. failed is called once for each cause.
func Patient(l net.Listener, failed func(error)) net.Listener {
	return &patient{Listener: l, failed: failed, known: make(map[error]bool), closed: make(chan struct{})}
}

// The pauses after a failed accept.
const (
	acceptPause    = 5 * time.Millisecond
	acceptPauseMax = time.Second
)

type patient struct {
	net.Listener
	failed func(error)
	once   sync.Once
	closed chan struct{}

	mu    sync.Mutex
	known map[error]bool
}

// Accept waits for the next connection.
func (p *patient) Accept() (net.Conn, error) {
	for pause := acceptPause; ; pause = min(2*pause, acceptPauseMax) {
		conn, err := p.Listener.Accept()
		if err == nil || errors.Is(err, net.ErrClosed) {
			return conn, err
		}
		p.complain(err)
		select {
		case <-time.After(pause):
		case <-p.closed:
			return nil, net.ErrClosed
		}
	}
}

func (p *patient) complain(err error) {
	cause := error(syscall.EIO)
	var errno syscall.Errno
	if errors.As(err, &errno) {
		cause = errno
	}
	p.mu.Lock()
	known := p.known[cause]
	p.known[cause] = true
	p.mu.Unlock()
	if !known {
		p.failed(err)
	}
}

// Close ends Accept, too.
func (p *patient) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.Listener.Close()
}
