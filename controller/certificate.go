package controller

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
)

// A Certificate is a certificate and its key in two files of PEM. The files are looked at with each handshake, so that whatever
// renews them need tell nobody. It is safe for concurrent use.
type Certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu     sync.Mutex
	loaded *tls.Certificate
	// from are the files that loaded was read from; tried those that were last looked at.
	from, tried filePair
}

// filePair is what two files were like when they were looked at.
type filePair struct{ cert, key os.FileInfo }

// LoadCertificate reads the files. log is told when they are read again.
func LoadCertificate(certFile, keyFile string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: log}
	now, err := c.look()
	if err != nil {
		return nil, err
	}
	if err := c.read(now); err != nil {
		return nil, err
	}
	return c, nil
}

// TLS returns a configuration for [Config.TLS]: of TLS 1.2 and later, and HTTP/1.1.
func (c *Certificate) TLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current(), nil },
	}
}

// current returns what the files hold or, while that cannot be used, what they held last: both files are seldom changed in one
// step, and a server with an old certificate is better than none.
func (c *Certificate) current() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, err := c.look()
	if err == nil {
		if now.same(c.from) {
			return c.loaded
		}
		err = c.read(now)
	}
	switch {
	case err == nil:
		c.log.Info("the certificate was read again", "file", c.certFile)
	case !now.same(c.tried): // once for each state of the files
		c.log.Warn("the certificate has changed and cannot be used; the last one goes on", "error", err)
	}
	c.tried = now
	return c.loaded
}

// read loads the files as they were when they were looked at, or later: what changes in between is told by the next look. mu is
// held, but in [LoadCertificate].
func (c *Certificate) read(now filePair) error {
	loaded, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", c.certFile, c.keyFile, err)
	}
	c.loaded, c.from, c.tried = &loaded, now, now
	return nil
}

func (c *Certificate) look() (p filePair, err error) {
	if p.cert, err = os.Stat(c.certFile); err != nil {
		return filePair{}, fmt.Errorf("certificate: %w", err)
	}
	if p.key, err = os.Stat(c.keyFile); err != nil {
		return filePair{}, fmt.Errorf("key of the certificate: %w", err)
	}
	return p, nil
}

func (p filePair) same(other filePair) bool {
	return sameFile(p.cert, other.cert) && sameFile(p.key, other.key)
}

func sameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
