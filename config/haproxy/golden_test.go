package haproxy

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/source"
	"github.com/evenkeel/evenkeel/test/peers"
)

var update = peers.Update // golden files and docs/compat-haproxy.md

// testOptions answer the same on every machine.
func testOptions() Options {
	return Options{
		Getenv: func(name string) (string, bool) {
			v, ok := map[string]string{"FOO": "bar baz", "PORT": "8080", "EMPTY": ""}[name]
			return v, ok
		},
		Resolve: func(host string) (netip.Addr, error) {
			switch host {
			case "localhost":
				return netip.MustParseAddr("127.0.0.1"), nil
			case "web6":
				return netip.MustParseAddr("2001:db8::6"), nil
			}
			return netip.Addr{}, errors.New("no such host")
		},
		ReadFile: func(name string) ([]byte, error) {
			switch name {
			case "/etc/haproxy/503.http":
				return []byte("HTTP/1.0 503 Service Unavailable\r\nContent-Type: text/html\r\n\r\nsorry\n"), nil
			case "/etc/haproxy/paths":
				return []byte("/a\n/b\n"), nil
			case "/etc/haproxy/page":
				return []byte("100% of %[src]\n"), nil
			}
			if strings.HasPrefix(name, "testdata/") {
				return os.ReadFile(name)
			}
			return nil, fs.ErrNotExist
		},
	}
}

// TestGolden reads every testdata/*.cfg by both verdicts and compares what comes out: the
// diagnostics, and the model if there is one.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.cfg")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".cfg"), func(t *testing.T) {
			golden(t, strings.TrimSuffix(file, ".cfg")+".golden", verdicts(file))
		})
	}
}

// golden compares got with a file, or writes the file.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got, -update rewrites):\n%s", file, diff)
	}
}

// verdicts prints a file's diagnostics by both verdicts, and its model.
func verdicts(file string) []byte {
	var out bytes.Buffer
	opts := testOptions()
	model, diags := load(file, opts)
	_ = config.WriteText(&out, diags, source.Once(opts.ReadFile))
	out.WriteString("---- strict\n")
	opts.Strict = true
	_, strict := load(file, opts)
	_ = config.WriteText(&out, strict, nil)
	out.WriteString("---- model\n")
	if model == nil {
		out.WriteString("none\n")
	} else {
		dump(&out, "", reflect.ValueOf(model).Elem())
	}
	return out.Bytes()
}

// load reads one file that is on disk.
func load(file string, opts Options) (*config.Proxying, []config.Diagnostic) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, []config.Diagnostic{{Pos: config.Position{File: file}, Severity: config.Error, Code: "unreadable",
			Message: err.Error()}}
	}
	return Parse([]File{{file, data}}, opts)
}

// dump prints what is not zero in a value, a field on each line.
func dump(out *bytes.Buffer, indent string, v reflect.Value) {
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Name
		if f.IsZero() {
			continue
		}
		dumpField(out, indent, name, f)
	}
}

func dumpField(out *bytes.Buffer, indent, name string, f reflect.Value) {
	switch v := f.Interface().(type) {
	case config.Position:
		fmt.Fprintf(out, "%s%s: %v\n", indent, name, v)
		return
	case *config.Proxy:
		if name != "Proxies" {
			fmt.Fprintf(out, "%s%s: -> %s\n", indent, name, v.Name)
			return
		}
	case *config.Server:
		if name != "Servers" {
			fmt.Fprintf(out, "%s%s: -> %s\n", indent, name, v.Name)
			return
		}
	case time.Duration, netip.Addr, netip.AddrPort, netip.Prefix, []string, [][2]string, [][2]int:
		fmt.Fprintf(out, "%s%s: %q\n", indent, name, fmt.Sprint(v))
		return
	case []byte:
		fmt.Fprintf(out, "%s%s: %q\n", indent, name, v)
		return
	case fmt.Stringer:
		fmt.Fprintf(out, "%s%s: %q\n", indent, name, v.String())
		return
	}
	switch f.Kind() {
	case reflect.Struct:
		fmt.Fprintf(out, "%s%s\n", indent, name)
		dump(out, indent+"  ", f)
	case reflect.Pointer:
		if f.IsNil() {
			fmt.Fprintf(out, "%s%s: none\n", indent, name)
			return
		}
		fmt.Fprintf(out, "%s%s\n", indent, name)
		dump(out, indent+"  ", f.Elem())
	case reflect.Slice:
		for i := range f.Len() {
			dumpField(out, indent, name, f.Index(i))
		}
	case reflect.Map:
		keys := f.MapKeys()
		if f.Type().Key().Kind() == reflect.String {
			slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
			for _, k := range keys {
				dumpField(out, indent, fmt.Sprintf("%s[%s]", name, k), f.MapIndex(k))
			}
			return
		}
		slices.SortFunc(keys, func(a, b reflect.Value) int { return int(a.Int() - b.Int()) })
		for _, k := range keys {
			dumpField(out, indent, fmt.Sprintf("%s[%d]", name, k.Int()), f.MapIndex(k))
		}
	default:
		fmt.Fprintf(out, "%s%s: %v\n", indent, name, f.Interface())
	}
}
