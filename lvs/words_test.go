package lvs

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/keepalived"
	"github.com/evenkeel/evenkeel/lvs/table"
)

// checkBlocks are the checks of a real server as they stand in a file, with room for words.
var checkBlocks = map[string]string{
	"TCP_CHECK":  "TCP_CHECK {\n%s\n}",
	"HTTP_GET":   "HTTP_GET {\nurl {\npath /\n}\n%s\n}",
	"SSL_GET":    "SSL_GET {\nurl {\npath /\n}\n%s\n}",
	"SMTP_CHECK": "SMTP_CHECK {\n%s\n}",
	"host":       "SMTP_CHECK {\nhost {\n%s\n}\n}",
	"DNS_CHECK":  "DNS_CHECK {\n%s\n}",
	"MISC_CHECK": "MISC_CHECK {\nmisc_path /bin/true\n%s\n}",
	"PING_CHECK": "PING_CHECK {\n%s\n}",
	"UDP_CHECK":  "UDP_CHECK {\n%s\n}",
}

// siteOf is what a file says of virtual servers.
func siteOf(t *testing.T, text string) *config.LVS {
	t.Helper()
	site, diags := keepalived.Parse("keepalived.conf", []byte(text), keepalived.Options{})
	if site == nil || site.LVS == nil || len(site.LVS.Servers) == 0 {
		t.Fatal(diags, text)
	}
	return site.LVS
}

// course is what came of some checks: when each began, counted from the start, what stood in the table before any,
// when the server left it and came back, and how many failures were told.
type course struct {
	began      []time.Duration
	before     string
	down, back time.Duration // -1: never
	told       int
	lines      []string
}

// follow runs the checks of a file in virtual time. What they find stands in results: + or -, the last for ever. It
// ends when the check after the last has begun.
func follow(t *testing.T, text, results string) (c course) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		start := time.Now()
		c = course{down: -1, back: -1}
		enough, ended := make(chan struct{}), false
		p := &plane{daemons: map[table.Role]table.Daemon{}}
		e, err := Start(siteOf(t, text), config.Global{}, Options{
			Driver: p,
			Log: func(_ Level, line string) {
				mu.Lock()
				defer mu.Unlock()
				if ended {
					return
				}
				c.lines = append(c.lines, line)
				switch {
				case strings.HasPrefix(line, "Removing service"):
					c.down = time.Since(start)
				case strings.HasPrefix(line, "Adding service"):
					c.back = time.Since(start)
				case strings.Contains(line, " failed: "):
					c.told++
				}
			},
			Attempt: func(context.Context, *config.Checker, *config.RealServer) Outcome {
				mu.Lock()
				defer mu.Unlock()
				c.began = append(c.began, time.Since(start))
				n := len(c.began)
				if n == len(results)+1 {
					ended = true
					close(enough)
				}
				return Outcome{OK: results[min(n, len(results))-1] == '+'}
			},
			Run: func(context.Context, config.Command, config.Global, time.Duration) error { return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		c.before = p.text()
		<-enough
		e.Close()
		c.began = c.began[:len(results)+1]
	})
	return c
}

// apart are the times between the beginnings of checks.
func (c course) apart() string {
	var all []string
	for i := 1; i < len(c.began); i++ {
		all = append(all, (c.began[i] - c.began[i-1]).String())
	}
	return strings.Join(all, " ")
}

const (
	four = "delay_loop 50\nretry 4\ndelay_before_retry 3"
	two  = "delay_loop 50\nretry 2\ndelay_before_retry 3"
)

// checkTimes are words of checks, in the block of the check and in those around it.
var checkTimes = []struct {
	word, in, around string // what is written in the block, and in what is around it
	results, apart   string
	down             int // the check, from 1, that takes the server out; 0: none
	told             int
}{
	{"delay_loop", "delay_loop 7", "delay_loop 50", "+++", "7s 7s 7s", 0, 0},
	{"delay_loop", "", "delay_loop 50", "+++", "50s 50s 50s", 0, 0},
	{"retry", "retry 2", four, "+----", "50s 3s 3s 50s 3s", 4, 1},
	{"retry", "retry 0", four, "+--", "50s 50s 50s", 2, 1},
	{"retry", "", four, "+------", "50s 3s 3s 3s 3s 50s 3s", 6, 1},
	{"delay_before_retry", "delay_before_retry 5", two, "+---", "50s 5s 5s 50s", 4, 1},
	{"delay_before_retry", "", two, "+---", "50s 3s 3s 50s", 4, 1},
	{"log_all_failures", "log_all_failures", two, "+---", "50s 3s 3s 50s", 4, 3},
	{"log_all_failures", "log_all_failures off", two, "+---", "50s 3s 3s 50s", 4, 1},
	{"nb_get_retry", "nb_get_retry 2", four, "+----", "50s 3s 3s 50s 3s", 4, 1},
}

// fileOf is a file with one real server whose check has words, as has one of what is around it.
func fileOf(block, words, virtual, real, global string) string {
	return fmt.Sprintf("global_defs {\n%s\n}\nvirtual_server 192.0.2.1 80 {\nlb_algo rr\nlb_kind NAT\nprotocol "+
		"TCP\n%s\n"+
		"real_server 10.0.0.1 80 {\nweight 1\n%s\n%s\n}\n}\n", global, virtual, real, fmt.Sprintf(block, words))
}

// TestCheckTimes shows, in each check of a real server, when it is made and what its failures do: delay_loop, retry,
// delay_before_retry, log_all_failures and nb_get_retry, and that what stands around it says the same to a check that
// does not have the word.
func TestCheckTimes(t *testing.T) {
	for name, block := range checkBlocks {
		for _, c := range checkTimes {
			if c.word == "nb_get_retry" && !strings.HasSuffix(name, "_GET") {
				continue
			}
			for _, place := range []string{"virtual_server", "real_server"} {
				t.Run(name+"/"+c.in+"/"+place, func(t *testing.T) {
					virtual, real := "warmup 0\n"+c.around, ""
					if place == "real_server" {
						virtual, real = "delay_loop 999\nretry 9\ndelay_before_retry 99", virtual
					}
					got := follow(t, fileOf(block, c.in, virtual, real, ""), c.results)
					down := time.Duration(-1)
					if c.down > 0 {
						down = got.began[c.down-1]
					}
					if got.apart() != c.apart || got.down != down || got.told != c.told {
						t.Errorf("checks %s apart, the server down at %v, %d failures told; want %s, %v, %d\n%s",
							got.apart(), got.down,
							got.told, c.apart, down, c.told, strings.Join(got.lines, "\n"))
					}
				})
			}
		}
	}
}

// TestWarmup: the first check of each server begins a random part of warmup after the start, and not later; that of
// the check counts before that of the server.
func TestWarmup(t *testing.T) {
	for name, block := range checkBlocks {
		for _, c := range []struct {
			in, real, virtual string
			least, most       time.Duration
		}{
			{"warmup 1000", "warmup 0", "warmup 0", 10 * time.Second, 1000 * time.Second},
			{"warmup 0", "warmup 1000", "warmup 1000", 0, 0},
			{"", "warmup 1000", "warmup 0", 10 * time.Second, 1000 * time.Second},
			{"", "warmup 0", "warmup 1000", 0, 0},
			{"", "", "warmup 1000", 10 * time.Second, 1000 * time.Second},
			{"", "", "warmup 0", 0, 0},
			{"", "", "", 0, 10 * time.Second}, // delay_loop
		} {
			t.Run(name+"/"+c.in+"/"+c.real+"/"+c.virtual, func(t *testing.T) {
				latest := time.Duration(0)
				for range 20 { // that all are early by chance is as good as never
					got := follow(t, fileOf(block, c.in, "delay_loop 10\n"+c.virtual, c.real, ""), "+")
					latest = max(latest, got.began[0])
				}
				if latest < c.least || latest > c.most {
					t.Errorf("the latest of the first checks began after %v, not between %v and %v", latest, c.least,
						c.most)
				}
			})
		}
	}
}

// TestAlpha: a server whose check has alpha is not in the table until it has passed; one without is there from the
// start. The check's own word counts before that of the server, and that before the virtual server's.
func TestAlpha(t *testing.T) {
	for name, block := range checkBlocks {
		for _, c := range []struct {
			in, real, virtual string
			down              bool
		}{
			{"alpha", "", "", true},
			{"alpha on", "alpha off", "", true},
			{"", "", "", false},
			{"alpha off", "", "", false},
			{"", "alpha", "", true},
			{"", "", "alpha", true},
			{"", "alpha off", "alpha", false},
			{"alpha off", "alpha", "alpha", false},
		} {
			t.Run(name+"/"+c.in+"/"+c.real+"/"+c.virtual, func(t *testing.T) {
				got := follow(t, fileOf(block, c.in, "delay_loop 50\nwarmup 20\n"+c.virtual, c.real, ""), "+")
				down, back := !strings.Contains(got.before, "10.0.0.1"), time.Duration(-1)
				if c.down {
					back = got.began[0]
				}
				if down != c.down || got.back != back {
					t.Errorf("before the first check the table is %q, the server comes at %v; want down %v, %v",
						got.before, got.back,
						c.down, back)
				}
			})
		}
	}
}

// TestLogAllFailures: checker_log_all_failures tells each failure of every check, even of one that says otherwise, as
// in Keepalived 2.2.7.
func TestLogAllFailures(t *testing.T) {
	for name, block := range checkBlocks {
		for _, c := range []struct {
			global, in string
			told       int
		}{
			{"", "", 1},
			{"checker_log_all_failures", "", 3},
			{"checker_log_all_failures off", "", 1},
			{"checker_log_all_failures", "log_all_failures off", 3},
			{"checker_log_all_failures off", "log_all_failures", 3},
		} {
			if got := follow(t, fileOf(block, c.in, two+"\nwarmup 0", "", c.global), "+---"); got.told != c.told {
				t.Errorf("%s, %q, %q: %d failures told, want %d", name, c.global, c.in, got.told, c.told)
			}
		}
	}
}
