package admin

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/proxy"
	"github.com/evenkeel/evenkeel/test/peers"
)

// The lines are those HAProxy 2.6.12 writes for such a site, as far as the first 103 columns go.
func TestShowStat(t *testing.T) {
	a, _ := newAdmin(t)
	out := a.Run("show stat", config.LevelUser)
	for _, want := range []string{
		"# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,eresp,wretr,wredis,status,weight,act,bck,chkfail,chkdown,lastchg,downtime,qlimit,pid,iid,sid,throttle,lbtot,tracked,type,rate,rate_lim,rate_max,check_status,check_code,check_duration,hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other,hanafail,req_rate,req_rate_max,req_tot,cli_abrt,srv_abrt,comp_in,comp_out,comp_byp,comp_rsp,lastsess,last_chk,last_agt,qtime,ctime,rtime,ttime,agent_status,agent_code,agent_duration,check_desc,agent_desc,check_rise,check_fall,check_health,agent_rise,agent_fall,agent_health,addr,cookie,mode,algo,conn_rate,conn_rate_max,conn_tot,intercepted,dcon,dses,wrew,connect,reuse,cache_lookups,cache_hits,srv_icur,src_ilim,qtime_max,ctime_max,rtime_max,ttime_max,eint,idle_conn_cur,safe_conn_cur,used_conn_cur,need_conn_est,uweight,agg_server_status,agg_server_check_status,agg_check_status,\n",
		"\nweb,FRONTEND,,,0,1,500,2,165,98,0,0,0,,,,,OPEN,,,,,,,,,1,2,0,,,,0,0,200,2,,,,0,2,0,0,0,0,,0,2,2,,,0,0,0,0,,,,,,,,,,,,,,,,,,,,,http,,0,2,2,0,0,0,0,,,0,0,,,,,,,0,,,,,,,,,\n",
		"\napp,s2,0,0,0,0,,2,165,98,,0,,0,0,0,0,UP,50,1,0,0,0,2,0,,1,4,2,,2,,2,0,,2,L4OK,,0,0,2,0,0,0,0,,,,2,0,0,,,,,0,,,0,0,0,0,,,,Layer4 check passed,,2,3,4,,,,127.0.0.1:18091,,http,,,,,,,,0,2,0,,,1,,0,0,0,0,0,0,1,0,0,50,,,,\n",
		"\napp,s3,0,0,0,0,,0,0,0,,0,,0,0,0,0,MAINT,1,1,0,0,0,2,2,,1,4,3,,0,,2,0,,0,,,,0,0,0,0,0,0,,,,0,0,0,,,,,-1,,,0,0,0,0,,,,,,,,,,,,127.0.0.1:18092,,http,,,,,,,,0,0,0,,,0,,0,0,0,0,0,0,0,0,0,1,,,,\n",
		"\napp,s4,0,0,0,0,,0,0,0,,0,,0,0,0,0,no " +
			"check,1,0,1,,,2,,,1,4,4,,0,,2,0,,0,,,,0,0,0,0,0,0,,,,0,0,0,,,,,-1,,,0,0,0,0,,,,,,,,,,,,127.0.0.1:18093,,http,,,,,,,,0,0,0,,,0,,0,0,0,0,0,0,0,0,0,1,,,,\n",
		"\napp,BACKEND,0,0,0,1,50,2,165,98,0,0,,0,0,0,0,UP,51,2,1,,0,2,0,,1,4,0,,2,,1,0,,2,,,,0,2,0,0,0,0,,,,2,0,0,0,0,0,0,0,,,0,0,0,0,,,,,,,,,,,,,SRV,http,roundrobin,,,,,,,0,2,0,0,0,,,0,0,0,0,0,,,,,51,0,0,0,\n",
		"\ndb,BACKEND,0,0,0,0,100,0,0,0,0,0,,0,0,0,0,DOWN,0,0,0,,0,2,0,,1,5,0,,0,,1,0,,0,,,,,,,,,,,,,,0,0,0,0,0,0,-1,,,0,0,0,0,,,,,,,,,,,,,,tcp,leastconn,,,,,,,0,0,0,,,,,0,0,0,0,0,,,,,0,0,0,0,\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s\nin %s", want, out)
		}
	}
	if !strings.Contains(out, `"said ""no"", twice"`) || !strings.HasSuffix(out, "\n\n") {
		t.Error(out)
	}
}

// TestCommands runs testdata/commands.txt: orders above, answers below.
func TestCommands(t *testing.T) {
	file := filepath.Join("testdata", "commands.txt")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, block := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n====\n") {
		line, _, _ := strings.Cut(block, "\n")
		level := config.LevelAdmin
		command := line
		if word, rest, ok := strings.Cut(line, "> "); ok {
			command = rest
			switch word {
			case "user":
				level = config.LevelUser
			case "operator":
				level = config.LevelOperator
			}
		}
		a, e := newAdmin(t)
		answer := a.Run(command, level)
		if out.Len() > 0 {
			out.WriteString("\n====\n")
		}
		out.WriteString(line + "\n")
		for _, o := range e.orders {
			out.WriteString("[" + o + "]\n")
		}
		out.WriteString(strings.TrimSuffix(answer, "\n"))
	}
	out.WriteByte('\n')
	if *peers.Update {
		if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(out.Bytes(), data) {
		got := filepath.Join(t.TempDir(), "got.txt")
		want, have := strings.Split(string(data), "\n"), strings.Split(out.String(), "\n")
		for i := range min(len(want), len(have)) {
			if want[i] != have[i] {
				t.Fatalf("%s line %d: got %q, want %q (-update rewrites; %s)", file, i+1, have[i], want[i], got)
			}
		}
		t.Fatalf("%d lines, want %d", len(have), len(want))
	}
}

func TestJSON(t *testing.T) {
	a, e := newAdmin(t)
	var rows [][]struct {
		ObjType   string
		ProxyID   int `json:"proxyId"`
		ID        int
		Field     struct{ Name string }
		Tags      struct{ Origin, Nature, Scope string }
		Value     struct{ Type string }
		ProcessNo int `json:"processNum"`
	}
	if err := json.Unmarshal([]byte(a.Run("show stat json", config.LevelUser)), &rows); err != nil ||
		len(rows) != len(e.status.Rows) {
		t.Fatal(err, len(rows))
	}
	for _, row := range rows {
		for _, v := range row {
			if v.Tags.Origin == "" || v.Tags.Nature == "" || v.Tags.Scope == "" || v.Value.Type == "" ||
				v.ProcessNo != 1 || v.ObjType != row[0].ObjType {
				t.Errorf("%+v", v)
			}
		}
	}
	for _, c := range []string{"show info json", "show schema json"} {
		if !json.Valid([]byte(a.Run(c, config.LevelUser))) {
			t.Error(c)
		}
	}
}

func TestShowErrors(t *testing.T) {
	a, e := newAdmin(t)
	e.bad = []*proxy.BadMessage{
		{When: time.Unix(1795244604, 0).UTC(), Frontend: "web", Backend: "web", Source: "127.0.0.1:4",
			Reason: "control byte in the target", Offset: 6,
			Content: []byte("GET /a\x01b HTTP/1.1\r\nHost: x\r\n\r\n")},
		{When: time.Unix(1795244604, 0).UTC(), Frontend: "web", Backend: "app", Server: "s1", Source: "127.0.0.1:4",
			Response: true, Reason: "no status", Content: []byte("junk\\\n")},
	}
	out := a.Run("show errors", config.LevelOperator)
	for _, want := range []string{"] : 2\n", "frontend web: invalid request\n",
		"error at position 6: control byte in the target\n",
		"  00000  GET /a\\x01b HTTP/1.1\\r\\n\n  00019  Host: x\\r\\n\n", "backend app: invalid response\n",
		"  00000  junk\\\\\\n\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
	if out := a.Run("show errors app request", config.LevelOperator); strings.Contains(out, "invalid") {
		t.Error(out)
	}
}

func TestRefusedOrders(t *testing.T) {
	a, e := newAdmin(t)
	e.refuse = errors.New("server s1 follows another one")
	if out := a.Run("set server app/s1 state maint", config.LevelAdmin); out != "Server s1 follows another one.\n\n" {
		t.Errorf("%q", out)
	}
}

// dial connects to a runtime socket of its own.
func dial(t *testing.T, a *Admin, level config.Level) net.Conn {
	t.Helper()
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Serve(ln, level) }()
	t.Cleanup(func() {
		ln.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	c, err := net.Dial("unix", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return c
}

func TestSocket(t *testing.T) {
	a, _ := newAdmin(t)
	for send, want := range map[string]string{
		"show version\n":                    "0.3.0\n\n",
		"show version;show version\n":       "0.3.0\n\n0.3.0\n\n",
		"show version\nshow version\n":      "0.3.0\n\n0.3.0\n\n",
		" show  version \r\n":               "0.3.0\n\n",
		"quit\n":                            "",
		"prompt\nshow version\nquit\n":      "\n> 0.3.0\n\n> ",
		"prompt\nprompt\n":                  "\n> \n",
		"operator;show cli level\n":         "\noperator\n\n",
		"user;set weight app/s1 5\n":        "\nPermission denied\n\n",
		"show cli sockets\n":                "# socket lvl processes\nunix@/run/x.sock admin all\n\n",
		"prompt\nset timeout cli 5\nquit\n": "\n> \n> ",
	} {
		c := dial(t, a, config.LevelAdmin)
		if _, err := io.WriteString(c, send); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		if err != nil || string(got) != want {
			t.Errorf("%q: got %q, want %q (%v)", send, got, want, err)
		}
	}
}

// asked is a listener that tells when it is asked for a client.
type asked struct {
	net.Listener
	asks chan struct{}
}

func (l asked) Accept() (net.Conn, error) {
	l.asks <- struct{}{}
	return l.Listener.Accept()
}

// TestCrowdWaitsInKernel: while there are as many clients as may be, no other one is accepted.
func TestCrowdWaitsInKernel(t *testing.T) {
	a := New(newStandIn(), Options{Version: "1", MaxConn: 1})
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	l := asked{ln, make(chan struct{})}
	go a.Serve(l, config.LevelUser)
	talk := func(send, until string) net.Conn {
		conn, err := net.Dial("unix", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		if _, err := io.WriteString(conn, send); err != nil {
			t.Fatal(err)
		}
		if until == "" {
			return conn
		}
		<-l.asks
		if said, err := bufio.NewReader(conn).ReadString(until[0]); err != nil {
			t.Fatalf("%q, %v", said, err)
		}
		return conn
	}
	first := talk("prompt\n", ">")
	second := talk("show version\n", "")
	select {
	case <-l.asks:
		t.Error("another client is asked for")
	case <-time.After(50 * time.Millisecond): // what must not come
	}
	first.Close()
	<-l.asks
	if said, err := io.ReadAll(second); err != nil || string(said) != "1\n\n" {
		t.Errorf("%q, %v", said, err)
	}
}

// A client that is silent and one that never ends its line do not hold anything up; one too many waits.
func TestSocketLimits(t *testing.T) {
	e := newStandIn()
	a := New(e, Options{Version: "1", Timeout: 100 * time.Millisecond, MaxConn: 1})
	c := dial(t, a, config.LevelUser)
	if got, err := io.ReadAll(c); err != nil || len(got) != 0 {
		t.Errorf("%q %v", got, err)
	}
	a = New(e, Options{Version: "1", MaxConn: 1})
	c = dial(t, a, config.LevelUser)
	if _, err := c.Write(bytes.Repeat([]byte("x"), 100<<10)); err == nil {
		_, _ = io.Copy(io.Discard, c)
	}
	a = New(e, Options{Version: "1", MaxConn: 1})
	first := dial(t, a, config.LevelUser)
	if _, err := io.WriteString(first, "prompt\n"); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(first)
	if _, err := in.ReadString('>'); err != nil {
		t.Fatal(err)
	}
	second, err := net.Dial("unix", first.RemoteAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	_ = second.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(second, "help\n"); err != nil {
		t.Fatal(err)
	}
	first.Close()
	if got, err := io.ReadAll(second); err != nil || len(got) == 0 {
		t.Errorf("%q %v", got, err)
	}
}

func FuzzCommands(f *testing.F) {
	f.Add("show stat 4 4 1;set server app/s1 weight 5%")
	f.Add(`set\ server app/s1 addr 1.2.3.4 port 5`)
	f.Add(";;;")
	f.Fuzz(func(t *testing.T, line string) {
		if strings.Contains(line, "\n") {
			return
		}
		a, _ := newAdmin(t)
		out := a.Run(line, config.LevelAdmin)
		if out != "" && !strings.HasSuffix(out, "\n") && !strings.HasSuffix(out, "> ") {
			t.Errorf("%q: %q", line, out)
		}
	})
}
