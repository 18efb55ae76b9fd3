package differential

import "fmt"

// mapKeys are what the ways of looking a text up in a map find in the request of a case, and the expression.
var mapKeys = []struct{ method, key, of string }{
	{"str", "/a/b.html", "path"}, {"beg", "/a", "path"}, {"dir", "a", "path"}, {"dom", "x.org", "req.hdr(host)"},
	{"end", ".html", "path"},
	{"sub", "b.h", "path"}, {"reg", "^/a/.*l$", "path"}, {"int", "7", "int(7)"}, {"ip", "127.0.0.0/8", "src"},
}

// mapFiles are the files of the maps, by name.
func mapFiles() map[string]string {
	files := make(map[string]string)
	for _, m := range mapKeys {
		for kind, value := range map[string]string{"": "found it", "_int": "42", "_ip": "192.0.2.7"} {
			files["map_"+m.method+kind] = fmt.Sprintf("# a map\n%s %s\n", m.key, value)
		}
	}
	return files
}

// fetchWords are fetches and converters that the cases of package sample do not put to the reference.
func fetchWords() (all []exchange) {
	for _, m := range mapKeys {
		for _, kind := range []string{"", "_int", "_ip"} {
			name := "map_" + m.method + kind
			all = append(all, exchange{name: "http-request: set-header, " + name, only: "L",
				settings: fmt.Sprintf("http-request set-header X-V "+
					"<%%[%s,%s(FILES/%s)]><%%[str(none),%[2]s(FILES/%[3]s)]>", m.of, name, name)})
		}
	}
	for _, f := range []string{"fc_src", "fc_dst", "fc_src_is_local", "fc_dst_is_local", "dst_is_local",
		"fc_src_port,bool", "fc_dst_port,bool", "hostname",
		"so_name", "srv_conn(s)", "srv_weight(s)", "srv_queue(s)", "meth", "req_ver", "url32+src,hex", "base32+src,hex",
		"req_proto_http", "ssl_fc_alg_keysize",
		"ssl_c_version", "ssl_fc_session_id", "ssl_c_s_dn", "ssl_c_err", "ssl_fc_has_early", "rdp_cookie_cnt",
		"req.rdp_cookie(a)"} {
		all = append(all, exchange{name: "http-request: set-header, " + f, only: "L",
			settings: fmt.Sprintf("http-request set-header X-V <%%[%s]>", f)})
	}
	answer := []string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Origin: 192.0.2.9\r\nX-N: 7\r\nSet-Cookie: a=5; path=/\r\nSet-Cookie: b=6\r\n\r\nok"}
	for _, f := range []string{"res.hdr_ip(x-origin)", "shdr_ip(x-origin)", "shdr_val(x-n)", "scook_cnt",
		"scook_val(a)", "resp_ver", "bc_src", "bc_dst",
		"bc_dst_port,bool", "bc_src_port,bool", "capture.res.ver", "capture.res.hdr(0)", "ssl_bc", "srv_name"} {
		all = append(all, exchange{name: "http-response: set-header, " + f, only: "L", replies: answer,
			settings: fmt.Sprintf("capture response header x-n len 9\nhttp-response set-header X-V <%%[%s]>", f)})
	}
	return all
}
