package proxy

import (
	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/h1"
)

func hasQuery(uri []byte) bool {
	for _, b := range uri {
		if b == '?' {
			return true
		}
	}
	return false
}

// setPathQuery replaces path and query and keeps the authority of an absolute target.
func (s *stream) setPathQuery(h *h1.Head, pq []byte) {
	uri, path := h.URI(), h.Path()
	rest := len(path)
	if hasQuery(uri) {
		rest += 1 + len(h.Query())
	}
	prefix := uri[:max(len(uri)-rest, 0)]
	if len(prefix) == 0 {
		h.SetURI(pq)
		return
	}
	b := append(append(s.core.headBuffer[:0], prefix...), pq...)
	h.SetURI(b)
}

// delHeader removes headers by name or, with -m, by a pattern of their name.
func delHeader(h *h1.Head, r *config.Rule) {
	if r.NameMatch == config.NameIs {
		h.Del(r.Name)
		return
	}
	for i := h.Len() - 1; i >= 0; i-- {
		name, _ := h.Field(i)
		if matchName(name, r) {
			h.DelAt(i)
		}
	}
}

func matchName(name []byte, r *config.Rule) bool {
	switch r.NameMatch {
	case config.NameBegins:
		return len(name) >= len(r.Name) && equalFold(name[:len(r.Name)], r.Name)
	case config.NameEnds:
		return len(name) >= len(r.Name) && equalFold(name[len(name)-len(r.Name):], r.Name)
	case config.NameContains:
		for i := 0; i+len(r.Name) <= len(name); i++ {
			if equalFold(name[i:i+len(r.Name)], r.Name) {
				return true
			}
		}
		return false
	case config.NameRegexp:
		return r.Pattern.Match(name)
	}
	return equalFold(name, r.Name)
}

func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range b {
		x, y := b[i], s[i]
		if x != y {
			if x |= 0x20; x != y|0x20 || x < 'a' || x > 'z' {
				return false
			}
		}
	}
	return true
}

// replaceHeader replaces values a pattern matches by what the template makes of the match: whole fields, or each
// element of a list (replace-value).
func (s *stream) replaceHeader(h *h1.Head, r *config.Rule, template []byte) {
	tmp := append([]byte(nil), template...)
	for i := h.Index(r.Name, 0); i >= 0; i = h.Index(r.Name, i+1) {
		_, v := h.Field(i)
		if r.Do == config.ActReplaceHeader {
			if m := r.Pattern.FindSubmatchIndex(v); m != nil {
				h.Replace(i, expand(nil, tmp, v, m))
			}
			continue
		}
		if out, changed := replaceElements(v, r.Pattern, tmp); changed {
			h.Replace(i, out)
		}
	}
}

// expand writes a template whose \0 to \9 stand for what the groups of a match hold.
func expand(dst, template, v []byte, m []int) []byte {
	for i := 0; i < len(template); i++ {
		if template[i] != '\\' || i+1 == len(template) {
			dst = append(dst, template[i])
			continue
		}
		i++
		group := int(template[i]) - '0'
		switch {
		case group < 0 || group > 9:
			dst = append(dst, template[i])
		case 2*group+1 < len(m) && m[2*group] >= 0:
			dst = append(dst, v[m[2*group]:m[2*group+1]]...)
		}
	}
	return dst
}

// replaceElements does so in each comma-separated element.
func replaceElements(v []byte, p config.Pattern, template []byte) (out []byte, changed bool) {
	for start := 0; start <= len(v); {
		end := start
		for quoted := false; end < len(v) && (quoted || v[end] != ','); end++ {
			if v[end] == '"' {
				quoted = !quoted
			}
		}
		element, mark := v[start:end], len(out)
		for len(element) > 0 && (element[0] == ' ' || element[0] == '\t') {
			out = append(out, element[0])
			element = element[1:]
		}
		trailing := len(element)
		for trailing > 0 && (element[trailing-1] == ' ' || element[trailing-1] == '\t') {
			trailing--
		}
		if m := p.FindSubmatchIndex(element[:trailing]); m != nil {
			out, changed = expand(out[:mark], template, element, m), true
		} else {
			out = append(out, element...)
		}
		if end < len(v) {
			out = append(out, ',')
		}
		start = end + 1
	}
	return out, changed
}

// replaceURI rewrites the whole target where a pattern matches.
func (s *stream) replaceURI(h *h1.Head, r *config.Rule, template []byte) {
	tmp := append([]byte(nil), template...)
	if m := r.Pattern.FindSubmatchIndex(h.URI()); m != nil {
		h.SetURI(expand(nil, tmp, h.URI(), m))
		h.HostOfTarget()
	}
}

// replacePath rewrites the path where a pattern matches.
func (s *stream) replacePath(h *h1.Head, r *config.Rule, template []byte) {
	tmp := append([]byte(nil), template...)
	path := h.Path()
	if m := r.Pattern.FindSubmatchIndex(path); m != nil {
		out := expand(nil, tmp, path, m)
		if hasQuery(h.URI()) {
			out = append(append(out, '?'), h.Query()...)
		}
		s.setPathQuery(h, out)
	}
}
