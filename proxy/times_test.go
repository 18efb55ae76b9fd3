package proxy

import (
	"fmt"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
)

// TestIdleTimeIsNoneOfARequest: what a client's connection waits for its first request belongs to that request's idle
// time, as that of the later ones does to theirs, and not to the time the request took to come.
func TestIdleTimeIsNoneOfARequest(t *testing.T) {
	s := start(t, config.HTTP, withRules(t,
		`http-request return status 200 content-type text/plain lf-string "%Ti %TR"`), "127.0.0.1:1")
	const wait = 50 * time.Millisecond
	c := s.dial(t)
	for n := range 2 {
		time.Sleep(wait)
		_, body := c.ask("GET", "/", "")
		var idle, came int64
		if _, err := fmt.Sscan(body, &idle, &came); err != nil || idle < wait.Milliseconds()-2 || came >= idle {
			t.Errorf("request %d: idle for and then came in %s ms: %v", n+1, body, err)
		}
	}
}
