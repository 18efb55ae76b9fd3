package launcher

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/lab/board"
	"github.com/evenkeel/evenkeel/lab/site"
)

// terminal is what the lab writes where it was started: lines that stay, and on a terminal a
// few live lines below them.
type terminal struct {
	out   *os.File
	tty   bool // live lines are possible on out
	began time.Time

	mu   sync.Mutex
	live int // live lines on the screen now
	last []string
	over bool
}

// newTerminal writes to standard output, or to standard error when that is kept free for JSON.
func newTerminal(opt Options) *terminal {
	t := &terminal{out: opt.Stdout, began: time.Now()}
	if opt.JSON {
		t.out = opt.Stderr
	}
	_, _, t.tty = screen(t.out)
	return t
}

// screen returns the size of the terminal behind f, and whether it is one.
func screen(f *os.File) (columns, rows int, tty bool) {
	ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0, false
	}
	columns, rows = int(ws.Col), int(ws.Row)
	if columns == 0 {
		columns = 80
	}
	return columns, rows, true
}

// progress writes a line that stays, with the time since the start.
func (t *terminal) progress(format string, args ...any) {
	t.line(fmt.Sprintf("%6.1f s  ", time.Since(t.began).Seconds()) + fmt.Sprintf(format, args...))
}

// line writes a line that stays.
func (t *terminal) line(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.erase()
	fmt.Fprintln(t.out, board.Visible(text))
	t.draw(t.last)
}

// refresh replaces the live lines. Without a terminal it does nothing.
func (t *terminal) refresh(lines []string) {
	if !t.tty {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return
	}
	t.erase()
	t.last = lines
	t.draw(lines)
}

// erase removes the live lines. Callers hold t.mu.
func (t *terminal) erase() {
	if t.live > 0 {
		fmt.Fprintf(t.out, "\x1b[%dA\x1b[J", t.live)
		t.live = 0
	}
}

// draw writes the live lines, cut to the width so that each stays one line. Callers hold t.mu.
func (t *terminal) draw(lines []string) {
	if !t.tty || len(lines) == 0 {
		return
	}
	columns, _, _ := screen(t.out)
	var b strings.Builder
	for _, l := range lines {
		l = board.Visible(l)
		if r := []rune(l); len(r) >= columns && columns > 1 {
			l = string(r[:columns-1])
		}
		b.WriteString(l + "\n")
	}
	fmt.Fprint(t.out, b.String())
	t.live = len(lines)
}

// close leaves the last live lines on the screen.
func (t *terminal) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.live, t.last, t.over = 0, nil, true
}

// liveLines is the state in a few lines.
func liveLines(st board.State, url string) []string {
	lines := []string{""}
	for _, n := range st.Nodes {
		state := n.VRRP.State
		if n.Director != site.UnitRunning {
			state = n.Director
		}
		gate := n.VRRP.GateMode + " " + n.VRRP.Gate
		if n.Director != site.UnitRunning && !n.Answers && n.VRRP.Gate == "open" {
			gate = n.VRRP.GateMode + " closed" // by itself; the director could no longer say so
		}
		holds := "       "
		if n.Answers {
			holds = "answers"
		}
		cable, serves := "", "web"
		if n.Proxy != nil {
			serves = "proxy"
		}
		if n.Table != nil {
			serves = ""
		}
		if !n.Cable {
			cable = "  cable out"
		}
		lines = append(lines, fmt.Sprintf("  %-8s %-8s %s  gate %-14s %s %-8s %7d requests%s",
			n.Name, state, holds, gate, serves, n.Web, n.Served, cable))
	}
	for _, w := range st.Servers {
		seen := ""
		for _, n := range st.Nodes {
			seen += fmt.Sprintf("  %s sees it %-6s", n.Name, w.Seen[n.Name])
		}
		lines = append(lines, fmt.Sprintf("  %-8s %-10s%s %7d requests", w.Name, w.State, seen, w.Served))
	}
	client := "served by " + st.Client.Server
	if st.Client.Down > 0 {
		client = fmt.Sprintf("NO ANSWER for %.1f s", float64(st.Client.Down)/1000)
	}
	lines = append(lines, fmt.Sprintf("  client   %s, %d failed, %d slow; double master %.1f ms", client,
		st.Client.Failed, st.Client.Slow, st.Watch.Double))
	if st.Doing != "" {
		lines = append(lines, "  now      "+st.Doing)
	}
	if url != "" {
		lines = append(lines, "  page     "+url+"   (Ctrl-C ends the lab)")
	}
	return lines
}
