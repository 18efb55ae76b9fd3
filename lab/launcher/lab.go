package launcher

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evenkeel/evenkeel/lab/board"
	"github.com/evenkeel/evenkeel/lab/site"
)

// Options say what to do with a site.
type Options struct {
	Site     string   // name of the site; empty: the first, haproxy-pair
	Kind     string   // of lvs-dr: dr (also if empty), nat or tun
	Faults   []string // play these faults without the page and end: names of FaultNames, or "all"
	JSON     bool     // with Faults: the result as JSON
	Listen   string   // address of the page; empty: 127.0.0.1:8080 or the next free port
	Story    bool     // tell the story first
	Director string   // evenkeel (also if empty), or keepalived for comparison

	Stdout, Stderr *os.File // where to write; nil: the process's own
}

// lab is a standing site and everything that watches it.
type lab struct {
	site  *site.Site
	opt   Options
	rig   *rig
	board *board.Board
	out   *terminal

	mu     sync.Mutex
	orders map[int]chan site.Message // by message ID, waiting for their done
	nextID int
	ending bool
	failed chan error // gets the reason when the site breaks down
}

// Run builds a site, does what the options say, and takes the site down again; SIGINT and
// SIGTERM end it like ctx does. It returns the exit status for the process: 0, 1 if two nodes answered for the
// address at once or a fault ended otherwise than it should, 2 if the lab itself failed, with the error.
func Run(ctx context.Context, opt Options) (exit int, err error) {
	if opt.Stdout == nil {
		opt.Stdout = os.Stdout
	}
	if opt.Stderr == nil {
		opt.Stderr = os.Stderr
	}
	s, err := site.ByName(opt.Site, opt.Kind)
	if err != nil {
		return 2, err
	}
	if err := site.CheckDirector(opt.Director); err != nil {
		return 2, err
	}
	faults, err := faultsByName(s, opt.Faults)
	if err != nil {
		return 2, err
	}
	if opt.Director == "" {
		opt.Director = "evenkeel"
	}
	ctx, stop := signal.NotifyContext(ctx, unix.SIGINT, unix.SIGTERM)
	defer stop()
	l := &lab{
		site: s, opt: opt, board: board.New(s, opt.Director, site.Now()), out: newTerminal(opt),
		orders: make(map[int]chan site.Message), failed: make(chan error, 1),
	}
	if err := l.build(ctx); err != nil {
		l.close()
		if ctx.Err() != nil {
			return 0, nil
		}
		return 2, err
	}
	defer l.close()
	switch {
	case len(faults) > 0:
		return l.playFaults(ctx, faults)
	default:
		return l.show(ctx)
	}
}

// build starts the hosts, tells each what it is, and starts the directors.
func (l *lab) build(ctx context.Context) error {
	began := time.Now()
	l.out.progress("building %s: %s", l.site.Name, l.site.Title)
	r, err := launch(l.site)
	if err != nil {
		return err
	}
	l.rig = r
	l.board.Rootless = r.userns
	if r.userns && l.site.LVS != nil {
		return errors.New("lab: " + l.site.Name + " needs root: the kernel lets nobody else load a forwarding plane")
	}
	if r.userns {
		l.out.progress("not root: working in a user namespace; the kernel refuses eBPF there, so the gate falls back")
	}
	for name := range r.lines {
		go l.listen(name)
	}
	go func() {
		<-r.died
		l.breakdown(errors.New("lab: the site's first process has ended"))
	}()
	if err := l.order(ctx, "switch", site.Message{Kind: "build", Ports: l.site.Ports()}); err != nil {
		return fmt.Errorf("lab: switch: %w", err)
	}
	l.out.progress("switch stands; wiring %s", l.hostNames())
	for _, c := range l.site.HostConfigs(l.opt.Director, r.userns) {
		if err := l.order(ctx, c.Name, site.Message{Kind: "configure", Configure: &c}); err != nil {
			return fmt.Errorf("lab: %s: %w", c.Name, err)
		}
	}
	l.out.progress("web servers, client and observer run; starting the directors (%s)", l.opt.Director)
	for _, n := range l.site.Nodes {
		if err := l.order(ctx, n.Name, site.Message{Kind: "do", Action: site.DirectorStart}); err != nil {
			return fmt.Errorf("lab: %s: %w", n.Name, err)
		}
	}
	l.board.Say("ready", "")
	l.out.progress("site stands after %.1f s", time.Since(began).Seconds())
	return nil
}

func (l *lab) hostNames() string {
	names := ""
	for i, p := range l.site.Ports() {
		if i > 0 {
			names += ", "
		}
		names += p.Host
	}
	return names
}

// order sends a message to a host and waits until it was carried out.
func (l *lab) order(ctx context.Context, host string, m site.Message) error {
	_, err := l.ask(ctx, host, m)
	return err
}

// ask is order for messages whose done brings something back.
func (l *lab) ask(ctx context.Context, host string, m site.Message) (site.Message, error) {
	done := make(chan site.Message, 1)
	l.mu.Lock()
	l.nextID++
	m.ID = l.nextID
	l.orders[m.ID] = done
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.orders, m.ID)
		l.mu.Unlock()
	}()
	if err := l.rig.lines[host].Send(m); err != nil {
		return m, fmt.Errorf("%s is gone: %w", host, err)
	}
	select {
	case reply := <-done:
		if reply.Err != "" {
			return reply, errors.New(reply.Err)
		}
		return reply, nil
	case <-ctx.Done():
		return m, ctx.Err()
	case <-l.rig.died:
		return m, errors.New("the site has broken down")
	case <-time.After(30 * time.Second):
		return m, fmt.Errorf("%s did not answer within 30 s", host)
	}
}

// listen takes what one host reports until its line ends.
func (l *lab) listen(host string) {
	for {
		m, err := l.rig.lines[host].Receive()
		if err != nil {
			l.breakdown(fmt.Errorf("lab: lost %s: %w", host, err))
			return
		}
		switch m.Kind {
		case "done":
			l.mu.Lock()
			if done, ok := l.orders[m.ID]; ok {
				done <- m
			}
			l.mu.Unlock()
		case "gone", "failed":
			l.breakdown(errors.New("lab: " + m.Err))
		default:
			l.board.Take(host, m)
		}
	}
}

// breakdown reports that the site broke down by itself. Only the first reason counts.
func (l *lab) breakdown(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ending {
		return
	}
	select {
	case l.failed <- err:
	default:
	}
}

// act does one thing to a node or web server and records it.
func (l *lab) act(ctx context.Context, node string, a site.Action) (*board.Incident, error) {
	if !l.site.Has(node) {
		return nil, fmt.Errorf("no node %q", node)
	}
	in := l.board.Act(site.Now(), node, a)
	switch a {
	case site.CableOut, site.CableIn:
		return in, l.order(ctx, "switch", site.Message{Kind: "port", Host: node, Up: a == site.CableIn})
	case site.BringBack:
		if err := l.order(ctx, "switch", site.Message{Kind: "port", Host: node, Up: true}); err != nil {
			return in, err
		}
	}
	return in, l.order(ctx, node, site.Message{Kind: "do", Action: a})
}

// button is act for the page.
func (l *lab) button(ctx context.Context, host string, a site.Action) error {
	_, err := l.act(ctx, host, a)
	return err
}

// fetch gets a page of a node.
func (l *lab) fetch(ctx context.Context, node, path string) (*site.WebPage, error) {
	reply, err := l.ask(ctx, node, site.Message{Kind: "fetch", Path: path})
	return reply.Page, err
}

// close takes the site down; when it returns nothing of it is left.
func (l *lab) close() {
	l.mu.Lock()
	l.ending = true
	l.mu.Unlock()
	if l.rig != nil {
		l.rig.close()
	}
	l.out.close()
}
