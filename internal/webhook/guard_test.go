package webhook

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
)

func TestAddresses(t *testing.T) {
	own := []netip.Addr{netip.MustParseAddr("8.8.8.7"), netip.MustParseAddr("2a00::7")}
	for _, text := range []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255", "127.0.0.1", "127.1.2.3",
		"169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1",
		"198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
		"168.63.129.16", "8.8.8.7",
		"::", "::1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.7", "::ffff:0:8.8.8.8", "64:ff9b::8.8.8.8",
		"64:ff9b:1::1", "100::1", "2001::1", "2001:2::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::", "2620:4f:8000::1",
		"3fff::1", "4000::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fdff::1", "fe80::1", "fe80::1%eth0", "2a00::1%eth0", "fec0::1", "ff02::1",
		"2a00::7",
	} {
		var blocked *BlockedError
		if err := judge(netip.MustParseAddr(text), own); !errors.As(err, &blocked) || blocked.Why == "" {
			t.Errorf("%s may be dialled: %v", text, err)
		}
	}
	for _, text := range []string{
		"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255",
		"172.15.255.255", "172.32.0.0", "192.0.1.1", "192.167.255.255", "198.17.255.255", "198.20.0.0", "223.255.255.255", "::ffff:8.8.8.8",
		"2000::1", "2001:200::1", "2001:4860:4860::8888", "2606:4700::1", "2a00::1", "3ffe::1",
	} {
		if err := judge(netip.MustParseAddr(text), own); err != nil {
			t.Errorf("%v", err)
		}
	}
	if err := judge(netip.Addr{}, nil); err == nil {
		t.Error("no address at all may be dialled")
	}
}

// Whatever form an address comes in, what the standard library takes for private, or for no unicast, is not dialled, and an IPv4 address
// within an IPv6 one is judged by what it is.
func FuzzAddress(f *testing.F) {
	for _, text := range []string{"::ffff:10.0.0.1", "64:ff9b::7f00:1", "fe80::1", "2a00::1", "::ffff:1.1.1.1"} {
		f.Add(netip.MustParseAddr(text).AsSlice())
	}
	f.Add([]byte{127, 0, 0, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		addr, ok := netip.AddrFromSlice(raw)
		if !ok {
			return
		}
		err, plain := judge(addr, nil), addr.Unmap()
		hidden := plain.IsPrivate() || plain.IsLoopback() || plain.IsLinkLocalUnicast() || plain.IsMulticast() || plain.IsUnspecified() || !plain.IsGlobalUnicast()
		if hidden && err == nil {
			t.Errorf("%s may be dialled", addr)
		}
		if plainErr := judge(plain, nil); (plainErr == nil) != (err == nil) {
			t.Errorf("%s: %v, and %s: %v", addr, err, plain, plainErr)
		}
		if len(raw) == 16 && err == nil && !plain.Is4() && !bytes.HasPrefix(raw, []byte{raw[0]&0x1f | 0x20}) {
			t.Errorf("%s is beyond 2000::/3", addr)
		}
	})
}

func TestThisMachinesOwnAddressesAreNotDialled(t *testing.T) {
	for _, network := range []string{"tcp", "udp4", "unix", ""} {
		if err := control(func(netip.Addr) error { return nil })(t.Context(), network, "8.8.8.8:443", nil); err == nil {
			t.Errorf("%q is dialled", network)
		}
	}
	var asked netip.Addr
	allowed := control(func(a netip.Addr) error { asked = a; return nil })
	if err := allowed(t.Context(), "tcp6", "[::ffff:8.8.8.8]:443", nil); err != nil || asked.String() != "::ffff:8.8.8.8" {
		t.Errorf("%v, %v", asked, err)
	}
	if err := public(netip.MustParseAddr("127.0.0.1")); err == nil {
		t.Error("loopback is public")
	}
	if err := public(netip.MustParseAddr("1.1.1.1")); err != nil {
		t.Error(err)
	}
	if through := newTransport(public, nil); through.Proxy != nil {
		t.Error("a proxy may be asked")
	}
}
