package balance

import "bytes"

// URIPart is the part of a request target that `balance uri` hashes: up to the query
// unless whole; without scheme and authority if pathOnly; at most length bytes, if not 0;
// at most depth directories, if not 0, a directory ending before the slash after it.
func URIPart(uri []byte, length, depth int, whole, pathOnly bool) []byte {
	if pathOnly {
		uri = path(uri)
	}
	if length > 0 && len(uri) > length {
		uri = uri[:length]
	}
	slashes := 0
	for i, c := range uri {
		switch {
		case c == '?' && !whole:
			return uri[:i]
		case c == '/' && depth > 0:
			if slashes++; slashes > depth {
				return uri[:i]
			}
		}
	}
	return uri
}

// path cuts scheme and authority off a target.
func path(uri []byte) []byte {
	i := bytes.Index(uri, []byte("://"))
	if i < 0 || len(uri) == 0 || uri[0] == '/' {
		return uri
	}
	rest := uri[i+3:]
	if i = bytes.IndexByte(rest, '/'); i < 0 {
		return nil
	}
	return rest[i:]
}

// ParamValue is the value of a parameter of the target's query, the first of that name,
// as it stands (`balance url_param`). An empty value is one.
func ParamValue(uri []byte, name string) (value []byte, ok bool) {
	i := bytes.IndexByte(uri, '?')
	if i < 0 {
		return nil, false
	}
	return BodyParam(uri[i+1:], name)
}

// BodyParam is ParamValue for a form in a body (check_post).
func BodyParam(form []byte, name string) (value []byte, ok bool) {
	for len(form) > 0 {
		param := form
		if i := bytes.IndexByte(form, '&'); i >= 0 {
			param, form = form[:i], form[i+1:]
		} else {
			form = nil
		}
		if len(param) > len(name) && param[len(name)] == '=' && string(param[:len(name)]) == name {
			return param[len(name)+1:], true
		}
	}
	return nil, false
}

// FirstElement is what `balance hdr` hashes of a field's value: its first element if it
// is a list, quoted commas not counting. An empty one is none.
func FirstElement(value []byte) (element []byte, ok bool) {
	quoted := false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			value = bytes.TrimRight(value[:i], " \t")
			return value, len(value) > 0
		}
	}
	return value, len(value) > 0
}

// DomainPart is what use_domain_only leaves of a host: the label before the last dot;
// all of it if there is no dot.
func DomainPart(host []byte) []byte {
	end := bytes.LastIndexByte(host, '.')
	if end < 0 {
		return host
	}
	return host[bytes.LastIndexByte(host[:end], '.')+1 : end]
}
