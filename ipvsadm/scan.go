package ipvsadm

import "strings"

// A scanner takes a command line apart in the manner of popt, option by option.
type scanner struct {
	args     []string
	cluster  string // what is left of a word of short options
	word     string // the word of the last option, for complaints
	rest     []string
	verbatim bool // after --
}

// next returns the next option and its argument. ok is false at the end; complaint is not empty
// for an option that does not exist or lacks its argument.
func (s *scanner) next() (o *spelling, arg string, hasArg, ok bool, complaint string) {
	if s.cluster != "" {
		return s.short()
	}
	for len(s.args) > 0 {
		word := s.args[0]
		s.args = s.args[1:]
		switch {
		case s.verbatim || !strings.HasPrefix(word, "-") || word == "-":
			s.rest = append(s.rest, word)
		case word == "--":
			s.verbatim = true
		case strings.HasPrefix(word, "--"):
			s.word = word
			return s.long(word[2:])
		default:
			s.word, s.cluster = word, word[1:]
			return s.short()
		}
	}
	return nil, "", false, false, ""
}

func (s *scanner) long(name string) (o *spelling, arg string, hasArg, ok bool, complaint string) {
	name, arg, hasArg = strings.Cut(name, "=")
	for i := range spellings {
		if o = &spellings[i]; o.long != name || name == "" {
			continue
		}
		if hasArg && o.arity == alone {
			return nil, "", false, true, s.word + ": option does not take an argument"
		}
		if !hasArg {
			arg, hasArg, complaint = s.argument(o)
		}
		return o, arg, hasArg, true, complaint
	}
	return nil, "", false, true, s.word + ": unknown option"
}

func (s *scanner) short() (o *spelling, arg string, hasArg, ok bool, complaint string) {
	c := s.cluster[0]
	s.cluster = s.cluster[1:]
	for i := range spellings {
		if o = &spellings[i]; o.short != c {
			continue
		}
		if o.arity == alone {
			return o, "", false, true, ""
		}
		if s.cluster != "" {
			arg, hasArg = strings.TrimPrefix(s.cluster, "="), true
			s.cluster = ""
		} else {
			arg, hasArg, complaint = s.argument(o)
		}
		return o, arg, hasArg, true, complaint
	}
	return nil, "", false, true, s.word + ": unknown option"
}

// argument takes the next word for o's argument.
func (s *scanner) argument(o *spelling) (arg string, has bool, complaint string) {
	switch {
	case o.arity == alone:
		return "", false, ""
	case o.arity == mayHaveArgument && (len(s.args) == 0 || strings.HasPrefix(s.args[0], "-")):
		return "", false, ""
	case len(s.args) == 0:
		return "", false, s.word + ": missing argument"
	}
	arg, s.args = s.args[0], s.args[1:]
	return arg, true, ""
}
