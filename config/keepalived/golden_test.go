package keepalived

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/source"
	"github.com/evenkeel/evenkeel/lvs/table"
	"github.com/evenkeel/evenkeel/test/peers"
)

var update = peers.Update // golden files and docs/compat.md

// TestGolden reads every testdata/*.conf by both verdicts and compares what comes
// out: the diagnostics, and the model if there is one.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.conf")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".conf"), func(t *testing.T) {
			golden(t, strings.TrimSuffix(file, ".conf")+".golden", verdicts(file))
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
	site, diags := Load(file, Options{ID: "node1"})
	_ = config.WriteText(&out, diags, source.Once(source.Read))
	out.WriteString("---- strict\n")
	_, strict := Load(file, Options{ID: "node1", Strict: true})
	_ = config.WriteText(&out, strict, nil)
	out.WriteString("---- model\n")
	if site == nil {
		out.WriteString("none\n")
	} else {
		dump(&out, "", reflect.ValueOf(site).Elem())
	}
	return out.Bytes()
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
	case time.Duration, netip.Addr, netip.AddrPort, netip.Prefix, []string, *regexp.Regexp, *[16]byte, []byte, [][2]int,
		table.Key:
		fmt.Fprintf(out, "%s%s: %q\n", indent, name, fmt.Sprint(v))
		return
	case *config.Script:
		fmt.Fprintf(out, "%s%s: -> %s\n", indent, name, v.Name)
		return
	case []*config.Instance:
		if indent != "" { // members of a group
			for _, m := range v {
				fmt.Fprintf(out, "%s%s: -> %s\n", indent, name, m.Name)
			}
			return
		}
	case []*config.Script:
		for _, s := range v {
			fmt.Fprintf(out, "%s%s\n", indent, name)
			dump(out, indent+"  ", reflect.ValueOf(s).Elem())
		}
		return
	}
	switch f.Kind() {
	case reflect.Pointer:
		fmt.Fprintf(out, "%s%s\n", indent, name)
		dump(out, indent+"  ", f.Elem())
	case reflect.Struct:
		fmt.Fprintf(out, "%s%s\n", indent, name)
		dump(out, indent+"  ", f)
	case reflect.Slice:
		for i := range f.Len() {
			fmt.Fprintf(out, "%s%s\n", indent, name)
			e := f.Index(i)
			if k, ok := e.Interface().(table.Key); ok {
				fmt.Fprintf(out, "%s  %v\n", indent, k)
				continue
			}
			if e.Kind() == reflect.Pointer {
				e = e.Elem()
			}
			dump(out, indent+"  ", e)
		}
	default:
		fmt.Fprintf(out, "%s%s: %v\n", indent, name, f.Interface())
	}
}
