package keepalived

import (
	"fmt"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/config/verdict"
)

func (b *builder) openScript(s *statement, v []value) {
	name := v[0].tok
	d := &scriptDraft{name: name}
	d.Name, d.Pos, d.Rise, d.Fall = name.text, s.word.pos, 1, 1
	b.script = d
	if first := b.byName.scripts[d.Name]; first != nil {
		// Differs from Keepalived: two vrrp_scripts of one name are an error. There the first
		// counts, in silence.
		b.report.Refuse(name.pos, "duplicate-name", fmt.Sprintf("vrrp_script %s is defined twice", q(name.text)),
			"first at "+first.Pos.String())
		return
	}
	b.byName.scripts[d.Name] = d
	b.scripts = append(b.scripts, d)
}

func (b *builder) closeScript(s *statement) {
	if d := b.script; !d.Command.Defined() && !b.lost[d.Name] {
		b.lost[d.Name] = true
		b.report.Bad(s.word.pos, "missing-word", fmt.Sprintf("vrrp_script %s has no script", q(d.Name)),
			`add a line: script "/path/to/check"`)
	}
	b.script = nil
}

func (b *builder) setScript(s *statement, _ []value) {
	command, ok := b.command(s)
	if !ok {
		b.lost[b.script.Name] = true
		return
	}
	command.Owner = b.script.Command.Owner
	b.script.Command = command
	b.script.Pos = s.word.pos
	if len(s.args) > 1 {
		// Differs from Keepalived: in vrrp_script, words after the command are its
		// arguments, as they look. There they are dropped in silence.
		b.report.Warn(s.args[1].pos, "script-arguments", "keepalived runs this script without its arguments",
			`put the whole command in quotes: script "`+verdict.Bare(strings.ReplaceAll(rawWords(s.args), `"`, `'`))+
				`"`)
		for _, arg := range s.args[1:] {
			b.script.Command.Argv = append(b.script.Command.Argv, unescape(arg.raw))
		}
	}
}

func rawWords(tokens []token) string {
	var raw []string
	for _, t := range tokens {
		raw = append(raw, t.raw)
	}
	return strings.Join(raw, " ")
}

func (b *builder) setScriptInterval(s *statement, v []value) { b.script.Interval = v[0].d }

func (b *builder) setScriptTimeout(_ *statement, v []value) {
	b.script.timeout = given(v[0].d, v[0].tok)
}

func (b *builder) setScriptWeight(_ *statement, v []value) {
	b.script.Weight, b.script.Reverse = v[0].n, v[1].tok.text == "reverse"
}

func (b *builder) setRise(_ *statement, v []value) { b.script.Rise = v[0].n }

func (b *builder) setFall(_ *statement, v []value) { b.script.Fall = v[0].n }

func (b *builder) setUser(_ *statement, v []value) {
	b.script.Command.Owner = config.Owner{User: v[0].tok.text, Group: v[1].tok.text}
}

func (b *builder) setInitFail(*statement, []value) { b.script.InitFail = true }

// setNotify reads COMMAND [USER [GROUP]] for the notify words of instance and group.
func (b *builder) setNotify(s *statement, _ []value) {
	notify := b.notify()
	command, ok := b.ownedCommand(s)
	if !ok {
		return
	}
	switch s.word.text {
	case "notify_master":
		notify.Master = command
	case "notify_backup":
		notify.Backup = command
	case "notify_fault":
		notify.Fault = command
	case "notify_stop":
		notify.Stop = command
	case "notify_master_rx_lower_pri":
		notify.MasterRxLowerPri = command
	case "notify":
		notify.Any = command
	}
}

// ownedCommand reads COMMAND [USER [GROUP]].
func (b *builder) ownedCommand(s *statement) (config.Command, bool) {
	command, ok := b.command(s)
	if !ok {
		return command, false
	}
	command.Pos = s.word.pos
	if len(s.args) > 1 {
		command.Owner.User = s.args[1].text
	}
	if len(s.args) > 2 {
		command.Owner.Group = s.args[2].text
	}
	if len(s.args) > 3 {
		b.report.Warn(s.args[3].pos, "extra-word",
			fmt.Sprintf("%s after %s is not read", q(s.args[3].text), q(s.word.text)),
			"a command with arguments must be in quotes; user and group may follow")
	}
	return command, true
}

func (b *builder) notify() *config.Notify {
	if b.group != nil {
		return &b.group.Notify
	}
	return &b.instance.Notify
}

// command reads the first argument of s as a command line.
func (b *builder) command(s *statement) (config.Command, bool) {
	tok := s.args[0]
	argv := []string{unescape(tok.raw)}
	if tok.quoted {
		argv = splitCommand(tok.text)
	}
	if len(argv) == 0 || argv[0] == "" {
		b.report.Refuse(tok.pos, "empty-command", fmt.Sprintf("%s has an empty command", q(s.word.text)),
			"leave the line out")
		return config.Command{}, false
	}
	if i := slices.IndexFunc(argv, isShellText); i >= 0 {
		b.report.Warn(tok.pos, "shell-text",
			fmt.Sprintf("%s is an argument here: no shell reads the command", q(argv[i])),
			`write sh -c '…', or put it in a file`)
	}
	return config.Command{Argv: argv}, true
}

// isShellText reports whether a word only makes sense to a shell.
func isShellText(word string) bool {
	switch word {
	case ";", "|", "||", "&&", "&", ">", ">>", "<", "2>&1", "if", "then", "fi", "exit":
		return true
	}
	return strings.HasPrefix(word, "<") || strings.HasPrefix(word, ">") || strings.HasPrefix(word, "$(") ||
		strings.HasPrefix(word, "`") || strings.HasSuffix(word, ";")
}
