package daemon

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/evenkeel/evenkeel/test/netns"
)

// Users of these tests; they need not exist.
const (
	otherUser = 5
	victim    = 65534
)

// TestRuntimeDirectoryOfOthers: a directory that somebody else made, may write in, or can exchange is refused before
// anything is put there; one of ours is not.
func TestRuntimeDirectoryOfOthers(t *testing.T) {
	netns.Root(t)
	base := t.TempDir()
	if err := os.Chmod(base, 0o755); err != nil {
		t.Fatal(err)
	}
	dir := func(name string, mode os.FileMode, owner int) string {
		path := filepath.Join(base, name)
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, owner, owner); err != nil {
			t.Fatal(err)
		}
		return path
	}
	link := filepath.Join(base, "link")
	if err := os.Symlink(dir("target", 0o755, 0), link); err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(link, otherUser, otherUser); err != nil {
		t.Fatal(err)
	}
	dir("open", 0o777, 0)
	trap := dir("trap", 0o755, 0)
	if err := os.Symlink(filepath.Join(base, "made"), filepath.Join(trap, lockName)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ dir, want string }{
		{dir("new/one", 0o755, 0), ""},
		{dir("ours", 0o700, 0), ""},
		{dir("theirs", 0o755, otherUser), "belongs to user 5"},
		{dir("everyones", 0o777, 0), "others may write there"},
		{dir("everyones-sticky", 0o777|os.ModeSticky, 0), "others may write there"},
		{dir("groups", 0o775, 0), "others may write there"},
		{link, "belongs to user 5"},
		{dir("open/below", 0o755, 0), "everyone may exchange"},
		{trap, "too many levels of symbolic links"},
	} {
		if c.dir == filepath.Join(base, "open/below") {
			os.Chmod(filepath.Join(base, "open"), 0o777)
		}
		f, err := lock(c.dir)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.dir, err, c.want)
		}
		if err == nil {
			f.Close()
		}
	}
	if _, err := os.Lstat(filepath.Join(base, "made")); err == nil {
		t.Error("a file was made through a link that lay in place of the lock")
	}
}

// TestForeignSocketIsNotAsked: a socket of another user in place of the director's is not asked.
func TestForeignSocketIsNotAsked(t *testing.T) {
	const mark = "EVENKEEL_TEST_ROLE"
	role, dir, _ := strings.Cut(os.Getenv(mark), " ")
	switch role {
	case "answer":
		l, err := net.Listen("unix", filepath.Join(dir, socketName))
		if err != nil {
			t.Fatal(err)
		}
		os.Chmod(filepath.Join(dir, socketName), 0o777)
		fmt.Println("listening")
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			bufio.NewReader(c).ReadString('\n') // who closes before it was asked breaks the asker's pipe
			json.NewEncoder(c).Encode(Reply{OK: true, Summary: "all is well"})
			c.Close()
		}
	case "ask":
		_, err := Ask(dir, Request{Command: "reload"})
		fmt.Println("asked:", err)
		return
	}
	netns.Root(t)
	dir = t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		os.Chmod(d, 0o777)
	}
	as := func(uid uint32, role string) *exec.Cmd {
		// its own path is not readable for other users
		cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), mark+"="+role+" "+dir)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		return cmd
	}
	fake := as(otherUser, "answer")
	out, err := fake.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := fake.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { fake.Process.Kill(); fake.Wait() }()
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "listening"; {
	}
	if out, err := as(victim, "ask").CombinedOutput(); err != nil ||
		!strings.Contains(string(out), "asked: user 5 listens in runtime directory") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := as(otherUser, "ask").CombinedOutput(); err != nil || !strings.Contains(string(out), "asked: <nil>") {
		t.Errorf("one's own director: %v\n%s", err, out)
	}
}
