package sample

import (
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/spelling"
)

// Kinds that only the parser tells apart: an address of IPv6 and a request method. Values
// of the first are IP, of the second Str.
const (
	ip6 Kind = Any + 1 + iota
	verb
)

// A known is a fetch the reference has, whether or not it is done here (see fetchMakers).
type known struct {
	name   string
	args   string // types, optional ones in brackets
	kind   Kind
	points string
}

// A knownConverter is a converter the reference has (see converterMakers).
type knownConverter struct {
	name, args string
	in, out    Kind
}

// A criterion is a word of an ACL that stands for a fetch and a way of matching.
type criterion struct{ name, fetch, method string }

func findFetch(name string) (known, bool) {
	i, ok := slices.BinarySearchFunc(knownFetches[:], name, func(k known, s string) int {
		return strings.Compare(k.name, s)
	})
	if !ok {
		return known{}, false
	}
	return knownFetches[i], true
}

func findConverter(name string) (knownConverter, bool) {
	i, ok := slices.BinarySearchFunc(knownConverters[:], name,
		func(k knownConverter, s string) int { return strings.Compare(k.name, s) })
	if !ok {
		return knownConverter{}, false
	}
	return knownConverters[i], true
}

func findCriterion(name string) (criterion, bool) {
	i, ok := slices.BinarySearchFunc(knownCriteria[:], name,
		func(k criterion, s string) int { return strings.Compare(k.name, s) })
	if !ok {
		return criterion{}, false
	}
	return knownCriteria[i], true
}

// points of a fetch, and whether it needs a backend.
func (k known) where() (at Point, backend bool) {
	for _, l := range k.points {
		switch l {
		case 'C':
			at |= Connection
		case 'T':
			at |= Content
		case 'R':
			at |= Request
		case 'P':
			at |= Response
		case 'L':
			at |= Log
		case 'K':
			at |= Check
		case 'B':
			backend = true
		}
	}
	return at, backend
}

// needName says what a fetch misses where it stands, in an operator's words.
func needName(at Point) string {
	switch {
	case at&Request != 0 && at&Response == 0:
		return "a request's head"
	case at&Response != 0 && at&Request == 0:
		return "a response's head"
	case at == Log:
		return "the end of the stream"
	case at&Connection == 0:
		return "bytes of the client"
	}
	return "a connection"
}

// nearestFetch gives the known word closest to name, or "".
func nearestFetch(name string) string {
	var known []string
	for _, k := range knownFetches {
		known = append(known, k.name)
	}
	for _, k := range knownCriteria {
		known = append(known, k.name)
	}
	return nearest(name, known)
}

func nearestConverter(name string) string {
	var known []string
	for _, k := range knownConverters {
		known = append(known, k.name)
	}
	return nearest(name, known)
}

// nearest is the word that was likely meant. Of short ones, which are all alike, the first letter must be right.
func nearest(name string, known []string) string {
	if len(name) < 3 {
		return ""
	}
	if len(name) == 3 {
		known = slices.DeleteFunc(known, func(w string) bool { return w[0] != name[0] })
	}
	return spelling.Within(2, name, known)
}
