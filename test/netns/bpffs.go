package netns

import (
	"testing"

	"golang.org/x/sys/unix"
)

// BPFFS mounts a directory to pin programs and maps in, until the test ends.
func BPFFS(t testing.TB) string {
	t.Helper()
	Root(t)
	dir := t.TempDir()
	if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}
