package syslog

import (
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/evenkeel/evenkeel/linux/sock"
)

const (
	bufferSize = 64 << 10 // lines of one turn and those kept from earlier ones
	maxPackets = 512
	// patience is how often a socket that failed is opened again.
	patience = time.Second
)

// A receiver of lines, with those that it has not got yet.
type receiver struct {
	addr    netip.AddrPort
	path    string
	fd      int
	dropped *atomic.Int64

	buffer  []byte   // lines one behind the other
	packets [][]byte // parts of buffer, one for each datagram; unused for descriptors

	file   *file
	socket *sock.Datagrams
	tried  time.Time // when the socket was last opened
}

// add puts a line into the buffer, first emptying it if there is no room.
func (r *receiver) add(f *frame, severity int, now time.Time, line []byte, longest int) {
	if r.socket == nil && r.file == nil && now.Sub(r.tried) < patience && now.After(r.tried) {
		r.dropped.Add(1)
		return
	}
	if r.full(min(len(line), longest) + mostFrame) {
		r.flush(now)
		if r.full(min(len(line), longest) + mostFrame) {
			r.dropped.Add(1)
			return
		}
	}
	start := len(r.buffer)
	r.buffer = f.append(r.buffer, severity, now)
	if len(r.buffer) == start {
		longest-- // where nothing stands in front, the end of the line counts
	}
	if room := longest - (len(r.buffer) - start); len(line) > room {
		line = line[:max(room, 0)]
	}
	r.buffer = append(append(r.buffer, line...), '\n')
	if r.file == nil {
		r.packets = append(r.packets, r.buffer[start:len(r.buffer):len(r.buffer)])
	}
}

// mostFrame is more than what stands in front of a line.
const mostFrame = 512

// hold makes room for lines of a length. It is called before the first line.
func (r *receiver) hold(longest int) {
	if need := longest + mostFrame; cap(r.buffer) < need && len(r.buffer) == 0 {
		r.buffer = make([]byte, 0, need)
	}
}

func (r *receiver) full(more int) bool {
	return len(r.buffer)+more > cap(r.buffer) || len(r.packets) == cap(r.packets)
}

// flush sends.
func (r *receiver) flush(now time.Time) {
	if r.file != nil {
		if len(r.buffer) > 0 && r.file.take(r.buffer) {
			r.buffer = r.buffer[:0]
		}
		return
	}
	if len(r.packets) == 0 {
		return
	}
	if r.fd > 0 { // a descriptor that cannot be written to
		r.drop(len(r.packets))
		return
	}
	sent := r.send(now)
	r.keep(sent)
}

// send gives how many packets are done with.
func (r *receiver) send(now time.Time) (done int) {
	for done < len(r.packets) {
		if r.socket == nil && (now.Sub(r.tried) < patience && now.After(r.tried) || !r.connect(now)) {
			r.dropped.Add(int64(len(r.packets) - done))
			return len(r.packets)
		}
		n, err := r.socket.Send(r.packets[done:])
		done += n
		switch err {
		case nil:
		case syscall.EAGAIN, syscall.ENOBUFS:
			return done
		case syscall.EMSGSIZE:
			r.dropped.Add(1)
			done++
		case syscall.ECONNREFUSED:
			if r.path == "" { // the fate of an earlier datagram
				r.dropped.Add(1)
				continue
			}
			r.disconnect()
		default:
			r.disconnect()
		}
	}
	return done
}

// keep moves the packets that were not sent to the beginning of the buffer.
func (r *receiver) keep(done int) {
	left := r.packets[done:]
	if len(left) == 0 {
		r.buffer, r.packets = r.buffer[:0], r.packets[:0]
		return
	}
	if done == 0 {
		return
	}
	moved, at := r.packets[:0], 0
	for _, packet := range left {
		n := copy(r.buffer[at:cap(r.buffer)], packet)
		moved = append(moved, r.buffer[at:at+n:at+n])
		at += n
	}
	r.buffer, r.packets = r.buffer[:at], moved
}

func (r *receiver) drop(n int) {
	r.dropped.Add(int64(n))
	r.buffer, r.packets = r.buffer[:0], r.packets[:0]
}

// connect opens the socket.
func (r *receiver) connect(now time.Time) bool {
	r.tried = now
	var err error
	if r.path != "" {
		r.socket, err = sock.DialUNIX(r.path)
	} else {
		r.socket, err = sock.DialUDP(r.addr)
	}
	if err != nil {
		r.socket = nil
	}
	return err == nil
}

func (r *receiver) disconnect() {
	if r.socket != nil {
		_ = r.socket.Close()
		r.socket = nil
	}
}
