// Package binary gives tests the evenkeel they run: the one `make test` has built, or one built now.
package binary

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// Built is the environment variable that names an evenkeel to test: `make test` builds one for all packages.
const Built = "EVENKEEL_BUILT"

// Put puts evenkeel into dir, where any user may run it, and gives its file. With flags of `go build`, such as -race,
// it is always built.
func Put(dir string, flags ...string) (string, error) {
	path := filepath.Join(dir, "evenkeel")
	if built := os.Getenv(Built); built != "" && len(flags) == 0 {
		return path, duplicate(built, path)
	}
	cmd := exec.Command("go", slices.Concat([]string{"build", "-o", path}, flags,
		[]string{"github.com/evenkeel/evenkeel/cmd/evenkeel"})...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if slices.Contains(flags, "-race") {
		cmd.Env = append(cmd.Env, "CGO_ENABLED=1")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building evenkeel: %w\n%s", err, out)
	}
	return path, nil
}

// duplicate copies a program.
func duplicate(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("%s: %w", Built, err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
