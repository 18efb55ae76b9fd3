package site

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/evenkeel/evenkeel/lab/measure"
)

// Held is what became of the client's long connections while a node was lost.
type Held struct {
	// Download is the long download: how much of it came, whether it was what was sent.
	Download   string  `json:"download"` // complete, or what happened to it
	Bytes      int64   `json:"download_bytes"`
	Stalled    float64 `json:"download_longest_pause_ms"`
	From       string  `json:"download_from"`   // the server
	Idle       string  `json:"idle_connection"` // answered, or what happened to it
	IdleServer string  `json:"idle_server"`
}

const (
	DownloadSize = 100 << 20
	// downloadPace is how fast the server sends: slow enough to outlast every fault.
	downloadPace = 10 << 20 // bytes per second
	// heldPatience is how long a long connection may be silent before it counts as lost.
	heldPatience = 30 * time.Second
	downloadPath = "/download"
	// ToldWithin is the time a connection must be old so that the peer surely knows it.
	ToldWithin = 100 * time.Millisecond

	// What the launcher asks the client to fetch: the beginning and the end of the long connections.
	HoldBegin = "begin"
	HoldEnd   = "end"
)

// serveDownload sends downloadSize bytes at downloadPace. Each eight of them are their own offset, so
// that the client knows a wrong byte when it sees one.
func serveDownload(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", strconv.Itoa(DownloadSize))
	w.Header().Set("Content-Type", "application/octet-stream")
	began := time.Now()
	chunk := make([]byte, 64<<10)
	for at := 0; at < DownloadSize; at += len(chunk) {
		fillPattern(chunk, int64(at))
		if _, err := w.Write(chunk); err != nil {
			return
		}
		ahead := time.Duration(float64(at)/downloadPace*float64(time.Second)) - time.Since(began)
		select {
		case <-time.After(ahead):
		case <-r.Context().Done():
			return
		}
	}
}

func fillPattern(b []byte, at int64) {
	for i := 0; i+8 <= len(b); i += 8 {
		binary.BigEndian.PutUint64(b[i:], uint64(at)+uint64(i))
	}
}

// holder keeps the client's long connections.
type holder struct {
	target string
	idle   net.Conn
	from   string // the server of the idle one
	began  chan struct{}
	ended  chan Held
}

// begin opens both connections, and returns when the download is on its way.
func (h *holder) begin() error {
	if h.idle != nil {
		h.idle.Close()
	}
	var err error
	if h.idle, err = net.DialTimeout("tcp4", h.target, ConnectLimit); err != nil {
		return fmt.Errorf("the idle connection: %w", err)
	}
	if h.from, err = askOnce(h.idle, h.target); err != nil {
		return fmt.Errorf("the idle connection: %w", err)
	}
	h.began, h.ended = make(chan struct{}), make(chan Held, 1)
	go func(began chan struct{}, ended chan Held) { ended <- download(h.target, began) }(h.began, h.ended)
	select {
	case <-h.began:
		return nil
	case d := <-h.ended:
		return errors.New("the download: " + d.Download)
	}
}

// end waits for the download, and asks once more on the connection that was idle meanwhile.
func (h *holder) end() Held {
	d := <-h.ended
	server, err := askOnce(h.idle, h.target)
	d.Idle, d.IdleServer = "answered", server
	switch {
	case err != nil:
		d.Idle = err.Error()
	case server != h.from:
		d.Idle = "answered by " + server + ", not " + h.from
	}
	h.idle.Close()
	h.idle = nil
	return d
}

// askOnce asks for the page on a connection that stays open.
func askOnce(conn net.Conn, host string) (server string, err error) {
	if err := conn.SetDeadline(time.Now().Add(heldPatience)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 1024), nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.Header.Get(serverHeader), err
}

// download fetches the long one; began is closed when some of it has come.
func download(target string, began chan struct{}) (d Held) {
	conn, err := net.DialTimeout("tcp4", target, ConnectLimit)
	if err != nil {
		d.Download = err.Error()
		return d
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(heldPatience))
	io.WriteString(conn, "GET "+downloadPath+" HTTP/1.1\r\nHost: "+target+"\r\nConnection: close\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 4096), nil)
	if err != nil {
		d.Download = err.Error()
		return d
	}
	defer resp.Body.Close()
	d.From = resp.Header.Get(serverHeader)
	got, want := make([]byte, 64<<10), make([]byte, 64<<10)
	for d.Bytes < DownloadSize {
		conn.SetDeadline(time.Now().Add(heldPatience))
		before := time.Now()
		n, err := io.ReadFull(resp.Body, got)
		d.Stalled = max(d.Stalled, measure.Millis(int64(time.Since(before))))
		fillPattern(want, d.Bytes)
		if !bytes.Equal(got[:n], want[:n]) {
			d.Download = fmt.Sprintf("wrong bytes near %d", d.Bytes)
			return d
		}
		if d.Bytes == 0 {
			close(began)
		}
		if d.Bytes += int64(n); err != nil {
			d.Download = fmt.Sprintf("cut after %d bytes: %v", d.Bytes, err)
			return d
		}
	}
	d.Download = "complete"
	return d
}

// Survived says what went wrong; empty: both connections went on.
func (d Held) Survived() string {
	switch {
	case d.Download != "complete":
		return "the running download was lost: " + d.Download
	case d.Idle != "answered":
		return "the idle connection was lost: " + d.Idle
	}
	return ""
}
