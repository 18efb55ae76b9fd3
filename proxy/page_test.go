package proxy

import "testing"

// An error file says whether the connection ends after it, as a server's response does.
func TestFilePageCloses(t *testing.T) {
	for raw, want := range map[string]bool{
		"HTTP/1.1 503 X\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi":      true,
		"HTTP/1.1 503 X\r\nContent-Length: 2\r\n\r\nhi":                           false,
		"HTTP/1.0 503 X\r\n\r\nhi":                                                true,
		"HTTP/1.0 503 X\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi": false,
	} {
		if p := filePage(503, []byte(raw)); p.close != want || string(p.body) != "hi" {
			t.Errorf("%q: close %v, body %q", raw, p.close, p.body)
		}
	}
}
