// Package remote holds what models behind HTTP have in common, whatever they speak: where they are and
// with which key, bounds on what a server may send, another try after a cut stream, and errors that say
// what to do. The servers' bytes are hostile, and the key is in no error.
package remote

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"glovebox/internal/secret"
)

// Options say which model is asked, where and how. Only Model is needed.
type Options struct {
	Model string
	// BaseURL is where the API is; none is the provider's own.
	BaseURL string
	// Key is sent to that address and to no other. The provider's own address needs one.
	Key secret.Secret
	// AllowPlainHTTP lets the key travel over http to another machine, where anyone on the way can read it.
	AllowPlainHTTP bool
	// TextOnly turns native tool calls off, for a model or a server that has none.
	TextOnly bool
	// MaxOutputTokens bounds an answer whose turn has no bound of its own; 0 is the client's default.
	MaxOutputTokens int64
	// Timeout bounds one request from its start to the last byte of the answer; 0 is 10 minutes, which
	// a large model on a small machine may well need.
	Timeout time.Duration
	// Retries is how often a request is made again that was refused for now or found no server, and
	// again how often an answer is asked for that broke off; 0 is 2, and below 0 is never.
	Retries int
	// RetryDelay is the wait before an answer that broke off is asked for again, doubled each time; 0 is
	// half a second. How long to wait before the answer begins is the server's to say, up to 2 minutes.
	RetryDelay time.Duration
	// MaxAnswerBytes bounds what a server sends for one answer, as it is on the wire, where a token may
	// take 300 bytes; 0 is 64 MiB.
	MaxAnswerBytes int64
	// Transport is what requests go through; nil is http.DefaultTransport.
	Transport http.RoundTripper
}

// A Provider is who speaks a protocol first: what its key is called, and where its API is.
type Provider struct {
	Name            string // as people call it
	BaseURL         string // of its own API
	KeyVariable     string // the environment variable of its key
	BaseURLVariable string // the environment variable of another address
}

// FromEnvironment returns the options that the environment holds for a provider: key and address.
// getenv is os.Getenv, or answers like it.
func (p Provider) FromEnvironment(getenv func(string) string) Options {
	return Options{
		BaseURL: getenv(p.BaseURLVariable),
		Key:     secret.New(strings.TrimSpace(getenv(p.KeyVariable))),
	}
}

// withDefaults fills in what the options leave open.
func (o Options) withDefaults(provider Provider) Options {
	if o.BaseURL == "" {
		o.BaseURL = provider.BaseURL
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Minute
	}
	switch {
	case o.Retries == 0:
		o.Retries = 2
	case o.Retries < 0:
		o.Retries = 0
	}
	if o.RetryDelay <= 0 {
		o.RetryDelay = time.Second / 2
	}
	if o.MaxAnswerBytes <= 0 {
		o.MaxAnswerBytes = 64 << 20
	}
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	return o
}

// address reads the base URL, and refuses one that the key must not be sent to.
func (o Options) address(provider Provider) (*url.URL, error) {
	base, err := url.Parse(o.BaseURL)
	switch {
	case err != nil:
		return nil, errors.New("the base URL is none") // the error would quote it, and it may hold a password
	case base.Scheme != "http" && base.Scheme != "https" || base.Host == "":
		return nil, errors.New("the base URL must begin with http:// or https://, and name a host")
	case base.User != nil || base.RawQuery != "" || base.Fragment != "":
		return nil, fmt.Errorf("the base URL must hold no password, query or fragment; the key comes from %s", provider.KeyVariable)
	case o.Key.IsZero() && o.BaseURL == provider.BaseURL:
		return nil, fmt.Errorf("%s needs a key: set %s, or give the base URL of a server that needs none", provider.Name, provider.KeyVariable)
	case !o.Key.IsZero() && base.Scheme == "http" && !loopback(base.Hostname()) && !o.AllowPlainHTTP:
		return nil, fmt.Errorf("%s would carry the key in the clear: use https, unset %s, or allow plain HTTP", base.Host, provider.KeyVariable)
	}
	return base, nil
}

// loopback reports whether a host is this machine by its very name.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
