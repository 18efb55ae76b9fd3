package site

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/lab/measure"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadAdvert(t *testing.T) {
	ip := "45c0 0028 0001 0000 ff70 0000 c0a8e50b e0000012 "
	tests := []struct {
		name, packet string
		want         Advert
		ok           bool
	}{
		{"v2", ip + "2137 6401 0101 0000 c0a8e564 3132333435360000",
			Advert{Source: "192.168.229.11", VRID: 55, Priority: 100}, true},
		{"priority 0", ip + "2137 0001 0101 0000 c0a8e564", Advert{Source: "192.168.229.11", VRID: 55}, true},
		{"with IP options", "47c0 0030 0001 0000 ff70 0000 c0a8e50c e0000012 0101010101010101 2137 63 01",
			Advert{Source: "192.168.229.12", VRID: 55, Priority: 99}, true},
		{"not VRRP", "45c0 0028 0001 0000 ff11 0000 c0a8e50b e0000012 2137 6401", Advert{}, false},
		{"header only", ip, Advert{}, false},
		{"cut", "45c0 0028", Advert{}, false},
		{"bad header length", "41c0 0028 0001 0000 ff70 0000 c0a8e50b e0000012 2137 6401", Advert{}, false},
		{"empty", "", Advert{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := readAdvert(unhex(t, tt.packet))
			if ok != tt.ok || got != tt.want {
				t.Errorf("got %+v, %v; want %+v, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

// TestLateReadIsStampedInTime: an advert counts from when it came, not from when the observer got to run.
func TestLateReadIsStampedInTime(t *testing.T) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ends[0])
	defer unix.Close(ends[1])
	if err := unix.SetsockoptInt(ends[1], unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		t.Fatal(err)
	}
	before := Now()
	if _, err := unix.Write(ends[0], []byte("advert")); err != nil {
		t.Fatal(err)
	}
	sent := Now()
	time.Sleep(100 * time.Millisecond)
	n, at, err := readStamped(ends[1], make([]byte, 64))
	if err != nil || n != 6 {
		t.Fatal(n, err)
	}
	// Two clocks are read one after the other: what comes between makes the stamp earlier.
	if at < before-int64(30*time.Second) || at > sent+int64(time.Second/20) {
		t.Errorf("sent between 0 and %v, stamped %v", time.Duration(sent-before), time.Duration(at-before))
	}
}

func TestObserverJudgesByAnsweringMAC(t *testing.T) {
	vip := netip.MustParsePrefix("192.168.229.100/24")
	o := &observer{
		vip: vip.Addr().As4(), own: [6]byte{2, 14, 94, 0, 0, 60},
		judge: measure.Judge{Grace: probeGrace}, names: make(map[[6]byte]string), announced: make(map[string]int64),
	}
	o.sent[3], o.sent[4] = 1000, 2000
	for late := range uint16(1000) { // sent by the time that the answers are read
		o.sent[5+late] = 3000 + int64(late)
	}
	const ether = "020e5e00003c 020e5e00000b 0806 "
	for _, packet := range []string{
		ether + "0001080006040002 020e5e00000b c0a8e564 02ee00000003 c0a8e5e0", // node1 answers the third probe
		ether + "0001080006040002 020e5e00000c c0a8e564 02ee00000004 c0a8e5e0", // node2 the fourth
		ether + "0001080006040002 020e5e00000c c0a8e501 02ee00000004 c0a8e5e0", // another address
		ether + "0001080006040002 020e5e00000c c0a8e564 020e5e000032 c0a8e532", // an answer to the client
		ether + "0001080006040001 020e5e00003c c0a8e564 000000000000 c0a8e564", // our own
		ether + "0001080006040001 020e5e00000c c0a8e564 ffffffffffff c0a8e564", // node2 announces
		ether + "0001080006040001 020e5e00000c c0a8e564 ffffffffffff c0a8e564", // again, same burst
	} {
		o.heard(unhex(t, packet))
	}
	open := o.judge.Open()
	if len(open) != 2 || open[0].Who != "02:0e:5e:00:00:0b" || open[0].From != 1000 ||
		open[1].Who != "02:0e:5e:00:00:0c" || open[1].From != 2000 {
		t.Errorf("tenures %+v", open)
	}
	if len(o.news) != 1 || o.news[0].MAC != "02:0e:5e:00:00:0c" {
		t.Errorf("announcements %+v", o.news)
	}
}
