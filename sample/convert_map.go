package sample

import (
	"fmt"
	"strings"

	"github.com/evenkeel/evenkeel/sample/literal"
	"github.com/evenkeel/evenkeel/sample/pattern"
)

// makeMap makes a converter that looks its input up in a file of keys and values.
func makeMap(how pattern.Way, out Kind) converterMaker {
	return func(c call, files Files) (step, *Error) {
		if files == nil {
			return nil, &Error{Message: "maps are not read at this place", Unsupported: true}
		}
		name := c.arg(0)
		if name == "" {
			return nil, &Error{Message: c.name + " wants the name of a file"}
		}
		data, err := files(name)
		if err != nil {
			why := literal.Printable(err.Error())
			return nil, &Error{Message: fmt.Sprintf("cannot read the map %s: %s", quote(name), why)}
		}
		keys := &pattern.Set{Way: how}
		var values []Value
		for n, line := range strings.Split(string(data), "\n") {
			key, value, ok := mapLine(line)
			if !ok {
				continue
			}
			if err := keys.Add(key, false); err != nil {
				return nil, &Error{Message: fmt.Sprintf("map %s line %d: %s", quote(name), n+1, err.Message),
					Hint: err.Hint}
			}
			v, bad := mapValue(value, out)
			if bad != nil {
				return nil, &Error{Message: fmt.Sprintf("map %s line %d: %s", quote(name), n+1, bad.Message)}
			}
			values = append(values, v)
		}
		keys.FinishKeys()
		otherwise := Value{}
		if len(c.args) > 1 {
			v, bad := mapValue(c.args[1], out)
			if bad != nil {
				return nil, bad
			}
			otherwise = v
		}
		return func(c *Context, v Value) Value {
			if i := match(keys, c, v); i >= 0 {
				return values[i]
			}
			return otherwise
		}, nil
	}
}

// mapLine divides "key value".
func mapLine(line string) (key, value string, ok bool) {
	line = strings.TrimLeft(strings.TrimRight(line, " \t\r"), " \t")
	if line == "" || line[0] == '#' {
		return "", "", false
	}
	if i := strings.IndexAny(line, " \t"); i >= 0 {
		return line[:i], strings.TrimLeft(line[i:], " \t"), true
	}
	return line, "", true
}

func mapValue(s string, out Kind) (Value, *Error) {
	switch out {
	case Int:
		n, ok := literal.Number(s)
		if !ok {
			return Value{}, &Error{Message: quote(s) + " is not a number"}
		}
		return number(n), nil
	case IP:
		a, ok := literal.Addr([]byte(s))
		if !ok {
			return Value{}, &Error{Message: quote(s) + " is not an address"}
		}
		return Value{Kind: IP, Addr: a}, nil
	}
	return Value{Kind: Str, Bytes: []byte(s)}, nil
}
