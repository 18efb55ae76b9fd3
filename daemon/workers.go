package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/failover"
	"github.com/evenkeel/evenkeel/linux/sock"
	"github.com/evenkeel/evenkeel/script"
)

// WorkerEntry is the hidden command a worker process is started with.
const WorkerEntry = "proxy-worker"

// What director and worker say to each other over a socket pair, one JSON object a line.
type (
	// order goes from the director to the worker.
	order struct {
		Start *startOrder    `json:"start,omitempty"`
		Drain *time.Duration `json:"drain,omitempty"` // stop accepting; end after this time at the latest, 0: no limit
	}
	startOrder struct {
		Inputs     *Inputs          `json:"inputs"`
		Sockets    map[string][]int `json:"sockets"` // by listenKey: descriptors
		Threads    int              `json:"threads"`
		Verbose    bool             `json:"verbose"`
		Version    string           `json:"version,omitempty"`
		Down       []string         `json:"down,omitempty"` // servers found down by the worker before
		Generation int              `json:"generation"`
		// descriptor to hand connections over that are to be forgotten
		Drops int `json:"drops,omitempty"`
	}
	// news goes back.
	news struct {
		Ready  bool           `json:"ready,omitempty"`
		Failed string         `json:"failed,omitempty"`
		Alive  bool           `json:"alive,omitempty"`  // every thread turns
		Down   []string       `json:"down,omitempty"`   // servers that checks have found down, told with Usable
		Usable map[string]int `json:"usable,omitempty"` // proxies: servers that can be used; -1: it needs none
	}
)

// workers starts worker processes, replaces them at a reload and after a death.
type workers struct {
	log     *logger
	health  func(usable map[string]int, alive bool) // told of every change
	verbose bool
	version string // of the program

	mu      sync.Mutex
	sockets sockets
	current *worker
	last    *startOrder // what the current worker was started with
	hard    time.Duration
	count   int
	closing bool
	down    []string // servers found down
	quick   bool     // the last one to die was young
	all     sync.WaitGroup
}

// worker is one process.
type worker struct {
	cmd        *exec.Cmd
	control    net.Conn
	generation int
	started    time.Time
	exited     chan struct{}
	retired    bool // it may end
	first      news // what it said when it was ready
}

// startLimit is how long a worker may take to be ready.
const startLimit = 20 * time.Second

// threads is how many loops a configuration asks for: nbthread, else one per CPU.
func threads(p *config.Proxying) int {
	if p.Global.Threads > 0 {
		return p.Global.Threads
	}
	return runtime.NumCPU()
}

// prepare starts a worker for a configuration, none if p is nil, and waits until it is ready. Then either commit
// must be called, which retires the worker before, or undo, which retires the new one; until then nothing else
// happens to workers. If prepare fails, everything is as it was. usable is what the new worker's proxies can use,
// nil without one.
func (w *workers) prepare(p *config.Proxying, in *Inputs) (usable map[string]int, commit, undo func(), err error) {
	w.mu.Lock()
	if p == nil {
		commit = func() {
			w.retire(w.current)
			w.current, w.last = nil, nil
			w.sockets.closeAll()
			w.mu.Unlock()
		}
		return nil, commit, w.mu.Unlock, nil
	}
	n := threads(p)
	fds, use, forget, err := w.sockets.prepare(p, n)
	if err != nil {
		w.mu.Unlock()
		return nil, nil, nil, err
	}
	w.count++
	order := &startOrder{Inputs: in, Sockets: fds, Threads: n, Verbose: w.verbose, Version: w.version,
		Generation: w.count}
	next, err := w.start(order)
	if err != nil {
		forget()
		w.mu.Unlock()
		return nil, nil, nil, err
	}
	commit = func() {
		old := w.current
		w.current, w.last, w.down = next, order, next.first.Down
		use()
		w.retire(old)
		w.hard = p.Global.HardStopAfter
		w.mu.Unlock()
	}
	undo = func() {
		w.retire(next) // it may have accepted connections already
		forget()
		w.mu.Unlock()
	}
	return next.first.Usable, commit, undo, nil
}

// start runs a worker and waits until it is ready.
func (w *workers) start(o *startOrder) (*worker, error) {
	control, theirs, err := controlPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	o.Down = w.down
	cmd, inherited, files, err := command(o, theirs)
	if err != nil {
		control.Close()
		return nil, err
	}
	err = script.Start(cmd)
	closeAll(files)
	if err != nil {
		control.Close()
		return nil, fmt.Errorf("starting the worker: %w", err)
	}
	k := &worker{cmd: cmd, control: control, generation: o.Generation, started: time.Now(), exited: make(chan struct{})}
	w.all.Add(1)
	go func() {
		cmd.Wait()
		close(k.exited)
		w.all.Done()
	}()
	if err := k.await(inherited); err != nil {
		control.Close()
		cmd.Process.Kill()
		return nil, err
	}
	go w.listen(k)
	return k, nil
}

// controlPair are the two ends of what director and worker talk over.
func controlPair() (ours net.Conn, theirs *os.File, err error) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	end := os.NewFile(uintptr(pair[0]), "control")
	ours, err = net.FileConn(end)
	end.Close()
	theirs = os.NewFile(uintptr(pair[1]), "control")
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// command is a worker's command with what it inherits: its end of the control socket, the end for connections that are
// to be forgotten, and copies of the listening sockets. The order names them by the numbers they will have there; the
// files are to be closed once it runs.
func command(o *startOrder, control *os.File) (cmd *exec.Cmd, inherited *startOrder, files []*os.File, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, nil, err
	}
	cmd = exec.Command(self, WorkerEntry)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is the director's to handle
	cmd.ExtraFiles = []*os.File{control}
	hand := func(f *os.File) int {
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
		files = append(files, f)
		return 2 + len(cmd.ExtraFiles)
	}
	copied := *o
	copied.Sockets = make(map[string][]int)
	drops, err := takeDrops()
	if err != nil {
		return nil, nil, nil, err
	}
	copied.Drops = hand(drops)
	for key, fds := range o.Sockets {
		for _, fd := range fds {
			listener, err := sock.Dup(fd)
			if err != nil {
				closeAll(files)
				return nil, nil, nil, err
			}
			copied.Sockets[key] = append(copied.Sockets[key], hand(os.NewFile(uintptr(listener), "listener")))
		}
	}
	return cmd, &copied, files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// await gives the worker its order and waits for its word.
func (k *worker) await(o *startOrder) error {
	k.control.SetDeadline(time.Now().Add(startLimit))
	defer k.control.SetDeadline(time.Time{})
	if err := json.NewEncoder(k.control).Encode(order{Start: o}); err != nil {
		return fmt.Errorf("the worker does not listen: %w", err)
	}
	n, err := k.read()
	switch {
	case err != nil:
		return fmt.Errorf("the worker did not start: %w", err)
	case n.Failed != "":
		return errors.New(n.Failed)
	}
	k.first = n
	return nil
}

// read reads one line; byte by byte, so that nothing of the next is taken.
func (k *worker) read() (n news, err error) {
	var line []byte
	var b [1]byte
	for {
		if _, err := k.control.Read(b[:]); err != nil {
			return n, err
		}
		if b[0] == '\n' {
			return n, json.Unmarshal(line, &n)
		}
		line = append(line, b[0])
	}
}

// listen hears a worker's news until it ends, and replaces it if it was not to end.
func (w *workers) listen(k *worker) {
	dec := json.NewDecoder(k.control)
	for {
		var n news
		if err := w.hear(k, &dec, &n); err != nil {
			break
		}
		w.mu.Lock()
		if w.current == k && n.Usable != nil {
			w.down = n.Down
			w.health(n.Usable, true)
		}
		w.mu.Unlock()
	}
	<-k.exited
	k.control.Close()
	w.ended(k)
}

// hear reads the next news. A worker that is silent for too long and does not get on is killed: whatever holds it up,
// another one will serve, and its own end is news as well. After the first timeout it gets a second chance, for it
// may be us who was frozen: then its words are waiting to be read.
func (w *workers) hear(k *worker, dec **json.Decoder, n *news) error {
	heard, before := time.Now(), progressOf(k.cmd.Process.Pid)
	patience := silenceLimit
	for chance := 0; ; chance++ {
		k.control.SetReadDeadline(time.Now().Add(patience))
		err := (*dec).Decode(n)
		var late net.Error
		if !errors.As(err, &late) || !late.Timeout() {
			return err
		}
		*dec = json.NewDecoder(io.MultiReader((*dec).Buffered(), k.control))
		if patience = time.Second; chance == 0 {
			continue
		}
		silent := time.Since(heard)
		ran, waited := progressOf(k.cmd.Process.Pid).since(before)
		if hung(silent, ran, waited) {
			w.log.logf(failover.LevelError,
				"worker %d (process %d) has said nothing for %v, in which it ran for %v and waited for a processor "+
					"for %v: killing it",
				k.generation, k.cmd.Process.Pid, silent.Round(time.Second), ran.Round(time.Millisecond),
				waited.Round(time.Millisecond))
			k.kill()
			return err
		}
		if chance == 1 {
			w.log.logf(failover.LevelWarning,
				"worker %d (process %d) has said nothing for %v, but it waited for a processor for %v: this machine "+
					"is overloaded, the worker stays",
				k.generation, k.cmd.Process.Pid, silent.Round(time.Second), waited.Round(time.Millisecond))
		}
	}
}

// kill ends a worker, after it has had time to write its stacks.
func (k *worker) kill() {
	k.cmd.Process.Signal(syscall.SIGQUIT)
	select {
	case <-k.exited:
	case <-time.After(stacksLimit):
	}
	k.cmd.Process.Kill()
}

// quickDeath is the age below which a worker's death, if the one before died as young, makes the next one wait.
const quickDeath = time.Second

// ended handles the end of a worker process.
func (w *workers) ended(k *worker) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if k.retired || w.current != k {
		w.log.logf(failover.LevelInfo, "worker %d (process %d) has ended", k.generation, k.cmd.Process.Pid)
		return
	}
	w.log.logf(failover.LevelError, "worker %d (process %d) died: %v; starting another", k.generation,
		k.cmd.Process.Pid, k.cmd.ProcessState)
	w.health(nil, false)
	w.current = nil
	pause := time.Duration(0)
	if time.Since(k.started) < quickDeath && w.quick {
		pause = quickDeath
	}
	w.quick = time.Since(k.started) < quickDeath
	go w.revive(pause)
}

// revive starts a worker in the place of a dead one, again and again until one is ready.
func (w *workers) revive(pause time.Duration) {
	for {
		time.Sleep(pause)
		w.mu.Lock()
		if w.closing || w.current != nil || w.last == nil {
			w.mu.Unlock()
			return
		}
		k, err := w.start(w.last)
		if err == nil {
			w.current, w.down = k, k.first.Down
			w.health(k.first.Usable, true)
			w.log.logf(failover.LevelNotice, "worker %d is back (process %d)", k.generation, k.cmd.Process.Pid)
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		w.log.logf(failover.LevelError, "%v", err)
		pause = min(max(2*pause, quickDeath), 10*time.Second)
	}
}

// retire lets a worker finish what it has begun.
func (w *workers) retire(k *worker) {
	if k == nil {
		return
	}
	k.retired = true
	limit := w.hard
	json.NewEncoder(k.control).Encode(order{Drain: &limit})
}

// stop ends all workers, the current one too, and waits for them. soft lets connections end by themselves.
func (w *workers) stop(soft bool) {
	w.mu.Lock()
	w.closing = true
	k := w.current
	if soft {
		w.retire(k)
	} else if k != nil {
		k.retired = true
		k.cmd.Process.Signal(syscall.SIGTERM)
	}
	w.current = nil
	w.sockets.closeAll()
	w.mu.Unlock()
	done := make(chan struct{})
	go func() {
		w.all.Wait()
		close(done)
	}()
	if k == nil {
		return
	}
	if soft {
		<-k.exited
		return
	}
	select {
	case <-done:
	case <-time.After(3 * time.Second):
		k.cmd.Process.Kill()
	}
}

// pid is the current worker's process; 0: there is none.
func (w *workers) pid() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.current == nil {
		return 0
	}
	return w.current.cmd.Process.Pid
}

// generation counts the workers started so far.
func (w *workers) generation() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}
