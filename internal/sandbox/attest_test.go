package sandbox

import (
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"glovebox/api"
	"glovebox/internal/procfs"
	"glovebox/internal/protocol"
	"glovebox/seccomp"
)

// attestID is the box's user on the host of these tests.
const attestID = 200_001

// sealedBox is what is seen of a box that is as it should be, from both sides, and what it should be.
func sealedBox() (protocol.Ready, Outside, Spec, Expect, api.Isolation) {
	spec := Sealed("sha256:0", "runc")
	spec.MaskedPaths, spec.ReadonlyPaths = []string{"/proc/version", "/proc/nowhere", "/sys"}, []string{"/proc/sys"}
	idMap := []protocol.IDMapping{{Inside: 0, Outside: attestID - 1, Size: 2}}
	namespaces := map[string]uint64{"cgroup": 1, "ipc": 2, "mnt": 3, "net": 4, "pid": 5, "user": 6, "uts": 7}
	mounts := []protocol.Mount{
		{Point: "/", Type: "ext4", Root: "/root"}, {Point: "/proc", Type: "proc", Root: "/", Options: []string{"rw", "nosuid"}},
		{Point: "/dev", Type: "ext4", Root: "/root/dev"},
		{Point: "/proc/sys", Type: "proc"}, {Point: "/proc/version", Type: "devtmpfs"},
	}
	var rlimits []protocol.Rlimit
	for _, limit := range spec.Rlimits {
		rlimits = append(rlimits, protocol.Rlimit{Type: limit.Type, Soft: limit.Value, Hard: limit.Value})
	}
	ready := protocol.Ready{
		Version: protocol.Version, UID: RunnerUID, GID: RunnerUID, NoNewPrivs: true, Seccomp: 2, SeccompFilters: 2,
		Hostname: "glovebox", Interfaces: []string{"lo"}, PID: 1, Env: []string{"PATH"},
		Given: protocol.Given{NoNewPrivs: true, Seccomp: 2, SeccompFilters: 1}, Mounts: slices.Clone(mounts), Proc: []string{"version", "sys"},
		Namespaces: maps.Clone(namespaces), UIDMap: slices.Clone(idMap), GIDMap: slices.Clone(idMap), Rlimits: slices.Clone(rlimits),
	}
	ids := []int{attestID, attestID, attestID, attestID}
	process := &procfs.Process{
		Status: procfs.Status{UIDs: slices.Clone(ids), GIDs: slices.Clone(ids), PIDs: []int{77, 1}, NoNewPrivs: true, Seccomp: 2, SeccompFilters: 2},
		Mounts: slices.Clone(mounts), Namespaces: maps.Clone(namespaces), UIDMap: slices.Clone(idMap), GIDMap: slices.Clone(idMap),
		Rlimits: slices.Clone(rlimits), Env: []string{"PATH"}, Interfaces: []string{"lo"},
	}
	outside := Outside{
		Runtime: "runc", RuntimeVersion: "1.4.0", Image: "sha256:0", Seccomp: spec.Seccomp.Digest(),
		Cgroup: &Cgroup{Holds: true}, Process: process,
	}
	expect := Expect{
		UID: RunnerUID, GID: RunnerUID, HostID: attestID, IDMap: idMap, Env: []string{"PATH", "HOSTNAME"},
		Mounts: map[string]Mounted{"/dev": {OfRoot: true}}, PIDOne: true,
	}
	isolation := api.Isolation{Runtime: "runc", RuntimeVersion: "1.4.0", Image: "sha256:0", Seccomp: spec.Seccomp.Digest(), UserNamespace: true}
	return ready, outside, spec, expect, isolation
}

// claims are those of an error's faults, with where they were seen.
func claims(err error) (all []string) {
	var refused *AttestationError
	if errors.As(err, &refused) {
		for _, fault := range refused.Faults {
			all = append(all, string(fault.Where)+" "+fault.Claim)
		}
	}
	return all
}

// Each thing that differs is caught, from the side from which it is seen, and nothing else is.
func TestAttestCatches(t *testing.T) {
	ready, outside, spec, expect, isolation := sealedBox()
	statement, err := attest(ready, outside, spec, expect, isolation)
	if err != nil || len(statement.Checks) < 50 {
		t.Fatalf("a sealed box, %d checks: %v", len(statement.Checks), err)
	}
	host, err := procfs.Namespaces(procfs.Self)
	if err != nil {
		t.Fatal(err)
	}
	type box struct {
		ready   *protocol.Ready
		outside *Outside
	}
	writable := protocol.Mount{Point: "/tmp", Type: "tmpfs", Options: []string{"rw"}}
	for _, c := range []struct {
		change func(box)
		caught []string
	}{
		{func(b box) { b.ready.UID = 0 }, []string{"inside user"}},
		{func(b box) { b.ready.GID = 0 }, []string{"inside group"}},
		{func(b box) { b.ready.Groups = 3 }, []string{"inside groups"}},
		{func(b box) { b.ready.NoNewPrivs = false }, []string{"inside no-new-privileges"}},
		{func(b box) { b.ready.Given.NoNewPrivs = false }, []string{"inside no-new-privileges.given"}},
		{func(b box) { b.ready.CapEff = 1 }, []string{"inside capabilities.effective"}},
		{func(b box) { b.ready.CapPrm = 1 << 21 }, []string{"inside capabilities.permitted"}},
		{func(b box) { b.ready.CapBnd = 1 << 40 }, []string{"inside capabilities.bounding"}},
		{func(b box) { b.ready.CapInh = 1 }, []string{"inside capabilities.inheritable"}},
		{func(b box) { b.ready.CapAmb = 1 }, []string{"inside capabilities.ambient"}},
		{func(b box) { b.ready.Seccomp = 1 }, []string{"inside seccomp.mode"}},
		{func(b box) { b.ready.SeccompFilters = 1 }, []string{"inside seccomp.filters"}},
		{func(b box) { b.ready.Given.Seccomp, b.ready.Given.SeccompFilters, b.ready.SeccompFilters = 0, 0, 1 },
			[]string{"inside seccomp.given.mode", "inside seccomp.given.filters"}},
		{func(b box) { b.ready.FDs = []string{"7: /etc"} }, []string{"inside file-descriptors.unexpected"}},
		{func(b box) { b.ready.Env = append(b.ready.Env, "SECRET") }, []string{"inside environment.unexpected"}},
		{func(b box) { b.ready.PID = 2 }, []string{"inside pid"}},
		{func(b box) { b.ready.Hostname = "host" }, []string{"inside hostname"}},
		{func(b box) { b.ready.Interfaces = []string{"lo", "eth0"} }, []string{"inside network.interfaces.unexpected"}},
		{func(b box) { b.ready.Mounts[0].Options = []string{"rw"} }, []string{"inside root.read-only"}},
		{func(b box) { b.ready.Mounts = b.ready.Mounts[1:] }, []string{"inside root.read-only", "inside mounts.unexpected"}},
		{func(b box) { b.ready.Mounts = append(b.ready.Mounts, writable) }, []string{"inside mounts.unexpected", "inside mounts.writable"}},
		{func(b box) { b.ready.Mounts = append(b.ready.Mounts, b.ready.Mounts[2]) }, []string{"inside mounts.unexpected"}},
		{func(b box) { b.ready.Mounts[2].Root = "/etc" }, []string{"inside mounts.unexpected"}},
		{func(b box) { b.ready.Mounts[1].Root = "/1" }, []string{"inside mounts.unexpected"}},
		{func(b box) { b.ready.Mounts[2].Options = []string{"rw"} }, []string{"inside mounts.writable"}},
		{func(b box) { b.ready.Mounts[3].Options = []string{"rw"} }, []string{"inside readonly-paths.open", "inside mounts.writable"}},
		{func(b box) { b.ready.Mounts = b.ready.Mounts[:4] }, []string{"inside masked-paths.open"}},
		{func(b box) {
			b.ready.Mounts = append(b.ready.Mounts, protocol.Mount{Point: "/proc/version", Type: "proc"})
		}, []string{"inside masked-paths.open"}},
		{func(b box) {
			b.ready.Mounts = append(b.ready.Mounts, protocol.Mount{Point: "/", Type: "ext4", Root: "/root", Options: []string{"rw"}})
		},
			[]string{"inside root.read-only"}},
		{func(b box) { b.ready.Mounts = append(b.ready.Mounts, protocol.Mount{Point: "/sys", Type: "sysfs"}) }, []string{"inside masked-paths.open"}},
		{func(b box) { b.ready.Namespaces["net"] = host["net"] }, []string{"inside namespaces.network"}},
		{func(b box) { b.ready.Namespaces = nil }, []string{"inside namespaces.pid", "inside namespaces.network", "inside namespaces.ipc",
			"inside namespaces.uts", "inside namespaces.mount", "inside namespaces.cgroup", "inside namespaces.user"}},
		{func(b box) { b.ready.UIDMap[0].Outside = 0 }, []string{"inside user-namespace.users"}},
		{func(b box) { b.ready.GIDMap[0].Size = 1 << 20 }, []string{"inside user-namespace.groups"}},
		{func(b box) { b.ready.Rlimits[1].Soft = 1024 }, []string{"inside rlimits.RLIMIT_NOFILE"}},
		{func(b box) { b.ready.Rlimits = b.ready.Rlimits[1:] }, []string{"inside rlimits.RLIMIT_CORE"}},

		{func(b box) { b.outside.Runtime = "crun" }, []string{"outside runtime"}},
		{func(b box) { b.outside.RuntimeVersion = "1.1" }, []string{"outside runtime.version"}},
		{func(b box) { b.outside.Image = "sha256:1" }, []string{"outside image"}},
		{func(b box) { b.outside.Seccomp = "" }, []string{"outside seccomp.profile"}},
		{func(b box) { b.outside.Cgroup = nil }, []string{"outside cgroup"}},
		{func(b box) { b.outside.Process = nil }, []string{"outside process"}},
		{func(b box) {
			b.outside.Told = []api.Check{{Claim: "Init", Where: api.Engine, Wanted: "false", Seen: "true"}}
		}, []string{"engine Init"}},
		{func(b box) { b.outside.Process.Status.UIDs[2] = 0 }, []string{"outside user"}},
		{func(b box) { b.outside.Process.Status.GIDs[0] = 0 }, []string{"outside group"}},
		{func(b box) { b.outside.Process.Status.Groups = []int{0} }, []string{"outside groups"}},
		{func(b box) { b.outside.Process.Status.PIDs[1] = 77 }, []string{"outside pid"}},
		{func(b box) { b.outside.Process.Status.NoNewPrivs = false }, []string{"outside no-new-privileges"}},
		{func(b box) { b.outside.Process.Status.CapEff = 1 }, []string{"outside capabilities.effective"}},
		{func(b box) { b.outside.Process.Status.CapPrm = 1 }, []string{"outside capabilities.permitted"}},
		{func(b box) { b.outside.Process.Status.CapBnd = 1 << 40 }, []string{"outside capabilities.bounding"}},
		{func(b box) { b.outside.Process.Status.CapInh = 1 }, []string{"outside capabilities.inheritable"}},
		{func(b box) { b.outside.Process.Status.CapAmb = 1 }, []string{"outside capabilities.ambient"}},
		{func(b box) { b.outside.Process.Status.Seccomp = 0 }, []string{"outside seccomp.mode"}},
		{func(b box) { b.outside.Process.Status.SeccompFilters = 0 }, []string{"outside seccomp.filters"}},
		{func(b box) { b.outside.Process.Namespaces["pid"] = host["pid"] }, []string{"outside namespaces.pid"}},
		{func(b box) { b.outside.Process.Namespaces["user"] = host["user"] }, []string{"outside namespaces.user"}},
		{func(b box) { delete(b.outside.Process.Namespaces, "uts") }, []string{"outside namespaces.uts"}},
		{func(b box) { b.outside.Process.UIDMap[0].Outside = 0 }, []string{"outside user-namespace.users"}},
		{func(b box) { b.outside.Process.GIDMap = nil }, []string{"outside user-namespace.groups"}},
		{func(b box) { b.outside.Process.Interfaces = []string{"eth0"} }, []string{"outside network.interfaces.unexpected"}},
		{func(b box) { b.outside.Process.Env = []string{"SECRET"} }, []string{"outside environment.unexpected"}},
		{func(b box) { b.outside.Process.Mounts[0].Options = []string{"rw"} }, []string{"outside root.read-only"}},
		{func(b box) { b.outside.Process.Mounts = b.outside.Process.Mounts[:4] }, []string{"outside masked-paths.open"}},
		{func(b box) { b.outside.Process.Mounts = append(b.outside.Process.Mounts, writable) }, []string{"outside mounts.unexpected", "outside mounts.writable"}},
		{func(b box) { b.outside.Process.Rlimits[1].Hard = 1024 }, []string{"outside rlimits.RLIMIT_NOFILE"}},
		{func(b box) { b.outside.Process.Rlimits = nil }, []string{"outside rlimits.RLIMIT_CORE", "outside rlimits.RLIMIT_NOFILE",
			"outside rlimits.RLIMIT_FSIZE", "outside rlimits.RLIMIT_MEMLOCK", "outside rlimits.RLIMIT_MSGQUEUE"}},
	} {
		t.Run(strings.Join(c.caught, ", "), func(t *testing.T) {
			ready, outside, spec, expect, isolation := sealedBox()
			c.change(box{&ready, &outside})
			_, err := attest(ready, outside, spec, expect, isolation)
			if got := claims(err); !slices.Equal(got, c.caught) {
				t.Errorf("caught %q: %v", got, err)
			}
		})
	}
}

// gVisor's kernel is nobody on the host where it was to be started so, and is told as untold where that was not asked for.
func TestAttestOfGVisorsKernel(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*procfs.Status)
		caught []string
	}{
		{"nobody, of an id that is no box's", func(s *procfs.Status) {
			s.UIDs, s.GIDs = []int{65534, 65534, 65534, 65534}, []int{65534, 65534, 65534, 65534}
		}, nil},
		{"root", func(s *procfs.Status) { s.UIDs, s.GIDs = []int{0, 0, 0, 0}, []int{0, 0, 0, 0} }, []string{"outside user.root", "outside group.root"}},
		{"root's capabilities", func(s *procfs.Status) { s.CapEff, s.CapPrm, s.CapBnd = 0x8001f, 0x8001f, 0x8001f },
			[]string{"outside capabilities.effective", "outside capabilities.permitted", "outside capabilities.bounding"}},
		{"root's groups", func(s *procfs.Status) { s.Groups = []int{0} }, []string{"outside groups"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, bare := range []bool{true, false} {
				ready, outside, spec, expect, isolation := sealedBox()
				spec.Runtime, outside.Runtime, isolation.Runtime = "runsc", "runsc", "runsc"
				expect.BareKernel = bare
				c.change(&outside.Process.Status)
				statement, err := attest(ready, outside, spec, expect, isolation)
				want := c.caught
				if !bare {
					want = nil
				}
				if got := claims(err); !slices.Equal(got, want) {
					t.Errorf("bare %t: caught %q: %v", bare, got, err)
				}
				isUser := func(u api.Untold) bool { return u.Claim == "user" && u.Where == api.Outside }
				if told := !slices.ContainsFunc(statement.Untold, isUser); told != bare {
					t.Errorf("bare %t: whom the host takes it for is told: %t", bare, told)
				}
			}
		})
	}
}

// What a Spec does not ask for, and what a kernel does not tell, is no fault; the latter is told.
func TestAttestAllows(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*protocol.Ready, *Outside, *Spec, *Expect)
		untold string
	}{
		{"a kernel that does not count filters", func(r *protocol.Ready, o *Outside, _ *Spec, _ *Expect) {
			r.SeccompFilters, r.Given.SeccompFilters, o.Process.Status.SeccompFilters = -1, -1, -1
		}, "seccomp.filters"},
		{"no profile asked for", func(r *protocol.Ready, o *Outside, s *Spec, _ *Expect) {
			s.Seccomp, o.Seccomp, r.SeccompFilters, r.Given.Seccomp, r.Given.SeccompFilters = nil, "", 1, 0, 0
		}, ""},
		{"a capability asked for", func(r *protocol.Ready, o *Outside, s *Spec, _ *Expect) {
			s.Capabilities, r.CapBnd, o.Process.Status.CapEff = []string{"CAP_DAC_OVERRIDE"}, 2, 2
		}, ""},
		{"a writable root asked for", func(r *protocol.Ready, _ *Outside, s *Spec, _ *Expect) {
			s.ReadOnlyRoot, r.Mounts[0].Options = false, []string{"rw"}
		}, ""},
		{"an init of the driver's", func(r *protocol.Ready, o *Outside, _ *Spec, e *Expect) {
			e.PIDOne, r.PID, o.Process.Status.PIDs = false, 7, nil
		}, ""},
		{"no interface at all", func(r *protocol.Ready, o *Outside, _ *Spec, _ *Expect) { r.Interfaces, o.Process.Interfaces = nil, nil }, ""},
		{"the group's own number once more", func(_ *protocol.Ready, o *Outside, _ *Spec, _ *Expect) { o.Process.Status.Groups = []int{attestID} }, ""},
		{"limits below those asked for, of a runner that seals itself", func(_ *protocol.Ready, o *Outside, _ *Spec, _ *Expect) {
			o.Process.Rlimits[1].Soft, o.Process.Rlimits[1].Hard = 16, 16
		}, ""},
		{"what is below a masked path", func(r *protocol.Ready, _ *Outside, _ *Spec, _ *Expect) {
			r.Mounts = append(r.Mounts, protocol.Mount{Point: "/sys/x", Type: "tmpfs", Options: []string{"rw"}}, protocol.Mount{Point: "/sys", Type: "tmpfs"})
		}, ""},
		{"what an engine mounts below a place of its own", func(r *protocol.Ready, _ *Outside, s *Spec, e *Expect) {
			s.MaskedPaths = s.MaskedPaths[:2]
			e.Mounts = map[string]Mounted{"/dev": {OfRoot: true}, "/sys": {Below: true}}
			r.Mounts = append(r.Mounts, protocol.Mount{Point: "/sys", Type: "sysfs"}, protocol.Mount{Point: "/sys/fs/cgroup", Type: "cgroup2"})
		}, ""},
		{"an environment that the kernel keeps from a user without privileges", func(_ *protocol.Ready, o *Outside, _ *Spec, _ *Expect) {
			o.Process.Env, o.Process.EnvHidden = nil, true
		}, "environment"},
		{"a daemon elsewhere", func(_ *protocol.Ready, o *Outside, _ *Spec, _ *Expect) {
			o.Process, o.Cgroup = nil, nil
			o.Untold = []api.Untold{{Claim: "process", Where: api.Outside, Why: "far"}, {Claim: "cgroup", Where: api.Outside, Why: "far"}}
		}, "process"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ready, outside, spec, expect, isolation := sealedBox()
			c.change(&ready, &outside, &spec, &expect)
			isolation.Seccomp = outside.Seccomp
			statement, err := attest(ready, outside, spec, expect, isolation)
			if err != nil {
				t.Error(err)
			}
			if c.untold != "" && !slices.ContainsFunc(statement.Untold, func(u api.Untold) bool { return u.Claim == c.untold }) {
				t.Errorf("%q is not told to be untold", c.untold)
			}
		})
	}
}

// A second capability beside the one that was asked for is one too many.
func TestAttestCapabilityBesideTheOneAskedFor(t *testing.T) {
	ready, outside, spec, expect, isolation := sealedBox()
	spec.Capabilities = []string{"CAP_CHOWN"}
	ready.CapEff = 3
	if _, err := attest(ready, outside, spec, expect, isolation); !slices.Equal(claims(err), []string{"inside capabilities.effective"}) {
		t.Error(err)
	}
	spec.Capabilities = []string{"CAP_EVERYTHING"}
	if _, err := attest(ready, outside, spec, expect, isolation); err == nil {
		t.Error("a capability that there is not was taken")
	}
}

func TestCgroupChecks(t *testing.T) {
	overhead, limits := Overhead{MemoryBytes: 100 << 20, PIDs: 64}, Limits{MemoryBytes: 28 << 20, CPUs: 0.5}
	good := Cgroup{MemoryBytes: 128 << 20, CPUs: 0.5, PIDs: 64, Holds: true}
	if err := Compare(good.Checks(overhead, limits)); err != nil {
		t.Fatal(err)
	}
	for claim, change := range map[string]func(*Cgroup){
		"cgroup.memory": func(c *Cgroup) { c.MemoryBytes += pageSlack },
		"cgroup.swap":   func(c *Cgroup) { c.SwapBytes = 4096 },
		"cgroup.cpus":   func(c *Cgroup) { c.CPUs = 0.51 },
		"cgroup.pids":   func(c *Cgroup) { c.PIDs++ },
		"cgroup.member": func(c *Cgroup) { c.Holds = false },
	} {
		bad := good
		change(&bad)
		if got := claims(Compare(bad.Checks(overhead, limits))); !slices.Equal(got, []string{"outside " + claim}) {
			t.Errorf("%s: caught %q", claim, got)
		}
	}
}

// What a box says of itself ends up in logs and in terminals.
func TestTextOfABoxIsPlain(t *testing.T) {
	for _, v := range []any{"a\x1b[2J\nb", "\u202e", strings.Repeat("x", 1<<20), []string{"\x00", strings.Repeat("y", 1<<20)}, "", "a, b"} {
		got := text(v)
		if got == "" || len(got) > 4*mostText || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%.40q became %.80q", v, got)
		}
	}
	if text("none") == text([]string(nil)) && text([]string{"none"}) == text([]string(nil)) {
		t.Error("one that is called none cannot be told from none")
	}
}

// The names of capabilities are this kernel's, as far as it tells them: the last has the last bit.
func TestCapabilityBits(t *testing.T) {
	last, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		t.Skip("the kernel does not tell: ", err)
	}
	if got := text(len(capabilityBits) - 1); got != strings.TrimSpace(string(last)) {
		t.Errorf("the last capability is %s here, and %s for the kernel", got, last)
	}
	for name, bit := range map[string]uint64{"CAP_CHOWN": 0, "CAP_SETPCAP": 8, "CAP_SYS_PTRACE": 19, "CAP_SYS_ADMIN": 21, "CAP_SETFCAP": 31, "CAP_BPF": 39} {
		if mask, err := capabilityMask([]string{name}); err != nil || mask != 1<<bit {
			t.Errorf("%s is %#x, %v", name, mask, err)
		}
	}
}

func TestAttestationDigestIsOfTheStatement(t *testing.T) {
	ready, outside, spec, expect, isolation := sealedBox()
	statement, err := attest(ready, outside, spec, expect, isolation)
	if err != nil {
		t.Fatal(err)
	}
	first, second := api.Attest(statement), api.Attest(statement)
	spec.Seccomp = &seccomp.Profile{Default: seccomp.Kill}
	outside.Seccomp = spec.Seccomp.Digest()
	isolation.Seccomp = outside.Seccomp
	other, err := attest(ready, outside, spec, expect, isolation)
	if err != nil {
		t.Fatal(err)
	}
	if first.Digest != second.Digest || first.Digest == api.Attest(other).Digest || !first.Verified || first.Statement != nil {
		t.Errorf("%+v, %+v", first, second)
	}
	if api.Attest(api.Statement{}).Verified {
		t.Error("nothing was checked, and it is verified")
	}
}

// BenchmarkAttest judges a box with as many mounts as a real one has.
func BenchmarkAttest(b *testing.B) {
	ready, outside, spec, expect, isolation := sealedBox()
	spec.MaskedPaths = Sealed("", "runc").MaskedPaths
	for _, path := range spec.MaskedPaths {
		m := protocol.Mount{Point: path, Type: "tmpfs"}
		ready.Mounts, outside.Process.Mounts = append(ready.Mounts, m), append(outside.Process.Mounts, m)
		ready.Proc = append(ready.Proc, strings.TrimPrefix(path, "/proc/"))
	}
	for b.Loop() {
		if _, err := attest(ready, outside, spec, expect, isolation); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAttestation makes of a statement what a result carries.
func BenchmarkAttestation(b *testing.B) {
	ready, outside, spec, expect, isolation := sealedBox()
	statement, err := attest(ready, outside, spec, expect, isolation)
	if err != nil {
		b.Fatal(err)
	}
	a := attested{statement: statement, cgroup: outside.Cgroup}
	for b.Loop() {
		a.made = nil
		if !a.attestation().Verified {
			b.Fatal("nothing was checked")
		}
	}
}
