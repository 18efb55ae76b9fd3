package differential

// A difference says why we behave otherwise, and what must be seen of us then.
type difference struct {
	why  string
	want []string
}

// sometimes are differences of words that depend on which comes first there: they need not be seen in each run.
var sometimes = map[string]bool{"tcp-request: inspect-delay in defaults": true}

// differences are the cases in which we mean to behave otherwise than haproxy 2.6, with the reason and with
// what must be seen of us then. The manual tells them under "What differs from HAProxy on purpose".
var differences = map[string]difference{
	"no host in 1.1":                {"RFC 9112 §3.2: a request without Host is refused", refused},
	"trailers":                      {"letter case is kept, of trailers too", []string{`"aX-T: 1\r\n"`}},
	"HTTP/2.0":                      {"a version we do not speak is not taken for 1.1", refused},
	"HTTP/0.9":                      {"a version we do not speak is not taken for 1.1", refused},
	"HTTP/2 preface":                {"HTTP/2 is not spoken", refused},
	"two spaces before the target":  {"RFC 9112 §3: one space", refused},
	"two spaces before the version": {"RFC 9112 §3: one space", refused},
	"tab for a space":               {"RFC 9112 §3: one space", refused},
	"DEL in the target":             {"no control bytes in a target", refused},
	"folded field":                  {"RFC 9112 §5.2: line folding is refused", refused},
	"NUL in a value":                {"RFC 9110 §5.5: no NUL in a value", refused},
	"control byte in a value":       {"RFC 9110 §5.5: no control bytes in a value", refused},
	"the same host twice":           {"RFC 9112 §3.2: more than one Host is refused", refused},
	"host with a path":              {"RFC 9110 §7.2: Host is a host and a port", refused},
	"host with a user":              {"RFC 9110 §7.2: Host is a host and a port", refused},
	"host with a bad port":          {"RFC 9110 §7.2: Host is a host and a port", refused},
	"target with a user":            {"RFC 9110 §4.2.4: userinfo in a target is refused", refused},
	"length and chunked":            {"RFC 9112 §6.1: both is an attack or a mistake", refused},
	"chunked and length":            {"RFC 9112 §6.1: both is an attack or a mistake", refused},
	"smuggled in the body of a GET": {"RFC 9112 §6.1: both is an attack or a mistake", refused},
	"gzip, chunked": {"the answer says that the connection closes, and it does",
		[]string{"HTTP/1.1 422", "close true"}},
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

	"written by set-method: line end": {"RFC 9110 §9.1: a method is a token",
		[]string{"server: x%0D%0AX%3Ay /a/b?q=1 HTTP/1.1"}},
	"written by set-method: request": {"RFC 9110 §9.1: a method is a token",
		[]string{"server: x%0D%0AX%3Ay%0D%0A"}},
	"written by set-method: space": {"RFC 9110 §9.1: a method is a token",
		[]string{"server: a%20b%20HTTP%2F1.1 /a/b?q=1 HTTP/1.1"}},
	"written by set-path: space": {"a space would divide the request line",
		[]string{"server: GET /a%20b%20HTTP/1.1?q=1 HTTP/1.1"}},
	"written by set-pathq: space": {"a space would divide the request line",
		[]string{"server: GET /a%20b%20HTTP/1.1 HTTP/1.1"}},
	"written by set-query: space": {"a space would divide the request line",
		[]string{"server: GET /a/b?a%20b%20HTTP/1.1 HTTP/1.1"}},
	"written by set-uri: space": {"a space would divide the request line",
		[]string{"server: GET /a%20b%20HTTP/1.1 HTTP/1.1"}},
	"written by replace-path: space": {"a space would divide the request line",
		[]string{"server: GET /a%20b%20HTTP/1.1?q=1 HTTP/1.1"}},
	"written by replace-uri: space": {"a space would divide the request line",
		[]string{"server: GET /a%20b%20HTTP/1.1 HTTP/1.1"}},
	"facts: unique-id of a request that is denied": {"the ID is made while the request is there",
		[]string{"case 403 id-alice"}},
	"framing: length removed, 1.0": {"HTTP/1.0 knows no chunks: the length stays, and so does the body",
		[]string{"server:   content-length: 5", `server:   body "hello"`}},
	"framing: length of nothing": {"refused before a server is asked",
		[]string{"HTTP/1.1 500", "<NOSRV>"}},
	"framing: length too short": {"refused before a server is asked",
		[]string{"HTTP/1.1 500", "<NOSRV>"}},
	"framing: length for chunks": {"refused before a server is asked",
		[]string{"HTTP/1.1 500", "<NOSRV>"}},
	"framing: coding for a length": {"RFC 9112 §6.2: no length beside a coding",
		[]string{"server:   transfer-encoding: chunked", `server:   body "hello"`}},
	"framing: GET to HEAD": {"an answer without a body must not announce one",
		[]string{"HTTP/1.1 200 length 0", "client: open"}},
	"framing: GET to CONNECT": {"the client asked for no tunnel",
		[]string{"HTTP/1.1 500", "<NOSRV>"}},
	"framing: no method": {"RFC 9112 §3: a request line has a method",
		[]string{"HTTP/1.1 500", "<NOSRV>"}},
	"framing: no target": {"RFC 9112 §3.2: a request line has a target",
		[]string{"HTTP/1.1 500", "<NOSRV>"}},
	"framing: target that is none": {"RFC 9112 §3.2: neither path nor URL",
		[]string{"HTTP/1.1 500", "<NOSRV>"}},
	"framing: length removed, 1.0, response": {"RFC 9112 §7.1: HTTP/1.0 does not know chunks",
		[]string{"client: closed", "HTTP/1.1 200 length -1", `"hello"`}},
	"framing: length too short, response": {"the log blames our side, not the client",
		[]string{"client: closed", "PH--"}},
	"framing: length too long, response": {"the client would wait for bytes that do not come",
		[]string{"client: closed", "PH--"}},
	"framing: length for chunks, response": {"the log blames our side, not the client",
		[]string{"client: closed", "PH--"}},
	"framing: status 103 for 200, response": {"the log blames our side, not the client",
		[]string{"client: closed", "PH--"}},
	"framing: status 200 for 204": {"there is no body: length 0 says so, too",
		[]string{"HTTP/1.1 200 length 0"}},
	"framing: status 200 for 304": {"there is no body: none must be announced",
		[]string{"HTTP/1.1 200 length 0"}},
	"framing: until the end, with a length": {"nobody can vouch for that length",
		[]string{"HTTP/1.1 200 length -1", `"hello"`}},
	"response: return": {"the page can tell what it replaces", []string{`body "was 200"`}},

	"answer to 1.0: chunked":                         {"RFC 9112 §7.1: HTTP/1.0 does not know chunks", unchunked},
	"answer to 1.0: chunked with trailer":            {"RFC 9112 §7.1: HTTP/1.0 does not know chunks", unchunked},
	"answer to 1.0 keep-alive: chunked":              {"RFC 9112 §7.1: HTTP/1.0 does not know chunks", unchunked},
	"answer to 1.0 keep-alive: chunked with trailer": {"RFC 9112 §7.1: HTTP/1.0 does not know chunks", unchunked},

	"edges: bytes of a POST": {"bytes are counted as they came, not as HAProxy's own " +
		"representation of a head", []string{"case 200 56 54"}},
	"edges: bytes of a chunked answer": {"bytes are counted as they went, not as HAProxy's own " +
		"representation of a head", []string{"case 200 75 34"}},
	"edges: bytes of a returned page": {"bytes are counted as they went, not as HAProxy's own " +
		"representation of a head", []string{"case 200 69 34"}},
	"edges: bytes of a denial": {"bytes are counted as they went, not as HAProxy's own " +
		"representation of a head", []string{"case 403 178 34"}},
	"edges: a dot in a pattern and a line end": {"a dot takes line ends, too: nobody hides behind one",
		[]string{"HTTP/1.1 403"}},
	"edges: http-after-response on a malformed request": {"the rules are applied to every answer of ours",
		[]string{"x-a: 1"}},
	"edges: lf-string with a line end": {"the text of a page is not percent-encoded",
		[]string{`a\nb b`}},
	"edges: set-path to nothing": {"RFC 9112 §3.2: a target that is none is refused",
		[]string{"HTTP/1.1 500"}},
	"edges: redirect prefix append-slash keeps the query": {"no slash is put behind a query",
		[]string{"location: http://y/a/b?q=1"}},
	"edges: a statistics page that is denied": {"the log has the status that the client got, and the " +
		"connection stays", []string{"client: open", "HTTP/1.1 403", "<STATS> N/N/N/N/N 403 ", "PR--"}},
	"edges: a statistics page without the password": {"the log has the status that the client got, and the " +
		"connection stays", []string{"client: open", "HTTP/1.1 401", "<STATS> N/N/N/N/N 401 ", "LR--"}},
	"edges: cookies empty": {"of empty cookies nothing is left",
		[]string{"HTTP/1.1 200"}},
}

var (
	refused    = []string{"client: closed", "HTTP/1.1 400", "PR--"}
	badGateway = []string{"HTTP/1.1 502", "PH--"}
	unchunked  = []string{"client: closed", "HTTP/1.1 200 length -1", "----"}
)
