package controller

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"glovebox/internal/loopback"
)

// An Exposure says what stands between a server and whoever reaches it.
type Exposure struct {
	Keys         bool // keys are asked for
	TLS          bool
	InsecureHTTP bool // that there is no TLS is wanted
}

// CheckListenAddress refuses an address to listen at that others than this host could reach, where they could run code without a
// key, or a key be read on its way. The name localhost is taken here; what it resolves to is checked again by [Server.Serve].
func CheckListenAddress(address string, e Exposure) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("listen address %q is not host:port, as in 127.0.0.1:8080", address)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("listen address %q: the port must be a number from 0 to 65535", address)
	}
	const onLoopback = "listen on loopback only (127.0.0.1, [::1] or localhost)"
	switch {
	case loopback.Is(host), e.Keys && (e.TLS || e.InsecureHTTP):
		return nil
	case !e.Keys:
		return fmt.Errorf("listen address %q is refused: there is no tenant, and whoever reached the server could run code. Make one with "+
			"glovebox tenant create, and a key with glovebox key create, or %s", address, onLoopback)
	}
	return fmt.Errorf("listen address %q is refused: without TLS, keys, code and data could be read on their way. Give --tls-cert and --tls-key, "+
		"or %s; --insecure-http allows it, for where something in front does TLS", address, onLoopback)
}

// guard refuses requests that a page of some other site has made a browser send: a name that was
// rebound to loopback (Host), a form or a fetch from elsewhere (Origin, Sec-Fetch-Site).
func (s *Server) guard(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		header := c.Response().Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Cache-Control", "no-store")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		if r := s.hosts.check(c.Request()); r != nil {
			return r
		}
		return next(c)
	}
}

// A hostRule says which Host headers are ours.
type hostRule struct{ allowed map[string]struct{} }

func newHostRule(allowed []string) (hostRule, error) {
	rule := hostRule{allowed: make(map[string]struct{}, len(allowed))}
	for _, name := range allowed {
		host, port, ok := splitHost(name)
		if !ok {
			return hostRule{}, fmt.Errorf("allowed host %q is not a name or name:port", name)
		}
		rule.allowed[joinHost(host, port)] = struct{}{}
	}
	return rule, nil
}

func (rule hostRule) check(r *http.Request) *refusal {
	host, port, ok := splitHost(r.Host)
	if !ok || !rule.allows(host, port, localOf(r)) {
		return refuse(kindForbidden, "The Host header does not name this server.")
	}
	for _, origin := range r.Header.Values("Origin") {
		if !sameOrigin(origin, host, port) {
			return refuse(kindForbidden, "The Origin header names another site than the Host header.")
		}
	}
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if site != "same-origin" && site != "none" {
			return refuse(kindForbidden, "The browser says that another site asked for this.")
		}
	}
	return nil
}

// allows takes where the connection came in, the zero value where nobody knows: then only names that were allowed by configuration
// pass. An address that is the listener's own passes as loopback's names do: what a page has rebound is always a name.
func (rule hostRule) allows(host, port string, at local) bool {
	if _, ok := rule.allowed[host]; ok {
		return true
	}
	if _, ok := rule.allowed[joinHost(host, port)]; ok {
		return true
	}
	ip, err := netip.ParseAddr(host)
	ours := loopback.Is(host) || (err == nil && ip.Unmap() == at.ip)
	return ours && at.port != "" && portOr(port, at.usualPort) == at.port
}

// local is where a connection came in, by its own account.
type local struct {
	ip              netip.Addr
	port, usualPort string // usualPort is the scheme's
}

func localOf(r *http.Request) local {
	address, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return local{}
	}
	host, port, err := net.SplitHostPort(address.String())
	if err != nil {
		return local{}
	}
	at := local{port: port, usualPort: "80"}
	if r.TLS != nil {
		at.usualPort = "443"
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		at.ip = ip.Unmap()
	}
	return at
}

// splitHost takes a Host header, or an allowed name, apart: the host in lower case and without
// brackets, the port "" where there is none.
func splitHost(s string) (host, port string, ok bool) {
	host = s
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		host = s[1 : len(s)-1]
	} else if strings.Contains(s, ":") {
		var err error
		if host, port, err = net.SplitHostPort(s); err != nil {
			return "", "", false
		}
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return "", "", false
		}
	}
	if host == "" || strings.ContainsAny(host, "@/\\?#[] ") {
		return "", "", false
	}
	return strings.ToLower(host), port, true
}

func joinHost(host, port string) string {
	if port == "" {
		return host
	}
	return net.JoinHostPort(host, port)
}

func portOr(port, otherwise string) string {
	if port == "" {
		return otherwise
	}
	return port
}

// sameOrigin reports whether an Origin header names the host and port that the request asked for. A
// port that is left out is the scheme's: behind a proxy that is https's.
func sameOrigin(origin, host, port string) bool {
	scheme, authority, _ := strings.Cut(origin, "://")
	usual := map[string]string{"http": "80", "https": "443"}[scheme]
	originHost, originPort, ok := splitHost(authority)
	return ok && usual != "" && originHost == host && portOr(originPort, usual) == portOr(port, usual)
}
