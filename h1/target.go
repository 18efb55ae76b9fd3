package h1

import "bytes"

// checkTarget judges a request target (RFC 9112 §3.2) and gives the place and the
// reason of what is wrong, or an empty reason.
func checkTarget(t []byte, m MethodID) (at int, reason string) {
	switch {
	case m == MethodConnect:
		host, port, hasPort := cutPort(t)
		switch {
		case bytes.IndexByte(t, '@') >= 0:
			return bytes.IndexByte(t, '@'), "userinfo in request target"
		case !validHost(host) || len(host) == 0:
			return 0, "CONNECT target is not host:port"
		case !hasPort || len(port) == 0 || !validPort(port):
			return len(host), "CONNECT target without a valid port"
		}
		return 0, ""
	case t[0] == '/':
		return 0, ""
	case t[0] == '*':
		// Differs from HAProxy: it accepts "*" for every method (RFC 9112 §3.2.4).
		if len(t) > 1 || m != MethodOptions {
			return 0, "request target is neither path nor URL"
		}
		return 0, ""
	}
	authority, ok := absoluteAuthority(t)
	if !ok {
		return 0, "request target is neither path nor URL"
	}
	at = len(t) - len(t[bytes.Index(t, schemeEnd)+len(schemeEnd):])
	// Differs from HAProxy: it passes userinfo and empty hosts on (RFC 9110 §4.2).
	switch {
	case bytes.IndexByte(authority, '@') >= 0:
		return at, "userinfo in request target"
	case len(authority) == 0:
		return at, "request target without host"
	case !validAuthority(authority):
		return at, "invalid host in request target"
	}
	return 0, ""
}

var schemeEnd = []byte("://")

// absoluteAuthority is the authority of "scheme://authority/path".
func absoluteAuthority(t []byte) (authority []byte, ok bool) {
	i := 0
	for i < len(t) && class[t[i]]&isScheme != 0 {
		i++
	}
	if i == 0 || digit(t[0]) || !bytes.HasPrefix(t[i:], schemeEnd) {
		return nil, false
	}
	rest := t[i+len(schemeEnd):]
	if end := bytes.IndexByte(rest, '/'); end >= 0 {
		rest = rest[:end]
	}
	return rest, true
}

// cutPort splits host:port; brackets of an IPv6 address stay with the host.
func cutPort(a []byte) (host, port []byte, hasPort bool) {
	i := bytes.LastIndexByte(a, ':')
	if i < 0 || bytes.IndexByte(a[i:], ']') >= 0 {
		return a, nil, false
	}
	return a[:i], a[i+1:], true
}

func validPort(p []byte) bool {
	n := 0
	for _, c := range p {
		if !digit(c) {
			return false
		}
		if n = n*10 + int(c-'0'); n > 65535 {
			return false
		}
	}
	return true
}

func validHost(host []byte) bool {
	if len(host) > 0 && host[0] == '[' {
		inner := host[1:]
		if len(inner) < 3 || inner[len(inner)-1] != ']' {
			return false
		}
		for _, c := range inner[:len(inner)-1] {
			if c != ':' && class[c]&isHost == 0 {
				return false
			}
		}
		return true
	}
	for _, c := range host {
		if class[c]&isHost == 0 {
			return false
		}
	}
	return true
}

// validAuthority is host[:port]; the port may be empty (RFC 3986 §3.2.3).
func validAuthority(a []byte) bool {
	i := 0
	for i < len(a) && class[a[i]]&isHost != 0 {
		i++
	}
	if i == len(a) { // the usual case: a name or an IPv4 address
		return true
	}
	host, port, _ := cutPort(a)
	return validHost(host) && validPort(port)
}

// sameAuthority compares a target's authority with the Host field: letter case does not
// count, nor does a port that is the default of the scheme.
func sameAuthority(target, host []byte, isDefault func(port []byte) bool) bool {
	th, tp, _ := cutPort(target)
	hh, hp, _ := cutPort(host)
	if isDefault(tp) {
		tp = nil
	}
	if isDefault(hp) {
		hp = nil
	}
	return equalFold(th, hh) && bytes.Equal(tp, hp)
}

func httpPort(p []byte) bool  { return string(p) == "80" }
func httpsPort(p []byte) bool { return string(p) == "443" }
func webPort(p []byte) bool   { return httpPort(p) || httpsPort(p) }
func noPort([]byte) bool      { return false }

// defaultPorts says which ports may be left out of the Host field for that target.
func defaultPorts(target []byte, m MethodID) func([]byte) bool {
	switch {
	case m == MethodConnect:
		return webPort // as HAProxy 2.6: CONNECT a:443 with Host: a
	case len(target) > 5 && equalFold(target[:5], "http:"):
		return httpPort
	case len(target) > 6 && equalFold(target[:6], "https:"):
		return httpsPort
	}
	return noPort
}

// Path is the path of the target: "/a" of "/a?b" and of "http://h/a?b"; "/" of
// "http://h"; empty if there is none ("*", CONNECT).
func (h *Head) Path() []byte {
	p, _, _ := bytes.Cut(h.PathQuery(), []byte{'?'})
	return p
}

// Query is what follows the target's first '?'; empty if there is none.
func (h *Head) Query() []byte {
	_, q, _ := bytes.Cut(h.PathQuery(), []byte{'?'})
	return q
}

var root = []byte{'/'}

// PathQuery is the target without scheme and authority.
func (h *Head) PathQuery() []byte {
	uri := h.bytes(h.uri)
	switch {
	case len(uri) == 0 || h.methodID == MethodConnect:
		return nil
	case uri[0] == '/':
		return uri
	}
	authority, ok := absoluteAuthority(uri)
	if !ok {
		return nil
	}
	i := bytes.Index(uri, schemeEnd) + len(schemeEnd) + len(authority)
	if i == len(uri) {
		return root
	}
	return uri[i:]
}

// Authority is the host[:port] of an absolute or CONNECT target; empty otherwise.
func (h *Head) Authority() []byte {
	uri := h.bytes(h.uri)
	switch {
	case len(uri) == 0 || uri[0] == '/':
		return nil
	case h.methodID == MethodConnect:
		return uri
	}
	authority, _ := absoluteAuthority(uri)
	return authority
}

// Host is the authority of the target, else the Host field's value.
func (h *Head) Host() []byte {
	if a := h.Authority(); len(a) > 0 {
		return a
	}
	host, _ := h.Find("host")
	return host
}
