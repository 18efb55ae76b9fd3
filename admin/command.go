package admin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/config"
)

// A command of the runtime socket.
type command struct {
	words []string
	level config.Level // that it takes at least
	usage string
	help  string
	// run carries it out with the words that follow; nil: the reference has it, we do not.
	run func(s *session, out *answer, args []string)
}

// line is a command whose answer is short.
func line(f func(s *session, args []string) string) func(*session, *answer, []string) {
	return func(s *session, out *answer, args []string) { out.text(f(s, args)) }
}

// commands in the order of help.
var commands []*command

func init() {
	// Commands refer to the list themselves (help), which a plain literal could not.
	commands = slices.Concat(changes(), views(), ends())
}

// changes are the commands that change something.
func changes() []*command {
	return []*command{
		{[]string{"clear", "counters"}, config.LevelOperator, "[all]", "forget maxima, with all also what was counted",
			line(clearCounters)},
		{[]string{"disable", "agent"}, config.LevelAdmin, "<b>/<s>", "stop agent checks", nil},
		{[]string{"disable", "frontend"}, config.LevelAdmin, "<frontend>", "stop accepting connections",
			line(disableFrontend)},
		{[]string{"disable", "health"}, config.LevelAdmin, "<b>/<s>", "stop health checks", line(disableHealth)},
		{[]string{"disable", "server"}, config.LevelAdmin, "<b>/<s>", "take a server out (set server … state maint)",
			line(disableServer)},
		{[]string{"enable", "agent"}, config.LevelAdmin, "<b>/<s>", "start agent checks", nil},
		{[]string{"enable", "frontend"}, config.LevelAdmin, "<frontend>", "accept connections again",
			line(enableFrontend)},
		{[]string{"enable", "health"}, config.LevelAdmin, "<b>/<s>", "start health checks", line(enableHealth)},
		{[]string{"enable", "server"}, config.LevelAdmin, "<b>/<s>", "bring a server back (set server … state ready)",
			line(enableServer)},
		{[]string{"get", "weight"}, config.LevelUser, "<b>/<s>", "a server's weight", line(getWeight)},
		{[]string{"operator"}, config.LevelOperator, "", "give up the level admin", line(lowerToOperator)},
		{[]string{"set", "maxconn", "frontend"}, config.LevelAdmin, "<frontend> <n>", "limit a frontend's connections",
			line(setMaxConnFrontend)},
		{[]string{"set", "maxconn", "global"}, config.LevelAdmin, "<n>", "limit all connections",
			line(setMaxConnGlobal)},
		{[]string{"set", "maxconn", "server"}, config.LevelAdmin, "<b>/<s> <n>", "limit a server's connections",
			line(setMaxConnServer)},
		{[]string{"set", "rate-limit"}, config.LevelAdmin, "<what> <n>", "limit a rate", nil},
		{[]string{"set", "server"}, config.LevelAdmin, "<b>/<s> …",
			"change a server's state, weight, address or health", line(setServer)},
		{[]string{"set", "severity-output"}, config.LevelUser, "[none|number|string]", "mark answers with a severity",
			nil},
		{[]string{"set", "timeout"}, config.LevelUser, "[cli] <delay>", "how long this client may be silent",
			line(setTimeout)},
		{[]string{"set", "weight"}, config.LevelAdmin, "<b>/<s> <n>[%]",
			"change a server's weight (set server … weight)", line(setWeightCommand)},
	}
}

// views are those that show something.
func views() []*command {
	return []*command{
		{[]string{"show", "activity"}, config.LevelUser, "", "what threads do", nil},
		{[]string{"show", "backend"}, config.LevelUser, "", "names of the backends", showBackend},
		{[]string{"show", "cli", "level"}, config.LevelUser, "", "what this client may do", line(showLevel)},
		{[]string{"show", "cli", "sockets"}, config.LevelUser, "", "the runtime sockets", showSockets},
		{[]string{"show", "env"}, config.LevelOperator, "[var]", "the environment", nil},
		{[]string{"show", "errors"}, config.LevelOperator, "[<proxy>] [request|response]",
			"the last messages that were refused, and why", showErrors},
		{[]string{"show", "events"}, config.LevelOperator, "", "event sinks", nil},
		{[]string{"show", "fd"}, config.LevelUser, "[n]", "descriptors", nil},
		{[]string{"show", "info"}, config.LevelUser, "[desc|json|typed|float]*", "about the process", showInfo},
		{[]string{"show", "map"}, config.LevelUser, "", "maps", nil},
		{[]string{"show", "peers"}, config.LevelUser, "", "peers", nil},
		{[]string{"show", "pools"}, config.LevelUser, "", "memory", nil},
		{[]string{"show", "resolvers"}, config.LevelUser, "", "resolvers", nil},
		{[]string{"show", "schema", "json"}, config.LevelUser, "", "schema of the JSON of show info and show stat",
			line(showSchema)},
		{[]string{"show", "servers", "conn"}, config.LevelUser, "[<backend>]", "connections of servers",
			showServersConn},
		{[]string{"show", "servers", "state"}, config.LevelUser, "[<backend>]", "what changes of servers",
			showServersState},
		{[]string{"show", "sess"}, config.LevelOperator, "[id]", "the sessions at this moment", showSessions},
		{[]string{"show", "ssl"}, config.LevelUser, "", "certificates", nil},
		{[]string{"show", "stat"}, config.LevelUser, "[{<iid>|<proxy>} <type> <sid>] [desc|json|no-maint|typed|up]*",
			"figures of proxies and servers", showStat},
		{[]string{"show", "table"}, config.LevelUser, "", "stick tables", nil},
		{[]string{"show", "threads"}, config.LevelUser, "", "threads", nil},
		{[]string{"show", "version"}, config.LevelUser, "", "version of the program", line(showVersion)},
	}
}

// ends are those that end something, and those of the conversation itself.
func ends() []*command {
	return []*command{
		{[]string{"shutdown", "frontend"}, config.LevelAdmin, "<frontend>", "close a frontend for good",
			line(shutdownFrontend)},
		{[]string{"shutdown", "session"}, config.LevelAdmin, "<id>", "end a session", line(shutdownSession)},
		{[]string{"shutdown", "sessions", "server"}, config.LevelAdmin, "<b>/<s>", "end the sessions of a server",
			line(shutdownSessions)},
		{[]string{"user"}, config.LevelUser, "", "give up all levels but user", line(lowerToUser)},
		{[]string{"help"}, config.LevelUser, "[<command>]", "this list", line(help)},
		{[]string{"prompt"}, config.LevelUser, "", "switch the interactive mode", line(prompt)},
		{[]string{"quit"}, config.LevelUser, "", "end the connection", line(quit)},
	}
}

// findCommand finds the longest command that words begin with.
func findCommand(words []string) (*command, bool) {
	var best *command
	for _, c := range commands {
		if len(words) >= len(c.words) && slices.Equal(words[:len(c.words)], c.words) &&
			(best == nil || len(c.words) > len(best.words)) {
			best = c
		}
	}
	return best, best != nil
}

// similarTo are the commands that begin as words do, as far as any does; always with help, prompt and quit.
func similarTo(words []string) []*command {
	var some []*command
	for n := min(len(words), 3); n > 0 && len(some) == 0; n-- {
		for _, c := range commands {
			if c.run == nil || len(c.words) < n || !slices.Equal(c.words[:n-1], words[:n-1]) {
				continue
			}
			if c.words[n-1] == words[n-1] || strings.HasPrefix(c.words[n-1], words[n-1]) {
				some = append(some, c)
			}
		}
	}
	for _, c := range commands[len(commands)-3:] {
		if !slices.Contains(some, c) {
			some = append(some, c)
		}
	}
	return some
}

// list writes commands with their help.
func (s *session) list(some []*command) string {
	var out strings.Builder
	for _, c := range some {
		if c.run == nil || c.level > s.level {
			continue
		}
		usage := strings.TrimRight(strings.Join(c.words, " ")+" "+c.usage, " ")
		fmt.Fprintf(&out, "  %-40s: %s\n", usage, c.help)
	}
	return out.String()
}

func help(s *session, args []string) string {
	some := commands
	if len(args) > 0 {
		some = similarTo(args)
	}
	return "The following commands are valid at this level:\n" + s.list(some)
}

func prompt(s *session, _ []string) string {
	s.prompt = !s.prompt
	return ""
}

func quit(s *session, _ []string) string {
	s.quit = true
	return ""
}

func lowerToOperator(s *session, _ []string) string {
	s.level = min(s.level, config.LevelOperator)
	return ""
}

func lowerToUser(s *session, _ []string) string {
	s.level = config.LevelUser
	return ""
}
