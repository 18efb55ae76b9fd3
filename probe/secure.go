package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/evenkeel/evenkeel/config"
)

// secure makes a connection one of TLS. With a ca in the SSL block, the server's certificate must
// be of that authority, whatever its name; without, any is taken.
func secure(ctx context.Context, c *config.Checker, conn net.Conn, host string) (net.Conn, error) {
	base, err := clients.config(c.TLS)
	if err != nil {
		return nil, err
	}
	cfg := base.Clone()
	if c.SNI && host != "" {
		cfg.ServerName = hostName(host)
	}
	t := tls.Client(conn, cfg)
	extend(ctx, conn, c.Timeout)
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return t, nil
}

// hostName is a virtual host without its port.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

// clients are the TLS clients in use; there are as many as there are SSL blocks.
var clients tlsClients

type tlsClients struct {
	mu    sync.Mutex
	known map[config.CheckTLS]tlsClient
}

type tlsClient struct {
	cfg  *tls.Config
	err  error
	read time.Time
}

// rereadAfter is how long files of certificates count as read: a renewed one is soon in use, and
// thousands of checks do not read it each.
const rereadAfter = 10 * time.Second

func (t *tlsClients) config(files config.CheckTLS) (*tls.Config, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	have, ok := t.known[files]
	if !ok || time.Since(have.read) > rereadAfter {
		have = tlsClient{read: time.Now()}
		have.cfg, have.err = newTLSClient(files)
		if t.known == nil {
			t.known = make(map[config.CheckTLS]tlsClient)
		}
		for old, client := range t.known { // of configurations before
			if time.Since(client.read) > time.Hour {
				delete(t.known, old)
			}
		}
		t.known[files] = have
	}
	return have.cfg, have.err
}

// newTLSClient reads the files of an SSL block. Old servers are spoken to as well: a check asks
// whether they answer, not how safe they are.
func newTLSClient(files config.CheckTLS) (*tls.Config, error) {
	cfg := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10}
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		cfg.CipherSuites = append(cfg.CipherSuites, s.ID)
	}
	if files.CA != "" {
		roots, err := readRoots(files.CA)
		if err != nil {
			return nil, err
		}
		cfg.VerifyConnection = func(s tls.ConnectionState) error { return verifyChain(s, roots) }
	}
	if files.Certificate != "" {
		pair, err := readPair(files)
		if err != nil {
			return nil, err
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

func readRoots(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("ca %s: no certificate in it", file)
	}
	return roots, nil
}

// verifyChain holds a server's certificate to an authority, not to a name.
func verifyChain(s tls.ConnectionState, roots *x509.CertPool) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("the server has no certificate")
	}
	between := x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
	return err
}

// readPair reads our certificate and its key, which is in the same file if none is named.
func readPair(files config.CheckTLS) (tls.Certificate, error) {
	certificate, err := os.ReadFile(files.Certificate)
	if err != nil {
		return tls.Certificate{}, err
	}
	key := certificate
	if files.Key != "" {
		if key, err = os.ReadFile(files.Key); err != nil {
			return tls.Certificate{}, err
		}
	}
	if key, err = unlocked(key, files.Password); err != nil {
		return tls.Certificate{}, fmt.Errorf("key %s: %w", files.Key, err)
	}
	return tls.X509KeyPair(certificate, key)
}

// unlocked takes the password off a key in the old PEM form (RFC 1423).
func unlocked(key []byte, password string) ([]byte, error) {
	block, _ := pem.Decode(key)
	if block == nil || password == "" {
		return key, nil
	}
	if block.Type == "ENCRYPTED PRIVATE KEY" {
		return nil, errors.New("a PKCS #8 key with a password is not supported: take the password off (openssl " +
			"pkey), or write it in the old form (openssl rsa -aes256 -traditional)")
	}
	//lint:ignore SA1019 the password words exist, and the file is only as safe as the configuration beside it
	if !x509.IsEncryptedPEMBlock(block) {
		return key, nil
	}
	//lint:ignore SA1019 see above
	plain, err := x509.DecryptPEMBlock(block, []byte(password))
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: plain}), nil
}
