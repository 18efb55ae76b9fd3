package haproxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/verdict"
)

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	front := "defaults\n mode http\n timeout client 1s\n timeout server 1s\n timeout connect 1s\nfrontend f\n bind :80\n default_backend b\n"
	good, back := write("good.cfg", front+"backend b\n"), write("back.cfg", "backend b\n server s 10.0.0.1:80\n")
	half, wrong := write("half.cfg", front), write("wrong.cfg", front+"backend b\n blance source\n")
	dead, refused := write("dead.cfg", front+"backend b\n redispatch\n"), write("refused.cfg", front+"backend b\n stick on src\n")
	write("d/2.cfg", "backend b\n")
	write("d/1.cfg", front)
	tests := []struct {
		name  string
		paths []string
		opts  Options
		how   Presentation
		code  int
		want  string
	}{
		{"good", []string{good}, Options{}, Presentation{}, 0, ""},
		{"good, strict", []string{good}, Options{Strict: true}, Presentation{}, 0, ""},
		{"two files are one configuration", []string{half, back}, Options{}, Presentation{}, 0, ""},
		{"the order matters", []string{back, half}, Options{}, Presentation{Brief: true}, 1,
			"DIR/back.cfg:1:1: warning: backend b: timeout connect, timeout server is not set: connections may stay for ever\n" +
				"DIR/half.cfg:8:18: error: frontend f is in mode http, its default_backend b in mode tcp; set the same mode in both\n"},
		{"a directory", []string{filepath.Join(dir, "d")}, Options{}, Presentation{}, 0, ""},
		{"half", []string{half}, Options{}, Presentation{Brief: true}, 1, "DIR/half.cfg:8:18: error: frontend f: there is no backend \"b\"\n"},
		{"wrong", []string{wrong}, Options{}, Presentation{}, 1,
			"DIR/wrong.cfg:10:2: error: unknown word \"blance\" in backend; did you mean \"balance\"?\n     blance source\n     ^\n"},
		{"dead", []string{dead}, Options{}, Presentation{Brief: true}, 0, "DIR/dead.cfg:10:2: warning: \"redispatch\" is gone from haproxy; today's word is option redispatch\n"},
		{"dead, strict", []string{dead}, Options{Strict: true}, Presentation{Brief: true}, 1, "DIR/dead.cfg:10:2: error: \"redispatch\" is gone from haproxy; today's word is option redispatch\n"},
		{"refused", []string{refused}, Options{}, Presentation{Brief: true}, 1, "DIR/refused.cfg:10:2: error: \"stick\" is known to haproxy, but not supported yet\n"},
		{"refused, strict", []string{refused}, Options{Strict: true}, Presentation{Brief: true}, 0, "DIR/refused.cfg:10:2: warning: \"stick\" is known to haproxy, but not supported yet\n"},
		{"missing", []string{filepath.Join(dir, "none.cfg")}, Options{}, Presentation{}, 1, "DIR/none.cfg: error: no such file or directory\n"},
		{"device", []string{"/dev/zero"}, Options{}, Presentation{}, 1, "/dev/zero: error: is not a regular file\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			if code := Check(test.paths, test.opts, test.how, &out); code != test.code {
				t.Errorf("code %d, want %d", code, test.code)
			}
			if got := strings.ReplaceAll(out.String(), dir, "DIR"); got != test.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
	if model, _ := Load(refused, Options{Strict: true}); model != nil {
		t.Error("strict gives a model that we do not support")
	}
	t.Run("json", func(t *testing.T) {
		var out bytes.Buffer
		Check([]string{wrong}, Options{}, Presentation{JSON: true}, &out)
		var got []map[string]any
		if err := json.Unmarshal(out.Bytes(), &got); err != nil || len(got) != 1 {
			t.Fatalf("%v: %s", err, out.Bytes())
		}
		for key, want := range map[string]any{"file": wrong, "line": 10.0, "col": 2.0, "severity": "error", "code": "unknown-word", "hint": `did you mean "balance"?`} {
			if got[0][key] != want {
				t.Errorf("%s: %v, want %v", key, got[0][key], want)
			}
		}
	})
}

func TestRecognise(t *testing.T) {
	for text, want := range map[string]bool{
		"global\n":                                  true,
		"\ufeff# x\r\n  defaults\r\n":               true,
		"frontend f\n bind :80\n":                   true,
		"backend b # c\n":                           true,
		"listen a :80\n":                            true,
		"":                                          false,
		"# global\n":                                false,
		"vrrp_instance V {\n}\n":                    false,
		"global_defs {\n router_id x\n}\n":          false,
		"global {\n}\n":                             false,
		"frontend f {\n bind :80\n}\n":              false,
		"upstream backend {\n server a;\n}\n":       false,
		"defaults:\n  mode: http\n":                 false,
		"resolvers r\n nameserver a 127.0.0.1:53\n": true,
		"userlist u\n user a password b\n":          true,
		"cache\nprogram\n":                          false,
	} {
		if got := Recognise([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// TestManyLines: 500 backends with 50 servers each are read in a time that does not grow with their square.
func TestManyLines(t *testing.T) {
	var text strings.Builder
	text.WriteString("defaults\n mode http\n timeout client 1s\n timeout server 1s\n timeout connect 1s\nfrontend f\n bind :80\n")
	for i := range 500 {
		fmt.Fprintf(&text, " use_backend b%d if { hdr(host) -i h%d }\n", i, i)
	}
	for i := range 500 {
		fmt.Fprintf(&text, "backend b%d\n", i)
		for j := range 50 {
			fmt.Fprintf(&text, " server s%d web:%d check\n", j, 1000+j)
		}
	}
	lookups := 0
	model, diags := Parse([]File{{"f", []byte(text.String())}}, Options{Resolve: func(string) (netip.Addr, error) {
		lookups++
		return netip.MustParseAddr("192.0.2.1"), nil
	}})
	if model == nil || len(model.Proxies) != 501 || len(diags) > 0 || lookups != 1 {
		t.Fatalf("%d lookups, %v", lookups, diags)
	}
}

// TestFloodIsBounded: a file that is not one at all is refused in few words and soon.
func TestFloodIsBounded(t *testing.T) {
	_, diags := Parse([]File{{"f", bytes.Repeat([]byte("xyzzy plugh {\n"), 200_000)}}, Options{})
	if len(diags) == 0 || len(diags) > verdict.Most+1 || !config.HasErrors(diags) {
		t.Errorf("%d diagnostics", len(diags))
	}
}

// TestFiles: every file that a line names is read through ReadFile.
func TestFiles(t *testing.T) {
	asked := make(map[string]bool)
	opts := testOptions()
	opts.ReadFile = func(name string) ([]byte, error) {
		asked[name] = true
		return nil, errors.New("not here")
	}
	Parse([]File{{"f", []byte("defaults\n mode http\nfrontend f\n bind :80\n errorfile 503 /a\n acl x path -f /b\n http-request deny if { src -f /c }\n" +
		" http-request return content-type text/plain file /d\n http-request return content-type text/plain lf-file /e\n http-request deny errorfile /f\n" +
		" http-request set-header X %[path,map(/g)]\n use_backend %[path,map_beg(/h,b)]\n errorfile 404 /dev/null\n")}}, opts)
	for _, name := range strings.Fields("/a /b /c /d /e /f /g /h") {
		if !asked[name] {
			t.Errorf("%s was not asked for", name)
		}
	}
	if asked["/dev/null"] {
		t.Error("/dev/null was asked for: it is empty everywhere")
	}
}
