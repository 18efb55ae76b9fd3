package config

import "slices"

// Environment is what setenv, presetenv, unsetenv and resetenv make of the process's own.
type Environment struct {
	Set   map[string]string // also over variables that are set outside
	Unset []string
	Bare  bool // nothing else is set (resetenv)
}

// Lookup gives a variable: outside is the process's own environment, as os.LookupEnv gives it.
func (e *Environment) Lookup(name string, outside func(string) (string, bool)) (string, bool) {
	if v, ok := e.Set[name]; ok {
		return v, true
	}
	if e.Bare || slices.Contains(e.Unset, name) {
		return "", false
	}
	return outside(name)
}
