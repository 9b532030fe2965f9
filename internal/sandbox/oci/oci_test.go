package oci

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
	"glovebox/internal/testenv"
	"glovebox/internal/testenv/hybrid"
)

// things are what testenv calls the kinds.
var things = map[sandbox.Kind]testenv.Thing{
	sandbox.KindRunc: testenv.Runc, sandbox.KindCrun: testenv.Crun, sandbox.KindRunsc: testenv.Runsc,
}

// testRunner builds the runner in testdata, once.
var testRunner = sync.OnceValues(func() (*runnerimage.Image, error) {
	dir, err := os.MkdirTemp("", "glovebox-oci-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "runner")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "./testdata/runner")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, &exec.Error{Name: string(out), Err: err}
	}
	binary, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return runnerimage.New(binary), nil
})

// forEachRuntime runs a test on every runtime that this machine has, and skips the others by name.
func forEachRuntime(t *testing.T, test func(t *testing.T, runtime Runtime)) {
	for _, kind := range []sandbox.Kind{sandbox.KindRunc, sandbox.KindCrun, sandbox.KindRunsc} {
		t.Run(string(kind), func(t *testing.T) {
			test(t, needRuntime(t, kind))
		})
	}
}

func needRuntime(t testing.TB, kind sandbox.Kind) Runtime {
	t.Helper()
	runtime, err := FindRuntime(context.Background(), kind, SearchDirs())
	testenv.Need(t, things[kind], err)
	if kind == sandbox.KindCrun {
		// It is taken from the system: an old one is not what these tests are about.
		if ok, why := sandbox.CheckFloor(kind, runtime.Version); !ok {
			testenv.Missing(t, testenv.Crun, why)
		}
		testenv.Need(t, testenv.Crun, hybrid.Yield())
	}
	testenv.Need(t, things[kind], CheckHost(runtime))
	return runtime
}

// newDir returns a directory that a box in a user namespace can pass through, as t.TempDir is not.
func newDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "glovebox-oci-test-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := removeAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func newDriver(t testing.TB, runtime Runtime) (*Driver, sandbox.Spec) {
	t.Helper()
	image, err := testRunner()
	if err != nil {
		t.Fatal(err)
	}
	state, err := sandbox.OpenState(filepath.Join(newDir(t), "state"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(Config{Image: image, State: state, Runtime: runtime, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return d, d.Spec()
}

func sealed(image *runnerimage.Image, runtime Runtime) sandbox.Spec {
	return sandbox.Sealed(image.BinaryDigest(), string(runtime.Kind))
}

var defaultLimits = sandbox.Limits{MemoryBytes: 64 * api.MiB, CPUs: 1, Timeout: 10 * time.Second}

func create(t testing.TB, d *Driver, spec sandbox.Spec, limits sandbox.Limits) sandbox.Box {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	box, err := d.Create(ctx, spec, limits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { destroy(t, box) })
	return box
}

func destroy(t testing.TB, box sandbox.Box) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := box.Destroy(ctx); err != nil {
		t.Error(err)
	}
}

// request is a job with the default limits of these tests.
func request(what string) api.Request {
	return api.Request{
		Code: what, Language: api.JavaScript, MemoryLimitMB: new(int(defaultLimits.MemoryBytes / api.MiB)), CPUs: new(defaultLimits.CPUs),
		TimeoutSeconds: new(defaultLimits.Timeout.Seconds()),
	}.WithDefaults()
}

func do(t testing.TB, box sandbox.Box, what string) api.Result {
	t.Helper()
	result, err := box.Run(context.Background(), request(what), nil)
	if err != nil {
		t.Fatal(err)
	}
	return result
}
