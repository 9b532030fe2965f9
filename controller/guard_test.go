package controller

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"glovebox/internal/execution"
)

func TestCheckListenAddress(t *testing.T) {
	for _, address := range []string{"127.0.0.1:8080", "127.0.0.1:0", "127.1.2.3:80", "[::1]:8080", "localhost:8080", "LocalHost:1", "[::ffff:127.0.0.1]:1"} {
		if err := CheckListenAddress(address, Exposure{}); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{":8080", "0.0.0.0:8080", "[::]:8080", "192.168.1.1:80", "10.0.0.1:80", "[fe80::1]:80", "example.com:80",
		"localhost.example.com:80", "[::ffff:10.0.0.1]:1", "*:80"} {
		for _, e := range []Exposure{{}, {TLS: true}, {InsecureHTTP: true}, {Keys: true}} {
			if err := CheckListenAddress(address, e); err == nil || !strings.Contains(err.Error(), "loopback only") {
				t.Errorf("%s, %+v: %v", address, e, err)
			}
		}
		for _, e := range []Exposure{{Keys: true, TLS: true}, {Keys: true, InsecureHTTP: true}} {
			if err := CheckListenAddress(address, e); err != nil {
				t.Errorf("%s, %+v: %v", address, e, err)
			}
		}
	}
	for _, address := range []string{"", "8080", "127.0.0.1", "::1", "127.0.0.1:http", "127.0.0.1:", "127.0.0.1:70000", "127.0.0.1:-1"} {
		if err := CheckListenAddress(address, Exposure{Keys: true, TLS: true}); err == nil {
			t.Errorf("%q was taken", address)
		}
	}
}

func TestServeRefusesAnOpenListener(t *testing.T) {
	listener, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := testServer(t, succeeds).Serve(t.Context(), listener); err == nil || !strings.Contains(err.Error(), "loopback only") {
		t.Errorf("Serve said %v", err)
	}
	if _, err := listener.Accept(); err == nil {
		t.Error("the listener is open")
	}
}

// TestHostAndOrigin asks every route as a browser would that some other site has led here.
func TestHostAndOrigin(t *testing.T) {
	cases := []struct {
		name, host string
		header     http.Header
		ok         bool
	}{
		{"address", "127.0.0.1:8080", nil, true},
		{"another of loopback", "127.9.9.9:8080", nil, true},
		{"IPv6", "[::1]:8080", nil, true},
		{"name", "LOCALHOST:8080", nil, true},
		{"own origin", "localhost:8080", http.Header{"Origin": {"http://localhost:8080"}, "Sec-Fetch-Site": {"same-origin"}}, true},
		{"typed in", "localhost:8080", http.Header{"Sec-Fetch-Site": {"none"}}, true},
		{"allowed", "Box.example.com", nil, true},
		{"allowed, any port", "box.example.com:444", nil, true},
		{"allowed, behind TLS", "box.example.com", http.Header{"Origin": {"https://box.example.com"}}, true},
		{"allowed with its port", "other.example.com:99", nil, true},

		{"rebound name", "evil.example.com:8080", nil, false},
		{"allowed with another port", "other.example.com:98", nil, false},
		{"name with loopback in front", "127.0.0.1.evil.example.com:8080", nil, false},
		{"name with localhost in front", "localhost.evil.example.com:8080", nil, false},
		{"user in front", "localhost@evil.example.com:8080", nil, false},
		{"another port", "127.0.0.1:8081", nil, false},
		{"no port", "127.0.0.1", nil, false},
		{"no host", "", nil, false},
		{"port alone", ":8080", nil, false},
		{"all addresses", "0.0.0.0:8080", nil, false},
		{"address in another form", "2130706433:8080", nil, false},
		{"garbage", "[::1:8080", nil, false},
		{"origin elsewhere", "localhost:8080", http.Header{"Origin": {"http://evil.example.com"}}, false},
		{"origin of a sandboxed frame", "localhost:8080", http.Header{"Origin": {"null"}}, false},
		{"origin on another port", "localhost:8080", http.Header{"Origin": {"http://localhost:3000"}}, false},
		{"origin with another name of the same", "localhost:8080", http.Header{"Origin": {"http://127.0.0.1:8080"}}, false},
		{"origin of another scheme", "localhost:8080", http.Header{"Origin": {"file://localhost:8080"}}, false},
		{"origin with a path", "localhost:8080", http.Header{"Origin": {"http://localhost:8080/"}}, false},
		{"two origins", "localhost:8080", http.Header{"Origin": {"http://localhost:8080", "http://evil.example.com"}}, false},
		{"empty origin", "localhost:8080", http.Header{"Origin": {""}}, false},
		{"a link elsewhere", "localhost:8080", http.Header{"Sec-Fetch-Site": {"cross-site"}}, false},
		{"a page on another port", "localhost:8080", http.Header{"Sec-Fetch-Site": {"same-site"}}, false},
	}
	s := testServer(t, succeeds, func(c *Config, _ *bounds) { c.AllowedHosts = []string{"box.example.com", "OTHER.example.com:99"} })
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, row := range append(s.table, route{method: "GET", path: "/nowhere"}, route{method: "DELETE", path: "/"}, route{method: "OPTIONS", path: "/"}) {
				r := request(row.method, row.path, strings.NewReader(`{"code":"1"}`))
				r.Header = c.header.Clone()
				if r.Header == nil {
					r.Header = http.Header{}
				}
				r.Header.Set("Content-Type", "application/json")
				r.Host = c.host
				a := ask(t, s, r)
				if (a.status != http.StatusForbidden) != c.ok {
					t.Errorf("%s %s: status %d: %.300s", row.method, row.path, a.status, a.body)
				}
			}
		})
	}
}

// TestUnknownPortIsRefused: without the connection's own account, no loopback name is taken on trust.
func TestUnknownPortIsRefused(t *testing.T) {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "http://127.0.0.1:8080/healthz", nil)
	if a := ask(t, testServer(t, succeeds), r); a.status != http.StatusForbidden {
		t.Errorf("status %d", a.status)
	}
}

// TestOwnAddressIsAHost: what a page has rebound is a name, and never the address that a client came in at.
func TestOwnAddressIsAHost(t *testing.T) {
	rule, err := newHostRule(nil)
	if err != nil {
		t.Fatal(err)
	}
	at := local{ip: netip.MustParseAddr("192.0.2.1"), port: "8443", usualPort: "443"}
	for host, want := range map[string]bool{"192.0.2.1": true, "192.0.2.2": false, "::ffff:192.0.2.1": true, "2001:db8::1": false, "evil.example.com": false, "0.0.0.0": false} {
		if rule.allows(host, "8443", at) != want || rule.allows(host, "8444", at) || rule.allows(host, "8443", local{}) {
			t.Errorf("%s: want %v, at its own port alone", host, want)
		}
	}
}

func TestUsualPortMayBeLeftOut(t *testing.T) {
	rule, err := newHostRule(nil)
	if err != nil {
		t.Fatal(err)
	}
	at := func(port, usual string) local { return local{port: port, usualPort: usual} }
	if !rule.allows("localhost", "", at("80", "80")) || rule.allows("localhost", "", at("8080", "80")) {
		t.Error("a Host without a port is not port 80's")
	}
	if !rule.allows("localhost", "", at("443", "443")) || rule.allows("localhost", "", at("80", "443")) {
		t.Error("over TLS, a Host without a port is not port 443's")
	}
	if !sameOrigin("http://localhost", "localhost", "80") || !sameOrigin("http://localhost:80", "localhost", "") {
		t.Error("port 80 written and left out are two origins")
	}
}

func TestConfigIsChecked(t *testing.T) {
	none := func(Executor) (*execution.Service, error) { return nil, nil }
	for name, c := range map[string]Config{
		"no executor":     {HostCPUs: 1, Executions: none},
		"no executions":   {Executor: succeeds, HostCPUs: 1},
		"no processors":   {Executor: succeeds, Executions: none},
		"empty host":      {Executor: succeeds, Executions: none, HostCPUs: 1, AllowedHosts: []string{""}},
		"host with a URL": {Executor: succeeds, Executions: none, HostCPUs: 1, AllowedHosts: []string{"http://x"}},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := New(Config{Executor: succeeds, Executions: none, HostCPUs: 1}); err != nil {
		t.Error(err)
	}
}

func TestMethodsAndPaths(t *testing.T) {
	s := testServer(t, succeeds)
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/v1/executions", 200, ""},
		{"HEAD", "/v1/executions", 200, ""},
		{"PUT", "/v1/executions", 405, "GET, HEAD, OPTIONS, POST"},
		{"TRACE", "/v1/executions", 405, "GET, HEAD, OPTIONS, POST"},
		{"BREW", "/v1/executions", 405, "GET, HEAD, OPTIONS, POST"},
		{"POST", "/v1/executions/x", 405, "DELETE, GET, HEAD, OPTIONS"},
		{"POST", "/v1/executions/x/events", 405, "GET, HEAD, OPTIONS"},
		{"GET", "/v1/executions/x", 404, ""},
		{"DELETE", "/v1/executions/x", 404, ""},
		{"GET", "/v1/executions/x/events", 404, ""},
		{"POST", "/healthz", 405, "GET, HEAD, OPTIONS"},
		{"DELETE", "/", 405, "GET, HEAD, OPTIONS"},
		{"OPTIONS", "/v1/executions", 204, "GET, HEAD, OPTIONS, POST"},
		{"OPTIONS", "/healthz", 204, "GET, HEAD, OPTIONS"},
		{"OPTIONS", "/nowhere", 404, ""},
		{"GET", "/nowhere", 404, ""},
		{"GET", "/healthz/", 404, ""},
		{"GET", "/v1", 404, ""},
		{"GET", "//healthz", 404, ""},
		{"GET", "/v1/../healthz", 404, ""},
		{"GET", "/%68ealthz", 404, ""},
		{"POST", "/v1%2Fexecutions", 404, ""},
		{"HEAD", "/healthz", 200, ""},
		{"HEAD", "/", 200, ""},
		{"HEAD", "/openapi.yaml", 200, ""},
		{"HEAD", "/metrics", 200, ""},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			a := ask(t, s, request(c.method, c.path, nil))
			allow := strings.Split(a.header.Get("Allow"), ", ")
			slices.Sort(allow)
			if got := strings.Join(allow, ", "); a.status != c.status || got != c.allow {
				t.Errorf("status %d, Allow %q: %s", a.status, got, a.body)
			}
		})
	}
}
