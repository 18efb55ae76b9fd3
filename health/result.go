package health

import "time"

// Status is the outcome of a check.
type Status uint8

// Outcomes by HAProxy's codes. Those from L4OK on are final.
const (
	Unknown  Status = iota // UNK: no check at all
	Initial                // INI: none has ended yet
	SockErr                // SOCKERR
	L4OK                   // connected
	L4TOUT                 // no connection in time
	L4CON                  // refused, unreachable, …
	L6OK                   // TLS
	L6TOUT                 //
	L6RSP                  //
	L7TOUT                 // no answer in time
	L7RSP                  // an answer that is not the protocol's
	L7OK                   //
	L7OKC                  // 404 with disable-on-404
	L7STS                  // the wrong answer
	ProcErr                // external check
	ProcTout               //
	ProcOK                 //
	HANA                   // judged by traffic
)

var statuses = [...]struct{ code, text string }{
	Unknown:  {"UNK", "Unknown"},
	Initial:  {"INI", "Initializing"},
	SockErr:  {"SOCKERR", "Socket error"},
	L4OK:     {"L4OK", "Layer4 check passed"},
	L4TOUT:   {"L4TOUT", "Layer4 timeout"},
	L4CON:    {"L4CON", "Layer4 connection problem"},
	L6OK:     {"L6OK", "Layer6 check passed"},
	L6TOUT:   {"L6TOUT", "Layer6 timeout"},
	L6RSP:    {"L6RSP", "Layer6 invalid response"},
	L7TOUT:   {"L7TOUT", "Layer7 timeout"},
	L7RSP:    {"L7RSP", "Layer7 invalid response"},
	L7OK:     {"L7OK", "Layer7 check passed"},
	L7OKC:    {"L7OKC", "Layer7 check conditionally passed"},
	L7STS:    {"L7STS", "Layer7 wrong status"},
	ProcErr:  {"PROCERR", "External check error"},
	ProcTout: {"PROCTOUT", "External check timeout"},
	ProcOK:   {"PROCOK", "External check passed"},
	HANA:     {"HANA", "Health analyze"},
}

// Code is the short form of statistics: L4OK, L7STS.
func (s Status) Code() string { return statuses[s].code }

// String is the long form: "Layer4 check passed".
func (s Status) String() string { return statuses[s].text }

// Passed says whether the server is well.
func (s Status) Passed() bool {
	return s == L4OK || s == L6OK || s == L7OK || s == L7OKC || s == ProcOK
}

// HasCode says whether the protocol's own status belongs to the outcome; it is printed then.
func (s Status) HasCode() bool { return s == L7OK || s == L7OKC || s == L7STS }

// Result is what came of a probe.
type Result struct {
	Status   Status
	Code     int           // the protocol's status, for those that HasCode
	Info     string        // more words; may be empty
	Duration time.Duration // negative: unknown
}

// Outcome is what a request or connection tells about its server (observe).
type Outcome uint8

// Outcomes. Those up to ConnectFailed count at layer 4 and 7, the others at layer 7.
const (
	Connected Outcome = iota
	ConnectFailed
	Answered     // any status but those below
	WrongStatus  // 5xx, except 501 and 505
	BadResponse  // not HTTP
	ReadTimeout  // no answer in time
	ReadError    // reset
	ClosedByPeer // closed before it answered
)

var outcomeText = [...]string{"L4 successful connection", "L4 unsuccessful connection", "Correct http response",
	"Wrong http response", "Invalid http response (headers)", "Read timeout (http)", "Read error (http)",
	"Close from server (http)"}

// String is the outcome as the log has it.
func (o Outcome) String() string { return outcomeText[o] }

func (o Outcome) good() bool { return o == Connected || o == Answered }

// OutcomeOf is the outcome of a response with that status.
func OutcomeOf(status int) Outcome {
	if status >= 500 && status <= 599 && status != 501 && status != 505 {
		return WrongStatus
	}
	return Answered
}
