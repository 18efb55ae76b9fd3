package lab

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

//go:embed web
var webFiles embed.FS

// pageHeader must be on every order: a form or a link of another site cannot set it.
const pageHeader = "X-Evenkeel-Lab"

// defaultListen is where the page is served when nobody says; the next ports are tried too.
const defaultListen = "127.0.0.1:8080"

// servePage serves the page until ctx ends and returns its address.
func (l *lab) servePage(ctx context.Context) (url string, err error) {
	ln, err := listenPage(l.opt.Listen)
	if err != nil {
		return "", err
	}
	srv := &http.Server{
		Handler: l.pageHandler(), ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	go func() { _ = srv.Serve(ln) }()
	go func() {
		<-ctx.Done()
		_ = srv.Close()
	}()
	return "http://" + ln.Addr().String() + "/", nil
}

// listenPage listens where told, or at the first free port from the default on.
func listenPage(where string) (net.Listener, error) {
	if where != "" {
		ln, err := net.Listen("tcp", where)
		if err != nil {
			return nil, fmt.Errorf("lab: page: %w", err)
		}
		return ln, nil
	}
	at := netip.MustParseAddrPort(defaultListen)
	var last error
	for p := at.Port(); p < at.Port()+50; p++ {
		ln, err := net.Listen("tcp", netip.AddrPortFrom(at.Addr(), p).String())
		if err == nil {
			return ln, nil
		}
		last = err
	}
	return nil, fmt.Errorf("lab: page: no free port from %s on: %w (choose one with --listen)", defaultListen, last)
}

// pageHandler is the page, its state and its buttons.
func (l *lab) pageHandler() http.Handler {
	files, err := fs.Sub(webFiles, "web")
	if err != nil {
		panic(err) // the directory is part of the binary
	}
	expected := newExpectations(l.site)
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(files))
	mux.HandleFunc("GET /state.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(l.pageState(expected))
	})
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) { l.events(w, r, expected) })
	mux.HandleFunc("GET /stats/{node}/{path...}", l.statistics)
	mux.HandleFunc("POST /fault", l.faultButton)
	return sameSite(mux)
}

// sameSite refuses requests that another web site could have caused: by its name pointing at
// this machine (Host), or from its pages (Origin).
func sameSite(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		if !ownName(strings.Trim(host, "[]"), local) {
			http.Error(w, "this is not that site", http.StatusMisdirectedRequest)
			return
		}
		if o := r.Header.Get("Origin"); o != "" && o != "http://"+r.Host {
			http.Error(w, "orders are taken from the lab's own page only", http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Security-Policy", "default-src 'self'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}

// ownName reports whether host names the address the request came in on.
func ownName(host string, local net.Addr) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	if a.IsLoopback() {
		return true
	}
	ap, err := netip.ParseAddrPort(fmt.Sprint(local))
	return err == nil && ap.Addr().Unmap() == a.Unmap()
}

// events streams the state, at most four times a second.
func (l *lab) events(w http.ResponseWriter, r *http.Request, expected *expectations) {
	flusher, ok := w.(http.Flusher)
	if !ok {
		http.Error(w, "no streaming here", http.StatusNotImplemented)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	for {
		state, err := json.Marshal(l.pageState(expected))
		if err != nil {
			return
		}
		if _, err := fmt.Fprintf(w, "data: %s\n\n", state); err != nil {
			return
		}
		flusher.Flush()
		select {
		case <-time.After(250 * time.Millisecond):
		case <-r.Context().Done():
			return
		}
	}
}

// statistics shows a node's own statistics page, which nothing outside its network can reach.
func (l *lab) statistics(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("node")
	if _, ok := l.site.node(name); !ok || l.site.Proxy == nil {
		http.NotFound(w, r)
		return
	}
	path := "/" + r.PathValue("path")
	if r.URL.RawQuery != "" {
		path += "?" + r.URL.RawQuery
	}
	reply, err := l.ask(r.Context(), name, message{Kind: "fetch", Path: path})
	if err != nil || reply.Page == nil {
		http.Error(w, fmt.Sprintf("%s's proxy does not answer: %v", name, err), http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", reply.Page.Type)
	w.Header().Set("Cache-Control", "no-store")
	if reply.Page.Policy != "" {
		w.Header().Set("Content-Security-Policy", reply.Page.Policy)
	} else {
		w.Header().Set("Content-Security-Policy", "default-src 'self' 'unsafe-inline'; frame-ancestors 'none'")
	}
	w.WriteHeader(reply.Page.Status)
	body := reply.Page.Body
	if strings.HasPrefix(reply.Page.Type, "text/html") { // its links lead to here, too
		own := l.site.Proxy.statsPath()
		body = bytes.ReplaceAll(body, []byte(`"`+own), []byte(`"/stats/`+name+own))
	}
	_, _ = w.Write(body)
}

// faultButton carries out `{"node": "node1", "action": "director-kill"}`.
func (l *lab) faultButton(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get(pageHeader) == "" {
		http.Error(w, "the header "+pageHeader+" is missing", http.StatusForbidden)
		return
	}
	var order struct {
		Node   string `json:"node"`
		Action Action `json:"action"`
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1024))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&order); err != nil {
		http.Error(w, "cannot read the order: "+err.Error(), http.StatusBadRequest)
		return
	}
	if ok, why := l.board.mayAct(order.Node, order.Action); !ok {
		http.Error(w, why, http.StatusConflict)
		return
	}
	// The order is carried out even if the page goes away meanwhile.
	if _, err := l.act(context.WithoutCancel(r.Context()), order.Node, order.Action); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// mayAct reports whether a button can be pressed now, and why not.
func (b *board) mayAct(node string, a Action) (bool, string) {
	st := b.snapshot(now())
	var buttons []ActionState
	for _, n := range st.Nodes {
		if n.Name == node {
			buttons = n.Actions
		}
	}
	for _, w := range st.Servers {
		if w.Name == node {
			buttons = w.Actions
		}
	}
	if buttons == nil {
		return false, "no such node"
	}
	for _, s := range buttons {
		if s.Action == a {
			return s.Enabled, s.Why
		}
	}
	return false, "no such action"
}
