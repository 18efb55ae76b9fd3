package site

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// standInSystemctl does inside a node what systemctl does on a machine with systemd: it asks
// the node's first process. Options are ignored.
func standInSystemctl(args []string) int {
	var words []string
	for _, a := range args {
		if !strings.HasPrefix(a, "-") {
			words = append(words, a)
		}
	}
	if len(words) != 2 {
		fmt.Fprintln(os.Stderr, "systemctl (lab): usage: systemctl start|stop|restart|is-active UNIT")
		return 1
	}
	conn, err := net.DialTimeout("unix", agentSocket, time.Second)
	if err != nil {
		fmt.Fprintln(os.Stderr, "systemctl (lab):", err)
		return 1
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s %s\n", words[0], words[1])
	reply, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		fmt.Fprintln(os.Stderr, "systemctl (lab): no answer:", err)
		return 1
	}
	status, text, _ := strings.Cut(strings.TrimSpace(reply), " ")
	if text != "" {
		fmt.Println(text)
	}
	code, err := strconv.Atoi(status)
	if err != nil {
		return 1
	}
	return code
}

// standInPs is `ps -C NAME [--no-heading]` for machines without procps: it lists the processes
// of that name in this node, and fails when there is none.
func standInPs(args []string) int {
	name, heading := "", true
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "-C" && i+1 < len(args):
			i++
			name = args[i]
		case strings.HasPrefix(args[i], "--no-head"):
			heading = false
		default:
			fmt.Fprintf(os.Stderr, "ps (lab): unknown option %s; it knows -C NAME and --no-heading (install procps "+
				"for more)\n", args[i])
			return 1
		}
	}
	if name == "" {
		fmt.Fprintln(os.Stderr, "ps (lab): needs -C NAME (install procps for more)")
		return 1
	}
	if heading {
		fmt.Println("    PID TTY          TIME CMD")
	}
	found := 1
	comms, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, path := range comms {
		comm, err := os.ReadFile(path)
		if err != nil || strings.TrimSpace(string(comm)) != name {
			continue
		}
		fmt.Printf("%7s ?        00:00:00 %s\n", filepath.Base(filepath.Dir(path)), name)
		found = 0
	}
	return found
}

// standInCurl is `curl [-I] URL` for machines without curl: it asks once and prints the head
// of the answer, or with a plain URL the body. Like curl's, its exit status is 0 for any answer.
func standInCurl(args []string) int {
	method, url := http.MethodGet, ""
	for _, a := range args {
		switch {
		case a == "-I" || a == "--head":
			method = http.MethodHead
		case a == "-s" || a == "--silent":
		case strings.HasPrefix(a, "-"):
			fmt.Fprintf(os.Stderr, "curl (lab): unknown option %s; it knows -I and -s (install curl for more)\n", a)
			return 2
		default:
			url = a
		}
	}
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, "curl (lab):", err)
		return 3
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		fmt.Fprintln(os.Stderr, "curl (lab):", err)
		return 7
	}
	defer resp.Body.Close()
	if method == http.MethodHead {
		fmt.Printf("%s %s\n", resp.Proto, resp.Status)
		_ = resp.Header.Write(os.Stdout)
		return 0
	}
	if _, err := io.Copy(os.Stdout, resp.Body); err != nil {
		return 18
	}
	return 0
}
