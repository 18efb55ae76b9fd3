package lab

// Action is one thing that can be done to a node.
type Action string

// The faults and their undoing. Cable actions are the switch's, all others the node's own.
const (
	DirectorStop   Action = "director-stop"   // end it in order, as systemctl stop does
	DirectorKill   Action = "director-kill"   // SIGKILL
	DirectorFreeze Action = "director-freeze" // SIGSTOP: a hang
	DirectorThaw   Action = "director-thaw"   // SIGCONT
	DirectorStart  Action = "director-start"
	CableOut       Action = "cable-out"
	CableIn        Action = "cable-in"
	WebStop        Action = "web-stop"  // ends the web server; a restart works
	WebBreak       Action = "web-break" // ends the web server; a restart fails until web-start
	WebStart       Action = "web-start" // repairs and starts it
	BringBack      Action = "bring-back"
)

// actions lists all actions in the order in which the page shows them.
var actions = []Action{
	DirectorStop, DirectorKill, DirectorFreeze, DirectorThaw, DirectorStart,
	CableOut, CableIn, WebStop, WebBreak, WebStart, BringBack,
}

// possible reports whether the action would change anything on a node whose director, web
// server and cable are in the given states; why explains a no to a person.
func (a Action) possible(director, web string, cableIn bool) (ok bool, why string) {
	switch a {
	case DirectorStop, DirectorKill, DirectorFreeze:
		return director == unitRunning, "the director is " + director
	case DirectorThaw:
		return director == unitFrozen, "the director is " + director
	case DirectorStart:
		return director == unitStopped, "the director is " + director
	case CableOut:
		return cableIn, "the cable is out"
	case CableIn:
		return !cableIn, "the cable is in"
	case WebStop:
		return web == unitRunning, "the web server is " + web
	case WebBreak:
		return web != unitBroken, "the web server is " + web
	case WebStart:
		return web != unitRunning, "the web server is " + web
	case BringBack:
		return director != unitRunning || web != unitRunning || !cableIn, "nothing is wrong here"
	}
	return false, "no such action"
}

// past says what happened, for the timeline.
func (a Action) past(node string) string {
	switch a {
	case DirectorStop:
		return node + ": director stopped"
	case DirectorKill:
		return node + ": director killed (SIGKILL)"
	case DirectorFreeze:
		return node + ": director frozen (SIGSTOP)"
	case DirectorThaw:
		return node + ": director thawed (SIGCONT)"
	case DirectorStart:
		return node + ": director started"
	case CableOut:
		return node + ": cable unplugged"
	case CableIn:
		return node + ": cable plugged in"
	case WebStop:
		return node + ": web server stopped"
	case WebBreak:
		return node + ": web server broken, cannot restart"
	case WebStart:
		return node + ": web server repaired and started"
	case BringBack:
		return node + ": everything brought back"
	}
	return node + ": " + string(a)
}

// States of a unit.
const (
	unitRunning = "running"
	unitStopped = "stopped"
	unitFrozen  = "frozen" // director only
	unitBroken  = "broken" // web server only: stopped, and a start fails
)
