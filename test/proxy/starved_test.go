package proxy

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestStacks: SIGQUIT has a worker write what it does, and changes nothing; the director asks so before it kills one.
func TestStacks(t *testing.T) {
	n := newNode(t, fmt.Sprintf(oneServer, 2, "*:80"), "")
	n.startWeb("one", 8001)
	n.start()
	url := "http://" + nodeAddress + "/"
	eventually(t, "served", func() bool { s, _, _ := n.get(url); return s == 200 })
	pid := n.running()
	if err := send(pid, syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stacks of the worker's threads are in the log", func() bool {
		log := n.log.String()
		return strings.Contains(log, "goroutine ") && strings.Count(log, "proxy.(*Engine).Start") >= 2
	})
	if s, _, body := n.get(url); s != 200 || n.worker() != pid {
		t.Errorf("%d %s from worker %d, which was %d", s, body, n.worker(), pid)
	}
}

// throttle lets a process have share of a processor, by a control group of its own, and gives a function that ends it.
func throttle(t *testing.T, pid int, share float64) (end func()) {
	t.Helper()
	name := fmt.Sprintf("evenkeel-test-%d", os.Getpid())
	for _, kind := range []struct{ root, file, text string }{
		{"/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", fmt.Sprint(int(share * 1e6))},
		{"/sys/fs/cgroup", "cpu.max", fmt.Sprintf("%d 1000000", int(share*1e6))},
	} {
		dir := filepath.Join(kind.root, name)
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		write := func(file, text string) bool { return os.WriteFile(filepath.Join(dir, file), []byte(text), 0) == nil }
		if kind.file == "cpu.cfs_quota_us" {
			write("cpu.cfs_period_us", "1000000")
		}
		if write(kind.file, kind.text) && write("cgroup.procs", fmt.Sprint(pid)) {
			end := func() {
				os.WriteFile(filepath.Join(kind.root, "cgroup.procs"), []byte(fmt.Sprint(pid)), 0)
				os.Remove(dir)
			}
			t.Cleanup(end)
			return end
		}
		os.Remove(dir)
	}
	t.Skip("no control groups of processor time can be made here")
	return nil
}

// TestStarvedWorker: a worker that gets a thousandth of a processor says nothing for long, and is not taken for one
// that hangs: it goes on where it was when there is time again.
func TestStarvedWorker(t *testing.T) {
	n := newNode(t, fmt.Sprintf(oneServer, 2, "*:80"), "")
	n.startWeb("one", 8001)
	n.start()
	url := "http://" + nodeAddress + "/"
	eventually(t, "served", func() bool { s, _, _ := n.get(url); return s == 200 })
	pid := n.running()
	end := throttle(t, pid, 0.001)
	busy := make(chan struct{}) // it has something to do
	go func() {
		defer close(busy)
		for until := time.Now().Add(20 * time.Second); time.Now().Before(until) &&
			!strings.Contains(n.log.String(), "overloaded"); {
			c := n.newClient(-1)
			c.Timeout = 100 * time.Millisecond
			if resp, err := c.Get(url); err == nil {
				resp.Body.Close()
			}
			c.CloseIdleConnections()
		}
	}()
	<-busy
	end()
	eventually(t, "served again", func() bool { s, _, _ := n.get(url); return s == 200 })
	if now := n.worker(); now != pid || strings.Contains(n.log.String(), "killing it") {
		t.Errorf("worker %d has been replaced by %d", pid, now)
	}
	if !strings.Contains(n.log.String(), "overloaded") {
		t.Log("the worker has not been silent for long enough to be judged")
	}
}
