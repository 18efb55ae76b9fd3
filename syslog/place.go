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

// A place is a receiver of lines, with those that it has not got yet.
type place struct {
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
func (p *place) add(f *frame, severity int, now time.Time, line []byte, longest int) {
	if p.socket == nil && p.file == nil && now.Sub(p.tried) < patience && now.After(p.tried) {
		p.dropped.Add(1)
		return
	}
	if p.full(min(len(line), longest) + mostFrame) {
		p.flush(now)
		if p.full(min(len(line), longest) + mostFrame) {
			p.dropped.Add(1)
			return
		}
	}
	start := len(p.buffer)
	p.buffer = f.append(p.buffer, severity, now)
	if len(p.buffer) == start {
		longest-- // where nothing stands in front, the end of the line counts
	}
	if room := longest - (len(p.buffer) - start); len(line) > room {
		line = line[:max(room, 0)]
	}
	p.buffer = append(append(p.buffer, line...), '\n')
	if p.file == nil {
		p.packets = append(p.packets, p.buffer[start:len(p.buffer):len(p.buffer)])
	}
}

// mostFrame is more than what stands in front of a line.
const mostFrame = 512

// hold makes room for lines of a length. It is called before the first line.
func (p *place) hold(longest int) {
	if need := longest + mostFrame; cap(p.buffer) < need && len(p.buffer) == 0 {
		p.buffer = make([]byte, 0, need)
	}
}

func (p *place) full(more int) bool {
	return len(p.buffer)+more > cap(p.buffer) || len(p.packets) == cap(p.packets)
}

// flush sends.
func (p *place) flush(now time.Time) {
	if p.file != nil {
		if len(p.buffer) > 0 && p.file.take(p.buffer) {
			p.buffer = p.buffer[:0]
		}
		return
	}
	if len(p.packets) == 0 {
		return
	}
	if p.fd > 0 { // a descriptor that cannot be written to
		p.drop(len(p.packets))
		return
	}
	sent := p.send(now)
	p.keep(sent)
}

// send gives how many packets are done with.
func (p *place) send(now time.Time) (done int) {
	for done < len(p.packets) {
		if p.socket == nil && (now.Sub(p.tried) < patience && now.After(p.tried) || !p.connect(now)) {
			p.dropped.Add(int64(len(p.packets) - done))
			return len(p.packets)
		}
		n, err := p.socket.Send(p.packets[done:])
		done += n
		switch err {
		case nil:
		case syscall.EAGAIN, syscall.ENOBUFS:
			return done
		case syscall.EMSGSIZE:
			p.dropped.Add(1)
			done++
		case syscall.ECONNREFUSED:
			if p.path == "" { // the fate of an earlier datagram
				p.dropped.Add(1)
				continue
			}
			p.disconnect()
		default:
			p.disconnect()
		}
	}
	return done
}

// keep moves the packets that were not sent to the beginning of the buffer.
func (p *place) keep(done int) {
	left := p.packets[done:]
	if len(left) == 0 {
		p.buffer, p.packets = p.buffer[:0], p.packets[:0]
		return
	}
	if done == 0 {
		return
	}
	moved, at := p.packets[:0], 0
	for _, packet := range left {
		n := copy(p.buffer[at:cap(p.buffer)], packet)
		moved = append(moved, p.buffer[at:at+n:at+n])
		at += n
	}
	p.buffer, p.packets = p.buffer[:at], moved
}

func (p *place) drop(n int) {
	p.dropped.Add(int64(n))
	p.buffer, p.packets = p.buffer[:0], p.packets[:0]
}

// connect opens the socket.
func (p *place) connect(now time.Time) bool {
	p.tried = now
	var err error
	if p.path != "" {
		p.socket, err = sock.DialUNIX(p.path)
	} else {
		p.socket, err = sock.DialUDP(p.addr)
	}
	if err != nil {
		p.socket = nil
	}
	return err == nil
}

func (p *place) disconnect() {
	if p.socket != nil {
		_ = p.socket.Close()
		p.socket = nil
	}
}
