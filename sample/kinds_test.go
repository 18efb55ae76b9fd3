package sample

import (
	"maps"
	"slices"
	"testing"
)

// TestKindsGiven evaluates every fetch and converter there is, with arguments it may take: the value is of the kind
// that rules and conditions were compiled for.
func TestKindsGiven(t *testing.T) {
	compared := make(map[string]bool)
	try := func(name, text string) {
		for _, at := range []Point{Connection, Content, Request, Response, Log} {
			e, err := ParseExpr(text, at)
			if err != nil {
				continue
			}
			c := fuzzContext(t)
			c.Point, c.Env = at, quiet{}
			v := e.Eval(c)
			if v.Kind != None && e.Kind() != Any && v.Kind != e.Kind() {
				t.Errorf("%s gives %s and says %s", text, kindName(v.Kind), kindName(e.Kind()))
			}
			compared[name] = compared[name] || v.Kind != None
		}
	}
	fetchArgs := []string{"", "(a)", "(1)", "(b)", "(b/s)", "(f0)", "(0,2)", "(x)", "(x-list,1)", "(sid)", "(61)",
		"(1.2.3.4)", "(::1)", "(txn.x)"}
	for _, name := range slices.Sorted(maps.Keys(fetchMakers)) {
		for _, args := range fetchArgs {
			try(name, name+args)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(converterMakers)) {
		for _, from := range []string{"str(aGk=)", "str(12)", "int(5)", "bin(6162)", "ipv4(1.2.3.4)", "ipv6(::1)",
			"bool(1)"} {
			for _, args := range []string{"", "(1)", "(a)", "(a,b)", "(1,a)", "(24)", "(%Y)", "(0,1)", "(ascii)",
				"(256)"} {
				try(name, from+","+name+args)
			}
		}
	}
	t.Logf("%d fetches and converters gave a value", len(compared))
}
