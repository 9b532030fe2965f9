package docker

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
)

// A proxy stands between a driver and the real daemon, and can make it slow, or go away.
type proxy struct {
	listener net.Listener
	daemon   string

	mu     sync.Mutex
	frozen bool
	conns  []net.Conn
}

// newProxy points DOCKER_HOST at a proxy before the daemon of this machine.
func newProxy(t *testing.T) *proxy {
	t.Helper()
	daemon, listener := listenBefore(t, "runc")
	p := &proxy{listener: listener, daemon: daemon}
	t.Cleanup(func() {
		_ = listener.Close()
		p.breakAll()
	})
	go p.serve()
	return p
}

// listenBefore listens where a test's driver is to look for the daemon, which knows the runtime. daemon is the socket of the
// real one. Who takes the listener closes it.
func listenBefore(t *testing.T, runtime string) (daemon string, listener net.Listener) {
	t.Helper()
	daemon, ok := strings.CutPrefix(needDaemon(t, runtime).Host, "unix://")
	if !ok {
		t.Skip("needs a daemon on a socket of this host")
	}
	dir, err := os.MkdirTemp("", "gbx")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	listener, err = net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_HOST", "unix://"+listener.Addr().String())
	return daemon, listener
}

func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		daemon, err := net.Dial("unix", p.daemon)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, daemon)
		p.mu.Unlock()
		go p.copy(client, daemon)
		go p.copy(daemon, client)
	}
}

func (p *proxy) copy(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		for p.isFrozen() {
			time.Sleep(time.Millisecond)
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				_ = to.(*net.UnixConn).CloseWrite()
			}
			return
		}
	}
}

func (p *proxy) isFrozen() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.frozen
}

func (p *proxy) freeze(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = on
}

// breakAll breaks every connection, as a daemon that restarts does.
func (p *proxy) breakAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = false
	for _, conn := range p.conns {
		_ = conn.Close()
	}
	p.conns = nil
}

func createBox(t *testing.T, d *Driver) sandbox.Box {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	box, err := d.Create(ctx, d.Spec(), sandbox.Limits{MemoryBytes: 64 * api.MiB, CPUs: 1, Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := box.Destroy(ctx); err != nil {
			t.Error(err)
		}
	})
	return box
}

func request(code string) api.Request {
	seconds := 2.0
	return api.Request{Code: code, TimeoutSeconds: &seconds}.WithDefaults()
}

// A box is killed in time also when the daemon is too busy to do it.
func TestASlowDaemonDoesNotKeepABoxAlive(t *testing.T) {
	p := newProxy(t)
	stateDir := t.TempDir() + "/state"
	d := newDriver(t, stateDir, "runc", drivertest.HostileImage(t, drivertest.Honest))
	if !d.holds() {
		t.Skip("needs cgroups of our own: elsewhere the daemon alone can kill")
	}
	box := createBox(t, d)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var began time.Time
	result, err := box.Run(ctx, request("hang"), func(api.Log) { // once it hangs
		p.freeze(true)
		began = time.Now()
		cancel()
	})
	took := time.Since(began)
	p.freeze(false)
	if err != nil {
		t.Fatal(err)
	}
	if result.ResultCode != api.Cancelled {
		t.Errorf("got %s %+v", result.ResultCode, result.Error)
	}
	if took > 1300*time.Millisecond {
		t.Errorf("it ended %v after it was cancelled", took)
	}
	t.Logf("it ended %v after it was cancelled", took)
}

// A daemon that restarts takes its boxes' streams with it, also where the boxes live on: their scripts are not to blame, and
// they are removed once the daemon answers again.
func TestADaemonThatGoesAway(t *testing.T) {
	for _, code := range []string{"hang", "beat", "sleep 1h"} {
		t.Run(code, func(t *testing.T) {
			p := newProxy(t)
			stateDir := t.TempDir() + "/state"
			d := newDriver(t, stateDir, "runc", drivertest.HostileImage(t, drivertest.Honest))
			box := createBox(t, d)
			result, err := box.Run(t.Context(), request(code), func(api.Log) { p.breakAll() })
			if !errors.Is(err, sandbox.ErrUnseen) {
				t.Errorf("a box whose daemon went away: %s (%+v), %v", result.ResultCode, result.Error, err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			if err := box.Destroy(ctx); err != nil {
				t.Fatal(err)
			}
			if left := leftBehind(t, stateDir); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

func TestRemoveAsksAgain(t *testing.T) {
	p := newProxy(t)
	stateDir := t.TempDir() + "/state"
	d := newDriver(t, stateDir, "runc", drivertest.HostileImage(t, drivertest.Honest))
	box := createBox(t, d)
	p.freeze(true)
	time.AfterFunc(500*time.Millisecond, p.breakAll) // the answer never comes
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := box.Destroy(ctx); err != nil {
		t.Fatal(err)
	}
	if left := leftBehind(t, stateDir); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestProbeWithoutADaemonIsQuick(t *testing.T) {
	dir := t.TempDir()
	silent, err := net.Listen("unix", filepath.Join(dir, "silent"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	for name, host := range map[string]string{
		"no socket":               "unix://" + filepath.Join(dir, "none"),
		"a daemon that says none": "unix://" + filepath.Join(dir, "silent"),
		"a closed port":           "tcp://127.0.0.1:1",
		"no address":              "nonsense",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("DOCKER_HOST", host)
			for what, ask := range map[string]func(context.Context) error{
				"Ping":  Ping,
				"Probe": func(ctx context.Context) error { _, err := Probe(ctx); return err },
				"New": func(ctx context.Context) error {
					_, err := New(ctx, Config{Image: testImage, State: nil})
					return err
				},
			} {
				began := time.Now()
				err := ask(t.Context())
				if !errors.Is(err, ErrNoDaemon) {
					t.Errorf("%s: %v is not ErrNoDaemon", what, err)
				}
				if took := time.Since(began); took > probeLimit+time.Second {
					t.Errorf("%s took %v", what, took)
				}
			}
		})
	}
}
