package keepalived

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/words"
)

// finishCheck fills in a checker by the words of its server and of the virtual server. An
// SMTP_CHECK with host blocks is one checker for each.
func (b *builder) finishCheck(v *virtualDraft, r *realDraft, c *checkDraft, entries []groupEntry) []*config.Checker {
	if c.wrong {
		return nil
	}
	b.resolveTimes(v, r, c)
	switch c.Kind {
	case config.CheckerSSL:
		c.TLS = b.lvs.tls.val
	case config.CheckerMisc:
		c.Command = c.command.val
		if c.owner.User != "" {
			c.Command.Owner = c.owner
		} else {
			c.Command.Owner = b.global.scriptUser.val
		}
		c.RunTime = c.runTime.val
		if c.RunTime == 0 {
			c.RunTime = c.Interval
		}
	case config.CheckerFile:
		if !b.resolveFileCheck(c) {
			return nil
		}
	}
	for _, u := range c.urls {
		c.URLs = append(c.URLs, u.finished())
	}
	if c.Kind == config.CheckerMisc || c.Kind == config.CheckerFile {
		return []*config.Checker{c.finished()}
	}
	var all []*config.Checker
	if len(c.hosts) == 0 || c.given {
		b.resolveLink(v, r, c, &c.connectionDraft, entries)
		all = append(all, c.finished())
	}
	for _, h := range c.hosts {
		other := *c
		b.resolveLink(v, r, &other, h, entries)
		all = append(all, other.finished())
	}
	return all
}

// resolveTimes settles when a check is made.
func (b *builder) resolveTimes(v *virtualDraft, r *realDraft, c *checkDraft) {
	retry, delay := 1, time.Second
	c.Interval = c.interval.or(r.interval.or(v.interval.or(60 * time.Second)))
	switch c.Kind {
	case config.CheckerHTTP, config.CheckerSSL:
		delay = 3 * time.Second
	case config.CheckerMisc:
		retry = 0
	case config.CheckerDNS:
		retry, delay = 3, c.Interval
	case config.CheckerFile:
		// Keepalived is told of each change; a look costs next to nothing.
		c.Interval = min(c.Interval, time.Second)
		retry = 0
		c.LogAll = b.lvs.logAll
		c.RetryDelay = delay
		return
	}
	c.Retry = c.retry.or(r.retry.or(v.retry.or(retry)))
	c.RetryDelay = c.retryDelay.or(r.retryDelay.or(v.retryDelay.or(delay)))
	c.Warmup = c.warmup.or(r.warmup.or(v.warmup.or(c.Interval)))
	c.Alpha = c.alpha.or(r.alpha.or(v.alpha.val))
	c.LogAll = c.logAll.or(b.lvs.logAll)
}

// resolveLink settles where a check goes to and from.
func (b *builder) resolveLink(v *virtualDraft, r *realDraft, c *checkDraft, l *connectionDraft, entries []groupEntry) {
	addr, port := l.addr.or(r.at.addr), uint16(l.port.val)
	if port == 0 {
		port = r.at.port
	}
	if port == 0 {
		port = r.Addr.Port()
	}
	if port == 0 && c.Kind != config.CheckerPing {
		b.report.Refuse(c.tok.pos, "missing-word",
			fmt.Sprintf("%s of real_server %s has no port to connect to", c.Kind, r.at.addr),
			"add a line: connect_port NUMBER")
	}
	c.Addr = netip.AddrPortFrom(addr, port)
	c.Timeout = l.timeout.or(r.timeout.or(v.timeout.or(5 * time.Second)))
	c.Mark, c.BindInterface = l.mark, l.bindInterface
	c.Source = netip.AddrPortFrom(l.bind.val, uint16(l.bindPort.val))
	if !l.bind.set {
		return
	}
	switch bind := l.bind.val; {
	case bind.Is6() != addr.Is6():
		b.report.Bad(l.bind.tok.pos, "family",
			fmt.Sprintf("bindto %s is not %s, as the address to connect to is", bind, family(addr.Is6())), "")
	case bind.IsLinkLocalUnicast() && bind.Is6() && l.bindInterface == "":
		b.report.Bad(l.bind.tok.pos, "missing-word",
			fmt.Sprintf("bindto %s is a link-local address, which needs an interface", bind),
			"add a line: bind_if INTERFACE")
	}
}

// resolveFileCheck finds the file of a FILE_CHECK.
func (b *builder) resolveFileCheck(c *checkDraft) bool {
	if !c.file.set {
		return false // reported when it was read
	}
	f := b.lvs.trackFiles[c.file.val]
	if f == nil {
		var names []string
		for name := range b.lvs.trackFiles {
			names = append(names, name)
		}
		if !b.lost[c.file.val] {
			b.report.Bad(c.file.tok.pos, "unknown-name", fmt.Sprintf("there is no track_file %s", q(c.file.val)),
				words.DidYouMean(c.file.val, sorted(names)))
		}
		return false
	}
	c.File = f.TrackFile
	c.FileWeight = f.weight
	c.Reverse = c.Reverse || !c.fileWeight.set && f.reverse
	if c.fileWeight.set {
		c.FileWeight = c.fileWeight.val
	}
	c.Dynamic = true
	return true
}

// finished is a copy of the checker, for the draft is not kept.
func (c *checkDraft) finished() *config.Checker {
	checker := c.Checker
	return &checker
}
