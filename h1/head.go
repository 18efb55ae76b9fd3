package h1

// Kind is the direction of a message.
type Kind uint8

// Directions.
const (
	Request Kind = iota
	Response
)

// span is a piece of the message's bytes, or of the arena when off is negative (^off).
type span struct{ off, len int32 }

type field struct{ name, value span }

// Head is a message's start line and fields. The zero value wants a Reset. One Head
// serves message after message without allocating.
type Head struct {
	kind      Kind
	state     state
	ends      lineEnd // how its start line ended
	maxFields int
	data      []byte
	arena     []byte
	fields    []field
	pos       int // bytes looked at
	mark      int // where the token being read began
	end       int // of the field value being read
	name      span
	length    int // of the whole head, once complete
	err       Error

	method   span
	uri      span
	version  span
	reason   span
	methodID MethodID
	minor    uint8
	status   int

	asked   MethodID // as received, whatever rules made of it
	touched touched
	facts
}

// facts are what the fields say, gathered while parsing.
type facts struct {
	contentLength               int64 // -1: none
	hosts                       int
	hasTE, chunked, otherCoding bool
	close, keepAlive            bool
	upgradeToken, upgradeField  bool
	webSocket, webSocketKey     bool
	expect100                   bool
	hop                         bool // there is a Connection or a TE
	announced                   bool // a response says that it has a body, whatever its status means
}

// Reset makes h ready for a new message. maxFields is how many header fields it may have
// (tune.http.maxhdr); it does not limit later additions.
func (h *Head) Reset(kind Kind, maxFields int) {
	fields, arena := h.fields[:0], h.arena[:0]
	*h = Head{kind: kind, maxFields: maxFields, fields: fields, arena: arena}
	h.contentLength = -1
}

// Rebase tells h that the message's bytes, unchanged, are now at data.
func (h *Head) Rebase(data []byte) { h.data = data }

func (h *Head) bytes(s span) []byte {
	if s.off >= 0 {
		return h.data[s.off : s.off+s.len : s.off+s.len]
	}
	off := ^s.off
	return h.arena[off : off+s.len : off+s.len]
}

// Kind is the direction h was reset for.
func (h *Head) Kind() Kind { return h.kind }

// Complete says whether Parse has seen the whole head.
func (h *Head) Complete() bool { return h.state == stDone }

// Size is the number of bytes the whole head takes in the input, empty lines before it
// included; 0 before it is complete.
func (h *Head) Size() int { return h.length }

// Seen is how many bytes Parse has looked at: what "slow header" limits count.
func (h *Head) Seen() int { return h.pos }

// Method is a request's method; empty for a response.
func (h *Head) Method() []byte { return h.bytes(h.method) }

// MethodID is Method as a number.
func (h *Head) MethodID() MethodID { return h.methodID }

// IsConnect says whether a request asks for a tunnel by CONNECT.
func (h *Head) IsConnect() bool { return h.methodID == MethodConnect }

// URI is the request target as it stands.
func (h *Head) URI() []byte { return h.bytes(h.uri) }

// Version is "1.0" or "1.1", as the sender wrote it.
func (h *Head) Version() []byte { return h.bytes(h.version) }

// Minor is the digit after "HTTP/1.".
func (h *Head) Minor() int { return int(h.minor) }

// Status is a response's code, 100-999; 0 for a request.
func (h *Head) Status() int { return h.status }

// Reason is a response's reason phrase; it may be empty.
func (h *Head) Reason() []byte { return h.bytes(h.reason) }

// Len is the number of fields.
func (h *Head) Len() int { return len(h.fields) }

// Field is the i-th field: the name as the sender wrote it, the value without white
// space around it.
func (h *Head) Field(i int) (name, value []byte) {
	f := &h.fields[i]
	return h.bytes(f.name), h.bytes(f.value)
}

// Index is the first field from index from on whose name is name, in any letter case;
// -1: none.
func (h *Head) Index(name string, from int) int {
	for i := from; i < len(h.fields); i++ {
		if s := h.fields[i].name; int(s.len) == len(name) && equalFold(h.bytes(s), name) {
			return i
		}
	}
	return -1
}

// Find is the value of the first field of that name, in any letter case.
func (h *Head) Find(name string) (value []byte, ok bool) {
	i := h.Index(name, 0)
	if i < 0 {
		return nil, false
	}
	return h.bytes(h.fields[i].value), true
}

// ContentLength is the length the sender announced; -1: none.
func (h *Head) ContentLength() int64 { return h.contentLength }

// Chunked says whether the body comes in chunks (Transfer-Encoding: chunked).
func (h *Head) Chunked() bool { return h.chunked }

// AnnouncesBody says whether a response told the length or the coding of a body, also where by its status or its
// request's method it must not have one.
func (h *Head) AnnouncesBody() bool { return h.announced }

// KeepAlive says whether the sender wants to keep the connection for another message.
func (h *Head) KeepAlive() bool {
	if h.close {
		return false
	}
	return h.minor >= 1 || h.keepAlive
}

// Expect100 says whether the client waits for 100 Continue before it sends the body.
func (h *Head) Expect100() bool { return h.expect100 }

// Upgrade says whether the sender asks for another protocol: Connection names upgrade,
// and an Upgrade field is there. A request with a body does not: its Upgrade field was
// taken out. A 101 response to a request without Upgrade is for the caller to refuse.
func (h *Head) Upgrade() bool { return h.upgradeToken && h.upgradeField }
