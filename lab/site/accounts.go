package site

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The textbook's haproxy.cfg says `user haproxy` and `group haproxy`. A machine without that
// package has neither, and in a user namespace with one identity nobody else can be become, so
// there the names stand for who the process already is.

// ProxyAccount is the name in the file.
const ProxyAccount = "haproxy"

// writeAccounts gives the host a passwd and a group file of its own where the machine's will
// not do, and names those it wrote.
func (c *HostConfig) writeAccounts(root string) (written []string, err error) {
	for name, line := range c.accountLines() {
		machine, err := os.ReadFile(filepath.Join(root, hostEtc, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		rest, known := withoutAccount(string(machine))
		if known && !c.Rootless {
			continue
		}
		if err := os.WriteFile(filepath.Join(root, "etc", name), []byte(line+"\n"+rest), 0o644); err != nil {
			return nil, err
		}
		written = append(written, name)
	}
	return written, nil
}

// accountLines are the account's lines by file.
func (c *HostConfig) accountLines() map[string]string {
	user, group := "981", "981" // numbers a distribution leaves to its administrator
	switch {
	case c.Rootless && c.Director == "keepalived":
		user, group = "0", "0"
	case c.Rootless:
		// A group number of -1 asks for no change: the kernel lets nobody in such a namespace
		// set groups, not even the one it has.
		user, group = "0", "-1"
	}
	return map[string]string{
		"passwd": ProxyAccount + ":x:" + user + ":" + group + "::/:/usr/sbin/nologin",
		"group":  ProxyAccount + ":x:" + group + ":",
	}
}

// withoutAccount leaves the account out of a passwd or group file and reports whether it was there.
func withoutAccount(file string) (rest string, known bool) {
	var b strings.Builder
	for line := range strings.Lines(file) {
		if strings.HasPrefix(line, ProxyAccount+":") {
			known = true
			continue
		}
		b.WriteString(line)
	}
	return b.String(), known
}
