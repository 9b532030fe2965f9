package controller

import (
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// Whoever reached a server could open connections until its process had no more files: then no box was made, and nothing kept.
func TestConnectionsAreBounded(t *testing.T) {
	s := testServer(t, succeeds, func(_ *Config, b *bounds) { b.connections = 8 })
	served := serve(t, s)
	var held []net.Conn
	for range 4 { // half of them: all that one address has
		conn := served.raw(t, "GET /healthz HTTP/1.1\r\nHost: HOST\r\n\r\n")
		if _, err := io.ReadFull(conn, make([]byte, 12)); err != nil {
			t.Fatal(err)
		}
		held = append(held, conn)
	}
	beyond, err := served.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer beyond.Close()
	if err := beyond.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := beyond.Read(make([]byte, 1)); n != 0 || err == nil || isTimeout(err) {
		t.Errorf("one more is left open: %d, %v", n, err)
	}
	if !s.conns.take("192.0.2.1", 1) {
		t.Error("nothing is left for another address")
	}
	s.conns.give("192.0.2.1", 1)
	held[0].Close() // and there is a place again, once the server has seen it
	for {
		response, err := served.client.Get(served.url("/healthz"))
		if err != nil {
			continue
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Error(response.Status)
		}
		return
	}
}

func isTimeout(err error) bool {
	var timed net.Error
	return errors.As(err, &timed) && timed.Timeout()
}

// net/http closes one side of a connection that it has answered early: what it was given could not, since it counted.
func TestACountedConnectionIsHalfClosed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := connListener{listener, &budget{most: 2}}.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		t.Fatal("net/http does not see that it can be")
	}
	if err := half.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("%v, want the end", err)
	}
	if _, err := client.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Errorf("what is still sent does not come: %v", err)
	}
}

type addressed struct {
	net.Conn
	address string
}

func (a addressed) RemoteAddr() net.Addr { return a }
func (addressed) Network() string        { return "tcp" }
func (a addressed) String() string       { return a.address }

// A host has the whole of its network of IPv6 to come from.
func TestWhereAConnectionComesFrom(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1", "[::ffff:192.0.2.1]:80": "192.0.2.1", "[2001:db8:1:2:3:4:5:6]:80": "2001:db8:1:2::/64", "[fe80::1%eth0]:80": "fe80::/64", "pipe": "pipe",
	} {
		if got := remoteOf(addressed{address: address}); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}
