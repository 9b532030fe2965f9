package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// serviceManagerAt listens as a service manager does, until the test ends, and hears each message as a line, with blanks where its lines end.
func serviceManagerAt(t testing.TB, path string, hear func(message string)) {
	t.Helper()
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buffer := make([]byte, 4096)
		for {
			n, err := socket.Read(buffer)
			if err != nil {
				return
			}
			hear(strings.ReplaceAll(string(buffer[:n]), "\n", " "))
		}
	}()
	t.Cleanup(func() {
		socket.Close()
		<-ended
	})
}

// notified has a service manager listen to this process.
func notified(t *testing.T) <-chan string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gb-") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	t.Setenv(envNotifySocket, path)
	messages := make(chan string, 1000)
	serviceManagerAt(t, path, func(message string) { messages <- message })
	return messages
}

func receive(t *testing.T, messages <-chan string) string {
	t.Helper()
	select {
	case message := <-messages:
		return message
	case <-time.After(patience):
		t.Fatal("it is told nothing more")
		return ""
	}
}

func next(t *testing.T, messages <-chan string, want string) {
	t.Helper()
	if got := receive(t, messages); got != want {
		t.Errorf("it is told %q, want %q", got, want)
	}
}

func TestServiceManagerIsTold(t *testing.T) {
	messages := notified(t)
	ctx, stop := context.WithCancel(t.Context())
	m := openServiceManager(ctx, slog.New(slog.DiscardHandler))
	m.starts("migrating\n  a database")
	m.ready(served{about: "serving", works: func() {}, ready: func(context.Context) error { return nil }})
	next(t, messages, "STATUS=migrating a database EXTEND_TIMEOUT_USEC=90000000")
	next(t, messages, "READY=1 STATUS=serving")
	stop()
	next(t, messages, "STOPPING=1 STATUS=stopping")
	m.close()
	select {
	case message := <-messages: // no watchdog was asked for, and the end is told once
		t.Errorf("it is told %q", message)
	default:
	}
}

// Where a server ends by itself that is told too, before close returns.
func TestServiceManagerIsToldOfAnEndWithoutASignal(t *testing.T) {
	messages := notified(t)
	m := openServiceManager(t.Context(), slog.New(slog.DiscardHandler))
	m.close()
	next(t, messages, "STOPPING=1 STATUS=stopping")
}

// The watchdog gets nothing from a server that hangs, and is fed while one stops. What hangs does not keep the server from its end.
func TestWatchdogIsFedByWhatWorks(t *testing.T) {
	messages := notified(t)
	t.Setenv("WATCHDOG_USEC", "20000")
	ctx, stop := context.WithCancel(t.Context())
	m := openServiceManager(ctx, slog.New(slog.DiscardHandler))
	hangs, free := make(chan struct{}), make(chan struct{})
	turn := 0
	m.ready(served{about: "serving", ready: func(context.Context) error { return nil }, works: func() {
		switch turn++; turn {
		case 3:
			close(hangs)
			<-free
		case 4:
			stop()
		}
	}})
	next(t, messages, "READY=1 STATUS=serving")
	next(t, messages, "WATCHDOG=1")
	next(t, messages, "WATCHDOG=1")
	<-hangs
	select {
	case message := <-messages:
		t.Errorf("while it hangs it is told %q", message)
	case <-time.After(200 * time.Millisecond): // of ten times what it is fed in
	}
	close(free)
	next(t, messages, "WATCHDOG=1")
	for receive(t, messages) != "STOPPING=1 STATUS=stopping" {
	}
	next(t, messages, "WATCHDOG=1")
	m.close()
}

// That no script can be run is told, and keeps nobody from feeding the watchdog, whatever time it takes to find out.
func TestServiceManagerIsToldThatNoScriptCanBeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Its socket would be outside of the bubble.
		m := &serviceManager{ctx: t.Context(), log: slog.New(slog.DiscardHandler), messages: make(chan string, 100), closing: make(chan struct{}), sent: make(chan struct{})}
		close(m.sent)
		m.forget, m.stopping = func() bool { return true }, func() {}
		answers := []error{nil, errors.New("no daemon\nanswers"), errors.New("no daemon\nanswers"), nil}
		looked := 0
		go m.tellStatus(served{about: "serving", ready: func(context.Context) error {
			looked++
			return answers[min(looked, len(answers))-1]
		}})
		time.Sleep(6*statusEvery + time.Millisecond)
		m.close()
		synctest.Wait()
		close(m.messages)
		var told []string
		for message := range m.messages {
			told = append(told, message)
		}
		if !slices.Equal(told, []string{"STATUS=no script can be run now: no daemon answers", "STATUS=serving"}) || looked != 6 {
			t.Errorf("it is told %q, by %d looks", told, looked)
		}
	})
}

// A service manager that does not read, or is not there, holds nothing up.
func TestServiceManagerThatDoesNotRead(t *testing.T) {
	t.Setenv(envNotifySocket, "/nowhere/notify")
	var log strings.Builder
	m := openServiceManager(t.Context(), slog.New(slog.NewTextHandler(&log, nil)))
	m.starts("one")
	m.starts("two")
	m.close()
	if strings.Count(log.String(), "cannot be told") != 1 {
		t.Errorf("the log has %s", log.String())
	}

	synctest.Test(t, func(t *testing.T) {
		m := &serviceManager{ctx: t.Context(), messages: make(chan string, 1), closing: make(chan struct{}), sent: make(chan struct{})} // nobody sends
		m.forget, m.stopping = func() bool { return true }, func() { m.tell("STOPPING=1") }
		m.starts("one")
		m.starts("two")
		began := time.Now()
		m.close()
		if took := time.Since(began); took != tellingLimit {
			t.Errorf("it waits for %v", took)
		}
	})
}

// cmdManager has a service manager listen, whose messages are in a file, one a line: manager told.
func cmdManager(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: manager FILE")
	}
	path := filepath.Join(filepath.Dir(ts.Getenv("STATEDIR")), "notify")
	file, err := os.OpenFile(ts.MkAbs(args[0]), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	ts.Defer(func() { file.Close() })
	tb := ts.Value(testKey{}).(testing.TB)
	serviceManagerAt(tb, path, func(message string) {
		if _, err := file.WriteString(message + "\n"); err != nil {
			tb.Error(err)
		}
	})
	ts.Setenv(envNotifySocket, path)
}
