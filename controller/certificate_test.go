package controller

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"glovebox/internal/tenant"
)

// A pair is a certificate of this host's loopback, and its key, as files hold them.
type pair struct {
	cert, key []byte
	roots     *x509.CertPool
}

func newPair(t *testing.T, name string) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p := pair{
		cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
		roots: x509.NewCertPool(),
	}
	p.roots.AppendCertsFromPEM(p.cert)
	return p
}

// put puts bytes in a file's place in one step, as what renews certificates does.
func put(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// TestCertificateIsReadAgain: a handshake gets what the files hold then, and the last good one while they do not fit together.
func TestCertificateIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	first, second := newPair(t, "first"), newPair(t, "second")
	put(t, certFile, first.cert)
	put(t, keyFile, first.key)
	var log logged
	certificate, err := LoadCertificate(certFile, keyFile, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	server := serve(t, testServer(t, succeeds, func(c *Config, _ *bounds) { c.TLS = certificate.TLS() }))
	issuer := func() string {
		t.Helper()
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(first.cert)
		roots.AppendCertsFromPEM(second.cert)
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+server.address+"/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode != http.StatusOK || response.ProtoMajor != 1 {
			t.Errorf("%s %s", response.Proto, response.Status)
		}
		return response.TLS.PeerCertificates[0].Subject.CommonName
	}
	is := func(when, want string) {
		t.Helper()
		if got := issuer(); got != want {
			t.Errorf("%s: the %s certificate", when, got)
		}
	}
	is("at first", "first")
	put(t, certFile, second.cert)
	is("before the key follows", "first")
	is("before the key follows, again", "first")
	put(t, keyFile, second.key)
	is("with its key", "second")
	if err := os.Remove(certFile); err != nil {
		t.Fatal(err)
	}
	is("without a file", "second")
	put(t, certFile, first.cert)
	put(t, keyFile, first.key)
	is("back", "first")
	if got := strings.Count(log.String(), "cannot be used"); got != 2 {
		t.Errorf("it is said %d times that they cannot be used, want once for each of two states:\n%s", got, log.String())
	}
	// Who speaks plain HTTP to it gets nothing.
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.url("/healthz"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if response, err := server.client.Do(request); err == nil {
		if response.StatusCode == http.StatusOK {
			t.Error("it speaks HTTP without TLS")
		}
		_ = response.Body.Close()
	}
}

func TestCertificateThatIsNone(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	one, other := newPair(t, "one"), newPair(t, "other")
	for name, files := range map[string]map[string][]byte{
		"no file":       {},
		"no key":        {certFile: one.cert},
		"another's key": {certFile: one.cert, keyFile: other.key},
		"no PEM":        {certFile: []byte("cert"), keyFile: one.key},
	} {
		for _, file := range []string{certFile, keyFile} {
			_ = os.Remove(file)
			if data, ok := files[file]; ok {
				put(t, file, data)
			}
		}
		if _, err := LoadCertificate(certFile, keyFile, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
}

// TestServeWithKeysAndTLS listens beyond loopback, and is reached by the address that it listens at.
func TestServeWithKeysAndTLS(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	one := newPair(t, "one")
	put(t, certFile, one.cert)
	put(t, keyFile, one.key)
	certificate, err := LoadCertificate(certFile, keyFile, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ring := newKeyring("a")
	_, key := ring.add(t, "a", tenant.ScopeExecute)
	listener, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	s := testServer(t, succeeds, ring.option(), func(c *Config, _ *bounds) { c.TLS = certificate.TLS() })
	go func() { ended <- s.Serve(ctx, listener) }()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: one.roots, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	for _, c := range []struct {
		key    string
		status int
	}{{"", http.StatusUnauthorized}, {key, http.StatusOK}} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://127.0.0.1:"+port+"/v1/executions", strings.NewReader(`{"code":"1"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if c.key != "" {
			keyed(c.key, r)
		}
		response, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != c.status {
			t.Errorf("%s, want %d", response.Status, c.status)
		}
		_ = response.Body.Close()
	}
	transport.CloseIdleConnections()
	stop()
	if err := within(t, "the end", ended); err != nil {
		t.Error(err)
	}
}
