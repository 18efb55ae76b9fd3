package daemon

import (
	"os"
	"testing"

	"github.com/evenkeel/evenkeel/config"
	"github.com/evenkeel/evenkeel/syslog"
)

// TestIdentity: log lines name the process of the pidfile, which is the worker's parent.
func TestIdentity(t *testing.T) {
	for _, c := range []struct {
		global config.ProxyGlobal
		want   syslog.Identity
	}{
		{config.ProxyGlobal{}, syslog.Identity{Tag: "haproxy", PID: os.Getppid()}},
		{config.ProxyGlobal{LogTag: "mine", LogSendHost: true},
			syslog.Identity{Tag: "mine", Host: "node", PID: os.Getppid()}},
		{config.ProxyGlobal{LogSendHost: true, LogHost: "other"},
			syslog.Identity{Tag: "haproxy", Host: "other", PID: os.Getppid()}},
	} {
		if got := identity(&c.global, "node"); got != c.want {
			t.Errorf("%+v: %+v, want %+v", c.global, got, c.want)
		}
	}
}
