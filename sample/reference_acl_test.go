package sample

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/test/peers"
)

// conditions are judged by the reference and by us on each request; FILE is a list of patterns, CIDRS one of networks.
var conditions = []string{
	`TRUE`, `FALSE`, `!TRUE`, `! TRUE`, `!! TRUE`, `TRUE FALSE`, `TRUE || FALSE`, `FALSE or TRUE`, `FALSE OR FALSE`,
	`FALSE FALSE or TRUE TRUE`, `TRUE !FALSE`, `or TRUE`, `TRUE or`, `FALSE or or TRUE`,
	`METH_GET`, `METH_POST`, `METH_HEAD`, `METH_OPTIONS`, `METH_CONNECT`, `METH_DELETE`, `METH_PUT`, `METH_TRACE`,
	`HTTP`, `HTTP_1.0`, `HTTP_1.1`, `HTTP_2.0`, `HTTP_CONTENT`, `HTTP_URL_ABS`, `HTTP_URL_SLASH`, `HTTP_URL_STAR`,
	`LOCALHOST`, `WAIT_END`,
	`{ path / }`, `{ path_beg /static }`, `{ path_beg /STATIC }`, `{ path_beg -i /STATIC }`, `{ path_end .png .gif }`,
	`{ path_end .html }`, `{ path_end -i .html }`, `{ path_end -i .html\#frag }`, `{ path_reg ^/static/.*\.png$ }`,
	`{ path_reg -i \.HTML }`, `{ url_reg -i \.html$ }`, `{ url_reg -i \.png }`, `{ path_sub img }`,
	`{ path_sub -i IMG }`,
	`{ path_dir img }`, `{ path_dir /img/ }`, `{ path_dir static/img }`, `{ path_dir im }`, `{ path_dir logo.png }`,
	`{ path_dir / }`, `{ path_dir -i STATIC }`, `{ path_dom logo }`, `{ path_dom png }`, `{ path_dom static/img/logo }`,
	`{ path_len 1 }`, `{ path_len gt 5 }`, `{ path_len 5:30 }`, `{ path_len lt 5 ge 20 }`, `{ path -m len 1 }`,
	`{ path -m found }`, `{ query -m found }`, `{ path -m reg img }`, `{ path -m str / }`,
	`{ path,lower -m end .html\#frag }`, `{ path,lower /static/img/logo.png }`, `{ path_beg,lower /static }`,
	`{ path_beg,upper -m beg /STATIC }`, `{ path -i -m beg /STATIC }`, `{ path -- -i }`, `{ path /x -m beg /static }`,
	`{ url * }`, `{ url_beg http:// }`, `{ url_beg / }`, `{ url_dom h.com }`, `{ url_dom com }`, `{ url_dom 81 }`,
	`{ url_sub ? }`, `{ url_len ge 24 }`, `{ url_end b }`, `{ url_dir x }`,
	`{ hdr(host) -i www.example.com:8080 }`, `{ hdr(host) www.example.com:8080 }`, `{ hdr_beg(host) -i www. }`,
	`{ hdr_dom(host) -i example.com }`, `{ hdr_dom(host) -i example }`, `{ hdr_dom(host) -i ample }`,
	`{ hdr_dom(host) 8080 }`, `{ hdr_end(host) :8080 }`, `{ hdr_sub(host) -i EXAMPLE }`, `{ hdr_reg(host) ^www }`,
	`{ hdr_len(host) 20 }`, `{ hdr_len(host) gt 3 }`, `{ hdr_cnt(host) eq 1 }`, `{ hdr_cnt(x-forwarded-for) ge 5 }`,
	`{ req.hdr_cnt(x-list) 6 }`, `{ hdr(x-list) d }`, `{ hdr(x-list) "\"b,c\"" }`, `{ hdr(x-list) -m len 0 }`,
	`{ hdr(x-list,2) -m len 5 }`, `{ hdr(x-list,1) a }`, `{ hdr(x-list,-1) e }`, `{ req.fhdr(x-list) -m sub "d,," }`,
	`{ hdr(x-list) -m sub "d,," }`, `{ hdr(x-text) Hello }`, `{ hdr(x-text) "World/foo.bar?x:y" }`,
	`{ hdr(nope) -m found }`, `!{ hdr(nope) -m found }`, `{ hdr(x-empty) -m found }`, `{ hdr(x-empty) -m len 0 }`,
	`{ hdr(accept) -m found } { hdr(cookie) -m found }`,
	`{ hdr_val(x-num) gt 10 }`, `{ hdr_val(x-num) lt 0 }`, `{ hdr_val(x-num) 42 }`, `{ hdr_val(x-num) -- -7 }`,
	`{ hdr_val(x-num) lt -5 }`, `{ hdr_ip(x-forwarded-for) 10.0.0.0/8 }`, `{ hdr_ip(x-forwarded-for) 192.168.0.7 }`,
	`{ hdr_ip(x-forwarded-for) 1.2.3.4 }`, `{ hdr_ip(x-forwarded-for) 2001:db8::/32 }`,
	`{ hdr_ip(x-forwarded-for,1) 10.1.2.3 }`, `{ hdr_ip(x-forwarded-for,-1) 10.1.2.3 }`,
	`{ hdr(x-forwarded-for) -m ip 192.168.0.0/16 }`, `{ req.hdr_ip(x-forwarded-for) -m found }`,
	`{ cook(sid) abc }`, `{ cook(sid) def }`, `{ cook(sid) xyz }`, `{ cook(sid) -m found }`, `{ cook(empty) -m found }`,
	`{ cook(novalue) -m found }`, `{ cook_beg(sid) d }`, `{ cook_end(sid) c }`, `{ cook_len(sid) 3 }`,
	`{ cook_reg(sid) ^d.f$ }`, `{ cook_sub(theme) ; }`, `{ cook(a) 1 }`, `{ cook(a) 3 }`, `{ cook_cnt(a) 2 }`,
	`{ cook_val(n) 17 }`, `{ req.cook(a) -m int 3 }`, `{ cook(b) 2 } { cook(a) 3 }`, `{ req.cook -m found }`,
	`{ req.cook def }`,
	`{ urlp(a) 1 }`, `{ urlp(a) 4 }`, `{ url_param(a) -m found }`, `{ url_param(d) -m found }`,
	`{ url_param(e) -m found }`, `{ urlp(e) -m len 0 }`, `{ urlp_len(a) 1 }`, `{ urlp_reg(z) ^%41 }`,
	`{ urlp_sub(z) + }`, `{ urlp_val(a) gt 3 }`, `{ urlp_val(a) 1 }`, `{ urlp -m str 3 }`, `{ urlp_beg(z) %41 }`,
	`{ urlp_end(z) b }`,
	`{ src 127.0.0.1 }`, `{ src 127.0.0.0/8 }`, `{ src 127/8 }`, `{ src 127.1 }`,
	`{ src 10.0.0.0/8 127.0.0.0/255.0.0.0 }`, `{ src 0.0.0.0/0 }`, `{ src ::1 }`, `{ src ::/0 }`,
	`{ src ::ffff:127.0.0.1 }`, `{ src ::ffff:127.0.0.0/104 }`, `{ src -f CIDRS }`, `!{ src -f CIDRS }`,
	`{ src,ipmask(8) 127.0.0.0 }`, `{ src -m str 127.0.0.1 }`, `{ src -m beg 127. }`, `{ src -m found }`,
	`{ src -m reg ^127 }`, `{ src -m len 9 }`, `{ src -m bool }`, `{ src -m int 2130706433 }`, `{ dst 127.0.0.1 }`,
	`{ dst_port 1:65535 }`, `{ dst_port 80 443 }`, `{ dst_port lt 80 }`, `{ dst_port -m found }`,
	`{ src_port gt 1023 }`, `{ src_is_local }`, `{ dst_port -m str 80 }`, `{ dst_port eq }`,
	`{ ipv6(::1.2.3.4) 1.2.3.0/24 }`, `{ ipv6(::ffff:1.2.3.4) 1.2.3.0/24 }`, `{ ipv6(2002:102:304::) 1.2.3.0/24 }`,
	`{ ipv6(2001:102:304::) 1.2.3.0/24 }`, `{ ipv6(::ffff:1.2.3.4) ::/96 }`, `{ ipv4(1.2.3.4) ::ffff:0:0/96 }`,
	`{ ipv4(1.2.3.4) 1.2.3.4/255.0.255.0 }`, `{ ipv4(1.9.3.4) 1.2.3.4/255.0.255.0 }`,
	`{ ipv4(1.2.3.4) 1.0.0.0/8 2.0.0.0/8 3.0.0.0/8 4.0.0.0/8 5.0.0.0/8 6.0.0.0/8 }`,
	`{ ipv4(7.2.3.4) 1.0.0.0/8 2.0.0.0/8 3.0.0.0/8 4.0.0.0/8 5.0.0.0/8 6.0.0.0/8 }`,
	`{ always_true }`, `{ always_true 0 }`, `{ always_false }`, `{ always_true,not }`, `{ always_true -m int 1 }`,
	`{ always_true -m str 1 }`, `{ always_true -m len 1 }`, `{ int(5) 5 }`, `{ int(5) gt 4 }`, `{ int(5) lt 4 }`,
	`{ int(5) 1:3 5:9 }`, `{ int(5) :4 }`, `{ int(5) 5: }`, `{ int(-5) lt 0 }`, `{ int(-5) -- -5 }`,
	`{ int(5) -m bool }`, `{ int(0) -m bool }`, `{ int(5) -m str 5 }`, `{ int(123) -m beg 12 }`,
	`{ int(123) -m len 3 }`, `{ int(5) gt 9 eq 5 }`, `{ int(5) eq 9 gt 4 }`, `{ int(5) ge 5 }`, `{ int(5) le 5 }`,
	`{ int(5) gt 5 }`, `{ bool(1) }`, `{ bool(0) }`, `{ bool(1) -m found }`, `{ str(abc) -m bool }`,
	`{ str(1) -m bool }`, `{ str(0) -m bool }`, `{ str(12) -m int 12 }`, `{ str(12a) -m int 12 }`,
	`{ str(a) -m int 0 }`, `{ str() -m found }`, `{ str() -m int 0 }`, `{ str(abc) -m bin 616263 }`,
	`{ bin(616263) -m bin 616263 }`, `{ bin(616263) -m str abc }`, `{ bin(61006263) -m len 4 }`,
	`{ bin(616263) -m found }`, `{ bin(616263),hex 616263 }`, `{ str(1.2.3.4) -m ip 1.0.0.0/8 }`,
	`{ str(www1.dc-eu.example.com:80/blah) -m dom www1 }`,
	`{ str(http://www1.dc-eu.example.com:80/blah) -m dom .www1 }`,
	`{ str(http://www1.dc-eu.example.com:80/blah) -m dom dc-eu }`,
	`{ str(http://www1.dc-eu.example.com:80/blah) -m dom eu }`,
	`{ str(http://www1.dc-eu.example.com:80/blah) -m dom dc-eu.example }`,
	`{ str(http://www1.dc-eu.example.com:80/blah) -m dom :www1: }`,
	`{ str(http://www1.dc-eu.example.com:80/blah) -m dom dc-eu.example:80 }`,
	`{ str(/images/png/logo/32x32.png) -m dir images/png }`, `{ str(/images/png/logo/32x32.png) -m dir 32x32 }`,
	`{ str(/images/png/logo/32x32.png) -m dir /png/logo }`, `{ str(a) -m dir a }`,
	`{ path a b c d e f / }`, `{ path -i A B C D E F /STATIC/IMG/LOGO.PNG }`, `{ path -f FILE }`, `{ path -i -f FILE }`,
	`{ path -f FILE -i /STATIC/img/logo.png }`, `{ path_beg -f FILE }`, `{ hdr(host) -f FILE }`, `{ req.ver 1.1 }`,
	`{ req.ver 1.0 }`, `{ method GET }`, `{ method get }`, `{ method -i get }`, `{ method POST PUT }`,
	`{ method -m beg P }`, `{ method,lower -m str get }`, `{ base -m beg www }`, `{ base_sub /static }`,
	`{ base_dom example }`, `{ base32 gt 0 }`, `{ nbsrv(b) ge 1 }`, `{ nbsrv(b) lt 1 }`, `{ ssl_fc }`, `!{ ssl_fc }`,
	`{ ssl_fc_sni -m found }`, `{ ssl_fc_sni x }`, `{ srv_is_up(b/s) }`, `{ http_first_req }`,
	`{ path_reg "^/(static|x)/" }`, `{ path_reg -i ^/STATIC }`, `{ path_reg png$ }`, `{ path_reg ^/$ }`,
	`{ path_reg ^$ }`, `{ hdr_reg(x-text) "[[:upper:]]{5}" }`, `{ hdr_reg(x-text) \d+ }`,
	`{ hdr_reg(x-text) "(?i)hello" }`, `{ hdr_reg(x-text) . }`, `{ hdr_reg(x-list) ^$ }`, `{ path eq / }`,
	`{ path_beg gt / }`, `{ rand(1) 0 }`, `{ path_beg /a } or { path_beg /static } { hdr(x-num) 42 }`,
	`{ path_beg /static } !{ hdr(x-num) 42 } or { method OPTIONS }`,
}

const patternFile = "# a comment\n\n/static/img/logo.png\n  /x/y  \n\t# not a " +
	"comment\n/a%2fb/../c;p=1/d.html#frag\n*\nh\n"

const networkFile = "# networks\n10.0.0.0/8\n192.168.0.0/16\n172.16.0.0/12\n127.0.0.0/8\n127.0.0.1\n::1\n8.8.8.8\n"

// compileConditions compiles the conditions, with the files of a directory.
func compileConditions(t *testing.T, dir string) (all []string, compiled []*Condition) {
	t.Helper()
	acls := NewACLs(func(name string) ([]byte, error) { return os.ReadFile(name) })
	for _, text := range conditions {
		text = strings.NewReplacer("CIDRS", dir+"/CIDRS", "FILE", dir+"/FILE").Replace(text)
		c, _, err := acls.ParseCondition(append([]string{"if"}, splitWords(text)...), Request|Front)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		all, compiled = append(all, text), append(compiled, c)
	}
	return all, compiled
}

// conditionsEach is how many conditions one frontend of the reference is asked.
const conditionsEach = 100

// conditionsConfig has the reference answer with the value of every condition.
func conditionsConfig(all []string) string {
	var cfg strings.Builder
	cfg.WriteString(referenceDefaults)
	for from := 0; from < len(all); from += conditionsEach {
		fmt.Fprintf(&cfg, "frontend f%d\n bind %%LISTEN%%\n", from/conditionsEach)
		answer := ""
		for i, text := range all[from:min(from+conditionsEach, len(all))] {
			fmt.Fprintf(&cfg, " http-request set-var(txn.c%d) bool(1) if %s\n", i, text)
			answer += fmt.Sprintf("%%[var(txn.c%d)],", i)
		}
		fmt.Fprintf(&cfg, " http-request return status 200 content-type text/plain lf-string %s\n", answer)
	}
	cfg.WriteString("backend b\n server s 127.0.0.1:9 weight 7\n")
	return cfg.String()
}

func TestReferenceConditions(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"FILE": patternFile, "CIDRS": networkFile} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all, compiled := compileConditions(t, dir)
	verdicts := peers.Open(t, peers.HAProxy, "testdata/conditions.verdicts")
	var addrs []string
	if peers.Asking() {
		addrs = reference(t, verdicts.Path, conditionsConfig(all))
	}
	compared := 0
	for _, request := range requests {
		get := request
		if strings.HasPrefix(request, "HEAD ") {
			get = "GET" + request[4:]
		}
		for i := range (len(all) + conditionsEach - 1) / conditionsEach {
			var answers []string
			if peers.Asking() {
				_, body := ask(t, addrs[i], get)
				answers = strings.Split(body, ",")
			}
			c := newContext(t, withoutConnection(get))
			asked(c)
			c.Env, c.RequestNumber = quiet{}, 1
			for n, text := range all[i*conditionsEach : min(i*conditionsEach+conditionsEach, len(all))] {
				verdict := verdicts.Answer(fmt.Sprintf("%s on %s", strings.ReplaceAll(text, dir+"/", ""),
					startLine(get)), func() string { return answers[n] })
				if strings.Contains(text, "hdr_val(x-num)") && strings.Contains(get, "9223372036854775807") {
					continue // numbers have 64 bits here
				}
				if ours, want := compiled[i*conditionsEach+n].Match(c), verdict == "1"; ours != want {
					t.Errorf("%s on %.50q: %v, want %v", text, get, ours, want)
				}
				compared++
			}
			if len(c.scratch) != 0 {
				t.Error("a condition left something in the scratch space")
			}
		}
	}
	t.Logf("%d conditions compared", compared)
}
