package docker

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"glovebox/internal/sandbox"
)

func TestConfigFile(t *testing.T) {
	for want, args := range map[string][]string{
		"/a":                      {"dockerd", "--config-file=/a"},
		"/b":                      {"dockerd", "-D", "--config-file", "/b", ""},
		"/etc/docker/daemon.json": {"dockerd", "--config-file"},
	} {
		if got := configFile(args); got != want {
			t.Errorf("%q: %s, want %s", args, got, want)
		}
	}
}

func TestStampChangesWithTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runtime")
	write := func(path, body string) string {
		if err := os.WriteFile(path, []byte(body), 0o755); err != nil {
			t.Fatal(err)
		}
		s, err := stamp(path)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := write(path, "one")
	if again, err := stamp(path); err != nil || again != first {
		t.Errorf("nothing changed, and %q became %q (%v)", first, again, err)
	}
	if got := write(path, "longer"); got == first {
		t.Error("a file that was written anew has its old stamp")
	}
	// The same size, put in its place.
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	if got := write(path, "longer"); got == first {
		t.Error("another file has the old stamp")
	}
}

// What is remembered is what would be found, and only of the daemon, the configuration and the binaries
// that it was found of.
func TestMemo(t *testing.T) {
	info := needDaemon(t, "runc")
	if _, ok := daemonKey(info.Host); !ok {
		t.Skip("needs a daemon that is remembered: a local dockerd with a socket of its own")
	}
	state, err := sandbox.OpenState(t.TempDir() + "/state")
	if err != nil {
		t.Fatal(err)
	}
	c := needClient(t)
	know := func(runtime string) (Info, string, string) {
		info, name, version, err := knowDaemon(t.Context(), c, state, runtime)
		if err != nil {
			t.Fatal(err)
		}
		return info, name, version
	}
	first, name, version := know("runc")
	if name != "runc" || version == "" || version != first.RuntimeVersion(t.Context(), "runc") {
		t.Errorf("the runtime is %q of version %q", name, version)
	}
	m, ok := readMemo(state)
	if !ok {
		t.Fatal("nothing is remembered")
	}
	change := func(edit func(*memo)) (Info, string) {
		changed := m
		edit(&changed)
		writeWhole(state, memoFile, changed)
		got, _, version := know("runc")
		return got, version
	}
	told := func(m *memo) { m.Info.Version = "as remembered" }
	if got, _ := change(told); got.Version != "as remembered" {
		t.Error("the memo is not used")
	}
	for what, edit := range map[string]func(*memo){
		"another daemon's":           func(m *memo) { m.Key += "x" },
		"an old one":                 func(m *memo) { m.At = m.At.Add(-2 * memoAge) },
		"one of the future":          func(m *memo) { m.At = m.At.Add(time.Hour) },
		"one that lacks the runtime": func(m *memo) { m.Info.Runtimes = nil },
	} {
		if got, _ := change(func(m *memo) { told(m); edit(m) }); got.Version == "as remembered" {
			t.Errorf("%s is believed", what)
		}
	}
	if _, got := change(func(m *memo) { m.Versions = map[string]string{"another binary": "9.9.9"} }); got != version {
		t.Errorf("the version of another binary: %q", got)
	}
	if err := os.WriteFile(state.Path(memoFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, _, _ := know("runc"); got.Version != info.Version {
		t.Error("a broken memo is believed")
	}
	if left, _ := filepath.Glob(state.Path(memoFile + ".*")); left != nil {
		t.Errorf("left behind: %q", left)
	}
}
