package compat

import (
	"fmt"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
)

// Differences gives, sorted, the comments of the package in dir that begin with "Differs
// from" and the name of the program, up to the end of their paragraph. There must be one
// at least. Tests and doc.go are left out.
func Differences(dir, program string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var all []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || filepath.Base(file) == "doc.go" {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, c := range f.Comments {
			if _, text, found := strings.Cut(c.Text(), "Differs from "+program+":"); found {
				text, _, _ = strings.Cut(text, "\n\n")
				all = append(all, strings.Join(strings.Fields(text), " "))
			}
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no comment in %s begins with %q", dir, "Differs from "+program)
	}
	slices.Sort(all)
	return all, nil
}
