package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/config"
)

// TestPipesAreBounded: clients that ask for much and read nothing take no more pipes than there are for them, and
// those who then read get all of it.
func TestPipesAreBounded(t *testing.T) {
	const pipes, clients, size = 6, 40, 8 << 20
	s := startWith(t, config.HTTP, nil, func(o *Options) { o.MaxPipes = pipes }, web(t, "one"))
	e := s.engine
	var conns []net.Conn
	for range clients {
		conns = append(conns, s.ask(fmt.Sprintf("/big/%d", size)))
	}
	await(t, "all are being served", func() bool { return e.group.Servers[0].Served() == clients })
	await(t, "pipes are in use", func() bool { return e.pipes.Load() > 0 })
	var wg sync.WaitGroup
	for _, conn := range conns {
		wg.Go(func() {
			n, err := io.Copy(io.Discard, conn)
			if n < size || err != nil {
				t.Errorf("%d bytes, %v", n, err)
			}
			if n := e.pipes.Load(); n > pipes {
				t.Errorf("%d pipes", n)
			}
		})
	}
	wg.Wait()
	if n := e.pipes.Load(); n > pipes || n < 0 {
		t.Errorf("%d pipes", n)
	}
}

// TestIdleConnectionsGiveWay: connections to servers, used or idle, are never more than there may be clients: idle
// ones give way, also those of another core.
func TestIdleConnectionsGiveWay(t *testing.T) {
	const most, servers = 6, 12
	var addrs []string
	for i := range servers {
		addrs = append(addrs, web(t, fmt.Sprint(i)))
	}
	s := startWith(t, config.HTTP, nil, func(o *Options) { o.MaxConn = most }, addrs...)
	e := s.engine
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	for round := range 5 * servers {
		var wg sync.WaitGroup
		for range most / 2 {
			wg.Go(func() {
				resp, err := client.Get("http://" + s.addr + "/")
				if err != nil {
					t.Error(err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != 200 {
					t.Errorf("status %d", resp.StatusCode)
				}
			})
		}
		wg.Wait()
		await(t, fmt.Sprintf("round %d: idle connections are within the bound", round), func() bool {
			return e.upstreams.Load() <= most
		})
	}
	if e.upstreams.Load() == 0 {
		t.Error("no connection is kept")
	}
	await(t, "the counts agree", func() bool {
		idle := int64(0)
		for _, srv := range e.group.Servers {
			idle += srv.Row(time.Now()).IdleNow
		}
		sum := int64(0)
		for _, c := range e.cores {
			sum += c.pool.Len()
		}
		return idle == sum && idle == e.upstreams.Load()
	})
}
