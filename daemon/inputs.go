package daemon

import (
	"io/fs"
	"net/netip"
	"sync"
)

// Inputs are everything a configuration was read from: the files' contents, host names'
// addresses. A worker gets the director's, so that both read the same
// configuration even when the files change in between, and so that it needs no right to read them.
type Inputs struct {
	Paths []string          // the configuration files, as given on the command line
	Files map[string][]byte // every file that was read
	Hosts map[string]netip.Addr
}

// Recorder reads for the first time and remembers.
type Recorder struct {
	mu       sync.Mutex
	inputs   Inputs
	readFile func(string) ([]byte, error)
	resolve  func(string) (netip.Addr, error)
}

// NewRecorder records what readFile and resolve give.
func NewRecorder(readFile func(string) ([]byte, error), resolve func(string) (netip.Addr, error)) *Recorder {
	return &Recorder{readFile: readFile, resolve: resolve,
		inputs: Inputs{Files: make(map[string][]byte), Hosts: make(map[string]netip.Addr)}}
}

// ReadFile reads a file, once.
func (r *Recorder) ReadFile(name string) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if data, ok := r.inputs.Files[name]; ok {
		return data, nil
	}
	data, err := r.readFile(name)
	if err != nil {
		return nil, err
	}
	r.inputs.Files[name] = data
	return data, nil
}

// Resolve asks for a host's address, once.
func (r *Recorder) Resolve(host string) (netip.Addr, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if addr, ok := r.inputs.Hosts[host]; ok {
		return addr, nil
	}
	addr, err := r.resolve(host)
	if err == nil {
		r.inputs.Hosts[host] = addr
	}
	return addr, err
}

// Inputs is what was recorded.
func (r *Recorder) Inputs() *Inputs { return &r.inputs }

// ReadFile gives a recorded file.
func (in *Inputs) ReadFile(name string) ([]byte, error) {
	if data, ok := in.Files[name]; ok {
		return data, nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// Resolve gives a recorded address.
func (in *Inputs) Resolve(host string) (netip.Addr, error) {
	if addr, ok := in.Hosts[host]; ok {
		return addr, nil
	}
	return netip.Addr{}, fs.ErrNotExist
}
