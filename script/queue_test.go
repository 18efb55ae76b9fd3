package script

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
)

// TestQueues: each queue keeps its order whatever its programs take, failures are told, and the end waits.
func TestQueues(t *testing.T) {
	var mu sync.Mutex
	ran := map[string][]string{}
	var failures []string
	q := NewQueues(func(ctx context.Context, c config.Command, _ config.Global) error {
		if c.Argv[1] == "1" {
			time.Sleep(30 * time.Millisecond)
		}
		mu.Lock()
		defer mu.Unlock()
		ran[c.Argv[0]] = append(ran[c.Argv[0]], c.Argv[1])
		if c.Argv[1] == "3" {
			return errors.New("it failed")
		}
		return nil
	}, func(name string, c config.Command, err error) {
		mu.Lock()
		defer mu.Unlock()
		failures = append(failures, fmt.Sprintf("%s %s: %v", name, c.Argv[1], err))
	})
	for i := range 5 {
		for _, name := range []string{"a", "b"} {
			q.Add(name, config.Command{Argv: []string{name, fmt.Sprint(i)}}, config.Global{})
		}
	}
	q.Add("a", config.Command{}, config.Global{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := q.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if got := strings.Join(ran[name], ""); got != "01234" {
			t.Errorf("%s ran in the order %s", name, got)
		}
	}
	if len(failures) != 2 || !strings.Contains(failures[0], "3: it failed") {
		t.Errorf("failures %q", failures)
	}
	q = NewQueues(func(ctx context.Context, _ config.Command, _ config.Global) error { <-ctx.Done(); return ctx.Err() },
		func(string, config.Command, error) {})
	q.Add("a", config.Command{Argv: []string{"hangs"}}, config.Global{})
	short, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	if err := q.Wait(short); err == nil {
		t.Error("a program that hangs was waited for")
	}
}
