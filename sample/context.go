package sample

import (
	"net/netip"
	"time"
)

// Point is a set of points of a stream's life at which an expression may be evaluated.
type Point uint16

// Points. A fetch lists those at which it has a value.
const (
	Connection Point = 1 << iota // a connection was accepted; addresses only
	Content                      // tcp-request content: bytes of the client are there
	Request                      // a request's head is there
	Response                     // a response's head is there (the request's is gone)
	Log                          // the end: what Record and captures hold
	Check                        // inside a health check
	// Front adds to Request or Content that the rule stands in a frontend, where the backend is not known yet.
	Front
)

// Message is a parsed HTTP head, without its body. Slices are valid until the message
// changes; header names keep the sender's case and the order is the sender's.
type Message interface {
	MethodAsked() []byte // requests: the method as received, whatever rules made of it; nil for a response
	URI() []byte         // requests: the request target as it stands
	Version() []byte     // "1.0", "1.1"
	Status() int         // responses; 0 for a request
	Len() int            // number of header fields
	Field(i int) (name, value []byte)
}

// Environment answers for the running proxy. Unknown names give false.
type Environment interface {
	Backend(name string) (BackendFacts, bool)
	Frontend(name string) (connections, rate int, ok bool)
	Server(backend, server string) (ServerFacts, bool)
}

// BackendFacts are counts of a backend at this moment.
type BackendFacts struct {
	Usable      int // servers that can take a request (nbsrv)
	Connections int
	Rate        int // new sessions in the last second
	Queue       int // requests waiting, in the backend's and its servers' queues
	Free        int // connection slots left on usable servers (connslots); -1: unlimited
}

// ServerFacts are facts of one server at this moment.
type ServerFacts struct {
	Up          bool
	Connections int
	Queue       int
	Weight      int
}

// Facts are what a stream knows of itself. They are asked for while an expression or a
// format is evaluated, and only by those that want them, so that nothing of one stream is
// left for the next.
type Facts interface {
	// Record fills r, which is empty but for the memory of its lists. UniqueID is not its business.
	Record(r *Record)
	// UniqueID is the stream's unique ID, made when it is first asked for; x is the context of who asks. Nil: the
	// stream has none.
	UniqueID(x *Context) []byte
}

// Context is what expressions are evaluated on. An engine keeps one for each thread and
// begins anew with Reset for each evaluation, then sets what is known at that point.
// Methods of compiled expressions take it by pointer and keep intermediate strings in its
// scratch space: a result is valid until the next Reset.
type Context struct {
	Point    Point
	Source   netip.AddrPort // the client
	Dest     netip.AddrPort // where it connected to
	Request  Message        // nil where there is none
	Response Message
	Content  []byte // Content: bytes received so far
	Complete bool   // Content: no more bytes will come, or the inspection delay is over
	// RequestNumber counts the requests of the client's connection from 1 (http_first_req).
	RequestNumber int
	Now           time.Time
	// Facts answers for the stream; nil: there is none, and its values are empty.
	Facts Facts

	// What follows belongs to the process and outlives Reset.

	Env Environment
	// Random is any odd state for rand and uuid; advanced by each use.
	Random uint64
	// Getenv gives the environment for env(); nil: empty.
	Getenv func(name string) (string, bool)
	// ReadHead reads the head of a request at the beginning of Content, for fetches that want one where none was parsed
	// (mode tcp); nil: it is none, or, with more true, not whole yet. It is valid until the next call. nil: nobody can.
	ReadHead func(content []byte) (head Message, more bool)
	// IsLocal reports whether an address is this machine's (src_is_local); nil: loopback addresses are.
	IsLocal func(netip.Addr) bool

	scratch []byte
	cursor  cursor
	pending bool // a fetch's value could change with more bytes
	clock   clock
	record  Record
	filled  bool // record holds this stream's values
	// looked: ReadHead was asked for the head; awaited: it has not come yet.
	looked, awaited bool
}

// Reset forgets everything about the stream before and makes the context one for point.
func (c *Context) Reset(point Point) {
	c.Point, c.Source, c.Dest = point, netip.AddrPort{}, netip.AddrPort{}
	c.Request, c.Response, c.Content, c.Complete = nil, nil, nil, false
	c.RequestNumber, c.Now, c.Facts = 0, time.Time{}, nil
	c.cursor, c.pending, c.filled, c.looked, c.awaited = cursor{}, false, false, false, false
	if cap(c.scratch) > maxScratch {
		c.scratch = nil // one odd request does not hold memory for ever
		return
	}
	c.scratch = c.scratch[:0]
}

// Record gives the stream's values, computed when first asked for after a Reset.
func (c *Context) Record() *Record {
	if !c.filled {
		c.fill()
	}
	return &c.record
}

func (c *Context) fill() {
	c.filled = true
	r := &c.record
	request, response := r.RequestCaptures[:0], r.ResponseCaptures[:0]
	*r = Record{}
	r.RequestCaptures, r.ResponseCaptures = request, response
	if c.Facts != nil {
		c.Facts.Record(r)
	}
}

// UniqueID gives the stream's unique ID; nil: it has none.
func (c *Context) UniqueID() []byte {
	if c.Facts == nil {
		return nil
	}
	return c.Facts.UniqueID(c)
}

// Mark and Release enclose evaluations whose values are not needed afterwards: Release gives back the scratch space
// used since Mark.
func (c *Context) Mark() int { return len(c.scratch) }

// Release is the end of what Mark began.
func (c *Context) Release(mark int) { c.scratch = c.scratch[:mark] }

// maxScratch is how much scratch space a context keeps between streams.
const maxScratch = 64 << 10

// Record holds what the aliases of a log format print (%ci, %Tr, …), but for the unique ID. Durations are -1
// when the stream did not get that far. Strings point into memory of the engine.
type Record struct {
	Frontend, FrontendTransport string         // %f; %ft is Frontend plus "~" for TLS
	Backend, Server             string         // %b, %s; "<NOSRV>" when no server was chosen
	Bind                        string         // name of the listener; empty where it has none
	Client, Dest                netip.AddrPort // %ci %cp, %fi %fp
	ClientIP, ClientPort        []byte         // Client spelled out, if the engine has done so
	BackendSource, BackendDest  netip.AddrPort // %bi %bp, %si %sp
	// UnixBind is the listener's socket path for clients without an IP address.
	UnixBind string

	Accepted time.Time // %t, %T…, %Ts, %ms
	Begun    time.Time // %tr: first byte of the request
	// Times in milliseconds: handshake, idle, request (TR = after idle), queue (Tw), connect (Tc), response (Tr),
	// data (Td), active (Ta), total (Tt), user (Tu); -1 unknown.
	Th, Ti, TR, Tw, Tc, Tr, Td, Ta, Tt, Tu int64

	Status                   int     // %ST; -1: none was sent
	BytesToClient            int64   // %B
	BytesToServer            int64   // %U
	Active, FrontendConns    int     // %ac %fc
	BackendConns             int     // %bc
	ServerConns              int     // %sc
	Retries                  int     // %rc
	Redispatched             bool    // "+" before %rc
	ServerQueue              int     // %sq
	BackendQueue             int     // %bq
	Termination              [4]byte // %ts prints 2, %tsc all 4
	RequestCookie, SetCookie []byte  // %CC, %CS; empty: "-"

	// The request line as received, kept by the engine until the log: %r, %HM, %HP, %HPO, %HQ, %HU, %HV. A request that
	// was not understood has Bad set: "<BADREQ>".
	Method, URI, Version []byte
	Bad                  bool
	// ResponseVersion is the server's, "1.0" or "1.1"; empty: there was no response.
	ResponseVersion  string
	RequestCaptures  [][]byte // %hr {a|b}; nil entry: not there
	ResponseCaptures [][]byte // %hs
	Counter          uint32   // %rt
	LogCounter       uint32   // %lc: lines of this frontend
	BindID           int      // %cp and %fp of a UNIX socket
	Host             string   // %H
	PID              int      // %pid
	// Partial puts "+" before times and sizes (option logasap).
	Partial bool
}
