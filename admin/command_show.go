package admin

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/proxy"
)

// outputs reads the words desc, json, typed, up and no-maint; others are ignored, as by the reference.
func outputs(args []string, x *filter) (how form, describe bool) {
	for _, word := range args {
		switch word {
		case "json":
			how = asJSON
		case "typed":
			how = typed
		case "desc":
			describe = true
		case "up":
			x.up = true
		case "no-maint":
			x.noMaint = true
		}
	}
	return how, describe
}

func showInfo(s *session, out *answer, args []string) {
	var unused filter
	how, describe := outputs(args, &unused)
	st := s.admin.engine.Status()
	facts := s.admin.facts(&st.Info, s.admin.now())
	if !slices.Contains(args, "float") {
		facts = whole(facts)
	}
	out.buf = appendFacts(out.buf, facts, how, describe)
}

func showStat(s *session, out *answer, args []string) {
	st := s.admin.engine.Status()
	x := everything
	// The three of iid, type and sid come together or not at all.
	if len(args) >= 3 {
		kinds, err1 := strconv.Atoi(args[1])
		sid, err2 := strconv.Atoi(args[2])
		if err1 == nil && err2 == nil {
			iid, ok := proxyNumber(st.Rows, args[0])
			if !ok {
				out.text("No such proxy.\n")
				return
			}
			x.iid, x.kinds, x.sid = iid, kindBits(kinds), sid
			args = args[3:]
		}
	}
	how, describe := outputs(args, &x)
	f := forms[how]
	out.buf = append(out.buf, f.before...)
	n := 0
	for i := range st.Rows {
		if !x.takes(&st.Rows[i]) {
			continue
		}
		if out.buf = f.row(out.buf, &st.Rows[i], n, describe); !out.more() {
			return
		}
		n++
	}
	out.text(f.after)
	if how == asJSON {
		out.text("\n")
	}
}

// proxyNumber reads a proxy's number, -1 for all, or its name.
func proxyNumber(rows []proxy.Row, word string) (int, bool) {
	if n, err := strconv.Atoi(word); err == nil {
		return n, true
	}
	for i := range rows {
		if rows[i].Proxy.Name == word {
			return rows[i].IID, true
		}
	}
	return 0, false
}

// kindBits turns the command's sum (1 frontends, 2 backends, 4 servers, 8 listeners; -1 all) into bits of kinds,
// which are in the same order.
func kindBits(n int) int {
	if n < 0 {
		return -1
	}
	return n
}

func showVersion(s *session, _ []string) string { return s.admin.opts.Version + "\n" }

func showLevel(s *session, _ []string) string { return levelName(s.level) + "\n" }

func levelName(l config.Level) string {
	switch l {
	case config.LevelAdmin:
		return "admin"
	case config.LevelOperator:
		return "operator"
	}
	return "user"
}

func showSockets(s *session, out *answer, _ []string) {
	out.text("# socket lvl processes\n")
	for i := range s.admin.opts.Sockets {
		k := &s.admin.opts.Sockets[i]
		name := k.Text
		if k.Path != "" {
			name = "unix@" + k.Path
		} else if k.Addr.IsValid() {
			name = k.Addr.String()
		}
		out.text(name + " " + levelName(k.Level) + " all\n")
	}
}

func showBackend(s *session, out *answer, _ []string) {
	out.text("# name\n")
	for _, r := range s.admin.engine.Status().Rows {
		if r.Kind == proxy.BackendRow && !out.text(r.Proxy.Name+"\n") {
			return
		}
	}
}

// servers are those of all backends or of the one named; ok is false where there is none of the name.
func (s *session) servers(name string) (rows []*proxy.Row, ok bool) {
	all := s.admin.engine.Status().Rows
	for i := range all {
		r := &all[i]
		if name != "" && !named(name, r.Proxy.Name, r.IID) {
			continue
		}
		ok = ok || r.Proxy.Back
		if r.Kind == proxy.ServerRow {
			rows = append(rows, r)
		}
	}
	return rows, ok || name == ""
}

// checkNumbers are the reference's numbers of check results in its state file.
var checkNumbers = map[string]int{"": 1, "INI": 1, "HANA": 4, "SOCKERR": 5, "L4OK": 6, "L4TOUT": 7, "L4CON": 8,
	"L6OK": 9, "L6TOUT": 10,
	"L6RSP": 11, "L7TOUT": 12, "L7RSP": 13, "L7OK": 15, "L7OKC": 16, "L7STS": 17, "PROCERR": 18, "PROCTOUT": 19,
	"PROCOK": 20}

// showServersState writes the state file of version 1.
func showServersState(s *session, out *answer, args []string) {
	rows, ok := s.servers(arg(args, 0))
	if !ok {
		out.text("Can't find backend.\n")
		return
	}
	out.text("1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight " +
		"srv_time_since_last_change " +
		"srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id " +
		"srv_f_forced_id srv_fqdn srv_port " +
		"srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port\n")
	for _, r := range rows {
		addr, port := splitAddress(r.Address)
		fqdn := r.Config.Host
		if fqdn == "" {
			fqdn = "-"
		}
		checkPort, checkAddr := 0, "-"
		if a := r.Config.Check.Addr; a.IsValid() {
			checkPort = int(a.Port())
			if !a.Addr().IsUnspecified() {
				checkAddr = a.Addr().String()
			}
		}
		status, result, health, state := checkState(r)
		if _, err := fmt.Fprintf(out, "%d %s %d %s %s %d %d %d %d %d %d %d %d %d 0 0 0 %s %s - 0 %d %s - 0\n", r.IID,
			r.Proxy.Name, r.SID, r.Name, addr,
			operationalState(r), administrativeState(r), r.UserWeight, r.Config.Weight, seconds(r.LastChange),
			status, result, health, state, fqdn, port, checkPort, checkAddr); err != nil {
			return
		}
	}
}

// splitAddress divides host and port as they stand in a row.
func splitAddress(text string) (host, port string) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return text, "0"
	}
	if host == "" {
		host = "-"
	}
	return host, port
}

// operationalState is 0 stopped, 1 starting slowly, 2 running, 3 stopping.
func operationalState(r *proxy.Row) int {
	word, _, _ := strings.Cut(r.State, " ")
	switch {
	case word == "MAINT" || word == "DOWN":
		return 0
	case word == "NOLB":
		return 3
	case r.Throttle >= 0 && r.Throttle < 100:
		return 1
	}
	return 2
}

// administrativeState is a sum: 1 maintenance, 2 inherited, 4 by configuration, 8 drain, 16 inherited.
func administrativeState(r *proxy.Row) int {
	n := 0
	if r.Maintenance {
		n = 1
		if r.Config.Disabled {
			n |= 4
		}
	}
	if r.Draining {
		n |= 8
	}
	if r.Tracked != "" && strings.Contains(r.State, "via") {
		if strings.HasPrefix(r.State, "MAINT") {
			n |= 2
		} else if strings.HasPrefix(r.State, "DRAIN") {
			n |= 16
		}
	}
	return n
}

// checkState gives status, result (0 unknown, 2 failed, 3 passed, 4 passed with a condition), health and the state of a
// server's check (1 running, 2 configured, 4 enabled, 8 paused).
func checkState(r *proxy.Row) (status, result, health, state int) {
	status, health = checkNumbers[r.Check.Status], r.Check.Health
	if status == 0 {
		status = 1
	}
	switch r.Check.Status {
	case "", "INI":
	case "L4OK", "L6OK", "L7OK", "PROCOK":
		result = 3
	case "L7OKC":
		result = 4
	default:
		result = 2
	}
	if !r.Check.On {
		return 1, 0, r.Config.Check.Rise + r.Config.Check.Fall - 1, 0
	}
	state = 6
	if r.Check.Running {
		state |= 1
	}
	if r.Maintenance {
		state |= 8
	}
	return status, result, health, state
}

func showServersConn(s *session, out *answer, args []string) {
	rows, ok := s.servers(arg(args, 0))
	if !ok {
		out.text("Can't find backend.\n")
		return
	}
	threads := max(s.admin.engine.Status().Info.Threads, 1)
	fmt.Fprintf(out, "# bkname/svname bkid/svid addr port - purge_delay used_cur used_max need_est unsafe_nb safe_nb "+
		"idle_lim idle_cur idle_per_thr[%d]\n", threads)
	for _, r := range rows {
		addr, port := splitAddress(r.Address)
		fmt.Fprintf(out, "%s/%s %d/%d %s %s - %d %d %d %d 0 %d %d %d", r.Proxy.Name, r.Name, r.IID, r.SID, addr, port,
			r.Config.PoolPurgeDelay.Milliseconds(), r.InUse, r.SessionsMax, r.InUse, r.IdleNow, r.Config.PoolMax,
			r.IdleNow)
		// Which thread keeps how many is not told: the first one is said to have all.
		if _, err := fmt.Fprintf(out, " %d%s\n", r.IdleNow, strings.Repeat(" 0", threads-1)); err != nil {
			return
		}
	}
}

func showSessions(s *session, out *answer, args []string) {
	id, some := arg(args, 0), false
	for _, x := range s.admin.engine.Sessions() {
		if id != "" && id != "all" && id != x.ID {
			continue
		}
		backend, server := x.Backend, x.Server
		if backend == "" {
			backend = "<NONE>"
		}
		if server == "" {
			server = "<none>"
		}
		some = true
		if _, err := fmt.Fprintf(out, "%s: proto=tcp src=%s fe=%s be=%s srv=%s age=%s phase=%s in=%d out=%d\n", x.ID,
			x.Source, x.Frontend, backend, server,
			x.Age.Truncate(time.Second), strings.ReplaceAll(x.Phase, " ", "-"), x.BytesIn, x.BytesOut); err != nil {
			return
		}
	}
	if !some && id != "" && id != "all" {
		out.text("No such session (use 'show sess').\n")
	}
}

func showErrors(s *session, out *answer, args []string) {
	only, wantRequests, wantResponses := "", true, true
	for _, word := range args {
		switch word {
		case "request":
			wantResponses = false
		case "response":
			wantRequests = false
		default:
			only = word
		}
	}
	const stamp = "02/Jan/2006:15:04:05.000"
	all := s.admin.engine.BadMessages()
	fmt.Fprintf(out, "Total events captured on [%s] : %d\n", s.admin.now().Format(stamp), len(all))
	for n, m := range all {
		if m.Response && !wantResponses || !m.Response && !wantRequests ||
			only != "" && only != m.Frontend && only != m.Backend {
			continue
		}
		what, where := "request", "frontend "+m.Frontend
		backend, server := m.Backend, m.Server
		if m.Response {
			what, where = "response", "backend "+m.Backend
		}
		if server == "" {
			server = "<NONE>"
		}
		fmt.Fprintf(out, " \n[%s] %s: invalid %s\n  backend %s, server %s, event #%d, src %s\n  len %d, error at "+
			"position %d: %s\n  \n", m.When.Format(stamp), where,
			what, backend, server, n, m.Source, len(m.Content), m.Offset, m.Reason)
		if out.buf = appendDump(out.buf, m.Content); !out.more() {
			return
		}
	}
}

// appendDump writes bytes with their offsets, a line at a time; what cannot be shown as \n or \xHH.
func appendDump(out, b []byte) []byte {
	const width = 70
	for pos := 0; pos < len(b); {
		out = fmt.Appendf(out, "  %05d  ", pos)
		for room := width; pos < len(b) && room > 0; room-- {
			x := b[pos]
			pos++
			switch {
			case x == '\n':
				out = append(out, `\n`...)
				room = 0
			case x == '\r':
				out = append(out, `\r`...)
			case x == '\t':
				out = append(out, `\t`...)
			case x == '\\':
				out = append(out, `\\`...)
			case x < ' ' || x >= 0x7f:
				out = fmt.Appendf(out, `\x%02X`, x)
			default:
				out = append(out, x)
			}
		}
		out = append(out, '\n')
	}
	return out
}

func showSchema(*session, []string) string { return jsonSchema + "\n" }
