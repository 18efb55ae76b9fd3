package peers

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Update is the flag -update of every package whose tests keep something in files.
var Update = flag.Bool("update", false,
	"rewrite golden files and generated documents, record the verdicts of the reference programs that are missing")

var ask = flag.Bool("peers", false, "ask the reference programs themselves and compare with the recorded verdicts")

// Verdicts are the recorded answers of one program to the questions of one test.
type Verdicts struct {
	Path string // of the program, where it is asked

	t       testing.TB
	program Program
	file    string
	asking  bool

	mu       sync.Mutex
	recorded map[string]string
	heard    map[string]string
}

// Open reads the verdicts of program from file, a text of lines: the program and its version, then a question and
// its answer, both quoted, on each. One test owns the file. When the test ends, verdicts nobody asked for fail it;
// with -update the file is written; with -peers too, each question is asked again.
func Open(t testing.TB, program Program, file string) *Verdicts {
	t.Helper()
	v := &Verdicts{t: t, program: program, file: file, asking: Asking(), recorded: make(map[string]string),
		heard: make(map[string]string)}
	if v.asking {
		v.Path = program.Path(t)
	}
	data, err := os.ReadFile(file)
	if err == nil {
		v.recorded, err = parse(program, string(data))
	}
	if err != nil && !*Update {
		t.Fatalf("%s: %v; -update asks %s and writes it", file, err, program)
	}
	t.Cleanup(v.close)
	return v
}

// Asking says whether the reference programs run in this test: with -peers, or with -update. A unit test forks
// nothing otherwise.
func Asking() bool { return *ask || *Update }

// Asks says whether the program is to be asked a question: with -peers each, with -update those that have no verdict.
func (v *Verdicts) Asks(question string) bool {
	_, recorded := v.recorded[question]
	return v.asking && (*ask || !recorded)
}

// Answer gives the program's answer to a question. ask is called only when the program is asked it; it may be called
// from several goroutines, and gives nothing that differs from run to run: no file, port, time or process.
func (v *Verdicts) Answer(question string, ask func() string) string {
	v.t.Helper()
	if !v.Asks(question) {
		v.mu.Lock()
		defer v.mu.Unlock()
		answer, ok := v.recorded[question]
		if !ok {
			v.t.Errorf("%s: no verdict of %s on %q; -update asks it", v.file, v.program, question)
		}
		v.heard[question] = answer
		return answer
	}
	answer := ask()
	v.mu.Lock()
	defer v.mu.Unlock()
	if before, ok := v.heard[question]; ok && before != answer {
		v.t.Errorf("%s: %s says %q to %q, and said %q before", v.file, v.program, answer, question, before)
	}
	v.heard[question] = answer
	if recorded, ok := v.recorded[question]; !*Update && (!ok || recorded != answer) {
		v.t.Errorf("%s: %s says %q to %q, recorded is %q (%v)", v.file, v.program, answer, question, recorded, ok)
	}
	return answer
}

func (v *Verdicts) close() {
	if v.t.Failed() || v.t.Skipped() {
		return
	}
	if *Update {
		if err := errors.Join(os.MkdirAll(filepath.Dir(v.file), 0o755),
			os.WriteFile(v.file, format(v.program, v.heard), 0o644)); err != nil {
			v.t.Error(err)
		}
		return
	}
	for question := range v.recorded {
		if _, ok := v.heard[question]; !ok {
			v.t.Errorf("%s: nobody asks %q any more; -update drops it", v.file, question)
		}
	}
}

func format(program Program, verdicts map[string]string) []byte {
	out := fmt.Appendf(nil, "%s\n", program)
	for _, question := range slices.Sorted(maps.Keys(verdicts)) {
		out = fmt.Appendf(out, "%s %s\n", strconv.Quote(question), strconv.Quote(verdicts[question]))
	}
	return out
}

func parse(program Program, text string) (map[string]string, error) {
	verdicts := make(map[string]string)
	head, rest, _ := strings.Cut(text, "\n")
	if head != program.String() {
		return nil, fmt.Errorf("verdicts of %q, not of %s", head, program)
	}
	n := 1
	for line := range strings.Lines(rest) {
		n++
		question, err := strconv.QuotedPrefix(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		answer, err := strconv.Unquote(strings.TrimSpace(line[len(question):]))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if question, err = strconv.Unquote(question); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		verdicts[question] = answer
	}
	return verdicts, nil
}
