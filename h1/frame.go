package h1

import (
	"bytes"
	"strconv"
)

// Frame is how a message goes on as rules have left its head: what becomes of its body, and whether the connection
// it goes over must end after it.
type Frame struct {
	Transfer Transfer
	Close    bool
}

// Reasons to refuse what rules made of a head.
const (
	ruleTarget    = "a rule made a request target that is none"
	ruleMethod    = "a rule made no method"
	ruleConnect   = "a rule made CONNECT of another method"
	ruleLength    = "a rule gave a Content-Length that is not the body's"
	ruleInterim   = "a rule made an interim response of the final one"
	ruleSwitching = "a rule changed the status of a tunnel's beginning"
)

// refuse is the error about an edited head. It is no fault of the sender's: 500.
func (h *Head) refuse(reason string) *Error {
	h.err = Error{Status: 500, Reason: reason}
	return &h.err
}

// UpgradeLeft says whether the sender asked for another protocol and the edited head still does.
func (h *Head) UpgradeLeft() bool {
	if !h.Upgrade() || h.touched&(touchedUpgrade|touchedConnection) == 0 {
		return h.Upgrade()
	}
	return h.Index("upgrade", 0) >= 0 && h.connectionNames("upgrade")
}

// connectionNames says whether a Connection field has that option.
func (h *Head) connectionNames(option string) bool {
	for i := h.Index("connection", 0); i >= 0; i = h.Index("connection", i+1) {
		list := h.bytes(h.fields[i].value)
		for more := true; more; {
			var token []byte
			if token, list, more = nextInList(list); equalFold(token, option) {
				return true
			}
		}
	}
	return false
}

// closedByEdit says whether an edit asked for the connection's end where the sender had not.
func (h *Head) closedByEdit() bool {
	return h.touched&touchedConnection != 0 && !h.close && h.connectionNames("close")
}

// FrameRequest brings the head of a request that rules have edited in order before it is sent: its target fits its
// method, and its fields tell the body that will follow (RFC 9112 §6). Close is about the server's
// connection. The error is an *Error with status 500: the request must not be sent.
//
// Differs from HAProxy: it sends Content-Length beside Transfer-Encoding, targets and methods that are none, and a
// length that is longer than the body.
func (h *Head) FrameRequest() (Frame, error) {
	if h.touched == 0 {
		return Frame{}, nil
	}
	if h.touched&(touchedMethod|touchedTarget) != 0 {
		uri := h.bytes(h.uri)
		switch {
		case h.method.len == 0:
			return Frame{}, h.refuse(ruleMethod)
		case h.methodID == MethodConnect && h.asked != MethodConnect:
			return Frame{}, h.refuse(ruleConnect)
		case len(uri) == 0:
			return Frame{}, h.refuse(ruleTarget)
		}
		if _, reason := checkTarget(uri, h.methodID); reason != "" {
			return Frame{}, h.refuse(ruleTarget)
		}
	}
	f := Frame{Close: h.closedByEdit()}
	if h.touched&touchedLength == 0 {
		return f, nil
	}
	var err error
	switch {
	case h.chunked:
		err = h.keepChunks()
	case h.contentLength > 0:
		err = h.keepLength(&f, h.minor)
	default:
		h.noBody(&f)
	}
	return f, err
}

// HostOfTarget makes Host say what an absolute target does (RFC 9112 §3.2.2): where there is none, and after a rule has
// changed the target.
func (h *Head) HostOfTarget() {
	authority := h.Authority()
	if authority == nil || h.methodID == MethodConnect {
		return
	}
	if i := h.Index("host", 0); i < 0 {
		h.Add("host", authority)
	} else {
		h.Replace(i, authority)
	}
}

// TargetOfHost makes an absolute target say what Host does, after a rule has changed that: servers go by the target.
func (h *Head) TargetOfHost() {
	authority := h.Authority()
	host, there := h.Find("host")
	if authority == nil || h.methodID == MethodConnect || !there {
		return
	}
	uri := h.bytes(h.uri)
	from := bytes.Index(uri, schemeEnd) + len(schemeEnd)
	changed := append(append(append(make([]byte, 0, len(uri)+len(host)), uri[:from]...), host...),
		uri[from+len(authority):]...)
	h.SetURI(changed)
}

// IsHost says whether a field's name is Host.
func IsHost(name string) bool { return equalFold([]byte(name), "host") }

// told is what the Content-Length fields say after edits: the one length all of them give; -1: there is none that is a
// number; -2: they differ.
func (h *Head) told() int64 {
	told := int64(-1)
	for i := h.Index("content-length", 0); i >= 0; i = h.Index("content-length", i+1) {
		n, ok := number(h.bytes(h.fields[i].value))
		switch {
		case !ok:
		case told >= 0 && n != told:
			return -2
		default:
			told = n
		}
	}
	return told
}

// codedByEdit says whether a Transfer-Encoding field asks for chunks.
func (h *Head) codedByEdit() bool {
	for i := h.Index("transfer-encoding", 0); i >= 0; i = h.Index("transfer-encoding", i+1) {
		if equalFold(h.bytes(h.fields[i].value), "chunked") {
			return true
		}
	}
	return false
}

// tellNothing leaves no field that says where the body ends.
func (h *Head) tellNothing() {
	h.Del("transfer-encoding")
	h.Del("content-length")
}

func (h *Head) tellLength(n int64) {
	h.tellNothing()
	h.AddString("content-length", strconv.FormatInt(n, 10))
}

func (h *Head) tellChunks() {
	h.tellNothing()
	h.AddString("transfer-encoding", "chunked")
}

// keepChunks: a chunked body stays one; its length is not known, so none can be told.
func (h *Head) keepChunks() error {
	if h.told() != -1 {
		return h.refuse(ruleLength)
	}
	h.tellChunks()
	return nil
}

// keepLength: the body has h.contentLength bytes. Towards HTTP/1.0 it keeps its length, towards HTTP/1.1 a rule may
// have it sent in chunks.
func (h *Head) keepLength(f *Frame, minor uint8) error {
	coded := h.codedByEdit()
	switch told := h.told(); {
	case coded && minor >= 1:
		h.tellChunks()
		f.Transfer, f.Close = Chunk, true
	case told == h.contentLength:
		h.tellLength(told)
	case told != -1:
		return h.refuse(ruleLength)
	case minor == 0:
		h.tellLength(h.contentLength)
	default:
		h.tellChunks()
		f.Transfer = Chunk
	}
	return nil
}

// noBody: a request without a body tells no length but 0. One that a rule sends in chunks is an empty one.
func (h *Head) noBody(f *Frame) {
	told := h.contentLength == 0 || h.told() == 0
	switch {
	case h.codedByEdit() && h.minor >= 1 && h.methodID != MethodConnect:
		h.tellChunks()
		f.Transfer, f.Close = Chunk, true
	case told:
		h.tellLength(0)
	default:
		h.tellNothing()
	}
}

// FrameResponse brings the head of a final response in order before it is sent, whether rules have edited it or
// not: its fields tell the body that the client will get, which is what body gives in the returned Transfer. asked
// is the method the client sent, minor its version. Close is about the client's connection. The error is an *Error:
// the response must not be sent.
//
// Differs from HAProxy: it lets a rule announce more bytes than follow, and a length where a method or a status that a
// rule changed has left no body.
func (h *Head) FrameResponse(body *Body, asked MethodID, minor uint8) (Frame, error) {
	bodiless := h.status < 200 || h.status == 204 || h.status == 304 || asked == MethodHead
	if h.touched == 0 && body.framing == ByLength && !bodiless {
		return Frame{}, nil // nothing was changed, and its length says it all: nearly every response
	}
	f := Frame{Close: h.closedByEdit() || body.framing == UntilClose}
	edited := h.touched&touchedLength != 0
	switch st := h.status; {
	case st == 101 && body.framing != Tunnel:
		// Made by a rule: what follows is nobody's message.
		h.tellNothing()
		return Frame{Transfer: Unchunk, Close: true}, nil
	case st < 200:
		return f, h.refuse(ruleInterim)
	case st == 204:
		h.tellNothing()
		f.Transfer, f.Close = Drop, h.closedByEdit()
		return f, nil
	case st == 304 || asked == MethodHead:
		h.onlyOneFraming()
		f.Transfer, f.Close = Drop, h.closedByEdit()
		return f, nil
	}
	switch body.framing {
	case ByChunks:
		if edited {
			if err := h.keepChunks(); err != nil {
				return f, err
			}
		}
		if minor == 0 { // it does not know chunks: the end is the end of the connection
			h.Del("transfer-encoding")
			f.Transfer, f.Close = Unchunk, true
		}
	case ByLength:
		if edited {
			return f, h.keepLengthDown(&f, minor)
		}
	case UntilClose:
		if edited {
			h.tellNothing()
		}
	case NoBody:
		if edited || h.contentLength != 0 {
			if told := h.told(); edited && told > 0 && h.contentLength == 0 {
				return f, h.refuse(ruleLength)
			}
			h.tellLength(0)
		}
	}
	return f, nil
}

// keepLengthDown is keepLength towards a client, for whom a body may also end with the connection.
func (h *Head) keepLengthDown(f *Frame, minor uint8) error {
	if err := h.keepLength(f, max(minor, 1)); err != nil {
		return err
	}
	if minor == 0 && f.Transfer == Chunk {
		h.Del("transfer-encoding")
		f.Transfer, f.Close = AsIs, true
	}
	return nil
}

// onlyOneFraming keeps a head without a body from telling two lengths.
func (h *Head) onlyOneFraming() {
	if h.touched&touchedLength == 0 {
		return
	}
	if told := h.told(); h.Index("transfer-encoding", 0) >= 0 || told == -2 {
		h.Del("content-length")
	}
}

// FrameSwitching judges the head that begins a tunnel, 101 or a success of CONNECT, after rules have seen it.
func (h *Head) FrameSwitching() error {
	if h.touched&touchedStatus != 0 {
		return h.refuse(ruleSwitching)
	}
	if h.touched&touchedLength != 0 {
		h.tellNothing()
	}
	return nil
}
