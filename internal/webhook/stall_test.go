package webhook_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/internal/webhook"
)

// A receiver that stalls, in whatever part of a conversation, holds a connection for no longer than an attempt may take, and makes us read no more
// than the bounds of an answer.
func TestAReceiverThatStallsIsLeft(t *testing.T) {
	const handshake = 5 * time.Second
	request := func(c net.Conn) {
		if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			_, _ = io.Copy(io.Discard, r.Body)
		}
	}
	drip := func(c net.Conn, text string) {
		for {
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}
	for name, c := range map[string]struct {
		scheme string
		most   time.Duration
		serve  func(net.Conn)
	}{
		"no byte of a handshake": {"https", handshake, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }},
		"a handshake byte by byte": {"https", handshake, func(c net.Conn) {
			go func() { _, _ = io.Copy(io.Discard, c) }()
			_, _ = c.Write([]byte{22, 3, 3, 0x3f, 0xff})
			drip(c, "\x02")
		}},
		"takes no byte of a request": {"http", webhook.AttemptLimit, func(net.Conn) {}},
		"a header byte by byte":      {"http", webhook.AttemptLimit, func(c net.Conn) { request(c); _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX: "); drip(c, "x") }},
		"interim answers without end": {"http", webhook.AttemptLimit, func(c net.Conn) {
			request(c)
			drip(c, "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n")
		}},
		"a flood of interim answers": {"http", 0, func(c net.Conn) {
			request(c)
			for range 1000 {
				if _, err := io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nX: "+strings.Repeat("x", 1000)+"\r\n\r\n"); err != nil {
					return
				}
			}
			panic("a million bytes of interim answers were read")
		}},
		"a status without end": {"http", 0, func(c net.Conn) {
			request(c)
			for range 1000 {
				if _, err := io.WriteString(c, strings.Repeat("H", 1000)); err != nil {
					return
				}
			}
			panic("a million bytes of a status were read")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				closed := make(chan time.Duration, 1)
				through := webhook.NewTransport(anybody, nil)
				through.TLSClientConfig = &tls.Config{ServerName: "example.com"}
				began := time.Now()
				through.DialContext = func(context.Context, string, string) (net.Conn, error) {
					ours, theirs := net.Pipe()
					go func() {
						c.serve(theirs)
						_, _ = io.Copy(io.Discard, theirs) // until we have closed it
						closed <- time.Since(began)
						_ = theirs.Close()
					}()
					return ours, nil
				}
				d := poster(t, webhook.Config{AllowPrivate: true}, through)
				if err := d.Post(t.Context(), to(c.scheme+"://example.com/hook")); err == nil {
					t.Error("it was delivered")
				}
				// It is closed at once behind the attempt, though the other end may see so with its next byte.
				if took := <-closed; took > c.most+time.Second {
					t.Errorf("the connection is closed after %v", took)
				}
			})
		})
	}
	t.Run("a body byte by byte", func(t *testing.T) { // the status says it all, and the rest is waited for no longer than for that
		synctest.Test(t, func(t *testing.T) {
			through := webhook.NewTransport(anybody, nil)
			closed := make(chan struct{})
			through.DialContext = func(context.Context, string, string) (net.Conn, error) {
				ours, theirs := net.Pipe()
				go func() {
					defer close(closed)
					request(theirs)
					_, _ = io.WriteString(theirs, "HTTP/1.1 200 OK\r\n\r\n")
					drip(theirs, "x")
				}()
				return ours, nil
			}
			began := time.Now()
			err := poster(t, webhook.Config{AllowPrivate: true}, through).Post(t.Context(), to("http://example.com/hook"))
			if took := time.Since(began); err != nil || took > webhook.AttemptLimit {
				t.Errorf("%v after %v", err, took)
			}
			<-closed
		})
	})
}
