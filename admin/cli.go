package admin

import (
	"bufio"
	"errors"
	"io"
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
		select {
		case a.clients <- struct{}{}:
			go func() {
				defer func() { <-a.clients }()
				a.ServeConn(conn, level)
			}()
		default: // as many as are allowed are there already
			_ = conn.Close()
		}
	}
}

// ServeConn answers one client and closes the connection.
func (a *Admin) ServeConn(conn net.Conn, level config.Level) {
	defer conn.Close()
	s := &session{admin: a, level: level, timeout: a.opts.Timeout}
	in := bufio.NewReaderSize(conn, longestLine)
	for !s.quit {
		_ = conn.SetReadDeadline(time.Now().Add(s.timeout))
		line, err := in.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			_, _ = io.WriteString(conn, "The line is too long.\n")
			return
		}
		if err != nil {
			return
		}
		out := s.line(strings.TrimRight(string(line), "\r\n"))
		_ = conn.SetWriteDeadline(time.Now().Add(s.timeout))
		if _, err := conn.Write(out); err != nil {
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
	return string(s.line(line))
}

// line carries out commands separated by semicolons. After each comes an empty line and, in
// interactive mode, the prompt.
func (s *session) line(line string) []byte {
	var out []byte
	for _, words := range splitCommands(line) {
		out = append(out, s.command(words)...)
		if s.quit {
			return out
		}
		out = append(out, '\n')
		if s.prompt {
			out = append(out, "> "...)
		}
	}
	return out
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

// command carries out one command and gives its output, each line of it ended.
func (s *session) command(words []string) string {
	if len(words) == 0 {
		return "Unknown command. Please enter one of the following commands only:\n" + s.list(commands)
	}
	c, ok := findCommand(words)
	if !ok {
		return "Unknown command, but maybe one of the following ones is a better match:\n" + s.list(similarTo(words))
	}
	if s.level < c.level {
		return "Permission denied\n"
	}
	if c.run == nil {
		return "'" + strings.Join(c.words, " ") + "' is not supported by this program.\n"
	}
	return c.run(s, words[len(c.words):])
}
