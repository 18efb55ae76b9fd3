package lvs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// bulk is what is sent in bulk, the same in every run.
var bulk = func() []byte {
	b := make([]byte, 8<<20)
	rand.New(rand.NewSource(1)).Read(b)
	return b
}()

// crawling is far more than 8 MB take on a link of veth, even on a busy machine, and far less than they
// take when large segments are lost and come again one by one, each after the fifth of a second at least.
const crawling = time.Minute

// TestBulk: much data gets through whole and quickly in both directions, whichever way the packets go to the real
// server, though those that are wrapped are larger than the link allows.
func TestBulk(t *testing.T) {
	for _, c := range []struct {
		name, kind, method string
		six                bool
	}{
		{"DR", "dr", "DR", false},
		{"NAT", "nat", "NAT", false},
		{"IPIP", "tun", "TUN", false},
		{"GUE", "tun", "TUN type gue port 6080", false},
		{"DR of IPv6", "dr", "DR", true},
		{"NAT of IPv6", "nat", "NAT", true},
		{"IPIP of IPv6", "tun", "TUN", true},
		{"GUE of IPv6", "tun", "TUN type gue port 6080", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := wire(t, c.kind, c.six)
			s.d1.start(s.mastery() + s.service(80, "    lb_algo rr\n    lb_kind "+c.method+"\n    protocol TCP\n", ""))
			s.d1.master()
			eventually(t, patience, "the site serves", func() bool { return s.ask() != "" })
			web := http.Client{Timeout: 2 * crawling, Transport: &http.Transport{DisableKeepAlives: true,
				DialContext: func(context.Context, string, string) (conn net.Conn, err error) {
					s.client.Do(func() { conn, err = net.DialTimeout("tcp", s.at(80), patience) })
					return conn, err
				}}}
			for range s.webs { // by turns each has it once
				upload(t, &web)
				download(t, &web)
			}
		})
	}
}

func upload(t *testing.T, web *http.Client) {
	t.Helper()
	began := time.Now()
	resp, err := web.Post("http://site/upload", "application/octet-stream", bytes.NewReader(bulk))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if want := fmt.Sprintf("%d %x", len(bulk), sha256.Sum256(bulk)); err != nil ||
		strings.TrimSpace(string(got)) != want {
		t.Errorf("the upload arrived as %s, not %s (%v)", got, want, err)
	}
	quick(t, "upload", began)
}

func download(t *testing.T, web *http.Client) {
	t.Helper()
	began := time.Now()
	resp, err := web.Get("http://site/download")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(got, bulk) {
		t.Errorf("the download is not what was sent: %d bytes, %v", len(got), err)
	}
	quick(t, "download", began)
}

func quick(t *testing.T, what string, began time.Time) {
	t.Helper()
	took := time.Since(began)
	t.Logf("%s of %d MB: %v", what, len(bulk)>>20, took.Round(time.Millisecond))
	if took > crawling {
		t.Errorf("the %s crawled: %v", what, took)
	}
}
