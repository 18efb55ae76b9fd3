package haproxy

import (
	"fmt"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/words"
	"github.com/evenkeel/evenkeel/sample"
)

// setBalance looks the algorithm up; a name in parentheses may follow it.
func setBalance(a *args) {
	if !a.more() {
		a.draft.proxy.Balance = config.Balance{Set: true}
		return
	}
	w := a.next()
	name, argument, brackets := cutParentheses(w.text)
	k, ok := table.Lookup(inBalance, name)
	if !ok || brackets && !strings.Contains(k.args, "(") {
		near := name
		if !ok {
			near = table.Nearest(inBalance, name)
		}
		a.fail(w.pos, "unknown-word", fmt.Sprintf("unknown algorithm %s after \"balance\"", q(w.text)),
			words.Suggest(near))
		return
	}
	b := &args{reader: a.reader, k: k, name: "balance " + k.word, head: word{text: argument, pos: w.pos},
		list: a.rest()}
	if a.reader.announce(b) {
		a.draft.proxy.Balance = config.Balance{Set: true}
		k.set(b)
	}
}

// cutParentheses splits name(argument); found is whether there were parentheses.
func cutParentheses(text string) (name, argument string, found bool) {
	name, rest, found := strings.Cut(text, "(")
	if !found {
		return text, "", false
	}
	argument, tail, closed := strings.Cut(rest, ")")
	if !closed || tail != "" {
		return text, "", false
	}
	return name, argument, true
}

// algorithm is the setter of one without parameters.
func algorithm(which config.Algorithm) func(*args) {
	return func(a *args) {
		a.k.loose = true
		if a.done() {
			a.draft.proxy.Balance.Algorithm = which
		}
	}
}

func balanceURI(a *args) {
	b := &a.draft.proxy.Balance
	b.Algorithm = config.URIHash
	for a.more() && !a.failed {
		switch w := a.next(); w.text {
		case "len":
			b.Len = a.integer(a.need("a length"), 1, many, false)
		case "depth":
			b.Depth = a.integer(a.need("a depth"), 1, many, false)
		case "whole":
			b.Whole = true
		case "path-only":
			b.PathOnly = true
		default:
			a.oneOf(w, "len", "depth", "whole", "path-only")
		}
	}
}

func balanceURLParam(a *args) {
	b := &a.draft.proxy.Balance
	b.Algorithm = config.URLParam
	b.Name = a.need("the name of a parameter").text
	if a.more() {
		if _, ok := a.accept("check_post"); !ok {
			a.oneOf(a.next(), "check_post")
		}
		b.CheckPost = true
	}
	a.k.loose = true
	a.done()
}

func balanceHeader(a *args) {
	b := &a.draft.proxy.Balance
	b.Algorithm = config.HeaderHash
	if b.Name = a.head.text; b.Name == "" {
		a.fail(a.head.pos, "missing-value", "balance hdr: the name of a header is missing", "write balance hdr(NAME)")
	}
	if a.more() {
		if _, ok := a.accept("use_domain_only"); !ok {
			a.oneOf(a.next(), "use_domain_only")
		}
		b.DomainOnly = true
	}
	a.k.loose = true
	a.done()
}

func balanceRandom(a *args) {
	b := &a.draft.proxy.Balance
	b.Algorithm, b.Draws = config.Random, 2
	if a.head.text != "" {
		b.Draws = a.integer(a.head, 1, many, false)
	}
	a.k.loose = true
	a.done()
}

func balanceHash(a *args) {
	w := a.need("an expression")
	e := a.expression(w, sample.Content)
	a.k.loose = true
	if a.done() {
		b := &a.draft.proxy.Balance
		b.Algorithm, b.Expr = config.ExprHash, e
	}
}

func setHashType(a *args) {
	var h config.HashType
	switch w := a.need("map-based or consistent"); w.text {
	case "map-based":
	case "consistent":
		h.Consistent = true
		h.Avalanche = !a.more() // without a function word, haproxy 2.6 mixes the key
	case "avalanche":
		a.fail(w.pos, "dead-word", `"hash-type avalanche" is gone from haproxy`,
			"today's words are hash-type map-based sdbm avalanche")
	default:
		a.oneOf(w, "map-based", "consistent")
	}
	functions := map[string]config.HashFunction{"sdbm": config.SDBM, "djb2": config.DJB2, "wt6": config.WT6,
		"crc32": config.CRC32}
	if a.more() {
		w := a.next()
		f, ok := functions[w.text]
		if !ok {
			if w.text == "none" {
				a.fail(w.pos, "not-supported", fmt.Sprintf("hash-type %s %s, and not supported yet", q(w.text), newer),
					"")
				return
			}
			a.oneOf(w, "sdbm", "djb2", "wt6", "crc32")
		}
		h.Function = f
	}
	if a.more() {
		if _, ok := a.accept("avalanche"); !ok {
			a.oneOf(a.next(), "avalanche")
		}
		h.Avalanche = true
	}
	a.k.loose = true
	if a.done() {
		a.draft.proxy.HashType = h
	}
}

// setCookie takes the persistence by a cookie.
func setCookie(a *args) {
	c := config.Cookie{Name: a.need("a name").text}
	mode := func(w word, m config.CookieMode) {
		if c.Mode != config.CookiePassive && c.Mode != m {
			a.fail(w.pos, "bad-value", "cookie: only one of rewrite, insert and prefix can be given", "")
		}
		c.Mode = m
	}
	for a.more() && !a.failed {
		w := a.next()
		switch w.text {
		case "rewrite":
			mode(w, config.CookieRewrite)
		case "insert":
			mode(w, config.CookieInsert)
		case "prefix":
			mode(w, config.CookiePrefix)
		case "indirect":
			c.Indirect = true
		case "nocache":
			c.NoCache = true
		case "postonly":
			c.PostOnly = true
		case "preserve":
			c.Preserve = true
		case "httponly":
			c.HTTPOnly = true
		case "secure":
			c.Secure = true
		case "domain":
			c.Domains = append(c.Domains, a.cookieDomain())
		case "maxidle":
			c.MaxIdle = a.durationIn(a.need("a time"), 0, time.Second)
		case "maxlife":
			c.MaxLife = a.durationIn(a.need("a time"), 0, time.Second)
		case "attr":
			v := a.need("an attribute")
			if strings.ContainsFunc(v.text, func(r rune) bool { return r < ' ' || r == 0x7f || r == ';' }) {
				a.bad(v, "an attribute holds no semicolon and no control characters")
			}
			c.Attrs = append(c.Attrs, v.text)
		case "dynamic":
			a.unsupported(w, "write the cookie of each server")
		default:
			a.oneOf(w, "rewrite", "insert", "prefix", "indirect", "nocache", "postonly", "preserve", "httponly",
				"secure", "domain", "maxidle", "maxlife", "attr", "dynamic")
		}
	}
	switch {
	case c.Mode == config.CookieRewrite && c.Indirect:
		a.fail(a.head.pos, "bad-value", "cookie: rewrite and indirect do not go together", "")
	case c.Preserve && c.Mode != config.CookieInsert && !c.Indirect:
		a.fail(a.head.pos, "bad-value", "cookie: preserve needs insert or indirect", "")
	}
	if a.done() {
		a.draft.proxy.Cookie = c
	}
}

func (a *args) cookieDomain() string {
	w := a.need("a domain")
	switch {
	case strings.ContainsAny(w.text, "; ,"):
		a.bad(w, "is not a domain")
	case !a.failed && !strings.Contains(strings.TrimPrefix(w.text, "."), "."):
		a.report.Warn(w.pos, "cookie-domain",
			fmt.Sprintf("cookie domain %s has no dot inside: browsers may not keep the cookie", q(w.text)), "")
	}
	return w.text
}
