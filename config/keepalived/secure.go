package keepalived

import "github.com/evenkeel/evenkeel/config"

// Vet gives a command with the file that runs it, or says why it must not be run, with the cure. With
// enable_script_security, a program that runs as root must not be changeable by anyone else, and the file
// that was judged is the one that is run, whatever links are made of it. A director asks before each run, for
// files change.
func Vet(command config.Command, global config.Global, m Machine) (config.Command, string) {
	if !command.Defined() {
		return command, ""
	}
	c := scriptChecker{machine: m.withDefaults(), global: global}
	path, problem, hint := locate(command.Argv[0], c.machine, global.ScriptSecurity && c.asRoot(command))
	if problem != "" && hint != "" {
		problem += "; " + hint
	}
	command.File = path
	return command, problem
}
