package site

// Action is one thing that can be done to a node or to a web server behind the nodes.
type Action string

// The faults and their undoing. Cable actions are the switch's, all others the host's own.
const (
	DirectorStop   Action = "director-stop"   // end it in order, as systemctl stop does
	DirectorKill   Action = "director-kill"   // SIGKILL
	DirectorFreeze Action = "director-freeze" // SIGSTOP: a hang
	DirectorThaw   Action = "director-thaw"   // SIGCONT
	DirectorStart  Action = "director-start"
	CableOut       Action = "cable-out"
	CableIn        Action = "cable-in"
	WebStop        Action = "web-stop"     // ends the web server; a restart works
	WebBreak       Action = "web-break"    // ends the web server; a restart fails until web-start
	WebStart       Action = "web-start"    // repairs and starts it
	ProxyKill      Action = "proxy-kill"   // SIGKILL to the process that proxies; its supervisor starts another
	ProxyFreeze    Action = "proxy-freeze" // SIGSTOP
	ProxyThaw      Action = "proxy-thaw"
	BringBack      Action = "bring-back"

	// What follows is for the web servers behind the nodes.
	ServerStop   Action = "server-stop"   // ends the program: connections are refused
	ServerFreeze Action = "server-freeze" // SIGSTOP: connections are accepted and not answered
	ServerSlow   Action = "server-slow"   // answers after slowAnswer
	ServerFail   Action = "server-500"    // answers, with status 500
	ServerMend   Action = "server-mend"   // as it should be again
)

// Actions lists what can be done to a node of the site, in the order in which the page shows it.
func (s *Site) Actions() []Action {
	all := []Action{DirectorStop, DirectorKill, DirectorFreeze, DirectorThaw, DirectorStart, CableOut, CableIn}
	if s.LVS != nil {
		return append(all, BringBack)
	}
	if s.Proxy != nil {
		return append(all, ProxyKill, ProxyFreeze, ProxyThaw, BringBack)
	}
	return append(all, WebStop, WebBreak, WebStart, BringBack)
}

// ServerActions lists what can be done to a web server behind the nodes.
var ServerActions = []Action{ServerStop, ServerFreeze, ServerSlow, ServerFail, ServerMend}

// Possible reports whether the action would change anything on a node whose director, web
// server (or proxy) and cable are in the given states; why explains a no to a person.
func (a Action) Possible(director, web string, cableIn bool) (ok bool, why string) {
	switch a {
	case DirectorStop, DirectorKill, DirectorFreeze:
		return director == UnitRunning, "the director is " + director
	case DirectorThaw:
		return director == unitFrozen, "the director is " + director
	case DirectorStart:
		return director == UnitStopped, "the director is " + director
	case CableOut:
		return cableIn, "the cable is out"
	case CableIn:
		return !cableIn, "the cable is in"
	case WebStop:
		return web == UnitRunning, "the web server is " + web
	case WebBreak:
		return web != unitBroken, "the web server is " + web
	case WebStart:
		return web != UnitRunning, "the web server is " + web
	case ProxyKill, ProxyFreeze:
		return web == UnitRunning, "the proxy is " + web
	case ProxyThaw:
		return web == unitFrozen, "the proxy is " + web
	case BringBack:
		return director != UnitRunning || web != UnitRunning && web != "" || !cableIn, "nothing is wrong here"
	}
	return false, "no such action"
}

// PossibleServer is possible for a web server behind the nodes.
func (a Action) PossibleServer(state string) (ok bool, why string) {
	becomes := map[Action]string{ServerStop: UnitStopped, ServerFreeze: unitFrozen, ServerSlow: unitSlow,
		ServerFail: unitFailing}
	switch a {
	case ServerStop, ServerFreeze, ServerSlow, ServerFail:
		return state == UnitRunning || state != becomes[a] && state != UnitStopped && state != unitFrozen, "it is " +
			state
	case ServerMend:
		return state != UnitRunning, "nothing is wrong here"
	}
	return false, "no such action"
}

// Repairs reports whether the action undoes a fault.
func (a Action) Repairs() bool {
	switch a {
	case DirectorStart, DirectorThaw, CableIn, WebStart, ProxyThaw, ServerMend, BringBack:
		return true
	}
	return false
}

// Past says what happened, for the timeline.
func (a Action) Past(host string) string {
	words := map[Action]string{
		DirectorStop:   "director stopped",
		DirectorKill:   "director killed (SIGKILL)",
		DirectorFreeze: "director frozen (SIGSTOP)",
		DirectorThaw:   "director thawed (SIGCONT)",
		DirectorStart:  "director started",
		CableOut:       "cable unplugged",
		CableIn:        "cable plugged in",
		WebStop:        "web server stopped",
		WebBreak:       "web server broken, cannot restart",
		WebStart:       "web server repaired and started",
		ProxyKill:      "proxy killed (SIGKILL)",
		ProxyFreeze:    "proxy frozen (SIGSTOP)",
		ProxyThaw:      "proxy thawed (SIGCONT)",
		ServerStop:     "stopped",
		ServerFreeze:   "frozen (SIGSTOP)",
		ServerSlow:     "answers only after " + SlowAnswer.String(),
		ServerFail:     "answers with status 500",
		ServerMend:     "as it should be again",
		BringBack:      "everything brought back",
	}
	if w, ok := words[a]; ok {
		return host + ": " + w
	}
	return host + ": " + string(a)
}

// States of a unit.
const (
	UnitRunning = "running"
	UnitStopped = "stopped"
	unitFrozen  = "frozen"    // director, proxy, or web server behind the nodes
	unitBroken  = "broken"    // a node's own web server: stopped, and a start fails
	unitSlow    = "slow"      // web server behind the nodes
	unitFailing = "error 500" // web server behind the nodes
)
