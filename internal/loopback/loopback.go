// Package loopback knows which names are this host's own.
package loopback

import (
	"net/netip"
	"strings"
)

// Is reports whether a host, as it stands in an address, a URL or a Host header, is loopback's: localhost, or an address of it. No name is looked up.
func Is(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
