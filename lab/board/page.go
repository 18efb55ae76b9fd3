package board

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

	"github.com/evenkeel/evenkeel/lab/site"
)

//go:embed web
var webFiles embed.FS

// pageHeader must be on every order: a form or a link of another site cannot set it.
const pageHeader = "X-Evenkeel-Lab"

// defaultListen is where the page is served when nobody says; the next ports are tried too.
const defaultListen = "127.0.0.1:8080"

// Page shows the board to browsers and takes their orders.
type Page struct {
	Board *Board
	Site  *site.Site
	Act   func(ctx context.Context, host string, a site.Action) error
	// Expect says what should come of an action on a host of a site in which everything runs; false: nobody knows.
	Expect func(host string, a site.Action) (Expectation, bool)
	// Fetch gets a page of a node, which nothing outside its network can reach.
	Fetch func(ctx context.Context, node, path string) (*site.WebPage, error)
}

// Serve serves the page until ctx ends and returns its address. An empty listen address is the default one.
func (p *Page) Serve(ctx context.Context, listen string) (url string, err error) {
	ln, err := listenPage(listen)
	if err != nil {
		return "", err
	}
	srv := &http.Server{
		Handler: p.handler(), ReadHeaderTimeout: 10 * time.Second,
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
	for port := at.Port(); port < at.Port()+50; port++ {
		ln, err := net.Listen("tcp", netip.AddrPortFrom(at.Addr(), port).String())
		if err == nil {
			return ln, nil
		}
		last = err
	}
	return nil, fmt.Errorf("lab: page: no free port from %s on: %w (choose one with --listen)", defaultListen, last)
}

// handler is the page, its state and its buttons.
func (p *Page) handler() http.Handler {
	files, err := fs.Sub(webFiles, "web")
	if err != nil {
		panic(err) // the directory is part of the binary
	}
	expected := newExpectations(p.Site, p.Expect)
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(files))
	mux.HandleFunc("GET /state.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(p.pageState(expected))
	})
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) { p.events(w, r, expected) })
	mux.HandleFunc("GET /stats/{node}/{path...}", p.statistics)
	mux.HandleFunc("POST /fault", p.faultButton)
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
		w.Header().Set("Content-Security-Policy",
			"default-src 'self'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'")
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
func (p *Page) events(w http.ResponseWriter, r *http.Request, expected *expectations) {
	flusher, ok := w.(http.Flusher)
	if !ok {
		http.Error(w, "no streaming here", http.StatusNotImplemented)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	for {
		state, err := json.Marshal(p.pageState(expected))
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
func (p *Page) statistics(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("node")
	if _, ok := p.Site.Node(name); !ok || p.Site.Proxy == nil {
		http.NotFound(w, r)
		return
	}
	path := "/" + r.PathValue("path")
	if r.URL.RawQuery != "" {
		path += "?" + r.URL.RawQuery
	}
	reply, err := p.Fetch(r.Context(), name, path)
	if err != nil || reply == nil {
		http.Error(w, fmt.Sprintf("%s's proxy does not answer: %v", name, err), http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", reply.Type)
	w.Header().Set("Cache-Control", "no-store")
	if reply.Policy != "" {
		w.Header().Set("Content-Security-Policy", reply.Policy)
	} else {
		w.Header().Set("Content-Security-Policy", "default-src 'self' 'unsafe-inline'; frame-ancestors 'none'")
	}
	w.WriteHeader(reply.Status)
	body := reply.Body
	if strings.HasPrefix(reply.Type, "text/html") { // its links lead to here, too
		own := p.Site.Proxy.StatsPath()
		body = bytes.ReplaceAll(body, []byte(`"`+own), []byte(`"/stats/`+name+own))
	}
	_, _ = w.Write(body)
}

// faultButton carries out `{"node": "node1", "action": "director-kill"}`.
func (p *Page) faultButton(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get(pageHeader) == "" {
		http.Error(w, "the header "+pageHeader+" is missing", http.StatusForbidden)
		return
	}
	var order struct {
		Node   string      `json:"node"`
		Action site.Action `json:"action"`
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1024))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&order); err != nil {
		http.Error(w, "cannot read the order: "+err.Error(), http.StatusBadRequest)
		return
	}
	if ok, why := p.Board.mayAct(order.Node, order.Action); !ok {
		http.Error(w, why, http.StatusConflict)
		return
	}
	// The order is carried out even if the page goes away meanwhile.
	if err := p.Act(context.WithoutCancel(r.Context()), order.Node, order.Action); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// mayAct reports whether a button can be pressed now, and why not.
func (b *Board) mayAct(node string, a site.Action) (bool, string) {
	st := b.Snapshot(site.Now())
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
