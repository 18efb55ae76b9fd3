package haproxy

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/verdict"
)

// TestBothVerdicts: what only we do not support passes a strict check, and gives no model all the same.
func TestBothVerdicts(t *testing.T) {
	text := "defaults\n mode http\n timeout server 1s\n timeout connect 1s\nbackend b\n stick on src\nlisten l\n " +
		"bind :80\n timeout client 1s\n"
	for _, strict := range []bool{false, true} {
		if model, diags := Parse([]File{{"f", []byte(text)}}, Options{Strict: strict}); model != nil ||
			len(diags) != 1 || config.HasErrors(diags) == strict {
			t.Errorf("strict %v: model %v, %v", strict, model != nil, diags)
		}
	}
}

// TestThreadGroups: threads are not grouped here, and nobody need be told.
func TestThreadGroups(t *testing.T) {
	text := "global\n nbthread 2\n thread-groups 1\n thread-group 1 1-2\n" + base + "frontend f\n bind :80\n"
	if _, diags := Parse([]File{{"f", []byte(text)}}, Options{}); len(diags) > 0 {
		t.Error(diags)
	}
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

// TestResembles: a slip in the first word leaves a file of its dialect.
func TestResembles(t *testing.T) {
	for text, want := range map[string]bool{
		"fronted f\n bind :80\n":                    true,
		"# x\n\nbakcend b\n server s 10.0.0.1:80\n": true,
		"globl\n":                         true,
		"defaults:\n  mode: http\n":       true,
		"hello world\n":                   false,
		"global_def {\n router_id x\n}\n": false,
		"vrrp_instnace V {\n}\n":          false,
		"frontend f {\n}\n":               false,
		"":                                false,
	} {
		if got := Resembles([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	text := "defaults\n mode http\nfronted f\n bind :80\n"
	if _, diags := Parse([]File{{Name: "f", Data: []byte(text)}}, testOptions()); !strings.Contains(fmt.Sprint(diags),
		`unknown word "fronted" in defaults; did you mean "frontend"?`) {
		t.Error(diags)
	}
}

// TestManyLines: 500 backends with 50 servers each are read in a time that does not grow with their square.
func TestManyLines(t *testing.T) {
	var text strings.Builder
	text.WriteString("defaults\n mode http\n timeout client 1s\n timeout server 1s\n timeout connect 1s\nfrontend " +
		"f\n bind :80\n")
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
	Parse([]File{{"f", []byte("defaults\n mode http\nfrontend f\n bind :80\n errorfile 503 /a\n acl x path -f /b\n " +
		"http-request deny if { src -f /c }\n" +
		" http-request return content-type text/plain file /d\n http-request return content-type text/plain lf-file " +
		"/e\n http-request deny errorfile /f\n" +
		" http-request set-header X %[path,map(/g)]\n use_backend %[path,map_beg(/h,b)]\n errorfile 404 /dev/null\n")}},
		opts)
	for _, name := range strings.Fields("/a /b /c /d /e /f /g /h") {
		if !asked[name] {
			t.Errorf("%s was not asked for", name)
		}
	}
	if asked["/dev/null"] {
		t.Error("/dev/null was asked for: it is empty everywhere")
	}
}
