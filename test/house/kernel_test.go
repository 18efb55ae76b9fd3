package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// mayCall are packages that are no edge and call the kernel through package syscall, with the reason.
var mayCall = map[string]string{
	"daemon": "it is the process: it starts and reaps others, hands them descriptors and locks its directory",
	"script": "it is an edge: process groups and niceness of scripts",
}

// conversions are names of package syscall that look like functions and are types.
var conversions = map[string]bool{"Errno": true, "Signal": true}

// TestSyscalls: package syscall is one of those through which the kernel is reached. Its errors, signals and types are
// everybody's; its functions are those of packages that may use the kernel.
func TestSyscalls(t *testing.T) {
	unused := make(map[string]bool)
	for name := range mayCall {
		unused[name] = true
	}
	for _, p := range list(t) {
		path := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if f, ok := floorOf(path); !ok || mayUseKernel[f.name] {
			continue
		}
		for _, name := range p.GoFiles {
			file := filepath.Join(p.Dir, name)
			fset := token.NewFileSet()
			parsed, err := parser.ParseFile(fset, file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, call := range calls(parsed, "syscall") {
				if delete(unused, path); mayCall[path] == "" {
					t.Errorf("%s calls syscall.%s: that is for the edges (linux/…)", fset.Position(call.Pos()),
						call.Sel.Name)
				}
			}
		}
	}
	for name := range unused {
		t.Errorf("%s may call the kernel and does not: take it off the list", name)
	}
}

// calls are the calls of a package's functions in a file.
func calls(f *ast.File, pkg string) (all []*ast.SelectorExpr) {
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if s, ok := call.Fun.(*ast.SelectorExpr); ok && !conversions[s.Sel.Name] {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == pkg {
				all = append(all, s)
			}
		}
		return true
	})
	return all
}
