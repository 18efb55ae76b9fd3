package site

// HostConfigs says what each host is; director names what runs on the nodes.
func (s *Site) HostConfigs(director string, rootless bool) []HostConfig {
	names := map[string]string{
		"client": s.Client.Addr().String(), "observer": s.Observer.Addr().String(),
		"vip": s.VIP.Addr().String(),
	}
	for _, n := range s.Nodes {
		names[n.Name] = n.Address.Addr().String()
	}
	for _, w := range s.Servers() {
		names[w.Name] = w.Address.Addr().String()
	}
	var all []HostConfig
	for _, n := range s.Nodes {
		files := map[string][]byte{"keepalived/keepalived.conf": s.file(n.Config)}
		if n.Scripts {
			files["keepalived/"+s.Check] = s.file(s.Check)
		}
		c := HostConfig{
			Name: n.Name, Role: "node", Interface: s.Interface, Address: n.Address,
			Files: files, WebUnit: s.WebUnit, Director: director, Rootless: rootless,
		}
		if p := s.Proxy; p != nil {
			files["haproxy/haproxy.cfg"] = s.file(p.Config)
			if director == "keepalived" {
				files["haproxy/haproxy.cfg"] = modern(s.file(p.Config))
			}
			c.Proxy, c.Stats, c.StatsAuth = true, p.Stats, p.StatsAuth
		}
		if v := s.LVS; v != nil {
			c.LVS, c.Second = v.Kind, n.Second
		}
		all = append(all, c)
	}
	for _, w := range s.Servers() {
		c := HostConfig{Name: w.Name, Role: "web", Interface: "eth0", Address: w.Address, WebUnit: "web"}
		if v := s.LVS; v != nil {
			c.LVS, c.Gateway = v.Kind, v.Inner.Addr()
		}
		all = append(all, c)
	}
	all = append(all,
		HostConfig{Name: "client", Role: "client", Interface: "eth0", Address: s.Client, Every: int64(RequestEvery),
			Limit: int64(s.AnswerLimit())},
		HostConfig{Name: "observer", Role: "observer", Interface: "eth0", Address: s.Observer})
	for i := range all {
		all[i].VIP, all[i].VRID, all[i].Names = s.VIP, s.VRID, names
	}
	return all
}
