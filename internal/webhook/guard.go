package webhook

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A BlockedError says that an address is not one that deliveries may go to.
type BlockedError struct {
	Addr netip.Addr
	Why  string
}

func (e *BlockedError) Error() string {
	return fmt.Sprintf("%s is not dialled: it is %s", e.Addr, e.Why)
}

// special are the networks that are nobody's in public, or not where they seem to be, of those that IANA's registries of special-purpose
// addresses list; with what they are for.
var special = []struct {
	net netip.Prefix
	why string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "this network's own"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private"},
	{netip.MustParsePrefix("100.64.0.0/10"), "a carrier's own"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("168.63.129.16/32"), "Azure's own, on the host"}, // public by its number alone
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private"},
	{netip.MustParsePrefix("192.0.0.0/24"), "for protocols"},
	{netip.MustParsePrefix("192.0.2.0/24"), "for documentation"},
	{netip.MustParsePrefix("192.31.196.0/24"), "anycast (AS112)"},
	{netip.MustParsePrefix("192.52.193.0/24"), "for multicast tunnels (AMT)"},
	{netip.MustParsePrefix("192.88.99.0/24"), "a relay of 6to4"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private"},
	{netip.MustParsePrefix("192.175.48.0/24"), "anycast (AS112)"},
	{netip.MustParsePrefix("198.18.0.0/15"), "for benchmarks"},
	{netip.MustParsePrefix("198.51.100.0/24"), "for documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "for documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},    // and broadcast
	{netip.MustParsePrefix("2001::/23"), "for protocols"}, // Teredo, ORCHID, benchmarks and others
	{netip.MustParsePrefix("2001:db8::/32"), "for documentation"},
	{netip.MustParsePrefix("2002::/16"), "an IPv4 address within (6to4)"},
	{netip.MustParsePrefix("2620:4f:8000::/48"), "anycast (AS112)"},
	{netip.MustParsePrefix("3fff::/20"), "for documentation"},
}

// unicast6 is all of IPv6 that is given out as public. Beyond it are loopback, link-local, site-local and unique local addresses,
// multicast, and whatever has an IPv4 address within: mapped, compatible, translated (NAT64).
var unicast6 = netip.MustParsePrefix("2000::/3")

// judge says why deliveries may not go to an address; nil where it is anybody's in public. own are this machine's.
func judge(addr netip.Addr, own []netip.Addr) error {
	// ::ffff:10.0.0.1 is dialled as 10.0.0.1.
	plain := addr.Unmap()
	for _, s := range special {
		if s.net.Contains(plain) {
			return &BlockedError{addr, s.why}
		}
	}
	switch {
	case plain.Is6() && (!unicast6.Contains(plain) || plain.Zone() != ""):
		return &BlockedError{addr, "no public unicast address"}
	case !plain.IsGlobalUnicast():
		return &BlockedError{addr, "no unicast address"}
	case slices.Contains(own, plain): // where no firewall stands between
		return &BlockedError{addr, "this machine's own"}
	}
	return nil
}

// public judges an address as one that a connection is about to be made to.
func public(addr netip.Addr) error {
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return fmt.Errorf("whether %s is this machine's own is not known: %w", addr, err)
	}
	var own []netip.Addr
	for _, i := range interfaces {
		if prefix, err := netip.ParsePrefix(i.String()); err == nil {
			own = append(own, prefix.Addr().Unmap())
		}
	}
	return judge(addr, own)
}

// JudgeURL says why nothing would be posted to a webhook's URL, as far as that can be told without asking for a name's addresses: a *[BlockedError] where
// its host is an address that is not public, or localhost. What a name stands for is judged when it is dialled.
func JudgeURL(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return err
	}
	host := u.Hostname()
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		host = "127.0.0.1"
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return nil // a name
	}
	return public(addr)
}

// control has an address judged once the name has been resolved and before anything is sent there, for each connection: a name that
// stands for another address the next time is judged anew.
func control(allowed func(netip.Addr) error) func(context.Context, string, string, syscall.RawConn) error {
	return func(_ context.Context, network, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil || (network != "tcp4" && network != "tcp6") {
			return fmt.Errorf("%s %s is nothing that is dialled", network, address)
		}
		return allowed(to.Addr())
	}
}

// The bounds of one attempt.
const (
	attemptLimit     = 10 * time.Second
	dialLimit        = 5 * time.Second
	idleLimit        = 30 * time.Second
	maxAnswerHeaders = 16 << 10
	maxAnswerBytes   = 4 << 10 // are read, so that the connection can be used again
)

// newTransport makes what deliveries go through; allowed judges each address. A proxy would choose addresses in our place: there is
// none, whatever the environment says.
func newTransport(allowed func(netip.Addr) error, resolver *net.Resolver) *http.Transport {
	dialer := &net.Dialer{Timeout: dialLimit, ControlContext: control(allowed), Resolver: resolver}
	return &http.Transport{
		DialContext: dialer.DialContext, TLSHandshakeTimeout: dialLimit, MaxResponseHeaderBytes: maxAnswerHeaders, DisableCompression: true,
		MaxIdleConnsPerHost: mostOfOne, MaxIdleConns: places, IdleConnTimeout: idleLimit,
	}
}
