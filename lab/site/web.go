package site

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// serverHeader tells the client which node answered.
const serverHeader = "X-Lab-Server"

// stopLimit is how long a web server that is stopped goes on with what it has begun.
const stopLimit = SlowAnswer + time.Second

// runWeb is a node's web server: a process of its own under the name of the one it stands for.
// Its arguments are the node's name and, when it shall fail to start, the word broken. It
// writes "ready" when it listens.
func runWeb(args []string) error {
	if len(args) == 0 {
		return errors.New("the web server needs its node's name")
	}
	if len(args) > 1 && args[1] == "broken" {
		return errors.New("[emerg] the lab has broken this web server's configuration")
	}
	name := args[0]
	var served atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		n := served.Add(1)
		how := webFault()
		if how == "slow" {
			time.Sleep(SlowAnswer)
		}
		w.Header().Set(serverHeader, name)
		w.Header().Set("X-Lab-Requests", strconv.FormatInt(n, 10))
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if how == "fail" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		fmt.Fprintf(w, "<!doctype html><title>%[1]s</title><h1>This is %[1]s</h1><p>Request %[2]d since this web "+
			"server started.</p>\n",
			html.EscapeString(name), n)
	})
	mux.HandleFunc(downloadPath, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(serverHeader, name)
		serveDownload(w, r)
	})
	ln, err := net.Listen("tcp4", ":80")
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-ctx.Done()
		// What it has begun to answer it answers, or whether a stop costs the client a request would be luck.
		limited, cancel := context.WithTimeout(context.Background(), stopLimit)
		defer cancel()
		if srv.Shutdown(limited) != nil {
			_ = srv.Close()
		}
	}()
	fmt.Println("ready")
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-ended
	return nil
}

// startWeb starts the node's web server and waits until it listens or has failed.
func (n *node) startWeb() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.web.state == UnitRunning {
		return nil
	}
	if n.cfg.Proxy {
		n.webDown = false
		return n.startHaproxy()
	}
	args := []string{n.cfg.WebUnit, EntryPoint, "web", n.cfg.Name}
	if n.web.state == unitBroken {
		args = append(args, "broken")
	}
	out, in, err := os.Pipe()
	if err != nil {
		return err
	}
	log, logIn, err := os.Pipe()
	if err != nil {
		return err
	}
	c, err := n.kids.start(labBin+"/"+n.cfg.WebUnit, args, append(n.environment(), "GOMAXPROCS=1"),
		[]*os.File{devNull(), in, logIn}, &syscall.SysProcAttr{Setpgid: true})
	in.Close()
	logIn.Close()
	defer out.Close()
	if err != nil {
		log.Close()
		return err
	}
	go n.journal(n.cfg.WebUnit, log)
	if _, err := out.Read(make([]byte, 8)); err != nil { // its end before it was ready
		ws := <-c.exit
		return fmt.Errorf("%s ended at start: %s", n.cfg.WebUnit, describe(ws))
	}
	n.web = unit{child: c, state: UnitRunning, ended: make(chan struct{})}
	n.report("web", UnitRunning)
	go func(ended chan struct{}) {
		<-c.exit
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.web.state != unitBroken {
			n.web.state = UnitStopped
		}
		n.report("web", n.web.state)
		close(ended)
	}(n.web.ended)
	return nil
}

// stopWeb ends the web server and waits for it. A broken one cannot be started again by a
// script, only by repairWeb.
func (n *node) stopWeb(broken bool) error {
	n.mu.Lock()
	w := n.web
	n.webDown = true
	if broken {
		n.web.state = unitBroken
		n.report("web", unitBroken)
	}
	n.mu.Unlock()
	if w.state == UnitStopped || w.state == unitBroken {
		return nil
	}
	if err := syscall.Kill(w.pid, unix.SIGTERM); err != nil {
		return fmt.Errorf("stop %s: %w", n.cfg.WebUnit, err)
	}
	<-w.ended
	return nil
}

// repairWeb undoes stopWeb.
func (n *node) repairWeb() error {
	n.mu.Lock()
	if n.web.state == unitBroken {
		n.web.state = UnitStopped
	}
	n.mu.Unlock()
	return n.startWeb()
}
