package keepalived

import "github.com/evenkeel/evenkeel/config"

// Unsafe says why a command must not be run, with the cure, or nothing if it may:
// with enable_script_security, a program that runs as root must not be changeable
// by anyone else. A director asks before each run, for files change.
func Unsafe(command config.Command, global config.Global, m Machine) string {
	c := scriptChecker{machine: m.withDefaults(), global: global}
	if !global.ScriptSecurity || !command.Defined() || !c.asRoot(command) {
		return ""
	}
	problem, hint := FindScript(command.Argv[0], c.machine, true)
	if problem != "" && hint != "" {
		problem += "; " + hint
	}
	return problem
}
