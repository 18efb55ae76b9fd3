package sample

import (
	"net/netip"
	"strings"

	"github.com/evenkeel/evenkeel/sample/literal"
)

// references lists the proxies and servers a fetch asks for by name.
func references(k known, c call) []Reference {
	name := c.arg(0)
	if name == "" {
		return nil
	}
	switch k.args {
	case "backend":
		return []Reference{{Word: k.name, Backend: name}}
	case "frontend":
		return []Reference{{Word: k.name, Frontend: name}}
	case "server":
		backend, server, both := strings.Cut(name, "/")
		if !both {
			return []Reference{{Word: k.name, Server: name}}
		}
		return []Reference{{Word: k.name, Backend: backend, Server: server}}
	}
	return nil
}

// ownProxy is the proxy meant where no name is given.
func (c *Context) ownProxy() string {
	if c.Record().Backend != "" {
		return c.Record().Backend
	}
	return c.Record().Frontend
}

func backendFact(of func(BackendFacts) int) maker {
	return func(c call) (source, *Error) {
		name := c.arg(0)
		return source{get: func(c *Context) Value {
			if c.Env == nil {
				return Value{}
			}
			of, name := of, name
			if name == "" {
				name = c.ownProxy()
			}
			f, ok := c.Env.Backend(name)
			if !ok {
				return Value{}
			}
			return number(int64(of(f)))
		}}, nil
	}
}

// averageQueue is the queue divided by the usable servers, rounded up.
func averageQueue(f BackendFacts) int {
	if f.Usable == 0 {
		return f.Queue
	}
	return (f.Queue + f.Usable - 1) / f.Usable
}

func frontendFact(of func(connections, rate int) int) maker {
	return func(c call) (source, *Error) {
		name := c.arg(0)
		return source{get: func(c *Context) Value {
			if c.Env == nil {
				return Value{}
			}
			name := name
			if name == "" {
				name = c.Record().Frontend
			}
			connections, rate, ok := c.Env.Frontend(name)
			if !ok {
				return Value{}
			}
			return number(int64(of(connections, rate)))
		}}, nil
	}
}

// serverFact reads a fact of "backend/server", or of a server of the proxy's own.
func serverFact(kind Kind, of func(ServerFacts) int) maker {
	return func(c call) (source, *Error) {
		backend, server, both := strings.Cut(c.arg(0), "/")
		if !both {
			backend, server = "", c.arg(0)
		}
		if server == "" {
			return source{}, &Error{Message: "fetch " + c.name + " wants a server, as backend/server"}
		}
		return source{kind: kind, get: func(c *Context) Value {
			if c.Env == nil {
				return Value{}
			}
			backend := backend
			if backend == "" {
				backend = c.ownProxy()
			}
			f, ok := c.Env.Server(backend, server)
			if !ok {
				return Value{}
			}
			return Value{Kind: kind, Int: int64(of(f))}
		}}, nil
	}
}

// splitPort reads "1.2.3.4", "1.2.3.4:80", "::1", "[::1]" or "[::1]:80"; the port is 80 where none is written.
func splitPort(b []byte) (a netip.Addr, port int, ok bool) {
	port = 80
	if a, ok := literal.Addr(b); ok {
		return a, port, true
	}
	host, tail := b, []byte(nil)
	if len(b) > 0 && b[0] == '[' {
		for i, x := range b {
			if x == ']' {
				host, tail = b[1:i], b[i+1:]
				break
			}
		}
	} else {
		for i, x := range b {
			if x == ':' {
				host, tail = b[:i], b[i:]
				break
			}
		}
	}
	if a, ok = literal.Addr(host); !ok {
		return a, 0, false
	}
	if len(tail) > 1 && tail[0] == ':' {
		port = 0
		for _, x := range tail[1:] {
			if x < '0' || x > '9' || port > 65535 {
				return a, 0, false
			}
			port = port*10 + int(x-'0')
		}
	} else if len(tail) > 0 && tail[0] != ':' {
		return a, 0, false
	}
	return a, port, true
}
