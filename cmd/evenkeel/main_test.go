package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestCommandLine: what is typed wrong ends with status 1 and one line that helps; the version is found by any of its
// names.
func TestCommandLine(t *testing.T) {
	for args, want := range map[string]string{
		"frobnicate":           `unknown command "frobnicate" for "evenkeel"; see evenkeel --help`,
		"chekc -f x":           `unknown command "chekc" for "evenkeel"; did you mean check?`,
		"show bogus":           `unknown command "bogus" for "evenkeel show"; see evenkeel show --help`,
		"show vrpp":            `unknown command "vrpp" for "evenkeel show"; did you mean vrrp?`,
		"realserver bogus":     `unknown command "bogus" for "evenkeel realserver"; see evenkeel realserver --help`,
		"help bogus":           `unknown command "bogus" for "evenkeel"; see evenkeel --help`,
		"help show bogus":      `unknown command "bogus" for "evenkeel show"; see evenkeel show --help`,
		"check":                `no configuration is given: evenkeel check -f FILE, a haproxy.cfg or keepalived.conf; see evenkeel check --help`,
		"run":                  `no configuration is given: evenkeel run -f FILE, a haproxy.cfg or keepalived.conf; see evenkeel run --help`,
		"check x.cfg":          `"x.cfg": files are given with -f: evenkeel check -f x.cfg`,
		"check --stirct":       `unknown flag: --stirct; see evenkeel check --help`,
		"check -f":             `flag needs an argument: 'f' in -f; see evenkeel check --help`,
		"run x.cfg":            `unexpected "x.cfg"; usage: evenkeel run -f FILE [-f FILE…] [flags]`,
		"reload x":             `unexpected "x"; usage: evenkeel reload [flags]`,
		"realserver add bogus": `"bogus" is not an IP address; usage: evenkeel realserver add VIP [flags]`,
		"lab bogus":            `invalid argument "bogus" for "evenkeel lab"; usage: evenkeel lab [haproxy-pair|nginx-pair|lvs-dr] [flags]`,
		"realserver add":       `accepts 1 arg(s), received 0; usage: evenkeel realserver add VIP [flags]`,
		"--bogus":              `unknown flag: --bogus; see evenkeel --help`,
		"--version":            "OK evenkeel " + programVersion(),
		"-v":                   "OK evenkeel " + programVersion(),
		"version":              "OK evenkeel " + programVersion(),
		"":                     "OK Keep a service's address up",
		"help":                 "OK Keep a service's address up",
		"show":                 "OK Show what a running director does",
		"help show":            "OK Show what a running director does",
		"help check":           "OK Read configuration files as one site",
		"check --help":         "OK Read configuration files as one site",
		"realserver":           "OK A real server has",
		"run -v -f /none/x -h": "OK Run what the files say",
	} {
		var out bytes.Buffer
		c := root()
		c.SetOut(&out)
		c.SetErr(&out)
		c.SetArgs(strings.Fields(args))
		got := ""
		if err := c.Execute(); err != nil {
			got = oneLine(err)
		} else {
			got = "OK " + out.String()
		}
		if text, ok := strings.CutPrefix(want, "OK "); ok && strings.HasPrefix(got, "OK "+text) {
			continue
		}
		if got != want {
			t.Errorf("evenkeel %s: %q, want %q", args, got, want)
		}
	}
}
