package probe

import (
	"context"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/config"
)

// TestShown: nothing a server says in a check reaches a log, a terminal or a page as a control byte or a line of
// its own.
func TestShown(t *testing.T) {
	const evil = "\x1b]0;owned\x07\x1b[2J\u009b31m\xff"
	plays := map[string]struct {
		lines []string
		play  play
	}{
		"http reason": {[]string{httpchk}, play{read, "HTTP/1.1 500 " + evil + "\r\n\r\n"}},
		"redis":       {[]string{"option redis-check"}, play{read, "-ERR " + evil + "\r\n"}},
		"smtp":        {[]string{"option smtpchk"}, play{"554 " + evil + "\r\n"}},
		"mysql":       {[]string{"option mysql-check"}, play{mysqlPacket(0, "\xff\x10\x04"+evil)}},
	}
	for name, c := range plays {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, _ := serve(t, c.play)
			r := Once(context.Background(), target(t, defaults+backend("b", c.lines, addr, "20s")))
			if r.Status.Passed() || strings.ContainsFunc(r.Info,
				func(b rune) bool { return b < ' ' || b >= 0x7f && b < 0xa0 || b == '\uFFFD' }) {
				t.Errorf("%s %q", resultText(r), r.Info)
			}
			if r.Info == "" {
				t.Errorf("%s without its words", r.Status.Code())
			}
		})
	}
	t.Run("smtp of a virtual server", func(t *testing.T) {
		t.Parallel()
		addr, _ := serve(t, play{"554 " + evil + "\r\n"})
		v := judge(t, addr, config.Checker{Kind: config.CheckerSMTP})
		if v.OK || strings.ContainsFunc(v.Reason, func(b rune) bool { return b < ' ' || b >= 0x7f && b < 0xa0 }) {
			t.Errorf("%q", v.Reason)
		}
	})
}
