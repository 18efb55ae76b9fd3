// Package source reads the files that a configuration is made of.
//
// It owns what a file must be to be read (regular, and of a size that a person or a
// tool may have meant) and how a reason is told when it is not. It must never know
// what is in them.
package source

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// maxFile bounds a file. The largest known configuration has 37,000 servers in 9 MB.
const maxFile = 16 << 20

// Read reads a whole file of at most 16 MiB. A directory, a device or a pipe is an error.
func Read(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, errors.New("is a directory")
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("has more than %d MiB", maxFile>>20)
	}
	return data, err
}

// Reason drops the path from a file error, for a message that has it already.
func Reason(err error) error {
	if pe, ok := err.(*fs.PathError); ok {
		return pe.Err
	}
	return err
}

// Once gives the text of files for config.WriteText: each is read when first asked for and
// kept. A file that is gone has none.
func Once(read func(name string) ([]byte, error)) func(name string) []byte {
	texts := make(map[string][]byte)
	return func(name string) []byte {
		text, ok := texts[name]
		if !ok {
			text, _ = read(name)
			texts[name] = text
		}
		return text
	}
}
