package doctor

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/docker"
	"glovebox/internal/sandbox/oci"
)

func TestJudge(t *testing.T) {
	for _, test := range []struct {
		name    string
		kind    sandbox.Kind
		version string
		want    State
		means   string // a part of it
	}{
		{"a good runc", sandbox.KindRunc, "1.5.2", OK, "this host's kernel"},
		{"a runc with known ways out", sandbox.KindRunc, "1.1.12", Weak, "CVE-2025-31133"},
		{"the first of a series to be mended", sandbox.KindRunc, "1.2.8", OK, "this host's kernel"},
		{"the last that was not", sandbox.KindRunc, "1.2.7", Weak, "use runc 1.2.8"},
		{"a runc that a distribution has patched", sandbox.KindRunc, "1.1.5+ds1", Weak, "cannot be compared"},
		{"a runc of which nothing is known", sandbox.KindRunc, "", Weak, "cannot be compared"},
		{"gVisor", sandbox.KindRunsc, "release-20260905.0", OK, "second kernel"},
		{"gVisor from its module", sandbox.KindRunsc, "0.0.0-20260905035102-160fafc42237", OK, "second kernel"},
		{"an old gVisor", sandbox.KindRunsc, "release-20230102.0", Weak, "older than"},
		{"a gVisor without a date", sandbox.KindRunsc, "VERSION_MISSING", Weak, "tells no date"},
		{"crun", sandbox.KindCrun, "1.20", OK, "this host's kernel"},
		{"an old crun", sandbox.KindCrun, "1.4.3", Weak, "CVE-2022-27650"},
		{"something else", sandbox.KindOther, "3.2", Weak, "not known"},
	} {
		got := judge("x", test.kind, test.version)
		if got.Name != "x" || got.State != test.want || got.Version != test.version || !strings.Contains(got.Means, test.means) {
			t.Errorf("%s: %+v, not %s with %q", test.name, got, test.want, test.means)
		}
	}
}

func TestOCIRuntime(t *testing.T) {
	found := []oci.Runtime{{Kind: sandbox.KindRunc, Version: "1.5.2"}}
	takes := func(oci.Runtime) error { return nil }
	refuses := func(oci.Runtime) error { return errors.New("not on this host") }
	for _, test := range []struct {
		kind   sandbox.Kind
		usable func(oci.Runtime) error
		want   State
		typ    string
		means  string // a part of it
	}{
		{sandbox.KindRunc, takes, OK, "", "this host's kernel"},
		{sandbox.KindRunc, refuses, Missing, "", "not on this host"},
		{sandbox.KindRunsc, refuses, Missing, "install gVisor's runsc, in PATH or beside glovebox; in Glovebox's source: make gvisor", "this host's kernel"},
		{sandbox.KindCrun, takes, Missing, "", "nothing is lost"},
	} {
		got := ociRuntime(test.kind, found, test.usable)
		if got.State != test.want || got.Type != test.typ || !strings.Contains(got.Means, test.means) {
			t.Errorf("%s: %+v", test.kind, got)
		}
	}
	if got := ociRuntime(sandbox.KindRunc, nil, takes); got.State != Missing || got.Type != "install runc of your distribution, in PATH or beside glovebox; in Glovebox's source: make runc" {
		t.Errorf("no runc: %+v", got)
	}
}

// Who has a release's archive was told to type make, without a Makefile.
func TestAdviceNeedsNoSource(t *testing.T) {
	none := func(oci.Runtime) error { return nil }
	t.Setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
	daemon, _ := dockerDaemon(t.Context())
	findings := append(dockerRuntimes(t.Context(), docker.Info{}), daemon, rights(1000, nil, nil), ociRuntime(sandbox.KindRunc, nil, none), ociRuntime(sandbox.KindRunsc, nil, none))
	for _, f := range findings {
		first, _, found := strings.Cut(f.Type, "; in Glovebox's source: ")
		if !found || first == "" || strings.Contains(first, "make ") || strings.Contains(first, "scripts/") {
			t.Errorf("%s: %s", f.Name, f.Type)
		}
	}
}

// The doctor used to find a kernel good that the driver without a daemon refuses.
func TestJudgeKernel(t *testing.T) {
	for release, want := range map[string]State{"6.1.0-13-amd64": OK, "5.10.0": OK, "5.9.16": Weak, "4.19.0-27-amd64": Weak, "?": Weak} {
		got := judgeKernel(release)
		if got.State != want || !strings.HasPrefix(got.Version, release) || (want == Weak) != strings.HasPrefix(got.Means, "oci: ") {
			t.Errorf("%s: %+v", release, got)
		}
	}
}

// The doctor used to call crun good where the driver refuses it. Whatever this machine is, both must agree.
func TestDoctorAndDriverAgreeOnRuntimes(t *testing.T) {
	findings := map[string]Finding{}
	for _, f := range Examine(t.Context(), filepath.Join(t.TempDir(), "state")).Findings {
		findings[f.Name] = f
	}
	for _, r := range oci.FindRuntimes(t.Context(), oci.SearchDirs()) {
		err := oci.CheckHost(r)
		f := findings[string(r.Kind)]
		if (f.State == Missing) != (err != nil) || err != nil && !strings.Contains(f.Means, err.Error()) {
			t.Errorf("the driver says of %s %v, and the doctor %+v", r.Kind, err, f)
		}
	}
}

// oldDaemon points DOCKER_HOST at what a Docker Engine 19.03 answers.
func oldDaemon(t *testing.T) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.40")
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(r.URL.Path, "/_ping"):
		case strings.HasSuffix(r.URL.Path, "/info"):
			_, _ = io.WriteString(w, `{"ServerVersion": "19.03.15", "Runtimes": {"runc": {"path": "runc"}}, "DefaultRuntime": "runc"}`)
		default:
			http.NotFound(w, r)
		}
	})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	t.Setenv("DOCKER_HOST", "unix://"+socket)
}

// The doctor used to call a daemon good that the driver refuses.
func TestDoctorAndDriverAgreeOnAnOldDaemon(t *testing.T) {
	oldDaemon(t)
	state, err := sandbox.OpenState(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = docker.New(t.Context(), docker.Config{Image: runnerimage.New([]byte("a runner")), State: state})
	if !errors.Is(err, docker.ErrNoDaemon) || !strings.Contains(err.Error(), "19.03.15") || !strings.Contains(err.Error(), "20.10") {
		t.Fatalf("the driver says %v", err)
	}
	got, _ := dockerDaemon(t.Context())
	if got.State != Missing || !strings.Contains(got.Means, "19.03.15") || !strings.Contains(got.Type, "20.10") {
		t.Errorf("the doctor says %+v", got)
	}
	for _, f := range Examine(t.Context(), filepath.Join(t.TempDir(), "state")).Findings {
		if strings.HasPrefix(f.Name, "docker runtime") {
			t.Errorf("a runtime of a daemon that cannot be used: %+v", f)
		}
	}
}

// A daemon without gVisor is a daemon whose boxes share the host's kernel: that is said.
func TestDockerRuntimes(t *testing.T) {
	names := func(runtimes ...string) (out []string) {
		info := docker.Info{}
		for _, name := range runtimes {
			info.Runtimes = append(info.Runtimes, docker.Runtime{Name: name})
		}
		for _, f := range dockerRuntimes(t.Context(), info) {
			out = append(out, string(f.State)+" "+f.Name)
		}
		return out
	}
	for _, test := range []struct{ in, want []string }{
		{[]string{"runc"}, []string{"weak docker runtime runc", "missing docker runtime runsc"}},
		{[]string{"runc", "runsc"}, []string{"weak docker runtime runc", "weak docker runtime runsc"}},
		{nil, []string{"missing docker runtime runsc"}},
	} {
		if got := names(test.in...); strings.Join(got, ", ") != strings.Join(test.want, ", ") {
			t.Errorf("%v: %v, not %v", test.in, got, test.want)
		}
	}
}

// The doctor used to call a gVisor good that heeds no profile.
func TestDockerRuntimesThatAreRegisteredBadly(t *testing.T) {
	for flag, args := range map[string][]string{"--oci-seccomp": nil, "--directfs=false": {"--oci-seccomp"}, "": {"--oci-seccomp", "--directfs=false"}} {
		info := docker.Info{Runtimes: []docker.Runtime{{Name: "runsc", Path: "/nowhere/runsc", Args: args}}}
		got := dockerRuntimes(t.Context(), info)
		if len(got) != 1 || strings.Contains(got[0].Means, "add that to its runtimeArgs") != (flag != "") || !strings.Contains(got[0].Means, flag) {
			t.Errorf("with %q it says %+v", args, got)
		}
	}
}

// Whether boxes can be made follows from what was found, and a machine where one cannot start is not ready.
func TestReady(t *testing.T) {
	const daemon, runtime = true, true
	good := map[string]State{"kernel": OK, "runner": OK, "seccomp": OK, "cgroups": OK, "user namespaces": Weak, "rights": OK, "state directory": OK}
	for _, test := range []struct {
		name            string
		but             string
		daemon, runtime bool
		want            bool
	}{
		{"all there", "", daemon, runtime, true},
		{"no daemon", "", !daemon, runtime, true},
		{"no runtime", "", daemon, !runtime, true},
		{"neither", "", !daemon, !runtime, false},
		{"no runner", "runner", daemon, runtime, false},
		{"no seccomp", "seccomp", daemon, runtime, false},
		{"no state directory", "state directory", daemon, runtime, false},
		// Whether these are good enough the driver has said, where no daemon is asked.
		{"an old kernel", "kernel", daemon, runtime, true},
		{"no cgroups that we know", "cgroups", !daemon, runtime, true},
	} {
		var r Report
		for name, state := range good {
			if name == test.but {
				state = Failed
			}
			r.add(Finding{Name: name, State: state})
		}
		if got := r.ready(test.daemon, test.runtime); got != test.want {
			t.Errorf("%s: ready is %v", test.name, got)
		}
	}
}

// The doctor used to make a directory in the state directory, and to take for good one that could not be made.
func TestState(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "mine")
	if err := os.Mkdir(mine, 0o700); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(dir, "open")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(mine, link); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, dir string
		want      State
		means     string
	}{
		{"ours", mine, OK, "agree"},
		{"not there yet", filepath.Join(dir, "a", "b"), OK, "will be made"},
		{"open to others", open, Failed, "mode 0700"},
		{"a link", link, Failed, "no directory"},
		{"a file", file, Failed, "no directory"},
		{"below a file", filepath.Join(file, "x"), Failed, "not a directory"},
		{"where nobody may make it", "/proc/nowhere/x", Failed, "may not make it in /proc"},
	} {
		if test.name == "where nobody may make it" && os.Geteuid() == 0 {
			continue // root is asked in vain: the kernel refuses it only when it tries
		}
		got := state(test.dir)
		if got.State != test.want || !strings.Contains(got.Means, test.means) {
			t.Errorf("%s: %+v", test.name, got)
		}
		if (got.State != OK) != (got.Type != "") {
			t.Errorf("%s: what to type is %q", test.name, got.Type)
		}
	}
	if entries, err := os.ReadDir(mine); err != nil || len(entries) > 0 {
		t.Errorf("the doctor made %v: %v", entries, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 4 {
		t.Errorf("the doctor made one of %v: %v", entries, err)
	}
}

func TestNearest(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "a"):           dir,
		filepath.Join(dir, "a", "b", "c"): dir,
		"/":                               "/",
		"/nowhere/at/all":                 "/",
		"nowhere":                         ".",
	} {
		if got := nearest(path); got != want {
			t.Errorf("nearest to %s is %s, not %s", path, got, want)
		}
	}
}

// Whatever the machine: each thing once, with a meaning, and with what to type where boxes cannot be made
// without it.
func TestExamine(t *testing.T) {
	report := Examine(t.Context(), filepath.Join(t.TempDir(), "state"))
	seen := map[string]bool{}
	for _, f := range report.Findings {
		if seen[f.Name] || f.Name == "" || f.Means == "" {
			t.Errorf("%+v", f)
		}
		seen[f.Name] = true
		switch f.State {
		case OK, Weak, Missing:
		case Failed:
			if f.Type == "" {
				t.Errorf("nothing to type: %+v", f)
			}
		default:
			t.Errorf("a state of its own: %+v", f)
		}
	}
	for _, name := range []string{"kernel", "runner", "seccomp", "cgroups", "user namespaces", "rights", "state directory", "docker", "runc", "runsc", "crun"} {
		if !seen[name] {
			t.Errorf("%s was not looked for", name)
		}
	}
	if report.Ready != (report.Uses != "") {
		t.Errorf("ready is %v, and used would be %q", report.Ready, report.Uses)
	}
}

// Whoever has no time for an answer gets none that is wrong.
func TestExamineEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, f := range Examine(ctx, filepath.Join(t.TempDir(), "state")).Findings {
		if f.Name == "docker" && f.State == OK {
			t.Errorf("a daemon that was not asked is %+v", f)
		}
	}
}

func TestRights(t *testing.T) {
	runc := oci.Runtime{Kind: sandbox.KindRunc}
	notDelegated := errors.New("no cgroup is delegated")
	for name, c := range map[string]struct {
		uid    int
		able   []oci.Runtime
		unable []error
		state  State
		means  string
	}{
		"root":                {0, nil, nil, OK, "without Docker"},
		"delegated":           {1000, []oci.Runtime{runc}, []error{notDelegated}, OK, "delegated to this user"},
		"not delegated":       {1000, nil, []error{notDelegated}, Weak, "no cgroup is delegated"},
		"without any runtime": {1000, nil, nil, Weak, "no runtime"},
	} {
		if f := rights(c.uid, c.able, c.unable); f.State != c.state || !strings.Contains(f.Means, c.means) || (f.Type == "") != (f.State == OK) {
			t.Errorf("%s: %+v", name, f)
		}
	}
	able, unable := sift([]oci.Runtime{runc, {Kind: sandbox.KindCrun}}, func(r oci.Runtime) error {
		if r.Kind == sandbox.KindCrun {
			return notDelegated
		}
		return nil
	})
	if len(able) != 1 || able[0].Kind != sandbox.KindRunc || len(unable) != 1 {
		t.Errorf("able %v, unable %v", able, unable)
	}
}
