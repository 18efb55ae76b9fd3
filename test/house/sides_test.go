package house

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sides are the words of HTTP/1 on a connection, and the files of the proxy that may say them: another protocol needs
// its own of these files and of nothing else (ADR 9). Bytes that are nobody's message are the tunnel's.
var sides = []struct {
	word  string
	files []string
}{
	{".FrameRequest(", []string{"serverside.go"}},
	{".FrameResponse(", []string{"clientside.go"}},
	{".SetConnection(", []string{"clientside.go", "serverside.go", "reply.go"}}, // reply.go: out of a file's head
	{".send(&s.client", []string{"clientside.go"}},
	{".send(&s.up.endpoint", []string{"serverside.go"}},
	{".send(&u.endpoint", []string{"serverside.go"}},
	{".send(to", []string{"tunnel.go"}},
	{".send(", []string{"clientside.go", "serverside.go", "tunnel.go", "endpoint.go", "transport.go"}},
}

func TestSidesOfTheProxy(t *testing.T) {
	paths, err := filepath.Glob("../../proxy/*.go")
	if err != nil || len(paths) == 0 {
		t.Fatal("no proxy", err)
	}
	said := map[string]bool{}
	for _, path := range paths {
		name := filepath.Base(path)
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, side := range sides {
			if !strings.Contains(string(text), side.word) {
				continue
			}
			said[side.word] = true
			if !slices.Contains(side.files, name) {
				t.Errorf("proxy/%s says %s, which belongs to %s", name, side.word, strings.Join(side.files, ", "))
			}
		}
	}
	for _, side := range sides {
		if !said[side.word] {
			t.Errorf("nothing says %s any more: this list is out of date", side.word)
		}
	}
}
