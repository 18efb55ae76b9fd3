package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/failover"
	"github.com/evenkeel/evenkeel/linux/sock"
	"github.com/evenkeel/evenkeel/lvs"
)

// DefaultRuntimeDir holds the control socket and the lock of a running director.
const DefaultRuntimeDir = "/run/evenkeel"

// RuntimeDir is DefaultRuntimeDir for root, and a directory of their own for others.
func RuntimeDir() string {
	if os.Geteuid() == 0 {
		return DefaultRuntimeDir
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "evenkeel")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("evenkeel-%d", os.Geteuid()))
}

const (
	socketName = "control.sock"
	lockName   = "lock"
	dumpName   = "evenkeel.data"
)

// Request is what a client asks over the control socket: one JSON object a line.
type Request struct {
	Command string `json:"command"` // status, reload
	// AllowEmpty lets a reload take everything away.
	AllowEmpty bool `json:"allow_empty,omitempty"`
}

// Reply is the answer, one JSON object a line.
type Reply struct {
	OK          bool                `json:"ok"`
	Error       string              `json:"error,omitempty"`
	Summary     string              `json:"summary,omitempty"`
	Diagnostics []config.Diagnostic `json:"diagnostics,omitempty"`
	Status      *failover.Status    `json:"status,omitempty"`
	// LVS is what the virtual servers are like; nil: there are none.
	LVS *lvs.Status `json:"lvs,omitempty"`
	// Worker is the process number of the proxy's worker; 0: there is none.
	Worker int `json:"worker,omitempty"`
}

// How long a director may take for an answer, and for a reload.
const (
	answerLimit = 5 * time.Second
	reloadLimit = 30 * time.Second
)

// Ask sends one request to the director of a runtime directory. One that belongs to neither root nor us is not asked:
// the user who made the directory first would answer.
func Ask(dir string, req Request) (Reply, error) {
	var reply Reply
	conn, err := net.DialTimeout("unix", filepath.Join(dir, socketName), 5*time.Second)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
			return reply, fmt.Errorf("no director runs with runtime directory %s", dir)
		}
		return reply, err
	}
	defer conn.Close()
	if uid, err := peerOf(conn); err != nil {
		return reply, err
	} else if me := os.Geteuid(); me != 0 && uid != 0 && uid != me {
		return reply, fmt.Errorf("user %d listens in runtime directory %s, not a director of ours", uid, dir)
	}
	patience := answerLimit
	if req.Command == "reload" {
		patience = reloadLimit
	}
	conn.SetDeadline(time.Now().Add(patience))
	if err := json.NewEncoder(conn).Encode(req); err != nil {
		return reply, err
	}
	if err := json.NewDecoder(conn).Decode(&reply); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return reply, fmt.Errorf("the director has not answered for %v: it is stopped, hangs or lacks a processor",
				patience)
		}
		return reply, fmt.Errorf("the director did not answer: %w", err)
	}
	return reply, nil
}

// peerOf is who listened when a UNIX connection was made.
func peerOf(conn net.Conn) (uid int, err error) {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *syscall.Ucred
	if failed := raw.Control(func(fd uintptr) {
		cred, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); failed != nil {
		err = failed
	}
	if err != nil {
		return 0, fmt.Errorf("who runs the director is unknown: %w", err)
	}
	return int(cred.Uid), nil
}

// lock makes sure that one director at a time uses a runtime directory. The
// kernel lets go of it when the process ends, however it ends.
func lock(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := ownDirectory(dir); err != nil {
		return nil, fmt.Errorf("runtime directory %s: %w; give another one with --runtime-dir", dir, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another director already runs with runtime directory %s (use --runtime-dir for a "+
			"second one)", dir)
	}
	return f, nil
}

// ownDirectory reports why a directory is not one in which only root and we decide: it belongs to someone else,
// others may put things into it, or exchange it.
func ownDirectory(dir string) error {
	mine := func(info fs.FileInfo) error {
		st, ok := info.Sys().(*syscall.Stat_t)
		if ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
			return fmt.Errorf("it belongs to user %d", st.Uid)
		}
		return nil
	}
	info, err := os.Lstat(dir)
	if err == nil {
		err = mine(info) // of a link, too
	}
	if err != nil {
		return err
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	if real, err = filepath.Abs(real); err != nil {
		return err
	}
	if info, err = os.Lstat(real); err != nil {
		return err
	}
	if err := mine(info); err != nil {
		return err
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("others may write there (mode %v)", info.Mode().Perm())
	}
	for above := filepath.Dir(real); ; above = filepath.Dir(above) {
		if info, err = os.Lstat(above); err != nil {
			return err
		}
		if info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
			return fmt.Errorf("everyone may exchange what is in %s (mode %v)", above, info.Mode().Perm())
		}
		if above == filepath.Dir(above) {
			return nil
		}
	}
}

// listen opens the control socket, in the place of a dead director's.
func listen(dir string) (net.Listener, error) {
	path := filepath.Join(dir, socketName)
	os.Remove(path) // ours by the lock
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	return net.Listen("unix", path)
}

// serve answers clients until the listener is closed.
func (d *director) serve(l net.Listener) {
	l = sock.Patient(l, func(err error) {
		d.log.logf(failover.LevelError, "the control socket cannot accept a client: %v (logged once)", err)
	})
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go d.answer(conn)
	}
}

// maxRequest bounds what a client may send.
const maxRequest = 1 << 16

func (d *director) answer(conn net.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	var req Request
	if err := json.NewDecoder(&limited{conn, maxRequest}).Decode(&req); err != nil {
		json.NewEncoder(conn).Encode(Reply{Error: "request is not JSON: " + err.Error()})
		return
	}
	var reply Reply
	switch req.Command {
	case "status":
		s, err := d.status()
		if err != nil {
			reply.Error = err.Error()
			break
		}
		reply.OK, reply.Status, reply.Worker = true, &s, d.workers.pid()
		reply.LVS = d.forwarding.status()
	case "reload":
		reply = d.reload(req.AllowEmpty || d.opts.AllowEmpty)
	default:
		reply.Error = fmt.Sprintf("unknown command %q; known: status, reload", req.Command)
	}
	json.NewEncoder(conn).Encode(reply)
}

// limited is io.LimitReader with an error of its own.
type limited struct {
	conn net.Conn
	left int
}

func (l *limited) Read(b []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("longer than %d bytes", maxRequest)
	}
	n, err := l.conn.Read(b[:min(len(b), l.left)])
	l.left -= n
	return n, err
}
