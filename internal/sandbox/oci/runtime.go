package oci

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/cgroup"
)

// A Runtime is an OCI runtime on this host.
type Runtime struct {
	Kind    sandbox.Kind
	Path    string // of its binary
	Version string // as it says itself; [sandbox.CheckFloor] judges it

	identity string // of the file that said so
}

// EnvRuntimeDir names the variable that names a directory to look for runtimes in, before all others.
const EnvRuntimeDir = "GLOVEBOX_RUNTIME_DIR"

// SearchDirs returns where runtimes are looked for: the directory that the environment names, the one in
// which this program lies, and PATH.
func SearchDirs() []string {
	var dirs []string
	if dir := os.Getenv(EnvRuntimeDir); dir != "" {
		dirs = append(dirs, dir)
	}
	if self, err := os.Executable(); err == nil {
		dirs = append(dirs, filepath.Dir(self))
	}
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/local/sbin", "/usr/sbin", "/sbin") {
		if filepath.IsAbs(dir) { // never the working directory
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// FindRuntimes returns the first runc, crun and runsc that the directories hold, in this order. One that
// does not say its version is left out. ctx bounds the questions.
func FindRuntimes(ctx context.Context, dirs []string) []Runtime {
	var found []Runtime
	for _, kind := range []sandbox.Kind{sandbox.KindRunc, sandbox.KindCrun, sandbox.KindRunsc} {
		for _, dir := range dirs {
			path := filepath.Join(dir, string(kind))
			if unix.Access(path, unix.X_OK) != nil {
				continue
			}
			if runtime, err := Inspect(ctx, path); err == nil {
				found = append(found, runtime)
				break
			}
		}
	}
	return found
}

// Preferred returns the runtime that is taken where none is asked for: gVisor's runsc for its second kernel, else
// runc, else crun. ok is false where nothing was found.
func Preferred(found []Runtime) (preferred Runtime, ok bool) {
	for _, kind := range []sandbox.Kind{sandbox.KindRunsc, sandbox.KindRunc, sandbox.KindCrun} {
		if i := slices.IndexFunc(found, func(r Runtime) bool { return r.Kind == kind }); i >= 0 {
			return found[i], true
		}
	}
	return Runtime{}, false
}

// FindRuntime returns the first runtime of the kind that the directories hold.
func FindRuntime(ctx context.Context, kind sandbox.Kind, dirs []string) (Runtime, error) {
	for _, runtime := range FindRuntimes(ctx, dirs) {
		if runtime.Kind == kind {
			return runtime, nil
		}
	}
	return Runtime{}, fmt.Errorf("oci: no %s in $%s, beside this program or in PATH", kind, EnvRuntimeDir)
}

// versionLimit bounds a question for a version.
const versionLimit = 10 * time.Second

// Inspect finds out what the binary at a path is. The kind is told from its name.
func Inspect(ctx context.Context, path string) (Runtime, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return Runtime{}, fmt.Errorf("oci: %w", err)
	}
	runtime := Runtime{Kind: sandbox.RuntimeKind(absolute), Path: absolute, identity: identityOf(absolute)}
	if runtime.Kind == sandbox.KindOther {
		return Runtime{}, fmt.Errorf("oci: %s is not named as runc, crun or runsc: this driver knows no other runtime", absolute)
	}
	if runtime.Version = builtVersion(absolute); runtime.Version != "" {
		return runtime, nil
	}
	ctx, cancel := context.WithTimeout(ctx, versionLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, absolute, "--version")
	cmd.Env = []string{}
	out, err := cmd.Output()
	if err != nil {
		return Runtime{}, fmt.Errorf("oci: %s --version: %w", absolute, err)
	}
	runtime.Version, err = parseVersion(string(out))
	if err != nil {
		return Runtime{}, fmt.Errorf("oci: %s --version: %w", absolute, err)
	}
	return runtime, nil
}

// identityOf tells one file, as it is, from every other, and from itself once it has been changed; "" where there is none.
func identityOf(path string) string {
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		return ""
	}
	return fmt.Sprintf("%d:%d %d %d", s.Dev, s.Ino, s.Size, time.Unix(s.Ctim.Unix()).UnixNano())
}

// now returns the runtime as it is now: somebody may have put another in its place.
func (r Runtime) now(ctx context.Context) (Runtime, error) {
	if r.identity != "" && identityOf(r.Path) == r.identity {
		return r, nil
	}
	return Inspect(ctx, r.Path)
}

// builtVersion reads the version of its module out of a Go binary, where it was built from a published
// one: quicker than asking, and gVisor built so cannot tell.
func builtVersion(path string) string {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return ""
	}
	switch info.Main.Path {
	case "github.com/opencontainers/runc", "gvisor.dev/gvisor":
	default:
		return ""
	}
	// A module built from a working copy has no sum: its version is not a published one.
	if info.Main.Sum == "" {
		return ""
	}
	return strings.TrimPrefix(info.Main.Version, "v")
}

// parseVersion reads the first line of what every runtime answers: "runc version 1.2.3".
func parseVersion(out string) (string, error) {
	first, _, _ := strings.Cut(out, "\n")
	_, version, ok := strings.Cut(first, " version ")
	version = strings.TrimSpace(version)
	if !ok || version == "" || strings.ContainsAny(version, " \t") {
		return "", fmt.Errorf("%.100q names no version", first)
	}
	return version, nil
}

// Flags are what the driver puts before each command of the runtime: where a bench compares with the runtime alone, it gives
// it the same.
func (r Runtime) Flags() []string {
	if r.Kind != sandbox.KindRunsc {
		return nil
	}
	return []string{
		"--network=none", "--platform=systrap", "--oci-seccomp",
		"--overlay2=none",               // the root is read-only: there is nothing to write over it
		"--directfs=false",              // gVisor's kernel gets no privileges on the host
		"--gofer-network-namespace=new", // the shared one is a mount that would outlive the box
		"--file-access=exclusive",       // nobody changes the root file system
		"--character-device-policy=emulated-only",
	}
}

// environment names the variables that the runtime sets unasked.
func (r Runtime) environment() []string { return []string{"HOME"} }

// runtimePath is where a runtime looks for other programs.
const runtimePath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// ownEnvironment is a runtime's own, of which a box sees nothing. runc is told to use one processor: what it does is
// one thing after another, and its two processes end before more threads would have paid.
func ownEnvironment(kind sandbox.Kind) []string {
	env := []string{"PATH=" + runtimePath}
	if kind == sandbox.KindRunc {
		env = append(env, "GOMAXPROCS=1")
	}
	return env
}

// logErrors reads the errors out of a runtime's log, to go behind a message of ours: the first is the cause as a rule, and the
// last what came of it. gVisor's three processes write to one log, with nothing between their entries.
func logErrors(log string) string {
	body, err := os.ReadFile(log)
	if err != nil {
		return ""
	}
	const most = 4 // errors
	var told []string
	for line := range bytes.Lines(body) {
		entries := json.NewDecoder(bytes.NewReader(line))
		for len(told) < most {
			var entry struct {
				Level string `json:"level"`
				Msg   string `json:"msg"`
			}
			if entries.Decode(&entry) != nil {
				break
			}
			if entry.Level == "error" || entry.Level == "fatal" {
				told = append(told, strconv.QuoteToASCII(entry.Msg))
			}
		}
	}
	if len(told) == 0 {
		return ""
	}
	return ": " + strings.Join(told, "; ")
}

// CheckHost fails where this process's user cannot make a box on this host with the runtime: the error says what is
// missing, and what to type. [New] asks it first. It reads a few files and changes nothing.
func CheckHost(runtime Runtime) error {
	groups, err := findHierarchies()
	if err != nil {
		return err
	}
	return checkHost(runtime, groups)
}

// CheckCgroups fails where a runtime of that kind refuses this host's cgroups, whoever calls it.
func CheckCgroups(kind sandbox.Kind) error {
	groups, err := findHierarchies()
	if err != nil {
		return err
	}
	return groups.acceptedBy(kind)
}

func (h hierarchies) acceptedBy(kind sandbox.Kind) error {
	if active := h.activeV2(); kind == sandbox.KindCrun && len(active) > 0 {
		return fmt.Errorf("oci: crun refuses a hybrid cgroup layout while version 2 holds a controller (here: %s): give version 1 the "+
			"controller (mkdir /sys/fs/cgroup/%[2]s && mount -t cgroup -o %[2]s cgroup /sys/fs/cgroup/%[2]s), or use runc",
			strings.Join(active, ", "), active[0])
	}
	return nil
}

func checkHost(runtime Runtime, groups hierarchies) error {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return fmt.Errorf("oci: uname: %w", err)
	}
	if err := CheckKernel(unix.ByteSliceToString(uts.Release[:])); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		_, err := findRootless(runtime, groups)
		return err
	}
	if err := groups.acceptedBy(runtime.Kind); err != nil {
		return err
	}
	if !groups.swapAccounting() {
		if err := checkNoSwap(); err != nil {
			return fmt.Errorf("oci: %w", err)
		}
	}
	return nil
}

// The oldest kernel: pidfds that can be polled without blocking are of 5.10, /proc with subset=pid of 5.8.
const kernelMajor, kernelMinor = 5, 10

// CheckKernel fails where a kernel, by its release as uname gives it, is too old for this driver.
func CheckKernel(release string) error {
	var major, minor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		return fmt.Errorf("oci: kernel %q: %w", release, err)
	}
	if major < kernelMajor || (major == kernelMajor && minor < kernelMinor) {
		return fmt.Errorf("oci: Linux %s is too old: this driver needs %d.%d; use --driver docker", release, kernelMajor, kernelMinor)
	}
	return nil
}

// noUserNamespace says why a box cannot get a user namespace, or "".
func noUserNamespace(rootfs string) string {
	most, err := cgroup.Number("/proc/sys/user/max_user_namespaces")
	if err != nil || most == 0 {
		return "this kernel gives no user namespaces: sysctl user.max_user_namespaces=10000"
	}
	if blocked := passable(rootfs); blocked != "" {
		return fmt.Sprintf("a box in a user namespace could not pass through %s to its root file system: chmod o+x %[1]s, "+
			"or keep the state elsewhere with --state-dir", blocked)
	}
	return ""
}
