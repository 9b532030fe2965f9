package docker

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"

	"glovebox/api"
	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
	"glovebox/seccomp"
)

var update = flag.Bool("update", false, "write the golden files anew")

var testImage = runnerimage.New([]byte("a runner"))

// testInfo is a daemon that knows every runtime.
func testInfo() Info {
	return Info{
		CgroupDriver: "cgroupfs", CgroupVersion: "1", DefaultRuntime: "runc",
		Runtimes: []Runtime{{Name: "crun", Path: "/opt/crun"}, {Name: "runc", Path: "runc"}, {Name: "runsc", Path: "/opt/runsc", Args: []string{ociSeccomp}}},
	}
}

// testProfile is small, so that a golden file can be read, and does not change with the real one.
func testProfile() *seccomp.Profile {
	return &seccomp.Profile{
		Default: seccomp.Errno, DefaultErrno: 38, Arches: []string{"SCMP_ARCH_X86_64"},
		Rules: []seccomp.Rule{
			{Names: []string{"read"}, Action: seccomp.Allow, Reason: "to read"},
			{Names: []string{"ptrace"}, Action: seccomp.Kill, Reason: "to kill"},
			{Names: []string{"clone"}, Action: seccomp.Allow, Args: []seccomp.Arg{{Value: 7, Op: seccomp.Equal}}, Reason: "a thread"},
		},
	}
}

func testSpec(runtime string) sandbox.Spec {
	spec := sandbox.Sealed(testImage.ID(), runtime)
	spec.Seccomp = testProfile()
	spec.Overhead = sandbox.Overhead{MemoryBytes: 64 * api.MiB, PIDs: 64}
	return spec
}

func testLimits() sandbox.Limits {
	return sandbox.Limits{MemoryBytes: 128 * api.MiB, CPUs: 1, Timeout: 30 * time.Second}
}

func testBox() boxParams {
	return boxParams{
		id: "0123456789abcdef0123", owner: "boot/12/34", pidNS: "pid:[4026531836]",
		ids: sandbox.IDs{Root: 1879048192, Box: 1879048193}, imageRef: "sha256:image", cgroupParent: "/glovebox-docker-0123456789abcdef0123",
	}
}

type goldenFile struct {
	Name       string
	Config     *container.Config
	HostConfig *container.HostConfig
}

// TestGolden holds the exact words that the daemon is told, for a set of Specs.
func TestGolden(t *testing.T) {
	remapped := testInfo()
	remapped.Remapped = true
	local := testInfo()
	local.Local = true
	for name, c := range map[string]struct {
		info Info
		spec func() sandbox.Spec
		with func(*sandbox.Limits, *boxParams)
	}{
		"sealed-runc":  {info: testInfo(), spec: func() sandbox.Spec { return testSpec("runc") }},
		"sealed-runsc": {info: testInfo(), spec: func() sandbox.Spec { return testSpec("runsc") }},
		"sealed-crun": {info: local, spec: func() sandbox.Spec { return testSpec("crun") },
			with: func(_ *sandbox.Limits, b *boxParams) { b.cgroupParent = "" }},
		"limits": {info: testInfo(), spec: func() sandbox.Spec { return testSpec("runc") },
			with: func(l *sandbox.Limits, _ *boxParams) { l.MemoryBytes, l.CPUs = 16*api.MiB, 0.1 }},
		"remapped": {info: remapped, spec: func() sandbox.Spec {
			spec := testSpec("runc")
			spec.UserNamespace = sandbox.UserNamespaceRequired
			return spec
		}},
		// What an audit's negative controls ask for: each seal broken.
		"broken": {info: testInfo(), spec: func() sandbox.Spec {
			spec := testSpec("runc")
			spec.Seccomp, spec.ReadOnlyRoot, spec.NoNewPrivileges = nil, false, false
			spec.Capabilities = []string{"CAP_CHOWN", "CAP_SYS_ADMIN"}
			spec.Namespaces = []sandbox.Namespace{sandbox.NetworkNamespace, sandbox.UTSNamespace, sandbox.MountNamespace}
			spec.MaskedPaths, spec.ReadonlyPaths, spec.Rlimits, spec.Hostname = nil, nil, nil, ""
			return spec
		}},
	} {
		t.Run(name, func(t *testing.T) {
			limits, box := testLimits(), testBox()
			if c.with != nil {
				c.with(&limits, &box)
			}
			p, err := translate(c.spec(), limits, c.info, testImage, box)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			enc := json.NewEncoder(&got)
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			if err := enc.Encode(goldenFile{p.options.Name, p.options.Config, p.options.HostConfig}); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%s differs (run with -update if it should):\n%s", path, got.Bytes())
			}
		})
	}
}
