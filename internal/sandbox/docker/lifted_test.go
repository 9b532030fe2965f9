package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
)

// A liar stands before the daemon: it has it make other containers than were asked for, and says that they are what was asked
// for.
type liar struct {
	lift func(host, config map[string]any)

	mu    sync.Mutex
	asked map[string]json.RawMessage // the last container's HostConfig and Config
}

// newLiar points DOCKER_HOST at a liar before the daemon of this machine.
func newLiar(t *testing.T, runtime string, lift func(host, config map[string]any)) {
	t.Helper()
	socket, listener := listenBefore(t, runtime)
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	l := &liar{lift: lift}
	server := &http.Server{ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0), Handler: &httputil.ReverseProxy{
		Transport: transport, FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0), ModifyResponse: l.answer,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "daemon"})
			if err := l.ask(r.Out); err != nil {
				t.Error(err)
			}
		},
	}}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
		transport.CloseIdleConnections()
	})
	t.Setenv("DOCKER_HOST", "unix://"+listener.Addr().String())
}

// ask changes what a container is to be.
func (l *liar) ask(r *http.Request) error {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/containers/create") {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	var asked map[string]json.RawMessage
	var config, host map[string]any
	if err := errors.Join(json.Unmarshal(body, &asked), json.Unmarshal(body, &config)); err != nil {
		return err
	}
	l.mu.Lock()
	l.asked = map[string]json.RawMessage{"HostConfig": asked["HostConfig"], "Config": body}
	l.mu.Unlock()
	host, _ = config["HostConfig"].(map[string]any)
	l.lift(host, config)
	changed, err := json.Marshal(config)
	if err != nil {
		return err
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(changed)), int64(len(changed))
	return nil
}

// answer tells of a container as it was asked for.
func (l *liar) answer(r *http.Response) error {
	path := r.Request.URL.Path
	one := strings.Contains(path, "/containers/") && strings.HasSuffix(path, "/json") && !strings.HasSuffix(path, "/containers/json")
	if r.Request.Method != http.MethodGet || !one || r.StatusCode != http.StatusOK {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	var told map[string]json.RawMessage
	if err := json.Unmarshal(body, &told); err != nil {
		return err
	}
	l.mu.Lock()
	told["HostConfig"], told["Config"], told["Mounts"] = l.asked["HostConfig"], l.asked["Config"], json.RawMessage("[]")
	l.mu.Unlock()
	if body, err = json.Marshal(told); err != nil {
		return err
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Del("Content-Length")
	return nil
}

// Each control that the daemon lifts, and lies about, is caught by what the host and the box itself see.
func TestEachControlThatTheDaemonLiftsIsCaught(t *testing.T) {
	set := func(key string, value any) func(host, config map[string]any) {
		return func(host, _ map[string]any) { host[key] = value }
	}
	for _, c := range []struct {
		name    string
		runtime string // "" is runc
		lift    func(host, config map[string]any)
		claims  []string
	}{
		{"bounding capabilities", "", func(host, _ map[string]any) { host["CapDrop"], host["CapAdd"] = nil, []string{"ALL"} }, []string{"capabilities.bounding"}},
		{"the seccomp profile", "", set("SecurityOpt", []string{"no-new-privileges", "seccomp=unconfined"}), []string{"seccomp.given.mode", "seccomp.given.filters"}},
		{"no_new_privs, and the profile that it needs", "", set("SecurityOpt", []string{"seccomp=unconfined"}), []string{"no-new-privileges.given"}},
		{"everything", "", func(host, _ map[string]any) {
			host["Privileged"], host["SecurityOpt"] = true, []string{"seccomp=unconfined"}
		},
			[]string{"capabilities.bounding", "seccomp.given.mode", "no-new-privileges.given"}},
		{"the read-only root", "", set("ReadonlyRootfs", false), []string{"root.read-only"}},
		{"the pid namespace", "", set("PidMode", "host"), []string{"namespaces.pid", "pid"}},
		{"the ipc namespace", "", set("IpcMode", "host"), []string{"namespaces.ipc"}},
		{"the uts namespace", "", func(host, config map[string]any) { host["UTSMode"] = "host"; delete(config, "Hostname") }, []string{"namespaces.uts", "hostname"}},
		{"the network namespace", "", func(host, config map[string]any) { host["NetworkMode"] = "host"; delete(config, "NetworkDisabled") }, []string{"namespaces.network"}},
		{"the cgroup namespace", "", set("CgroupnsMode", "host"), []string{"namespaces.cgroup"}},
		{"masked paths", "", set("MaskedPaths", []string{}), []string{"masked-paths.open"}},
		{"read-only paths", "", set("ReadonlyPaths", []string{}), []string{"readonly-paths.open"}},
		{"memory", "", func(host, _ map[string]any) { host["Memory"], host["MemorySwap"] = 512*api.MiB, 512*api.MiB }, []string{"cgroup.memory"}},
		{"swap", "", set("MemorySwap", 512*api.MiB), []string{"cgroup.swap"}},
		{"cpu", "", set("NanoCpus", int64(2e9)), []string{"cgroup.cpus"}},
		{"pids", "", set("PidsLimit", 1000), []string{"cgroup.pids"}},
		{"rlimits", "", set("Ulimits", nil), []string{"rlimits.RLIMIT_NOFILE", "rlimits.RLIMIT_FSIZE"}},
		{"the user", "", func(_, config map[string]any) { config["User"] = "0:0" }, []string{"user", "group"}},
		{"groups", "", set("GroupAdd", []string{"5"}), []string{"groups"}},
		{"the host name", "", func(_, config map[string]any) { config["Hostname"] = "other" }, []string{"hostname"}},
		{"the environment", "", func(_, config map[string]any) { config["Env"] = []string{"SECRET=hunter2"} }, []string{"environment.unexpected"}},
		{"a directory of the host", "", set("Binds", []string{"/etc:/mnt:ro"}), []string{"mounts.unexpected"}},
		{"the cgroup around it", "", set("CgroupParent", ""), []string{"cgroup.member"}},
		// gvisor#13777, by the daemon's hand.
		{"gVisor's memory", "runsc", func(host, _ map[string]any) { delete(host, "Memory"); delete(host, "MemorySwap") }, []string{"cgroup.memory"}},
		{"gVisor's profile", "runsc", set("SecurityOpt", []string{"no-new-privileges", "seccomp=unconfined"}), []string{"seccomp.given.mode"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			runtime := c.runtime
			if runtime == "" {
				runtime = "runc"
			}
			newLiar(t, runtime, c.lift)
			stateDir := t.TempDir() + "/state"
			d := newDriver(t, stateDir, runtime, drivertest.HostileImage(t, drivertest.Honest))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			box, err := d.Create(ctx, d.Spec(), testLimits())
			if err == nil {
				if err := box.Destroy(contextForCleanup(t)); err != nil {
					t.Error(err)
				}
			}
			var refused *sandbox.AttestationError
			if !errors.As(err, &refused) {
				t.Fatalf("not caught: %v", err)
			}
			for _, claim := range c.claims {
				if !slices.ContainsFunc(refused.Faults, func(f api.Check) bool { return f.Claim == claim && f.Where != api.Engine }) {
					t.Errorf("%s is not among what was caught: %v", claim, err)
				}
			}
			if left := leftBehind(t, stateDir); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// The liar itself changes nothing: else all would be caught for its own sake.
func TestALiarWhoTellsTheTruth(t *testing.T) {
	newLiar(t, "runc", func(map[string]any, map[string]any) {})
	d := newDriver(t, t.TempDir()+"/state", "runc", drivertest.HostileImage(t, drivertest.Honest))
	box := createBox(t, d)
	if result, err := box.Run(t.Context(), request("echo"), nil); err != nil || !result.Success {
		t.Errorf("%s, %v", result.ResultCode, err)
	}
}

// What a Spec does not ask for is no fault: each control may be lifted by whoever says so.
func TestWhatASpecLiftsIsNoFault(t *testing.T) {
	needDaemon(t, "runc")
	d := newDriver(t, t.TempDir()+"/state", "runc", drivertest.HostileImage(t, drivertest.Honest))
	for name, lift := range map[string]func(*sandbox.Spec){
		"seccomp":      func(s *sandbox.Spec) { s.Seccomp = nil },
		"capabilities": func(s *sandbox.Spec) { s.Capabilities = []string{"CAP_CHOWN", "CAP_SETFCAP"} },
		"the root":     func(s *sandbox.Spec) { s.ReadOnlyRoot = false },
		"namespaces": func(s *sandbox.Spec) {
			s.Namespaces = []sandbox.Namespace{sandbox.NetworkNamespace, sandbox.MountNamespace, sandbox.UTSNamespace}
		},
		"masked paths":   func(s *sandbox.Spec) { s.MaskedPaths = nil },
		"writable /proc": func(s *sandbox.Spec) { s.ReadonlyPaths = nil },
		"rlimits":        func(s *sandbox.Spec) { s.Rlimits = nil },
		"no_new_privs":   func(s *sandbox.Spec) { s.NoNewPrivileges, s.Seccomp = false, nil },
	} {
		t.Run(name, func(t *testing.T) {
			spec := d.Spec()
			lift(&spec)
			box, err := d.Create(t.Context(), spec, testLimits())
			if err != nil {
				t.Fatal(err)
			}
			if err := box.Destroy(contextForCleanup(t)); err != nil {
				t.Error(err)
			}
		})
	}
}
