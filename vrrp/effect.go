package vrrp

import (
	"fmt"
	"net/netip"
	"time"
)

// ID names an instance within its Router. It is never reused.
type ID int

// State is where an instance stands.
type State uint8

// States. Claiming is ours: the advert is out, the gate not yet open; to the
// operator it is still BACKUP.
const (
	Init State = iota
	Backup
	Claiming
	Master
	Fault
	Stopped
)

var stateText = [...]string{"INIT", "BACKUP", "BACKUP", "MASTER", "FAULT", "STOP"}

// String gives the word operators know from Keepalived.
func (s State) String() string { return stateText[s] }

// Kind is what an Effect asks for.
type Kind uint8

// Kinds of effects. The order in which a Router appends them is the order that
// keeps two masters apart:
//
//	up:   NeedVotes, (Voted) PermitAdverts, Advertise, (settle), OpenGate, AddAddresses, ConfirmGate,
//	      (Opened) Announce, Changed
//	down: CloseGate, RemoveAddresses, Advertise with priority 0, FreeVotes, Changed
const (
	// PermitAdverts lets our adverts pass the closed gate until Until.
	PermitAdverts Kind = iota + 1
	// Advertise sends an advert with Priority. If it was sent and Until is not
	// zero, the gate is extended to Until. Sent or AdvertFailed must be called.
	Advertise
	// Probe asks the network who answers for the addresses now; answers come
	// back as ProbeAnswered. Sent must be called.
	Probe
	// OpenGate lets the kernel answer for the addresses until Until, a moment away.
	OpenGate
	// ConfirmGate extends the open gate to Until, the whole lease, unless it has
	// closed meanwhile. Opened must be called with the outcome.
	ConfirmGate
	// ShortenGate moves the gate's deadline back to Until, if it lies behind.
	ShortenGate
	// CloseGate stops it at once.
	CloseGate
	AddAddresses
	RemoveAddresses
	// Announce sends Count gratuitous ARP requests or unsolicited neighbour
	// advertisements for every address.
	Announce
	// AnnounceSource does so for our own source address, so that unicast peers
	// find us again after a fault.
	AnnounceSource
	// RestoreAddresses puts back addresses that someone else removed.
	RestoreAddresses
	// Changed reports a change of state: journal it, run notify scripts.
	Changed
	// RxLower reports that a master heard a lower-priority master.
	RxLower
	// Complain reports the first advert refused or odd for Reason.
	Complain
	// PriorityChanged reports a new effective priority.
	PriorityChanged
	// NeedVotes asks for a majority's promise for the instance and its sync group, until FreeVotes; what comes of it is
	// told by Voted and VotesLost. Params.Votes only.
	NeedVotes
	// FreeVotes ends that: nothing is held any more, nor wanted.
	FreeVotes
)

// Effect is one thing the caller must do for instance ID. Which fields count
// depends on Kind.
type Effect struct {
	ID       ID
	Kind     Kind
	Priority uint8
	Count    int
	Until    Time
	Reason   Reason
	Peer     netip.Addr
	Change   Change
}

// Change is a line of the journal: what happened and why.
type Change struct {
	From, To State
	Cause    Cause
	// Peer and PeerPriority: whose advert decided, if one did.
	Peer         netip.Addr
	PeerPriority uint8
	// LastAdvert is the age of the last advert accepted from a master; negative: none ever.
	LastAdvert time.Duration
	// Late is how much after its deadline our own loop acted.
	Late     time.Duration
	Priority uint8 // effective, ours
}

// Cause is why a state changed.
type Cause uint8

// Causes.
const (
	CauseStart Cause = iota
	CauseStartDelay
	CauseOwner
	CauseMasterDown     // no advert for the master-down time
	CauseMasterResigned // priority 0 heard
	CausePreempt        // the master's priority is lower than ours
	CauseHigherPriority // an advert with a higher priority
	CauseHigherAddress  // same priority, higher address
	CauseGroup          // another member of the sync group moved
	CauseFault          // a fault was raised
	CauseRecovered      // the last fault went away
	CauseLease          // our own lease ran out before it was renewed
	CauseAddressLost    // an address was removed again and again
	CauseStop           // asked to stop
	CauseRemoved        // taken out of the configuration, or begun anew
	CauseSendFailed     // the claim could not be sent
	CauseVotes          // the majority's promises ran out
	CauseHandOver       // a peer asked for the addresses
)

var causeText = [...]string{
	CauseStart:          "start",
	CauseStartDelay:     "start delay is over",
	CauseOwner:          "start as owner of the address (priority 255)",
	CauseMasterDown:     "no advert from a master",
	CauseMasterResigned: "the master resigned (priority 0)",
	CausePreempt:        "the master's priority is lower than ours",
	CauseHigherPriority: "advert with a higher priority",
	CauseHigherAddress:  "advert with our priority and a higher address",
	CauseGroup:          "another member of its sync group moved",
	CauseFault:          "fault",
	CauseRecovered:      "fault cleared",
	CauseLease:          "our lease ran out before we renewed it",
	CauseAddressLost:    "its address is removed again and again",
	CauseStop:           "stopping",
	CauseRemoved:        "removed, or begun anew, by a reload",
	CauseSendFailed:     "our adverts cannot be sent",
	CauseVotes:          "the majority of votes is lost",
	CauseHandOver:       "handed over to a peer",
}

// String says the cause in words.
func (c Cause) String() string { return causeText[c] }

// String is the change as one line, without the instance's name.
func (c Change) String() string {
	s := fmt.Sprintf("%v -> %v: %v", c.From, c.To, c.Cause)
	if c.Peer.IsValid() {
		s += fmt.Sprintf("; peer %v priority %d", c.Peer, c.PeerPriority)
	}
	s += fmt.Sprintf("; ours %d", c.Priority)
	if c.LastAdvert >= 0 {
		s += fmt.Sprintf("; last advert %v ago", c.LastAdvert.Round(100*time.Microsecond))
	}
	return s + fmt.Sprintf("; own lateness %v", c.Late.Round(10*time.Microsecond))
}
