package differential

// differences are the cases in which we mean to behave otherwise than haproxy 2.6, with the reason and with
// what must be seen of us then. The manual tells them under "What differs from HAProxy on purpose".
var differences = map[string]struct {
	why  string
	want []string
}{
	"no host in 1.1":                    {"RFC 9112 §3.2: a request without Host is refused", refused},
	"trailers":                          {"letter case is kept, of trailers too", []string{`"aX-T: 1\r\n"`}},
	"HTTP/2.0":                          {"a version we do not speak is not taken for 1.1", refused},
	"HTTP/0.9":                          {"a version we do not speak is not taken for 1.1", refused},
	"HTTP/2 preface":                    {"HTTP/2 is not spoken", refused},
	"two spaces before the target":      {"RFC 9112 §3: one space", refused},
	"two spaces before the version":     {"RFC 9112 §3: one space", refused},
	"tab for a space":                   {"RFC 9112 §3: one space", refused},
	"DEL in the target":                 {"no control bytes in a target", refused},
	"folded field":                      {"RFC 9112 §5.2: line folding is refused", refused},
	"NUL in a value":                    {"RFC 9110 §5.5: no NUL in a value", refused},
	"control byte in a value":           {"RFC 9110 §5.5: no control bytes in a value", refused},
	"the same host twice":               {"RFC 9112 §3.2: more than one Host is refused", refused},
	"host with a path":                  {"RFC 9110 §7.2: Host is a host and a port", refused},
	"host with a user":                  {"RFC 9110 §7.2: Host is a host and a port", refused},
	"host with a bad port":              {"RFC 9110 §7.2: Host is a host and a port", refused},
	"target with a user":                {"RFC 9110 §4.2.4: userinfo in a target is refused", refused},
	"length and chunked":                {"RFC 9112 §6.1: both is an attack or a mistake", refused},
	"chunked and length":                {"RFC 9112 §6.1: both is an attack or a mistake", refused},
	"smuggled in the body of a GET":     {"RFC 9112 §6.1: both is an attack or a mistake", refused},
	"gzip, chunked":                     {"the answer says that the connection closes, and it does", []string{"HTTP/1.1 422", "close true"}},
	"chunked in 1.0":                    {"RFC 9112 §6.1: HTTP/1.0 has no Transfer-Encoding", refused},
	"chunk line ends with LF":           {"RFC 9112 §7.1: chunk lines end with CRLF", refused},
	"star with get":                     {"RFC 9112 §3.2.4: * is for OPTIONS", refused},
	"connect":                           {"Host is passed on as the client wrote it", []string{"host: x:443"}},
	"connect refused by the server":     {"Host is passed on as the client wrote it", []string{"host: x:443"}},
	"client half-closes within a chunk": {"chunks pass as they are, not cut anew", []string{"CD--"}},

	"bad answer: status of two digits":  {"RFC 9112 §4: three digits", badGateway},
	"bad answer: status of four digits": {"RFC 9112 §4: three digits", badGateway},
	"bad answer: status 099":            {"RFC 9110 §15: 100 to 599", badGateway},
	"bad answer: version 2":             {"a version we do not speak is not taken for 1.1", badGateway},
	"bad answer: NUL in a value":        {"RFC 9110 §5.5: no NUL in a value", badGateway},
	"bad answer: folded field":          {"RFC 9112 §5.2: line folding is refused", badGateway},
	"bad answer: length and chunked":    {"RFC 9112 §6.3: not to be trusted", badGateway},

	"answer to 1.0: chunked":                         {"RFC 9112 §7.1: HTTP/1.0 does not know chunks", unchunked},
	"answer to 1.0: chunked with trailer":            {"RFC 9112 §7.1: HTTP/1.0 does not know chunks", unchunked},
	"answer to 1.0 keep-alive: chunked":              {"RFC 9112 §7.1: HTTP/1.0 does not know chunks", unchunked},
	"answer to 1.0 keep-alive: chunked with trailer": {"RFC 9112 §7.1: HTTP/1.0 does not know chunks", unchunked},
}

var (
	refused    = []string{"client: closed", "HTTP/1.1 400", "PR--"}
	badGateway = []string{"HTTP/1.1 502", "PH--"}
	unchunked  = []string{"client: closed", "HTTP/1.1 200 length -1", "----"}
)
