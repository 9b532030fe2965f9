// Package client asks a Glovebox server to run scripts. It needs the contract (package api) and the
// standard library, and nothing else.
//
// The server is not trusted further than its work needs: answers are bounded, checked against the contract
// before anything is made of them, never unpacked, and redirects are not followed.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"glovebox/api"
)

// Config is what a Client is made of. BaseURL must be set.
type Config struct {
	// BaseURL is where the server is: http or https, a host, and a path where one stands before the
	// server's own, as in http://127.0.0.1:8080.
	BaseURL string
	// Transport makes the connections; nil means one of the client's own, which takes the proxy that the
	// environment names and gives up on a connection that is not there within ten seconds.
	Transport http.RoundTripper
	// Key is a tenant's key, gbx_…, which goes with each request; "" means none. It does not go over plain http to another machine,
	// unless AllowPlainHTTP is set.
	Key string
	// AllowPlainHTTP lets the key travel over http to another machine, where anyone on the way can read it.
	AllowPlainHTTP bool
	// Authorize, where it is not nil, adds to each request the header that says who asks. It is called
	// from whichever goroutine asks.
	Authorize func(http.Header)
	// RetryFor is how long [Client.Execute] and [Executions.Submit] may go on asking a server that cannot run anything now ([ProblemError.Retryable]), in all, each time
	// after the wait that the server asks for (Retry-After). 0 means that it asks once. A script may
	// have run for a request that failed in any other way, so that no other is ever repeated.
	RetryFor time.Duration
	// FullAttestation has results come with every check of their boxes, where the server makes them.
	FullAttestation bool
}

// A Client asks one server. It is safe for concurrent use.
type Client struct {
	config Config
	base   *url.URL
	http   *http.Client
}

// New returns a client; it asks nothing yet. The error says what is wrong with the configuration.
func New(config Config) (*Client, error) {
	base, err := parseBase(config.BaseURL)
	if err != nil {
		return nil, err
	}
	if err := checkKey(config, base); err != nil {
		return nil, err
	}
	if config.RetryFor < 0 {
		return nil, fmt.Errorf("client: RetryFor is %v; 0 and more are allowed", config.RetryFor)
	}
	transport := config.Transport
	if transport == nil {
		transport = newTransport()
	}
	return &Client{config: config, base: base, http: &http.Client{
		Transport: transport,
		// Code and data go to the server that was named, and to no other.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func parseBase(text string) (*url.URL, error) {
	base, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("client: the server's address is no URL such as http://127.0.0.1:8080")
	case base.Scheme != "http" && base.Scheme != "https", base.Hostname() == "":
		return nil, fmt.Errorf("client: the server's address %q is no URL such as http://127.0.0.1:8080", base.Redacted())
	case base.User != nil:
		return nil, errors.New("client: the server's address holds a name or a password, which has no meaning there")
	case base.RawQuery != "" || base.ForceQuery || base.Fragment != "":
		return nil, fmt.Errorf("client: the server's address %q must end with its path", text)
	}
	return base, nil
}

// checkKey refuses a key that cannot go out, and tells nothing of it.
func checkKey(config Config, base *url.URL) error {
	switch {
	case config.Key == "":
		return nil
	case strings.ContainsFunc(config.Key, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("client: the key holds what no key holds, such as a blank or the end of a line")
	case base.Scheme == "http" && !isLoopback(base.Hostname()) && !config.AllowPlainHTTP:
		return fmt.Errorf("client: the key would go over plain http to %s, where anyone on the way can read it: use https, or allow it", base.Host)
	}
	return nil
}

func isLoopback(host string) bool {
	return strings.EqualFold(host, "localhost") || net.ParseIP(host).IsLoopback()
}

func newTransport() *http.Transport {
	const dial = 10 * time.Second
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: dial}).DialContext,
		TLSHandshakeTimeout: dial,
		IdleConnTimeout:     time.Minute,
		ForceAttemptHTTP2:   true,
		DisableCompression:  true,
		// What comes before a body is bounded too.
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// Execute has a script run and waits for its result. A script that failed is a Result. When ctx ends, the
// connection is closed, and with it the script's box; the error is ctx's then. Any other error is a *[ProblemError]
// (the server refused, or failed; a *[QuotaError] where a quota is why), a *[ConnectionError] (no answer came), a *[AnswerError] (what came is
// no answer of a Glovebox), or an *[api.Error] where the request cannot be sent as it is. The request's limits
// are judged by the server, whose own they are.
func (c *Client) Execute(ctx context.Context, request api.Request) (api.Result, error) {
	body, err := encode(request)
	if err != nil {
		return api.Result{}, err
	}
	query := url.Values{}
	c.attested(query)
	answer, err := c.askPatiently(ctx, call{method: http.MethodPost, path: executionsPath, query: query, body: body, most: maxResultBytes})
	if err != nil {
		return api.Result{}, err
	}
	return decodeResult(answer)
}

// attested asks for whole attestations, where they are wanted.
func (c *Client) attested(query url.Values) {
	if c.config.FullAttestation {
		query.Set("attestation", api.AttestationFull)
	}
}

// askPatiently asks again, within RetryFor, where there is no place.
func (c *Client) askPatiently(ctx context.Context, what call) ([]byte, error) {
	for deadline := time.Now().Add(c.config.RetryFor); ; {
		answer, err := c.ask(ctx, what)
		var refused *ProblemError
		if err == nil || !errors.As(err, &refused) || !refused.Retryable() || time.Until(deadline) <= refused.RetryAfter {
			return answer, err
		}
		if err := wait(ctx, refused.RetryAfter); err != nil {
			return nil, err
		}
	}
}

// Info asks what the server is and can do. Errors are as Execute's.
func (c *Client) Info(ctx context.Context) (api.Info, error) {
	answer, err := c.ask(ctx, call{path: "/v1/info", most: maxInfoBytes})
	if err != nil {
		return api.Info{}, err
	}
	var info api.Info
	if err := decode(answer, &info); err != nil {
		return api.Info{}, err
	}
	return info, nil
}

// CloseIdleConnections closes the connections that are kept for the next request.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// encode writes a request as its bytes are: what JSON could only hold changed is refused, since the code that
// runs must be the code that was meant.
func encode(request api.Request) ([]byte, error) {
	if err := sendable(request); err != nil {
		return nil, err
	}
	return encodeAny(request)
}

func sendable(request api.Request) error {
	if !utf8.ValidString(request.Code) {
		return &api.Error{Kind: api.KindInvalid, Field: "code", Detail: "is not valid UTF-8"}
	}
	if request.InputData != nil {
		if err := api.CheckJSON(request.InputData, api.MaxDepth); err != nil {
			return &api.Error{Kind: api.KindInvalid, Field: "inputData", Detail: err.Error(), ResultCode: api.InvalidInputData}
		}
	}
	return nil
}

func encodeAny(document any) ([]byte, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // six bytes for one would count against the limits
	if err := encoder.Encode(document); err != nil {
		return nil, &api.Error{Kind: api.KindInvalid, Detail: err.Error()}
	}
	return body.Bytes(), nil
}

// A call is one request of a client's.
type call struct {
	method string // "" is GET
	path   string
	query  url.Values
	header http.Header // beside what every call has
	body   []byte
	most   int64 // bytes of its answer
}

// ask makes a call and returns the body of an answer that is a success.
func (c *Client) ask(ctx context.Context, what call) ([]byte, error) {
	response, err := c.open(ctx, what)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	return c.read(ctx, response, what.most)
}

// open makes a call and returns its answer, whose body the caller closes.
func (c *Client) open(ctx context.Context, what call) (*http.Response, error) {
	address := strings.TrimSuffix(c.base.String(), "/") + what.path
	if len(what.query) > 0 {
		address += "?" + what.query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, what.method, address, bytes.NewReader(what.body))
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if c.config.Key != "" {
		request.Header.Set("Authorization", "Bearer "+c.config.Key)
	}
	if c.config.Authorize != nil {
		c.config.Authorize(request.Header)
	}
	request.Header.Set("Accept", jsonType+", "+problemType)
	request.Header.Set("Accept-Encoding", "identity")
	request.Header.Set("User-Agent", "glovebox-client")
	if what.body != nil {
		request.Header.Set("Content-Type", jsonType)
	}
	maps.Copy(request.Header, what.header)
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.lost(ctx, err)
	}
	return response, nil
}

// lost tells the caller's own wish from a connection that failed.
func (c *Client) lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var of *url.Error // names the address a second time
	if errors.As(err, &of) {
		err = of.Err
	}
	return &ConnectionError{Server: c.base.Redacted(), Err: err}
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
