package loop

// Buffers is a stock of equal buffers for the use of one thread. It keeps what is
// given back, up to a bound, so that a warm loop does not allocate; the last one given
// back, whose memory is still in the processor's cache, is the first to go.
type Buffers struct {
	size, keep int
	used       int
	free       [][]byte
}

// NewBuffers stocks buffers of size bytes, at most keep of them unused.
func NewBuffers(size, keep int) *Buffers { return &Buffers{size: size, keep: keep} }

// Size is the capacity of each buffer.
func (b *Buffers) Size() int { return b.size }

// Used is how many buffers are out.
func (b *Buffers) Used() int { return b.used }

// Get returns an empty buffer with the stock's capacity. Its old content may show beyond its length.
func (b *Buffers) Get() []byte {
	b.used++
	if n := len(b.free); n > 0 {
		buf := b.free[n-1]
		b.free = b.free[:n-1]
		return buf[:0]
	}
	return make([]byte, 0, b.size)
}

// Put gives a buffer back; one of another capacity is left to the garbage collector.
func (b *Buffers) Put(buf []byte) {
	if cap(buf) != b.size {
		return
	}
	b.used--
	if len(b.free) < b.keep {
		b.free = append(b.free, buf[:0])
	}
}
