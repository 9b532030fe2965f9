package webhook_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"glovebox/internal/tenant"
	"glovebox/internal/webhook"
	"glovebox/internal/webhook/webhooktest"
)

// A receiver is a server on loopback that counts its connections and its requests.
type receiver struct {
	*httptest.Server
	connections, requests atomic.Int32
}

func receive(t *testing.T, tls bool, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.requests.Add(1)
		answer(w, request)
	}))
	r.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			r.connections.Add(1)
		}
	}
	if tls {
		r.StartTLS()
	} else {
		r.Start()
	}
	t.Cleanup(r.Close)
	return r
}

func fine(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

// poster makes a Deliverer whose attempts are made by hand.
func poster(t *testing.T, config webhook.Config, through *http.Transport) *webhook.Deliverer {
	t.Helper()
	config.Store = &webhooktest.Memory{}
	d, err := webhook.OpenThrough(t.Context(), config, through)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func to(url string) webhook.Delivery {
	return webhook.Delivery{ID: "evt_1", Body: []byte("{}"), CreatedAt: time.Now(), To: tenant.Webhook{Tenant: "acme", URL: url, Secret: tenant.NewWebhookSecret()}}
}

func anybody(netip.Addr) error { return nil }

// trusting is a transport that trusts a receiver's certificate, which is for example.com.
func trusting(through *http.Transport, r *receiver) *http.Transport {
	through.TLSClientConfig = r.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	through.TLSClientConfig.ServerName = "example.com"
	return through
}

func wantBlocked(t *testing.T, err error) {
	t.Helper()
	var blocked *webhook.BlockedError
	if !errors.As(err, &blocked) {
		t.Errorf("%v", err)
	}
}

// As it is without any option: not a byte goes to loopback, by whatever name it is called.
func TestNothingGoesToLoopback(t *testing.T) {
	r := receive(t, true, fine)
	_, port, _ := net.SplitHostPort(r.Listener.Addr().String())
	d := poster(t, webhook.Config{}, trusting(webhook.NewTransport(webhook.Public, nil), r))
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]"} {
		wantBlocked(t, d.Post(t.Context(), to("https://"+host+":"+port+"/hook")))
	}
	if n := r.connections.Load(); n != 0 {
		t.Errorf("there were %d connections", n)
	}
}

func TestPlainHTTPIsForWhoeverAllowsIt(t *testing.T) {
	r := receive(t, false, fine)
	if err := poster(t, webhook.Config{}, webhook.NewTransport(anybody, nil)).Post(t.Context(), to(r.URL)); !errors.Is(err, webhook.ErrPlainHTTP) {
		t.Errorf("%v", err)
	}
	if err := poster(t, webhook.Config{AllowPrivate: true}, webhook.NewTransport(anybody, nil)).Post(t.Context(), to(r.URL)); err != nil || r.requests.Load() != 1 {
		t.Errorf("%v", err)
	}
}

// A certificate that nobody vouches for is no receiver's.
func TestCertificatesAreChecked(t *testing.T) {
	r := receive(t, true, fine)
	var unknown x509.UnknownAuthorityError
	if err := poster(t, webhook.Config{AllowPrivate: true}, webhook.NewTransport(anybody, nil)).Post(t.Context(), to(r.URL)); !errors.As(err, &unknown) || r.requests.Load() != 0 {
		t.Errorf("%v", err)
	}
}

// A redirect is an answer that is no 2xx: where it points, nobody goes.
func TestRedirectsAreNotFollowed(t *testing.T) {
	inner := receive(t, true, fine)
	for _, status := range []int{301, 302, 303, 307, 308} {
		outer := receive(t, true, func(w http.ResponseWriter, request *http.Request) { http.Redirect(w, request, inner.URL, status) })
		err := poster(t, webhook.Config{}, trusting(webhook.NewTransport(anybody, nil), outer)).Post(t.Context(), to(outer.URL))
		var answer *webhook.StatusError
		if !errors.As(err, &answer) || answer.Status != status || !strings.Contains(err.Error(), "redirects are not followed") {
			t.Errorf("%v", err)
		}
	}
	if n := inner.connections.Load(); n != 0 {
		t.Errorf("there were %d connections", n)
	}
}

// An answer of any length costs no more than its first bytes, and one that never ends no more than the attempt's time.
func TestAnswersAreBounded(t *testing.T) {
	endless := receive(t, true, func(w http.ResponseWriter, request *http.Request) {
		_, _ = io.Copy(io.Discard, request.Body)
		for request.Context().Err() == nil {
			if _, err := io.WriteString(w, strings.Repeat("x", 1<<16)); err != nil {
				return
			}
		}
	})
	if err := poster(t, webhook.Config{}, trusting(webhook.NewTransport(anybody, nil), endless)).Post(t.Context(), to(endless.URL)); err != nil {
		t.Error(err)
	}
	headers := receive(t, true, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X", strings.Repeat("x", webhook.MaxAnswerHeaders))
	})
	if err := poster(t, webhook.Config{}, trusting(webhook.NewTransport(anybody, nil), headers)).Post(t.Context(), to(headers.URL)); err == nil {
		t.Error("headers of any length are read")
	}
	silent := receive(t, true, func(_ http.ResponseWriter, request *http.Request) {
		_, _ = io.Copy(io.Discard, request.Body) // until then a server does not see that its client has gone
		<-request.Context().Done()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := poster(t, webhook.Config{}, trusting(webhook.NewTransport(anybody, nil), silent)).Post(ctx, to(silent.URL)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// names resolves every name to the addresses that it has at the time, as a server of names does that its owner has in hand.
func names(t *testing.T, addresses *atomic.Pointer[[]netip.Addr]) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffer := make([]byte, 1500)
		for {
			n, from, err := server.ReadFrom(buffer)
			if err != nil {
				return
			}
			if answer, err := resolve(buffer[:n], *addresses.Load()); err == nil {
				_, _ = server.WriteTo(answer, from)
			}
		}
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

func resolve(question []byte, addresses []netip.Addr) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		return nil, err
	}
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	for _, a := range addresses {
		header := dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, Type: m.Questions[0].Type}
		switch {
		case a.Is4() && header.Type == dnsmessage.TypeA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: a.As4()}})
		case a.Is6() && header.Type == dnsmessage.TypeAAAA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	return m.Pack()
}

// A name that first stands for an address that is public and then for one that is not (DNS rebinding) is judged each time, by what is dialled.
func TestANameThatTurnsInwardIsNotFollowed(t *testing.T) {
	r := receive(t, true, fine)
	_, port, _ := net.SplitHostPort(r.Listener.Addr().String())
	var addresses atomic.Pointer[[]netip.Addr]
	stands := func(for_ ...string) {
		var all []netip.Addr
		for _, text := range for_ {
			all = append(all, netip.MustParseAddr(text))
		}
		addresses.Store(&all)
	}
	// For a test the receiver's address is public, and no other.
	var judged []string
	through := trusting(webhook.NewTransport(func(a netip.Addr) error {
		judged = append(judged, a.String())
		if a == netip.MustParseAddr("127.0.0.1") {
			return nil
		}
		return webhook.Judge(a, nil)
	}, names(t, &addresses)), r)
	through.DisableKeepAlives = true
	d := poster(t, webhook.Config{}, through)
	post := func() error { return d.Post(t.Context(), to("https://hook.example.:"+port)) }

	stands("127.0.0.1")
	if err := post(); err != nil || r.requests.Load() != 1 {
		t.Fatal(err)
	}
	stands("169.254.169.254")
	wantBlocked(t, post())
	stands("fd00:ec2::254", "10.0.0.1")
	wantBlocked(t, post())
	if strings.Join(judged[1:], " ") != "169.254.169.254 fd00:ec2::254 10.0.0.1" && strings.Join(judged[1:], " ") != "169.254.169.254 10.0.0.1 fd00:ec2::254" {
		t.Errorf("judged were %v", judged)
	}
	stands("10.0.0.1", "127.0.0.1") // the good one of them is taken
	if err := post(); err != nil || r.requests.Load() != 2 {
		t.Errorf("%v", err)
	}
}
