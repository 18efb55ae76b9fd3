package keepalived

import (
	"fmt"

	"github.com/evenkeel/evenkeel/config"
)

// CheckMachine is CheckScripts, and looks for the interfaces and source addresses that a site names, too. What is not
// there is a warning: it may be another machine's file, and an instance waits in fault for what it lacks.
func CheckMachine(site *config.Site, m Machine) []config.Diagnostic {
	c := scriptChecker{machine: m.withDefaults(), global: site.Global, found: CheckScripts(site, m)}
	for _, i := range site.Instances {
		names := []string{i.Interface}
		for _, a := range append(i.Addresses[:len(i.Addresses):len(i.Addresses)], i.Excluded...) {
			names = append(names, a.Dev)
		}
		c.interfaces(i.Pos, "vrrp_instance "+q(i.Name), names, i.TrackInterfaces)
		if i.McastSource.IsValid() && !c.machine.HasAddress(i.McastSource) {
			c.tell(i.Pos, "source", fmt.Sprintf("vrrp_instance %s: source address %s is on no interface here",
				q(i.Name), i.McastSource), "", false)
		}
	}
	for _, g := range site.Groups {
		c.interfaces(g.Pos, "vrrp_sync_group "+q(g.Name), nil, g.TrackInterfaces)
	}
	config.SortDiagnostics(c.found)
	return c.found
}

// interfaces looks for the interfaces of an instance or group, each once.
func (c *scriptChecker) interfaces(pos config.Position, whose string, names []string, tracked []config.TrackInterface) {
	if c.global.DynamicInterfaces {
		return
	}
	for _, t := range tracked {
		names = append(names, t.Name)
	}
	seen := map[string]bool{"": true}
	for _, name := range names {
		if !seen[name] && !c.machine.HasInterface(name) {
			c.tell(pos, "interface", fmt.Sprintf("%s: there is no interface %s here", whose, q(name)),
				"if it may come later, say so: dynamic_interfaces in global_defs", true)
		}
		seen[name] = true
	}
}
