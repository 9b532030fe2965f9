package controller

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// mostConnections is how many connections a server has at once: a bound, or less where the process may not open twice as many files. The rest is for
// boxes and for what is kept.
func mostConnections(bound int64) int64 {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err == nil && files.Cur/2 < uint64(bound) {
		return int64(files.Cur / 2)
	}
	return bound
}

// A connListener bounds how many connections there are at once. An address has no more of them than are left for others: whoever opens as many as it
// can, without a key, leaves some. What is beyond is closed at once.
type connListener struct {
	net.Listener
	conns *budget
}

// Accept implements [net.Listener].
func (l connListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if whose := remoteOf(conn); l.conns.take(whose, 1) {
			return &countedConn{Conn: conn, done: sync.OnceFunc(func() { l.conns.give(whose, 1) })}, nil
		}
		_ = conn.Close()
	}
}

// A countedConn is counted until it is closed.
type countedConn struct {
	net.Conn
	done func()
}

// Close implements [net.Conn].
func (c *countedConn) Close() error {
	defer c.done()
	return c.Conn.Close()
}

// CloseWrite ends what is written and leaves what is read: so net/http has a client get an answer before it has sent its body, which a
// connection that is closed whole would destroy.
func (c *countedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// remoteOf names where a connection comes from: its address or, of IPv6, the network of 64 bits that one host has the whole of.
func remoteOf(conn net.Conn) string {
	text := conn.RemoteAddr().String()
	at, err := netip.ParseAddrPort(text)
	if err != nil {
		return text
	}
	ip := at.Addr().Unmap().WithZone("")
	if network, err := ip.Prefix(64); err == nil && ip.Is6() {
		return network.String()
	}
	return ip.String()
}
