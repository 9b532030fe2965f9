package main

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

// A server that had been killed did not find its port free any more, where somebody else had asked for any.
func TestAPortIsKeptForTheServer(t *testing.T) {
	address, release, err := reserve()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // it comes back
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, err = (&net.Dialer{LocalAddr: addressOf(t, address)}).Dial("tcp", "127.0.0.1:1")
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a client had it: %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if _, err := (&net.Dialer{LocalAddr: addressOf(t, address)}).Dial("tcp", "127.0.0.1:1"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a port that was given back: %v", err)
	}
}

func addressOf(t *testing.T, text string) net.Addr {
	t.Helper()
	address, err := net.ResolveTCPAddr("tcp", text)
	if err != nil {
		t.Fatal(err)
	}
	return address
}
