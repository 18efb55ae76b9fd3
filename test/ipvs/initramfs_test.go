//go:build !ipvsguest

package ipvs

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"sort"
	"strings"
)

// An initramfs is the guest's whole file system, written as a cpio archive (newc).
type initramfs struct {
	files map[string]entry
}

type entry struct {
	mode uint32 // with the type
	data []byte
}

func newInitramfs() *initramfs { return &initramfs{files: make(map[string]entry)} }

func (r *initramfs) add(name string, perm uint32, data []byte) {
	name = strings.TrimPrefix(path.Clean(name), "/")
	r.files[name] = entry{0o100000 | perm, data}
	r.dir(path.Dir(name))
}

func (r *initramfs) dir(name string) {
	for name = strings.TrimPrefix(path.Clean(name), "/"); name != "." && name != ""; name = path.Dir(name) {
		r.files[name] = entry{mode: 0o040755}
	}
}

// copy puts a file of the host, with its permissions, at to.
func (r *initramfs) copy(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	r.add(to, uint32(info.Mode().Perm()), data)
	return nil
}

// tree copies a directory.
func (r *initramfs) tree(from, to string) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		return r.copy(name, path.Join(to, rel))
	})
}

// program copies a program of the host with the shared libraries it needs.
func (r *initramfs) program(name string) error {
	file, err := exec.LookPath(name)
	if err != nil {
		return err
	}
	if err := r.copy(file, file); err != nil {
		return err
	}
	out, err := exec.Command("ldd", file).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ldd %s: %w\n%s", file, err, out)
	}
	for _, word := range strings.Fields(string(out)) {
		if strings.HasPrefix(word, "/") {
			if err := r.copy(word, word); err != nil {
				return err
			}
		}
	}
	return nil
}

// archive returns the compressed archive; directories come before what is in them.
func (r *initramfs) archive() ([]byte, error) {
	names := make([]string, 0, len(r.files))
	for name := range r.files {
		names = append(names, name)
	}
	sort.Strings(names)
	var out bytes.Buffer
	zip, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		writeEntry(zip, i+1, name, r.files[name])
	}
	writeEntry(zip, 0, "TRAILER!!!", entry{})
	err = zip.Close()
	return out.Bytes(), err
}

func writeEntry(w *gzip.Writer, inode int, name string, e entry) {
	head := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		inode, e.mode, 0, 0, 1, 0, len(e.data), 0, 0, 0, 0, len(name)+1, 0)
	w.Write([]byte(head + name + "\x00"))
	w.Write(make([]byte, pad(len(head)+len(name)+1)))
	w.Write(e.data)
	w.Write(make([]byte, pad(len(e.data))))
}

func pad(n int) int { return (4 - n%4) % 4 }
