package h1

// MethodID is a method that has a meaning here.
type MethodID uint8

// Methods of RFC 9110 §9.3 and PATCH.
const (
	MethodOther MethodID = iota
	MethodGet
	MethodHead
	MethodPost
	MethodPut
	MethodDelete
	MethodConnect
	MethodOptions
	MethodTrace
	MethodPatch
)

func methodOf(m []byte) MethodID {
	switch string(m) {
	case "GET":
		return MethodGet
	case "HEAD":
		return MethodHead
	case "POST":
		return MethodPost
	case "PUT":
		return MethodPut
	case "DELETE":
		return MethodDelete
	case "CONNECT":
		return MethodConnect
	case "OPTIONS":
		return MethodOptions
	case "TRACE":
		return MethodTrace
	case "PATCH":
		return MethodPatch
	}
	return MethodOther
}

var methodNames = [...][]byte{
	MethodGet: []byte("GET"), MethodHead: []byte("HEAD"), MethodPost: []byte("POST"), MethodPut: []byte("PUT"),
	MethodDelete: []byte("DELETE"), MethodConnect: []byte("CONNECT"), MethodOptions: []byte("OPTIONS"),
	MethodTrace: []byte("TRACE"), MethodPatch: []byte("PATCH"),
}

// MethodAsked is the method as the client sent it, whatever rules have made of it. One that has no meaning here is
// given as it stands, as HAProxy's fetch does.
func (h *Head) MethodAsked() []byte {
	if h.asked == MethodOther {
		return h.Method()
	}
	return methodNames[h.asked]
}
