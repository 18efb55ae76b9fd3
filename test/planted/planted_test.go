package planted

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// search is how a package looks for mistakes: a test, its flags, and what its finding begins with.
type search struct {
	test  string
	flags []string
	found string
}

var searches = map[string]search{
	// Sites are played with each mistake, at most so many: the first that shows it is enough.
	"proxy": {"^TestSimulation$", []string{"-seeds", "10000"}, ": seed "},
	"lease": {"^TestNeverTwoHolders$", nil, " states:\n"},
}

var planted = flag.Bool("planted", false, "build and run the planted mistakes")

// mistakes are made one at a time. Each stands for a kind of mistake that a release has had.
var mistakes = []struct {
	name, file, old, new string
}{
	{"validity counts from the answer's arrival", "lease/node.go", "n.granted[from] = max(n.granted[from], a.Sent)",
		"n.granted[from] = now"},
	{"a restarted voter votes at once", "lease/voter.go", "silent: now.Add(silence)", "silent: now"},
	{"a node ignores its own promise", "lease/node.go", "if answer := n.own.Ask(now, question); answer.Granted {",
		"if n.own.Ask(now, question); true {"},
	{"two promises at a time", "lease/voter.go", "v.holder != Nobody && v.holder != a.From && now < v.until", "false"},
	{"epochs are not compared", "lease/voter.go",
		"a.Epoch < v.epoch, a.Epoch == v.epoch && (v.holder != a.From || v.granted != a.Epoch)", "false"},
	{"a hold is extended after its end", "lease/node.go", "n.state == Holding && now >= n.until", "false"},
	{"half is enough", "lease/params.go", "p.Voters/2 + 1", "p.Voters / 2"},
	{"a release ends anybody's promise", "lease/voter.go", "if v.holder == from && v.granted == epoch {",
		"if v.holder != Nobody {"},
	{"captures of the request before are kept", "proxy/stream.go", "captured: s.captured[:0], status: -1",
		"captured: s.captured, status: -1"},
	{"rules see a stream of before", "proxy/stream.go", "x.Facts, x.RequestNumber = s, s.number",
		"if x.RequestNumber = s.number; c.live.prev != s {\n\t\tx.Facts = c.live.prev\n\t} else {\n\t\tx.Facts = " +
			"s\n\t}"},
	{"an action that is not understood accepts", "proxy/actions.go",
		"do{onContent: dropContent, onRequest: dropRequest, onResponse: dropResponse}",
		"do{onContent: dropContent, onRequest: stop, onResponse: dropResponse}"},
	{"a denied request goes on", "proxy/actions.go", "\ts.denyReply(r, x, 403)\n\treturn ended",
		"\tif s.method == h1.MethodPut {\n\t\treturn next\n\t}\n\ts.denyReply(r, x, 403)\n\treturn ended"},
	{"a request that may not be repeated is", "proxy/exchange.go", "s.replay && s.idempotent() && s.interims == 0",
		"s.replay && s.interims == 0"},
	{"what is repeated is not what was sent", "proxy/exchange.go", "\t\ts.reqOff = 0\n\t\ts.dial()",
		"\t\ts.reqOff = 0\n\t\ts.req[len(s.req)-1] ^= 1\n\t\ts.dial()"},
	{"a connection with bytes left over is kept", "proxy/connect.go",
		"&& u.inOff == len(u.in) && !u.hangUp && u.quiet() {\n\t\t\ts.core.dropIn(&u.endpoint)", "&& !u.hangUp {"},
	{"what comes on an idle connection is left for the next request", "proxy/connect.go",
		"\t\tu.core.pool.Remove(u)\n\t\tu.judgeRest()\n\t\tu.Discard() //", "\t\t_ = u //"},
	{"a body that is not all there is no hindrance", "proxy/reply.go",
		"\tif !s.reqBody.Done() {\n\t\ts.keepClient = false\n\t}", ""},
	{"a slot is not given back", "proxy/connect.go", "\t\ts.slot = false\n\t\ts.srv.Release()",
		"\t\ts.slot = false\n\t\tif s.method != h1.MethodHead {\n\t\t\ts.srv.Release()\n\t\t}"},
	{"a buffer is lost", "proxy/clientside.go", "\ts.leaveBackend()\n\ts.dropRequest()\n\ts.dropHead()",
		"\ts.leaveBackend()\n\tif s.req != nil && s.gotHead {\n\t\ts.req = nil\n\t}\n\ts.dropHead()"},
	{"a stream is not counted out of its backend", "proxy/route.go", "\t\ts.counted = false\n\t\ts.be.back.Leave()",
		"\t\ts.counted = false\n\t\tif s.retries == 0 {\n\t\t\ts.be.back.Leave()\n\t\t}"},
	{"the head of an answer is cut where a packet was", "proxy/serverside.go",
		"\t\ts.looked = 0\n\t\treturn s.response(h, data[n:])",
		"\t\tif s.looked > 0 && s.looked < len(data)-n {\n\t\t\tdata = data[:len(data)-1]\n\t\t}\n\t\ts.looked = " +
			"0\n\t\treturn s.response(h, data[n:])"},
	{"a timer is forgotten", "proxy/stream.go", "\tif !s.timer.Armed() || due < s.timer.At()-time.Millisecond {",
		"\tif s.phase == phaseExchange && s.gotHead {\n\t\ts.core.loop.Disarm(&s.timer)\n\t} else if " +
			"!s.timer.Armed() || due < s.timer.At()-time.Millisecond {"},
	{"a full socket is written to no more", "proxy/endpoint.go", "\t\te.outOff += n\n\t\tif e.outOff < len(e.out) {",
		"\t\te.outOff += n\n\t\tif e.outOff < len(e.out) && e.outOff > 30_000 {\n\t\t\te.out = " +
			"e.out[:e.outOff]\n\t\t}\n\t\tif e.outOff < len(e.out) {"},
}

// TestMistakesAreSeen: without any mistake the simulation passes, and with each it fails.
func TestMistakesAreSeen(t *testing.T) {
	if !*planted {
		t.Skip("builds the proxy many times: see make simulate")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			where, _, _ := strings.Cut(m.file, "/")
			path := filepath.Join(root, m.file)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(text), m.old); n != 1 {
				t.Fatalf("%s has the place of the mistake %d times: the list must follow the code", m.file, n)
			}
			dir := t.TempDir()
			wrong := filepath.Join(dir, filepath.Base(m.file))
			if err := os.WriteFile(wrong, []byte(strings.Replace(string(text), m.old, m.new, 1)), 0o644); err != nil {
				t.Fatal(err)
			}
			overlay, err := json.Marshal(map[string]map[string]string{"Replace": {path: wrong}})
			if err != nil {
				t.Fatal(err)
			}
			list := filepath.Join(dir, "overlay.json")
			if err := os.WriteFile(list, overlay, 0o644); err != nil {
				t.Fatal(err)
			}
			program := filepath.Join(dir, "mistaken.test")
			build := exec.Command("go", "test", "-c", "-vet=off", "-overlay", list, "-o", program, "./"+where)
			build.Dir = root
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("the mistake does not build: %v\n%s", err, out)
			}
			look := searches[where]
			run := exec.Command(program, append([]string{"-test.run", look.test, "-test.timeout", "5m"},
				look.flags...)...)
			run.Dir = filepath.Join(root, where)
			out, err := run.CombinedOutput()
			if err == nil || !strings.Contains(string(out), look.found) {
				t.Fatalf("%s of %s does not show it: %.2000s", look.test, where, out)
			}
			_, first, _ := strings.Cut(string(out), look.found)
			t.Logf("seen: %.150s", first)
		})
	}
}
