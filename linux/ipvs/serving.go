package ipvs

import (
	"bufio"
	"io"
	"os"
)

// tablePath lists the services of the calling thread's network namespace. It is there only while the module is loaded.
const tablePath = "/proc/thread-self/net/ip_vs"

// Serving reports whether the calling thread's network namespace has services in the kernel's IPVS. Unlike
// [Available] it asks nothing that would load the module.
func Serving() bool {
	f, err := os.Open(tablePath)
	if err != nil {
		return false
	}
	defer f.Close()
	return hasServices(f)
}

// hasServices looks for a line after the list's three of headings.
func hasServices(list io.Reader) bool {
	lines := bufio.NewScanner(list)
	n := 0
	for n < 4 && lines.Scan() {
		n++
	}
	return n == 4
}
