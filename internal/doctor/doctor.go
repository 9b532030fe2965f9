// Package doctor looks at a machine and tells what it has of what boxes need: each thing found or not, its
// version, what that means for isolation, and what to type where something is missing.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/docker"
	"glovebox/internal/sandbox/oci"
)

// State is how a thing was found.
type State string

// The states, from best to worst. Missing is what boxes can do without, be it not there or not to be used here;
// Failed is what they cannot do without.
const (
	OK      State = "ok"
	Weak    State = "weak"
	Missing State = "missing"
	Failed  State = "failed"
)

// A Finding is one thing that was looked for.
type Finding struct {
	Name    string `json:"name"`
	State   State  `json:"state"`
	Version string `json:"version,omitempty"`
	// Means says what that is to isolation, in one sentence.
	Means string `json:"means"`
	// Type is what to type, or to do, where something can be done.
	Type string `json:"type,omitempty"`
}

// What to do comes first for those who have a release's archive, without a Makefile.
const (
	inSource  = "; in Glovebox's source: "
	typeRunc  = "install runc of your distribution, in PATH or beside glovebox" + inSource + "make runc"
	typeRunsc = "install gVisor's runsc, in PATH or beside glovebox" + inSource + "make gvisor"
)

// A Report is all that was found.
type Report struct {
	// Ready reports whether some driver can make boxes.
	Ready bool `json:"ready"`
	// Uses is the driver and the runtime that would be taken, unless others are asked for; "" where none can.
	Uses     string    `json:"uses,omitempty"`
	Findings []Finding `json:"findings"`
}

// Examine looks at this machine. It changes nothing and takes a few seconds at the most.
func Examine(ctx context.Context, stateDir string) Report {
	var r Report
	found := oci.FindRuntimes(ctx, oci.SearchDirs())
	able, unable := sift(found, oci.CheckHost)
	r.add(kernel(), runner(), seccomp(), cgroups(), userNamespaces(), rights(os.Geteuid(), able, unable), state(stateDir))
	daemon, info := dockerDaemon(ctx)
	r.add(daemon)
	usable := daemon.State == OK
	if usable {
		r.add(dockerRuntimes(ctx, info)...)
	}
	for _, kind := range []sandbox.Kind{sandbox.KindRunsc, sandbox.KindRunc, sandbox.KindCrun} {
		r.add(ociRuntime(kind, found, oci.CheckHost))
	}
	best, some := oci.Preferred(able)
	r.Ready = r.ready(usable, some)
	switch {
	case r.Ready && usable:
		r.Uses = "docker with " + info.BestRuntime()
	case r.Ready:
		r.Uses = "oci (no daemon) with " + string(best.Kind)
	}
	return r
}

// ready judges whether boxes can be made; daemon and runtime say whether there is a Docker daemon, and a
// runtime with which the driver without one can make them.
func (r *Report) ready(daemon, runtime bool) bool {
	for _, name := range []string{"runner", "seccomp", "state directory"} {
		if r.state(name) != OK {
			return false
		}
	}
	return daemon || runtime
}

func (r *Report) add(findings ...Finding) { r.Findings = append(r.Findings, findings...) }

func (r *Report) state(name string) State {
	for _, f := range r.Findings {
		if f.Name == name {
			return f.State
		}
	}
	return Missing
}

func kernel() Finding {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return Finding{Name: "kernel", State: Weak, Means: err.Error()}
	}
	return judgeKernel(unix.ByteSliceToString(uts.Release[:]))
}

// judgeKernel takes a kernel's release, as uname gives it.
func judgeKernel(release string) Finding {
	f := Finding{Name: "kernel", State: OK, Version: release + " " + runtime.GOARCH, Means: "has what boxes are made of"}
	if err := oci.CheckKernel(release); err != nil {
		f.State, f.Means = Weak, err.Error()
	}
	return f
}

func runner() Finding {
	image, err := runnerimage.Embedded()
	if err != nil {
		return Finding{Name: "runner", State: Failed, Means: "there is nothing to put into a box", Type: "take a release's program" + inSource + "make build"}
	}
	return Finding{Name: "runner", State: OK, Version: image.BinaryDigest()[:len("sha256:")+12], Means: "the image that boxes run is embedded"}
}

func seccomp() Finding {
	f := Finding{Name: "seccomp", State: OK, Means: "system calls are filtered, twice"}
	actions, err := os.ReadFile("/proc/sys/kernel/seccomp/actions_avail")
	if err != nil || !strings.Contains(string(actions), "kill_process") {
		f.State, f.Means = Failed, "this kernel cannot filter system calls with kill_process: no box starts"
		f.Type = "use a kernel of 4.14 or later, built with CONFIG_SECCOMP_FILTER"
	}
	return f
}

func cgroups() Finding {
	f := Finding{Name: "cgroups", State: OK, Means: "memory, processors and processes are limited"}
	var mounted unix.Statfs_t
	switch err := unix.Statfs("/sys/fs/cgroup", &mounted); {
	case err != nil:
		f.State, f.Means, f.Type = Failed, "no cgroup file system is mounted: nothing could be limited", "mount cgroup v2 at /sys/fs/cgroup"
	case mounted.Type == unix.CGROUP2_SUPER_MAGIC:
		f.Version = "v2"
	default:
		f.Version = "v1"
		if unix.Access("/sys/fs/cgroup/unified/cgroup.controllers", unix.R_OK) == nil {
			f.Version = "v1, with v2 beside it (hybrid)"
		}
		if unix.Access("/sys/fs/cgroup/memory/memory.limit_in_bytes", unix.R_OK) != nil {
			f.State, f.Means = Failed, "the memory controller is not mounted: memory could not be limited"
			f.Type = "mount it, or boot with cgroup v2"
		}
	}
	return f
}

func userNamespaces() Finding {
	const file = "/proc/sys/user/max_user_namespaces"
	most, err := os.ReadFile(file)
	if err != nil || strings.TrimSpace(string(most)) == "0" {
		return Finding{Name: "user namespaces", State: Weak, Means: "without Docker too, ids in a box are ids of the host",
			Type: "sysctl -w user.max_user_namespaces=65536"}
	}
	return Finding{Name: "user namespaces", State: OK, Means: "without Docker, ids in a box mean nothing on the host"}
}

// sift parts the runtimes that can make boxes for this process's user here from the reasons why others cannot.
func sift(found []oci.Runtime, usable func(oci.Runtime) error) (able []oci.Runtime, unable []error) {
	for _, r := range found {
		if err := usable(r); err != nil {
			unable = append(unable, err)
		} else {
			able = append(able, r)
		}
	}
	return able, unable
}

// rights tells whether this user can make boxes without Docker.
func rights(uid int, able []oci.Runtime, unable []error) Finding {
	f := Finding{Name: "rights", State: OK, Version: fmt.Sprintf("uid %d", uid)}
	switch {
	case uid == 0:
		f.Version, f.Means = "root", "boxes can be made without Docker"
	case len(able) > 0:
		f.Means = "boxes can be made without Docker and without root, in the cgroup that is delegated to this user"
	case len(unable) > 0:
		f.State, f.Means, f.Type = Weak, "boxes can be made through Docker alone: "+unable[0].Error(), "sudo glovebox doctor"
	default:
		f.State, f.Means, f.Type = Weak, "boxes can be made through Docker alone: there is no runtime to make them with", typeRunc
	}
	return f
}

func state(dir string) Finding {
	f := Finding{Name: "state directory", State: OK, Version: dir, Means: "processes can agree about boxes"}
	failed := func(format string, args ...any) Finding {
		f.State, f.Means, f.Type = Failed, fmt.Sprintf(format, args...), "name another with --state-dir"
		return f
	}
	var found unix.Stat_t
	switch err := unix.Lstat(dir, &found); {
	case errors.Is(err, fs.ErrNotExist):
		f.Means = "will be made when it is first needed" // by others: to look is not to make
		if parent := nearest(dir); unix.Access(parent, unix.W_OK|unix.X_OK) != nil {
			return failed("it is not there, and uid %d may not make it in %s", os.Geteuid(), parent)
		}
		return f
	case err != nil:
		return failed("%s", err)
	case found.Mode&unix.S_IFMT != unix.S_IFDIR, int(found.Uid) != os.Geteuid(), found.Mode&0o077 != 0:
		return failed("it is no directory of uid %d with mode 0700: other users could meddle with boxes", os.Geteuid())
	}
	return f
}

// nearest returns the nearest directory above a path that is there.
func nearest(path string) string {
	for {
		path = filepath.Dir(path)
		if _, err := os.Stat(path); err == nil || path == filepath.Dir(path) {
			return path
		}
	}
}

func dockerDaemon(ctx context.Context) (Finding, docker.Info) {
	info, err := docker.Probe(ctx)
	if err == nil {
		err = info.Check()
	}
	if err != nil {
		// Why is worth to know: a user who may not speak to a daemon sees none.
		why := strings.ReplaceAll(err.Error(), "\n", ": ")
		return Finding{Name: "docker", State: Missing, Means: "boxes are made without it (--driver oci): " + why,
			Type: "start Docker Engine 20.10 or later, if you want it" + inSource + "SETUP_DOCKER=1 scripts/setup.sh docker"}, info
	}
	return Finding{Name: "docker", State: OK, Version: fmt.Sprintf("%s, API %s, cgroup %s by %s", info.Version, info.API, info.CgroupVersion, info.CgroupDriver),
		Means: "boxes can be made through it; whoever may speak to its socket is root on this host"}, info
}

func dockerRuntimes(ctx context.Context, info docker.Info) []Finding {
	var findings []Finding
	second := false
	for _, r := range info.Runtimes {
		version := info.RuntimeVersion(ctx, r.Name)
		kind := sandbox.RuntimeKind(r.Name)
		second = second || kind == sandbox.KindRunsc
		f := judge("docker runtime "+r.Name, kind, version)
		if weakness := info.Weakness(r); weakness != "" {
			if f.State != OK { // what it means to be good is no news then
				weakness = f.Means + "; " + weakness
			}
			f.State, f.Means = Weak, weakness
		}
		if info.Local {
			if err := oci.CheckCgroups(kind); err != nil {
				f.State, f.Means = Missing, refused(err)
			}
		}
		findings = append(findings, f)
	}
	if !second {
		findings = append(findings, Finding{Name: "docker runtime runsc", State: Missing,
			Means: "boxes through Docker share this host's kernel", Type: "install gVisor's runsc, and have the daemon know it: `runsc install`, and start the daemon again" + inSource + "make gvisor && SETUP_DOCKER=1 scripts/setup.sh docker"})
	}
	return findings
}

// ociRuntime tells of a runtime of the driver without a daemon; usable is that driver's own judgement of whether
// it can make boxes here.
func ociRuntime(kind sandbox.Kind, found []oci.Runtime, usable func(oci.Runtime) error) Finding {
	for _, r := range found {
		if r.Kind != kind {
			continue
		}
		if err := usable(r); err != nil {
			return Finding{Name: string(kind), State: Missing, Version: r.Version, Means: refused(err)}
		}
		return judge(string(kind), kind, r.Version)
	}
	f := Finding{Name: string(kind), State: Missing}
	switch kind {
	case sandbox.KindRunsc:
		f.Means, f.Type = "boxes without Docker share this host's kernel", typeRunsc
	case sandbox.KindRunc:
		f.Means, f.Type = "the usual runtime of boxes without Docker", typeRunc
	default:
		f.Means = "a second choice beside runc: nothing is lost"
	}
	return f
}

func refused(err error) string { return "it is here, and makes no boxes here: " + err.Error() }

func judge(name string, kind sandbox.Kind, version string) Finding {
	f := Finding{Name: name, State: OK, Version: version, Means: "boxes share this host's kernel, behind namespaces and seccomp"}
	if kind == sandbox.KindRunsc {
		f.Means = "boxes have a second kernel, gVisor's, between them and the host's"
	}
	if ok, why := sandbox.CheckFloor(kind, version); !ok {
		f.State, f.Means = Weak, why
	}
	return f
}
