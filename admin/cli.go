package admin

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/config"
)

// longestLine is how long a line of commands may be.
const longestLine = 16 << 10

// A session is one client of a runtime socket.
type session struct {
	admin   *Admin
	level   config.Level
	prompt  bool
	quit    bool
	timeout time.Duration
}

// Serve answers the clients of a runtime socket until the listener is closed.
func (a *Admin) Serve(ln net.Listener, level config.Level) error {
	for {
		// Where as many as are allowed are there already, the next one waits in the kernel, which lets no more wait
		// than its backlog. The place is not kept: the clients of other sockets may come first.
		a.clients <- struct{}{}
		<-a.clients
		conn, err := ln.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			var passing net.Error
			if errors.As(err, &passing) && passing.Timeout() {
				continue
			}
			return err
		}
		a.clients <- struct{}{}
		go func() {
			defer func() { <-a.clients }()
			a.ServeConn(conn, level)
		}()
	}
}

// ServeConn answers one client and closes the connection.
func (a *Admin) ServeConn(conn net.Conn, level config.Level) {
	defer conn.Close()
	s := &session{admin: a, level: level, timeout: a.opts.Timeout}
	in := bufio.NewReaderSize(conn, longestLine)
	out := &answer{to: patient{conn, &s.timeout}}
	for !s.quit {
		_ = conn.SetReadDeadline(time.Now().Add(s.timeout))
		line, err := in.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			out.text("The line is too long.\n")
			out.flush()
			return
		}
		if err != nil {
			return
		}
		s.line(out, strings.TrimRight(string(line), "\r\n"))
		if out.flush(); out.fate != nil {
			return
		}
		if !s.prompt && in.Buffered() == 0 {
			break
		}
	}
}

// Run carries out one line of commands and gives what a client would read.
func (a *Admin) Run(line string, level config.Level) string {
	s := &session{admin: a, level: level, timeout: a.opts.Timeout}
	var all bytes.Buffer
	out := &answer{to: &all}
	s.line(out, line)
	out.flush()
	return all.String()
}

// line carries out commands separated by semicolons. After each comes an empty line and, in
// interactive mode, the prompt. Nobody to read the answers, no more commands.
func (s *session) line(out *answer, line string) {
	for _, words := range splitCommands(line) {
		s.command(out, words)
		if s.quit || !out.text("\n") {
			return
		}
		if s.prompt {
			out.text("> ")
		}
	}
}

// splitCommands divides a line into commands and those into words. A backslash keeps the next character.
func splitCommands(line string) [][]string {
	var all [][]string
	var words []string
	var word strings.Builder
	inWord := false
	endWord := func() {
		if inWord {
			words = append(words, word.String())
			word.Reset()
			inWord = false
		}
	}
	for i := 0; i < len(line); i++ {
		switch b := line[i]; {
		case b == '\\' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
			inWord = true
		case b == ';':
			endWord()
			all = append(all, words)
			words = nil
		case b == ' ' || b == '\t':
			endWord()
		default:
			word.WriteByte(b)
			inWord = true
		}
	}
	endWord()
	return append(all, words)
}

// command carries out one command and writes its output, each line of it ended.
func (s *session) command(out *answer, words []string) {
	if len(words) == 0 {
		out.text("Unknown command. Please enter one of the following commands only:\n" + s.list(commands))
		return
	}
	c, ok := findCommand(words)
	switch {
	case !ok:
		out.text("Unknown command, but maybe one of the following ones is a better match:\n" + s.list(similarTo(words)))
	case s.level < c.level:
		out.text("Permission denied\n")
	case c.run == nil:
		out.text("'" + strings.Join(c.words, " ") + "' is not supported by this program.\n")
	default:
		c.run(s, out, words[len(c.words):])
	}
}
