package admin

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/proxy"
)

// said gives an error's text as a line; nothing for none.
func said(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + strings.TrimRight(text[1:], ".\n") + ".\n"
}

func arg(args []string, i int) string {
	if i < len(args) {
		return args[i]
	}
	return ""
}

// server finds "backend/server", by names or as #iid/#sid. complaint is what to answer if there is none.
func (s *session) server(word string) (row *proxy.Row, complaint string) {
	backend, server, ok := strings.Cut(word, "/")
	if !ok || backend == "" || server == "" {
		return nil, "Require 'backend/server'.\n"
	}
	rows := s.admin.engine.Status().Rows
	known := false
	for i := range rows {
		r := &rows[i]
		if !named(backend, r.Proxy.Name, r.IID) || !r.Proxy.Back {
			continue
		}
		known = true
		if r.Kind == proxy.ServerRow && named(server, r.Name, r.SID) {
			return r, ""
		}
	}
	if !known {
		return nil, "No such backend.\n"
	}
	return nil, "No such server.\n"
}

// named reports whether a word is a name or, as #n, a number.
func named(word, name string, number int) bool {
	if n, ok := strings.CutPrefix(word, "#"); ok {
		return n == strconv.Itoa(number)
	}
	return word == name
}

func (s *session) frontend(word string) (row *proxy.Row, complaint string) {
	if word == "" {
		return nil, "A frontend name is expected.\n"
	}
	rows := s.admin.engine.Status().Rows
	for i := range rows {
		if r := &rows[i]; r.Kind == proxy.FrontendRow && named(word, r.Proxy.Name, r.IID) {
			return r, ""
		}
	}
	return nil, "No such frontend.\n"
}

const serverUsage = "usage: set server <backend>/<server> addr | health | state | weight\n"

// setServer takes `set server b/s what …`.
func setServer(s *session, args []string) string {
	r, complaint := s.server(arg(args, 0))
	if r == nil {
		return complaint
	}
	backend, server, e := r.Proxy.Name, r.Name, s.admin.engine
	what, rest := arg(args, 1), []string(nil)
	if len(args) > 2 {
		rest = args[2:]
	}
	switch what {
	case "weight":
		return setWeight(s, r, arg(rest, 0))
	case "state":
		states := map[string]proxy.AdminState{"ready": proxy.Ready, "drain": proxy.Drain, "maint": proxy.Maint}
		state, ok := states[arg(rest, 0)]
		if !ok {
			return "'set server <srv> state' expects 'ready', 'drain' and 'maint'.\n"
		}
		return said(e.SetState(backend, server, state))
	case "health":
		if r.Tracked != "" {
			return "cannot change health on a tracking server.\n"
		}
		healths := map[string]proxy.ForcedHealth{"up": proxy.HealthUp, "stopping": proxy.HealthStopping,
			"down": proxy.HealthDown}
		h, ok := healths[arg(rest, 0)]
		if !ok {
			return "'set server <srv> health' expects 'up', 'stopping', or 'down'.\n"
		}
		return said(e.SetHealth(backend, server, h))
	case "addr":
		return setAddress(s, r, rest)
	case "agent", "agent-addr", "agent-port", "agent-send", "check-addr", "check-port", "fqdn", "ssl":
		return "'set server <srv> " + what + "' is not supported by this program.\n"
	}
	return serverUsage
}

// setAddress takes `addr A [port P]`.
func setAddress(s *session, r *proxy.Row, args []string) string {
	if arg(args, 0) == "" {
		return "set server <b>/<s> addr requires an address and optionally a port.\n"
	}
	port := 0
	if len(args) > 1 {
		if args[1] != "port" {
			return serverUsage
		}
		n, err := strconv.ParseUint(arg(args, 2), 10, 16)
		if err != nil || n == 0 {
			return fmt.Sprintf("problem converting port '%s' to an int by 'stats socket command'\n", arg(args, 2))
		}
		port = int(n)
	}
	was := r.Address
	if err := s.admin.engine.SetAddress(r.Proxy.Name, r.Name, args[0], port); err != nil {
		return said(err)
	}
	now, complaint := s.server(r.Proxy.Name + "/" + r.Name)
	if now == nil {
		return complaint
	}
	hadIP, hadPort := splitAddress(was)
	ip, at := splitAddress(now.Address)
	text := "no need to change the addr"
	if ip != hadIP {
		text = fmt.Sprintf("IP changed from '%s' to '%s'", hadIP, ip)
	}
	switch {
	case port == 0:
	case at == hadPort:
		text += ", no need to change the port"
	default:
		text += fmt.Sprintf(", port changed from '%s' to '%s'", hadPort, at)
	}
	return text + " by 'stats socket command'\n"
}

// setWeight takes a weight or a percentage of the configured one.
func setWeight(s *session, r *proxy.Row, word string) string {
	if word == "" {
		return "Require <weight> or <weight%>.\n"
	}
	number, percent := strings.CutSuffix(word, "%")
	n, err := strconv.Atoi(number)
	if err != nil {
		return "Empty weight string empty or preceded by garbage\n"
	}
	if percent {
		if n < 0 {
			return "Relative weight must be positive.\n"
		}
		return said(s.admin.engine.ScaleWeight(r.Proxy.Name, r.Name, n))
	}
	if n < 0 || n > 256 {
		return "Absolute weight can only be between 0 and 256 inclusive.\n"
	}
	return said(s.admin.engine.SetWeight(r.Proxy.Name, r.Name, n))
}

func setWeightCommand(s *session, args []string) string {
	r, complaint := s.server(arg(args, 0))
	if r == nil {
		return complaint
	}
	return setWeight(s, r, arg(args, 1))
}

func getWeight(s *session, args []string) string {
	r, complaint := s.server(arg(args, 0))
	if r == nil {
		return complaint
	}
	return fmt.Sprintf("%d (initial %d)\n", r.UserWeight, r.Config.Weight)
}

// enableServer and disableServer change the state of one server.
func enableServer(s *session, args []string) string { return s.setState(args, proxy.Ready) }

func disableServer(s *session, args []string) string { return s.setState(args, proxy.Maint) }

func (s *session) setState(args []string, state proxy.AdminState) string {
	r, complaint := s.server(arg(args, 0))
	if r == nil {
		return complaint
	}
	return said(s.admin.engine.SetState(r.Proxy.Name, r.Name, state))
}

func enableHealth(s *session, args []string) string { return s.setChecks(args, true) }

func disableHealth(s *session, args []string) string { return s.setChecks(args, false) }

func (s *session) setChecks(args []string, on bool) string {
	r, complaint := s.server(arg(args, 0))
	if r == nil {
		return complaint
	}
	if on && !r.Config.Check.On {
		return "Health check was not configured on this server, cannot enable.\n"
	}
	return said(s.admin.engine.EnableChecks(r.Proxy.Name, r.Name, on))
}

func enableFrontend(s *session, args []string) string {
	r, complaint := s.frontend(arg(args, 0))
	switch {
	case r == nil:
		return complaint
	case r.State == "STOP":
		return "Frontend was previously shut down, cannot enable.\n"
	case r.State != "PAUSED":
		return "All sockets are already enabled.\n"
	}
	return said(s.admin.engine.EnableFrontend(r.Proxy.Name, true))
}

func disableFrontend(s *session, args []string) string {
	r, complaint := s.frontend(arg(args, 0))
	switch {
	case r == nil:
		return complaint
	case r.State == "STOP":
		return "Frontend was previously shut down, cannot disable.\n"
	case r.State == "PAUSED":
		return "All sockets are already disabled.\n"
	}
	return said(s.admin.engine.EnableFrontend(r.Proxy.Name, false))
}

func shutdownFrontend(s *session, args []string) string {
	r, complaint := s.frontend(arg(args, 0))
	switch {
	case r == nil:
		return complaint
	case r.State == "STOP":
		return "Frontend was already shut down.\n"
	}
	return said(s.admin.engine.ShutdownFrontend(r.Proxy.Name))
}

func shutdownSession(s *session, args []string) string {
	if arg(args, 0) == "" {
		return "Session pointer expected (use 'show sess').\n"
	}
	if s.admin.engine.ShutdownSession(args[0]) != nil {
		return "No such session (use 'show sess').\n"
	}
	return ""
}

func shutdownSessions(s *session, args []string) string {
	r, complaint := s.server(arg(args, 0))
	if r == nil {
		return complaint
	}
	return said(s.admin.engine.ShutdownSessions(r.Proxy.Name, r.Name))
}

func setMaxConnServer(s *session, args []string) string {
	r, complaint := s.server(arg(args, 0))
	if r == nil {
		return complaint
	}
	if arg(args, 1) == "" {
		return "Require <maxconn>.\n"
	}
	n, err := strconv.Atoi(args[1])
	if err != nil || n < 0 {
		return "maxconn string empty or preceded by garbage\n"
	}
	return said(s.admin.engine.SetServerMaxConn(r.Proxy.Name, r.Name, n))
}

func setMaxConnFrontend(s *session, args []string) string {
	r, complaint := s.frontend(arg(args, 0))
	if r == nil {
		return complaint
	}
	// Differs from HAProxy: a word that is no number is refused, not taken for 0.
	n, err := strconv.Atoi(arg(args, 1))
	if err != nil {
		return "Integer value expected.\n"
	}
	if n < 0 {
		return "Value out of range.\n"
	}
	return said(s.admin.engine.SetFrontendMaxConn(r.Proxy.Name, n))
}

func setMaxConnGlobal(s *session, args []string) string {
	n, err := strconv.Atoi(arg(args, 0))
	if err != nil {
		return "Expects an integer value.\n"
	}
	if n <= 0 {
		return "Value out of range.\n"
	}
	return said(s.admin.engine.SetMaxConn(n))
}

// longestSilence bounds set timeout cli.
const longestSilence = 24 * time.Hour

func setTimeout(s *session, args []string) string {
	if arg(args, 0) != "cli" {
		return "'set timeout' only supports 'cli'.\n"
	}
	text := arg(args, 1)
	if text == "" {
		return "Expects an integer value.\n"
	}
	unit := time.Second
	for _, u := range []struct {
		suffix string
		unit   time.Duration
	}{{"ms", time.Millisecond}, {"us", time.Microsecond}, {"s", time.Second}, {"m", time.Minute}, {"h", time.Hour},
		{"d", 24 * time.Hour}} {
		if number, ok := strings.CutSuffix(text, u.suffix); ok {
			text, unit = number, u.unit
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 || time.Duration(n)*unit > longestSilence {
		return "Invalid timeout value.\n"
	}
	s.timeout = time.Duration(n) * unit
	return ""
}

func clearCounters(s *session, args []string) string {
	all := arg(args, 0) == "all"
	if all && s.level < config.LevelAdmin {
		return "Permission denied\n"
	}
	s.admin.engine.ClearCounters(all)
	return ""
}
