package site

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/lab/measure"
)

const (
	// ProbeEvery is the spacing of the observer's ARP requests, and so its resolution.
	ProbeEvery = 500_000 // ns
	// probeGrace is how many probes in a row a machine may leave unanswered before its tenure
	// is over: 20 ms. Shorter silences of one and the same machine are not seen as gaps.
	probeGrace = 40
	// blindAfter is how far apart two probes may be before the observer calls itself blind.
	blindAfter = 5_000_000 // ns
	// probeTell is how often the observer tells what it saw.
	probeTell = 50_000_000 // ns
	// announceBurst joins gratuitous ARPs of one machine into one announcement.
	announceBurst = 1_000_000_000 // ns
)

// probesKnown is how many probes have a sender's hardware address of their own, which begins with
// probeMAC and ends with the probe's number. An answer repeats it, and so names the probe, even
// when it comes half a minute late.
const probesKnown = 1 << 16

var probeMAC = [4]byte{2, 0xee, 0, 0}

// observer watches who answers for the address. One locked thread probes; another reads the
// adverts.
type observer struct {
	arp     int // AF_PACKET socket for ARP
	link    unix.SockaddrLinklayer
	request [42]byte // the probe, complete but for its number
	vip     [4]byte
	own     [6]byte

	sent  [probesKnown]int64 // when the probe of each number was last sent; 0: not known
	judge measure.Judge
	names map[[6]byte]string // text of the hardware addresses seen

	mu        sync.Mutex // guards what tell takes
	ended     []measure.Tenure
	open      []measure.Tenure
	blind     []BlindSpell
	announced map[string]int64 // last gratuitous ARP by hardware address
	news      []Announcement
	reach     int64
}

// runObserver probes until the launcher hangs up.
func runObserver(l *Line, id int, c *HostConfig) error {
	o, err := newObserver(c)
	if err == nil {
		err = watchAdverts(l, c)
	}
	if sendErr := l.Send(answer(id, err)); err != nil || sendErr != nil {
		return err
	}
	go func() {
		runtime.LockOSThread()
		if err := o.probe(l); err != nil {
			_ = l.Send(Message{Kind: "failed", Err: "observer: " + err.Error()})
		}
	}()
	serveOrders(l, func(a Action) error { return errors.New("an observer cannot " + string(a)) }, nil)
	return nil
}

func newObserver(c *HostConfig) (*observer, error) {
	nic, err := net.InterfaceByName(c.Interface)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK,
		int(hostToNet(unix.ETH_P_ARP)))
	if err != nil {
		return nil, fmt.Errorf("packet socket: %w (needs CAP_NET_RAW)", err)
	}
	o := &observer{
		arp: fd, vip: c.VIP.Addr().As4(),
		link:      unix.SockaddrLinklayer{Protocol: hostToNet(unix.ETH_P_ARP), Ifindex: nic.Index, Halen: 6},
		judge:     measure.Judge{Grace: probeGrace},
		names:     make(map[[6]byte]string),
		announced: make(map[string]int64),
	}
	copy(o.own[:], nic.HardwareAddr)
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: hostToNet(unix.ETH_P_ARP),
		Ifindex: nic.Index}); err != nil {
		return nil, fmt.Errorf("bind packet socket: %w", err)
	}
	copy(o.link.Addr[:], []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	b := o.request[:]
	copy(b[0:6], o.link.Addr[:6])
	copy(b[6:12], o.own[:])
	binary.BigEndian.PutUint16(b[12:], unix.ETH_P_ARP)
	copy(b[14:22], []byte{0, 1, 8, 0, 6, 4, 0, 1}) // Ethernet, IPv4, request
	copy(b[22:26], probeMAC[:])
	source := probeSource(c.VIP).As4()
	copy(b[28:32], source[:])
	copy(b[38:42], o.vip[:])
	return o, nil
}

// probeSource takes the probes' sender address from the end of the site's network, where the
// textbook has no machine.
func probeSource(vip netip.Prefix) netip.Addr {
	b := vip.Masked().Addr().As4()
	b[3] = 224
	return netip.AddrFrom4(b)
}

func hostToNet(v uint16) uint16 { return v<<8 | v>>8 }

// probe sends the requests on an absolute schedule and judges the answers.
func (o *observer) probe(l *Line) error {
	// Best effort: a real-time thread is woken on time on a busy machine. Without the
	// privilege the spacing is less even, and blind spells are told of.
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}, 0)
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	go o.tell(l)
	next := Now()
	last, number := next, uint16(0)
	for {
		next += ProbeEvery
		at := sleepUntil(next)
		o.drain()
		o.judge.Probe()
		if at-last > blindAfter {
			o.mu.Lock()
			o.blind = append(o.blind, BlindSpell{From: last, To: at})
			o.mu.Unlock()
			next = at // do not catch up in a burst
		}
		last = at
		number++
		binary.BigEndian.PutUint16(o.request[26:], number)
		sent := Now()
		if err := unix.Sendto(o.arp, o.request[:], 0, &o.link); err != nil &&
			!errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("send probe: %w", err)
		}
		if Now()-sent > ProbeEvery {
			sent = 0 // kept from running meanwhile: nobody knows when this one was asked
		}
		o.sent[number] = sent
		o.publish(at)
	}
}

// sleepUntil sleeps to an instant of the lab's clock and returns when it really is. It does not
// tell Go's scheduler that it sleeps: at two thousand naps a second, giving the processor back
// and asking for it again costs more than the naps, and the wait for it would blind the observer.
func sleepUntil(at int64) int64 {
	ts := unix.NsecToTimespec(at)
	for {
		_, _, e := unix.RawSyscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME,
			uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
		if e != unix.EINTR {
			return Now()
		}
	}
}

// drain reads every ARP packet that has come.
func (o *observer) drain() {
	var buf [128]byte
	for {
		n, err := unix.Read(o.arp, buf[:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return // nothing left; a real error shows when sending
		}
		if n >= 42 {
			o.heard(buf[:n])
		}
	}
}

// heard sorts one ARP packet: an answer to a probe, or an announcement of the address.
func (o *observer) heard(b []byte) {
	who, sender := [6]byte(b[22:28]), [4]byte(b[28:32])
	if sender != o.vip || who == o.own {
		return
	}
	name, ok := o.names[who]
	if !ok {
		name = net.HardwareAddr(who[:]).String()
		o.names[who] = name
	}
	if op := b[21]; op == 2 && [4]byte(b[32:36]) == probeMAC {
		if sent := o.sent[binary.BigEndian.Uint16(b[36:])]; sent != 0 {
			o.judge.Answer(sent, name)
		}
		return
	}
	if [4]byte(b[38:42]) == o.vip { // sender and target alike: gratuitous
		at := Now()
		o.mu.Lock()
		if at-o.announced[name] > announceBurst {
			o.news = append(o.news, Announcement{At: at, MAC: name})
		}
		o.announced[name] = at
		o.mu.Unlock()
	}
}

// publish hands over to tell what the judge knows, now and then.
func (o *observer) publish(at int64) {
	if at-o.reach < probeTell/4 {
		return
	}
	o.mu.Lock()
	o.reach = at
	o.ended = o.judge.Ended(o.ended)
	o.open = append(o.open[:0], o.judge.Open()...)
	o.mu.Unlock()
}

// tell sends what was seen to the launcher.
func (o *observer) tell(l *Line) {
	for range time.Tick(probeTell * time.Nanosecond) {
		o.mu.Lock()
		m := Message{Kind: "tenures", At: o.reach, Tenures: append(o.ended, o.open...)}
		o.ended = nil
		blind, news := o.blind, o.news
		o.blind, o.news = nil, nil
		o.mu.Unlock()
		if l.Send(m) != nil {
			return
		}
		for i := range blind {
			_ = l.Send(Message{Kind: "blind", Blind: &blind[i]})
		}
		for i := range news {
			_ = l.Send(Message{Kind: "announce", Announce: &news[i]})
		}
	}
}

// watchAdverts starts telling the launcher of every VRRP advert on the wire.
func watchAdverts(l *Line, c *HostConfig) error {
	nic, err := net.InterfaceByName(c.Interface)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(hostToNet(unix.ETH_P_IP)))
	if err != nil {
		return fmt.Errorf("packet socket: %w (needs CAP_NET_RAW)", err)
	}
	if err := attachVRRPFilter(fd); err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: hostToNet(unix.ETH_P_IP),
		Ifindex: nic.Index}); err != nil {
		return fmt.Errorf("bind packet socket: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return fmt.Errorf("time stamps: %w", err)
	}
	go func() {
		buf := make([]byte, 1500)
		for {
			n, at, err := readStamped(fd, buf)
			if err != nil {
				if errors.Is(err, unix.EINTR) || errors.Is(err, unix.ENETDOWN) {
					continue
				}
				return
			}
			if a, ok := readAdvert(buf[:n]); ok && a.VRID == c.VRID {
				a.At = at
				_ = l.Send(Message{Kind: "advert", Advert: &a})
			}
		}
	}()
	return nil
}

// readStamped reads a packet and says when it came by the lab's clock, however late it is read: the socket asks the
// kernel for time stamps.
func readStamped(fd int, buf []byte) (n int, at int64, err error) {
	var oob [64]byte
	n, oobn, _, _, err := unix.Recvmsg(fd, buf, oob[:], 0)
	if err != nil {
		return 0, 0, err
	}
	at = Now()
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return n, at, nil
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= 16 {
			stamp := time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:])))
			at -= max(int64(time.Since(stamp)), 0) // the stamp is of the wall clock, which may have been set
		}
	}
	return n, at, nil
}

// attachVRRPFilter lets only IP protocol 112 through.
func attachVRRPFilter(fd int) error {
	raw, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 9, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 112, SkipFalse: 1},
		bpf.RetConstant{Val: 1500},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		return err
	}
	prog := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		prog[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]})
}

// readAdvert reads source, router and priority of a VRRP packet with its IPv4 header. It does
// not check it: the observer tells what is on the wire, valid or not.
func readAdvert(b []byte) (Advert, bool) {
	if len(b) < 20 || b[0]>>4 != 4 || b[9] != 112 {
		return Advert{}, false
	}
	ihl := int(b[0]&0xf) * 4
	if ihl < 20 || len(b) < ihl+4 {
		return Advert{}, false
	}
	return Advert{
		Source:   netip.AddrFrom4([4]byte(b[12:16])).String(),
		VRID:     int(b[ihl+1]),
		Priority: int(b[ihl+2]),
	}, true
}
