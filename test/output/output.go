// Package output keeps what a program under test says, so that it can be read while the program runs.
package output

import (
	"bytes"
	"sync"
)

// Buffer takes what a program writes, with all its runs one after the other. The zero value is empty; any goroutine may
// write and read.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write adds p.
func (o *Buffer) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

// String is everything so far.
func (o *Buffer) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
