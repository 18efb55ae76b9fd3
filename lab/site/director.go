package site

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// DirectorState is what a director says about its virtual router.
type DirectorState struct {
	State             string   `json:"state"` // MASTER, BACKUP, FAULT, INIT; empty: it has not said yet
	Since             string   `json:"since,omitempty"`
	Why               string   `json:"why,omitempty"`
	Priority          int      `json:"priority,omitempty"`
	EffectivePriority int      `json:"effective_priority,omitempty"`
	Master            string   `json:"master,omitempty"` // address of the master it follows
	Gate              string   `json:"gate,omitempty"`   // open or closed
	GateMode          string   `json:"gate_mode,omitempty"`
	GateWhy           string   `json:"gate_why,omitempty"` // why not the best mode
	Faults            []string `json:"faults,omitempty"`
}

func (s DirectorState) equal(o DirectorState) bool {
	faults := slices.Equal(s.Faults, o.Faults)
	s.Faults, o.Faults = nil, nil
	return faults && fmt.Sprint(s) == fmt.Sprint(o)
}

// director is how the lab deals with one kind of director: how to start it, how to ask for its
// state, how to read its journal.
type director interface {
	// command is how a node starts it: executable and argv. proxy: the node has a haproxy.cfg.
	command(proxy bool) (path string, argv []string)
	// query is the command that prints its state; nil: there is none, see learn.
	query() []string
	// parse reads what query's command printed.
	parse(out []byte) (DirectorState, error)
	// clean strips what the lab adds itself (time stamps) from a journal line.
	clean(text string) string
	// learn updates st from a journal line and reports whether it did.
	learn(text string, st *DirectorState) bool
}

// directorByName finds a director; the empty name is ours.
func directorByName(name string) (director, error) {
	switch name {
	case "", "evenkeel":
		return evenkeel{}, nil
	case "keepalived":
		return &keepalived{}, nil
	}
	return nil, fmt.Errorf("no director %q; there is: evenkeel, keepalived", name)
}

// CheckDirector reports whether there is a director of that name; the empty name is ours.
func CheckDirector(name string) error {
	_, err := directorByName(name)
	return err
}

const (
	configPath = "/etc/keepalived/keepalived.conf"
	runtimeDir = "/run/evenkeel"
)

// evenkeel is our own director.
type evenkeel struct{}

func (evenkeel) command(proxy bool) (string, []string) {
	argv := []string{"evenkeel", "run", "-f", configPath, "--runtime-dir", runtimeDir}
	if proxy {
		argv = append(argv, "-f", proxyConfigPath)
	}
	return labSelf, argv
}

func (evenkeel) query() []string {
	return []string{labSelf, "show", "vrrp", "--json", "--runtime-dir", runtimeDir}
}

func (evenkeel) parse(out []byte) (DirectorState, error) {
	var report struct {
		Gate struct {
			Mode string `json:"mode"`
			Why  string `json:"why"`
		} `json:"gate"`
		Instances []struct {
			State             string   `json:"state"`
			Since             string   `json:"since"`
			Why               string   `json:"why"`
			Priority          int      `json:"priority"`
			EffectivePriority int      `json:"effective_priority"`
			Master            string   `json:"master"`
			Gate              string   `json:"gate"`
			Faults            []string `json:"faults"`
		} `json:"instances"`
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return DirectorState{}, err
	}
	if len(report.Instances) == 0 {
		return DirectorState{}, fmt.Errorf("the director runs no virtual router")
	}
	i := report.Instances[0]
	return DirectorState{
		State: i.State, Since: i.Since, Why: i.Why,
		Priority: i.Priority, EffectivePriority: i.EffectivePriority,
		Master: i.Master, Gate: i.Gate, Faults: i.Faults,
		GateMode: report.Gate.Mode, GateWhy: report.Gate.Why,
	}, nil
}

var evenkeelStamp = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\S+ `)

func (evenkeel) clean(text string) string          { return evenkeelStamp.ReplaceAllString(text, "") }
func (evenkeel) learn(string, *DirectorState) bool { return false }

// keepalived is Debian's keepalived, for comparison. It has no state to ask for, so its
// journal is all there is; it has no gate.
type keepalived struct {
	cause string // the last line that may explain the next change of state
}

func (*keepalived) command(bool) (string, []string) {
	return "/usr/sbin/keepalived", []string{"keepalived", "-n", "-l", "-G", "-D", "-P", "-f", configPath}
}

func (*keepalived) query() []string                     { return nil }
func (*keepalived) parse([]byte) (DirectorState, error) { return DirectorState{}, nil }

var keepalivedStamp = regexp.MustCompile(`^\w{3} \w{3} +\d+ [\d:]{8} \d{4}: `)

func (*keepalived) clean(text string) string { return keepalivedStamp.ReplaceAllString(text, "") }

var (
	keepalivedEntering = regexp.MustCompile(`^\(\S+\) Entering (\w+) STATE`)
	keepalivedCause    = regexp.MustCompile(`advertisement timeout|received advert from|received priority 0|Netlink reports|now returning`)
)

func (k *keepalived) learn(text string, st *DirectorState) bool {
	if strings.HasPrefix(text, "Starting Keepalived") {
		*st = DirectorState{State: "INIT", GateMode: "none", GateWhy: "keepalived has no gate"}
		return true
	}
	if keepalivedCause.MatchString(text) {
		k.cause = text
	}
	m := keepalivedEntering.FindStringSubmatch(text)
	if m == nil {
		return false
	}
	st.State, st.Why = m[1], k.cause
	k.cause = ""
	return true
}
