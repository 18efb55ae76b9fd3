package admin

import (
	"bufio"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/proxy"
)

// newBigAdmin is the tests' site with many more servers.
func newBigAdmin(servers int) (*Admin, *standIn) {
	e := newStandIn()
	for _, r := range e.status.Rows {
		if r.Kind == proxy.ServerRow {
			for range servers {
				e.status.Rows = append(e.status.Rows, r)
			}
			break
		}
	}
	return New(e, Options{Version: "1"}), e
}

// manyCommands is the longest line of a command.
func manyCommands(command string) string {
	return strings.Repeat(command+";", longestLine/(len(command)+1)-1) + command + "\n"
}

// TestNobodyReads: what the commands of one line have to say is not made before somebody takes it, and a client that
// takes nothing for its time is left.
func TestNobodyReads(t *testing.T) {
	for _, command := range []string{"show stat", "show stat json", "show stat typed desc", "show servers state",
		"show servers conn", "show backend", "show sess", "show info desc", "show schema json"} {
		t.Run(command, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, e := newBigAdmin(500)
				here, there := net.Pipe()
				done := make(chan struct{})
				go func() {
					defer close(done)
					a.ServeConn(there, config.LevelOperator)
				}()
				begin := time.Now()
				if _, err := io.WriteString(here, manyCommands(command)); err != nil {
					t.Fatal(err)
				}
				synctest.Wait() // it is waiting for us to read
				most := int64(2*pieceSize/len(a.Run(command, config.LevelOperator))) + 4
				if n := e.looks.Load(); n > most {
					t.Errorf("%d answers were made for nobody, at most %d fit into a piece", n, most)
				}
				<-done
				if took := time.Since(begin); took < 10*time.Second || took > 11*time.Second {
					t.Errorf("a client that reads nothing was left after %v", took)
				}
				here.Close()
			})
		})
	}
}

// TestReaderGone: when the client has gone, the rest of its line is not carried out.
func TestReaderGone(t *testing.T) {
	a, e := newBigAdmin(500)
	c := dial(t, a, config.LevelUser)
	if _, err := io.WriteString(c, manyCommands("show stat")); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	c.Close()
	for deadline := time.Now().Add(30 * time.Second); len(a.clients) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the client has gone and is still served after 30 s")
		}
	}
	if n := e.looks.Load(); n > 20 {
		t.Errorf("%d commands were carried out for a client that had gone", n)
	}
}

// TestOneLineCostsLittle: the memory a line of commands takes does not grow with its answers, read or not.
func TestOneLineCostsLittle(t *testing.T) {
	a, _ := newBigAdmin(500)
	c := dial(t, a, config.LevelUser)
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := io.WriteString(c, strings.Repeat("show stat;", 300)+"\n"); err != nil {
		t.Fatal(err)
	}
	total, worst := 0, uint64(0)
	buf := make([]byte, 1<<20)
	for n := 0; ; n++ {
		// for the next piece, however slow the machine is with all of them
		c.SetReadDeadline(time.Now().Add(30 * time.Second))
		got, err := c.Read(buf)
		if total += got; err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if n%100 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			worst = max(worst, now.HeapInuse)
		}
	}
	most := uint64(8 << 20)
	if grown := int64(worst) - int64(before.HeapInuse); grown > int64(most) {
		t.Errorf("%d bytes of answers took %d bytes of memory", total, grown)
	} else {
		t.Logf("%d bytes of answers took %d bytes of memory", total, grown)
	}
}

// TestShownSafely: what a server said in its check reaches no terminal as a control sequence, in no form.
func TestShownSafely(t *testing.T) {
	a, e := newAdmin(t)
	evil := "\x1b]0;x\x07\x1b[31mred\x7f\r\nb,s,1\u009b31m\xff é"
	for i := range e.status.Rows {
		e.status.Rows[i].Check.Text = evil
		e.status.Rows[i].Check.Describe = evil
	}
	e.bad = []*proxy.BadMessage{{Frontend: "web", Backend: "web", Reason: "no status", Content: []byte(evil)}}
	for _, command := range []string{"show stat", "show stat typed", "show stat json", "show servers state",
		"show servers conn", "show errors", "show sess", "show info"} {
		out := a.Run(command, config.LevelAdmin)
		for i, r := range out {
			if r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 || r == '\uFFFD' && !strings.Contains(command, "json") {
				t.Fatalf("%s: a control byte: %q", command, out[max(i-20, 0):min(i+20, len(out))])
			}
		}
		if strings.Contains(out, "\nb,s,1") {
			t.Errorf("%s: a server has written a line", command)
		}
		if strings.Contains(command, "stat") && command != "show servers state" && !strings.Contains(out, "é") {
			t.Errorf("%s: letters are lost", command)
		}
	}
}
