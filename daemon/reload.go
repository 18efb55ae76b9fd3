package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/failover"
)

// asBefore ends the message of a reload that is refused.
const asBefore = "; everything goes on as before"

// reload reads the configuration again and applies it; one that does not load, or that a part of the
// director cannot follow, changes nothing. allowEmpty lets it take everything away.
func (d *director) reload(allowEmpty bool) Reply {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	if d.stopping {
		return Reply{Error: "the director is stopping"}
	}
	systemd.SdNotify(false, systemd.SdNotifyReloading+"\n"+systemd.SdNotifyMonotonicUsec())
	defer func() { systemd.SdNotify(false, systemd.SdNotifyReady+"\n"+d.statusLine()) }()
	site, inputs, diags := d.opts.Load(allowEmpty)
	d.report(diags)
	err := ErrConfig
	var summary string
	switch {
	case site == nil:
	case empty(site) && !empty(d.site) && !allowEmpty:
		err = errEmpties
	default:
		summary, err = d.follow(site, inputs)
	}
	if err != nil {
		d.log.logf(failover.LevelError, "reload refused: %v%s", err, asBefore)
		return Reply{Error: err.Error() + asBefore, Diagnostics: diags}
	}
	d.log.logf(failover.LevelNotice, "Reload complete: %s", summary)
	settleHeap()
	return Reply{OK: true, Summary: summary, Diagnostics: diags}
}

// errEmpties refuses what is more often an accident, a file cut short or not yet written, than meant.
var errEmpties = errors.New("the new configuration has no vrrp_instance, no virtual_server and no proxy, and this " +
	"site has: " +
	"if it shall lose them all, reload with --allow-empty")

// empty reports whether a site does nothing.
func empty(site *config.Site) bool {
	return len(site.Instances) == 0 && (site.LVS == nil || len(site.LVS.Servers) == 0) &&
		(site.Proxying == nil || len(site.Proxying.Proxies) == 0)
}

// follow brings everything to a new site. What can refuse comes first, and what was changed is undone when the
// next refuses: the next worker is ready, but the one before has not been told to end; virtual servers go back;
// the election, which cannot take a resignation back, comes last and refuses only where it has not begun.
func (d *director) follow(site *config.Site, inputs *Inputs) (summary string, err error) {
	usable, commit, undo, err := d.workers.prepare(site.Proxying, inputs)
	if err != nil {
		return "", err
	}
	had := d.forwarding.plane != nil
	directed, err := d.forwarding.apply(site)
	if err == nil {
		summary, err = d.elect(site, usable, !had)
	}
	if err != nil {
		_, undone := d.forwarding.apply(d.site)
		undo()
		return "", errors.Join(err, undone)
	}
	if usable != nil {
		d.proxyHealth(usable, true)
	}
	commit()
	d.site = site
	d.forwarding.unlease(site)
	d.roles()
	if directed != "" && d.election() != nil {
		summary += "; " + directed
	}
	if site.Proxying != nil {
		proxies := count(len(site.Proxying.Proxies), "proxy", "proxies")
		served := fmt.Sprintf("worker %d serves %s", d.workers.generation(), proxies)
		summary = strings.TrimPrefix(summary+"; "+served, "; ")
	}
	if summary == "" {
		summary = describe(site)
	}
	return summary, nil
}

// aliveLimit is how long the router thread may take to answer before a reload that needs it is refused.
const aliveLimit = 5 * time.Second

// elect has the election follow a new site, and begins it where there was none; mirror says that the deadlines
// must be written into a plane that was not there before. An error leaves the election as it was.
func (d *director) elect(site *config.Site, usable map[string]int, mirror bool) (summary string, err error) {
	engine := d.election()
	if engine == nil {
		return strings.Join(forDirector(site), ", "), d.startFailover(site, usable)
	}
	ctx, cancel := context.WithTimeout(context.Background(), aliveLimit)
	defer cancel()
	if err := engine.Alive(ctx); err != nil {
		return "", fmt.Errorf("the router thread does not answer: %w", err)
	}
	if find := d.forwarding.mirror(); find != nil && mirror {
		if err := engine.SetMirror(find); err != nil {
			return "", err
		}
	}
	applied, err := engine.Apply(site, usable)
	return applied.String(), err
}
