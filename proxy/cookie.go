package proxy

import (
	"bytes"
	"time"

	"github.com/evenkeel/evenkeel/backend"
	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/h1"
	"github.com/evenkeel/evenkeel/sample"
)

// untoldCookies is what the log says of the cookies of a proxy's requests until more is known.
func (p *proxy) untoldCookies() byte {
	if p.cfg.Cookie.Name != "" && p.cfg.Cookie.Mode != config.CookiePassive {
		return 'N'
	}
	return '-'
}

// persist looks for the backend's cookie in the request and finds the server it names.
func (s *stream) persist(h *h1.Head) {
	ck := &s.be.cfg.Cookie
	if ck.Name == "" {
		return
	}
	if ck.Mode == config.CookiePassive { // only read: the log does not tell
		defer func() { s.reqCookie = '-' }()
	}
	for i := h.Index("Cookie", 0); i >= 0; i = h.Index("Cookie", i+1) {
		_, v := h.Field(i)
		switch left, changed := s.readCookies(v); {
		case !changed:
		case len(left) == 0:
			h.DelAt(i)
			i--
		default:
			h.Replace(i, left)
		}
	}
}

// readCookies takes the server from the crumbs of one field, and gives the field as the server gets it, in scratch
// memory. The first crumb that names a usable server counts; what is taken out is taken out of all.
func (s *stream) readCookies(v []byte) (left []byte, changed bool) {
	ck := &s.be.cfg.Cookie
	out := s.core.scratch[:0]
	for at := 0; ; {
		c, more := sample.CookieAt(v, at, false)
		if !more {
			break
		}
		value := v[c.Value:c.ValueEnd]
		if c.Named(v, ck.Name) {
			own := s.readCookie(value)
			if ck.Indirect && ck.Mode != config.CookiePassive && ck.Mode != config.CookiePrefix {
				at, changed = c.Next, true
				continue
			}
			changed = changed || len(own) < len(value)
			value = own
		}
		if c.Name == c.NameEnd && c.Value == 0 { // empty
			at = c.Next
			continue
		}
		if len(out) > 0 {
			out = append(out, v[at-1], ' ')
		}
		out = append(out, v[c.Name:c.NameEnd]...)
		if c.Value > 0 {
			out = append(append(out, '='), value...)
		}
		at = c.Next
	}
	return out, changed
}

// readCookie takes the server from the backend's cookie, and gives the application's part of its value.
func (s *stream) readCookie(value []byte) (own []byte) {
	ck := &s.be.cfg.Cookie
	id, own := value, value
	if ck.Mode == config.CookiePrefix {
		if before, after, ok := bytes.Cut(value, []byte("~")); ok {
			id, own = before, after
		}
	} else if at := bytes.IndexByte(id, '|'); at >= 0 {
		id = id[:at] // dates for maxidle and maxlife follow
		if s.ticket.Pinned == nil && s.expired(value[at+1:]) {
			s.reqCookie = 'E'
			return own
		}
	}
	if s.ticket.Pinned == nil {
		s.usePersistence(s.be.back.WithCookie(id))
	}
	return own
}

// usePersistence takes the first of the servers a cookie names that may be used.
func (s *stream) usePersistence(named []*backend.Server) {
	if len(named) == 0 {
		s.reqCookie = 'I'
		return
	}
	for _, srv := range named {
		if srv.Usable() || s.be.cfg.Options.Persist {
			s.reqCookie = 'V'
			if !srv.Usable() {
				s.reqCookie = 'D'
			}
			s.ticket.Pinned = srv
			return
		}
	}
	s.reqCookie = 'D'
}

// responseCookie does what the backend's cookie keyword says with the response.
func (s *stream) responseCookie(h *h1.Head) {
	ck := &s.be.cfg.Cookie
	if ck.Name == "" || s.srv == nil {
		return
	}
	if ck.Mode == config.CookiePassive {
		return
	}
	for i := h.Index("Set-Cookie", 0); i >= 0; i = h.Index("Set-Cookie", i+1) {
		_, v := h.Field(i)
		c, _ := sample.CookieAt(v, 0, true)
		if !c.Named(v, ck.Name) {
			continue
		}
		s.resCookie = 'P'
		switch {
		case ck.Mode == config.CookieRewrite:
			s.resCookie = 'R'
			out := append(s.core.scratch[:0], v[:c.Value]...)
			h.Replace(i, append(append(out, s.srv.Config.Cookie...), v[c.ValueEnd:]...))
		case ck.Mode == config.CookiePrefix:
			s.resCookie = 'R'
			out := append(s.core.scratch[:0], v[:c.Value]...)
			out = append(append(out, s.srv.Config.Cookie...), '~')
			h.Replace(i, append(out, v[c.Value:]...))
		case ck.Mode == config.CookieInsert && !ck.Preserve:
			h.DelAt(i)
			i--
			s.resCookie = 'D'
		default:
			return // the server's own choice stands (passive, or preserve)
		}
	}
	if ck.Mode == config.CookieInsert && s.wantsCookie() {
		s.insertCookie(h)
	}
}

// wantsCookie says whether the client must be told its server.
func (s *stream) wantsCookie() bool {
	ck := &s.be.cfg.Cookie
	if s.srv.Config.Cookie == "" || ck.PostOnly && s.method != h1.MethodPost {
		return false
	}
	if s.reqCookie == 'V' && s.ticket.Pinned == s.srv && ck.MaxIdle == 0 {
		return false
	}
	return true
}

func (s *stream) insertCookie(h *h1.Head) {
	ck := &s.be.cfg.Cookie
	b := append(s.core.scratch[:0], ck.Name...)
	b = append(append(b, '='), s.srv.Config.Cookie...)
	if ck.MaxIdle > 0 || ck.MaxLife > 0 {
		b = appendDates(b, s.core.loop.Wall(), ck)
	}
	b = append(b, "; path=/"...)
	for _, d := range ck.Domains {
		b = append(append(b, "; domain="...), d...)
	}
	if ck.HTTPOnly {
		b = append(b, "; HttpOnly"...)
	}
	if ck.Secure {
		b = append(b, "; Secure"...)
	}
	for _, a := range ck.Attrs {
		b = append(append(b, "; "...), a...)
	}
	h.Add("set-cookie", b)
	s.resCookie = 'I'
	if s.reqCookie == 'V' {
		s.resCookie = 'U'
	}
	if ck.NoCache && cacheable(h) {
		h.AddString("cache-control", "private")
	}
}

// cacheable says whether a shared cache would keep the response: something says how long it is good or how
// to ask again, and nothing forbids it.
func cacheable(h *h1.Head) bool {
	fresh := h.Index("Expires", 0) >= 0 || h.Index("ETag", 0) >= 0 || h.Index("Last-Modified", 0) >= 0
	for i := h.Index("Cache-Control", 0); i >= 0; i = h.Index("Cache-Control", i+1) {
		_, v := h.Field(i)
		for _, word := range [...]string{"no-store", "no-cache", "private"} {
			if bytes.Contains(v, []byte(word)) {
				return false
			}
		}
		fresh = fresh || bytes.Contains(v, []byte("max-age")) || bytes.Contains(v, []byte("s-maxage"))
	}
	return fresh
}

// Dates in cookies count units of four seconds since 1970 in base 64, as the reference writes them.
const cookieAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func appendDates(b []byte, now time.Time, ck *config.Cookie) []byte {
	b = appendDate(append(b, '|'), now)
	if ck.MaxLife > 0 {
		b = appendDate(append(b, '|'), now)
	}
	return b
}

func appendDate(b []byte, t time.Time) []byte {
	v := uint32(t.Unix() >> 2)
	for shift := 24; shift >= 0; shift -= 6 {
		b = append(b, cookieAlphabet[v>>shift&63])
	}
	return b
}

// expired judges the dates "last|first" behind the server's name.
func (s *stream) expired(dates []byte) bool {
	ck := &s.be.cfg.Cookie
	last, first, _ := bytes.Cut(dates, []byte("|"))
	return tooOld(last, ck.MaxIdle, s.core.loop.Wall()) || tooOld(first, ck.MaxLife, s.core.loop.Wall())
}

func tooOld(date []byte, limit time.Duration, now time.Time) bool {
	if limit == 0 || len(date) != 5 {
		return false
	}
	var v int64
	for _, b := range date {
		i := bytes.IndexByte([]byte(cookieAlphabet), b)
		if i < 0 {
			return false
		}
		v = v<<6 | int64(i)
	}
	age := now.Sub(time.Unix(v<<2, 0))
	return age > limit || age < -24*time.Hour
}

// captureCookie keeps the cookie the log wants (capture cookie).
func (s *stream) captureCookie(h *h1.Head, field string, into *span) {
	caps := &s.fe.cfg.Captures
	for i := h.Index(field, 0); i >= 0; i = h.Index(field, i+1) {
		_, v := h.Field(i)
		for at := 0; ; {
			c, more := sample.CookieAt(v, at, field == "Set-Cookie")
			if !more {
				break
			}
			pair, name := v[c.Name:max(c.NameEnd, c.ValueEnd)], v[c.Name:c.NameEnd]
			if c.Value > 0 && bytes.HasPrefix(pair, []byte(caps.Cookie)) &&
				(!caps.CookieExact || len(name) == len(caps.Cookie)) {
				*into = s.remember(pair, caps.CookieLen)
				return
			}
			at = c.Next
		}
	}
}
