package sandbox

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"glovebox/api"
	"glovebox/internal/procfs"
	"glovebox/internal/protocol"
)

// Expect is what a box of a driver should be, where that depends on the driver.
type Expect struct {
	// UID and GID are the runner's, as seen from within.
	UID, GID int
	// HostID is the number that this host has for its user and its group; 0 where that is the engine's to choose.
	HostID int
	// IDMap is what it maps of users and of groups; nil where that is the engine's to choose.
	IDMap []protocol.IDMapping
	// Env names the variables that the engine sets unasked.
	Env []string
	// Mounts are the mount points of the engine's own beside /, /proc and what is masked or read-only.
	Mounts map[string]Mounted
	// BareKernel is true where gVisor's kernel was to be started with no privileges on the host; else what it has is the
	// engine's to choose.
	BareKernel bool
	// PIDOne is false only where the driver keeps an init of its own.
	PIDOne bool
}

// Mounted says what may be mounted at a point.
type Mounted struct {
	// Writable lets those write whose ids may, as nobody's in a box do.
	Writable bool
	// OfRoot is true for what stands in the box's root file system at that very point, mounted over itself.
	OfRoot bool
	// Below lets the engine mount there what it likes, too.
	Below bool
}

// attest holds what a box says of itself, and what the driver sees of it, against its Spec, and against what is told of its
// isolation. Of the statement every check
// has been made; one that does not hold is enough to refuse the box, and the error, an *[AttestationError], names each.
// What bounds the box is not among the statement's checks: it may change until the box has its job (see [Cgroup.Checks]).
func attest(ready protocol.Ready, outside Outside, spec Spec, expect Expect, isolation api.Isolation) (api.Statement, error) {
	a := &attestation{spec: spec, expect: expect, isolation: isolation, hosts: sync.OnceValues(hostNamespaces), gVisor: RuntimeKind(spec.Runtime) == KindRunsc}
	a.inside(ready)
	a.outside(outside)
	return a.statement, Compare(a.statement.Checks)
}

// attested is what has been seen of a box: its statement, and what bounds it, which may change until it has its job.
type attested struct {
	statement api.Statement
	overhead  Overhead
	cgroup    *Cgroup
	limits    Limits
	made      *api.Attestation // of all this; nil until somebody has made it
}

// attest looks at the box from both sides.
func (b *box) attest(ctx context.Context, ready protocol.Ready, spec Spec, limits Limits, expect Expect) error {
	outside, err := b.container.Observe(ctx)
	if err != nil {
		return fmt.Errorf("sandbox: the box cannot be looked at: %w", err)
	}
	b.attested.overhead = spec.Overhead
	b.attested.statement, err = attest(ready, outside, spec, expect, b.isolation)
	return joinFaults(err, b.attested.bound(outside.Cgroup, limits))
}

// attestation returns what goes into a result.
func (b *box) attestation() *api.Attestation {
	b.waiting.mu.Lock()
	defer b.waiting.mu.Unlock()
	return b.attested.attestation()
}

// bound judges what bounds the box, and keeps it for the statement.
func (a *attested) bound(seen *Cgroup, limits Limits) error {
	isSame := seen == a.cgroup || seen != nil && a.cgroup != nil && *seen == *a.cgroup
	if !isSame || limits.MemoryBytes != a.limits.MemoryBytes || limits.CPUs != a.limits.CPUs {
		a.made = nil
	}
	a.cgroup, a.limits = seen, limits
	if seen == nil {
		return nil
	}
	return Compare(seen.Checks(a.overhead, limits))
}

// attestation makes what goes into a result: once, if possible while the box waits.
func (a *attested) attestation() *api.Attestation {
	if a.made != nil {
		return a.made
	}
	whole := a.statement
	if a.cgroup != nil {
		whole.Checks = append(slices.Clone(whole.Checks), a.cgroup.Checks(a.overhead, a.limits)...)
	}
	a.made = api.Attest(whole)
	return a.made
}

// An attestation is a statement in the making.
type attestation struct {
	spec      Spec
	expect    Expect
	isolation api.Isolation
	hosts     func() ([]map[string]uint64, error) // the namespaces of this host
	gVisor    bool
	statement api.Statement
}

// A look is an attestation's view from one vantage.
type look struct {
	*attestation
	from api.Vantage
}

// same checks that what is seen is what is wanted.
func (l look) same(claim string, wanted, seen any) {
	l.statement.Checks = append(l.statement.Checks, api.Check{Claim: claim, Where: l.from, Wanted: text(wanted), Seen: text(seen)})
}

// atMost checks a number that may be less than is wanted.
func (l look) atMost(claim string, wanted, seen uint64) { l.same(claim, wanted, max(wanted, seen)) }

// atLeast checks a number that may be more than is wanted.
func (l look) atLeast(claim string, wanted, seen int) { l.same(claim, wanted, min(wanted, seen)) }

func (l look) untold(claim, why string) {
	l.statement.Untold = append(l.statement.Untold, api.Untold{Claim: claim, Where: l.from, Why: why})
}

// text renders a value. What a box says is quoted unless it is plain: no character of it can do anything to a reader, nor
// be taken for one of ours.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return quoted(v, `"`)
	case []string:
		if len(v) == 0 {
			return none
		}
		var all []string
		for _, s := range v {
			all = append(all, quoted(s, `", `))
		}
		return protocol.CutText(strings.Join(all, ", "), mostText)
	case uint64:
		return strconv.FormatUint(v, 10)
	case int:
		return strconv.Itoa(v)
	case bool:
		return strconv.FormatBool(v)
	default:
		return fmt.Sprint(v)
	}
}

// none is told of a list with nothing in it.
const none = "none"

// quoted quotes what is empty, long, none, or holds more than printable ASCII or one of the special characters.
func quoted(s, special string) string {
	odd := func(r rune) bool { return r < ' ' || r > '~' }
	if s != "" && s != none && len(s) <= mostText && !strings.ContainsFunc(s, odd) && !strings.ContainsAny(s, special) {
		return s
	}
	return strconv.QuoteToASCII(protocol.CutText(s, mostText))
}

// mostText bounds what is told of one check.
const mostText = 400

// inside judges the runner's word. It may be a lie only where the runner was broken before it saw a job.
func (a *attestation) inside(r protocol.Ready) {
	l := look{a, api.Inside}
	l.same("user", a.expect.UID, r.UID)
	l.same("group", a.expect.GID, r.GID)
	l.same("groups", 0, r.Groups)
	l.same("file-descriptors.unexpected", []string(nil), r.FDs)
	l.environment(r.Env)
	if a.expect.PIDOne {
		l.same("pid", 1, r.PID)
	}
	if a.spec.Hostname != "" {
		l.same("hostname", a.spec.Hostname, r.Hostname)
	}
	l.interfaces(r.Interfaces)
	l.capabilities(capabilitySets{r.CapEff, r.CapPrm, r.CapBnd, r.CapInh, r.CapAmb})
	l.rights(r)
	names := func(path string) bool {
		name, _, deeper := strings.Cut(strings.TrimPrefix(path, "/proc/"), "/")
		return !deeper && slices.Contains(r.Proc, name)
	}
	l.mounts(r.Mounts, names)
	if a.gVisor {
		l.untold("namespaces", "gVisor counts namespaces of its own")
	} else {
		l.namespaces(r.Namespaces)
		l.idMaps(r.UIDMap, r.GIDMap)
	}
	early, late := SplitRlimits(RuntimeKind(a.spec.Runtime), a.spec.Rlimits)
	for _, limit := range early {
		l.rlimit(limit, r.Rlimits)
	}
	for _, limit := range late {
		l.untold("rlimits."+limit.Type, "it is set once the box has started")
	}
}

// rights judges what the runtime left the runner with, and the runner's own seal.
func (l look) rights(r protocol.Ready) {
	if l.spec.NoNewPrivileges {
		l.same("no-new-privileges", true, r.NoNewPrivs)
		l.same("no-new-privileges.given", true, r.Given.NoNewPrivs)
	}
	l.same("seccomp.mode", 2, r.Seccomp)
	if l.spec.Seccomp == nil {
		return
	}
	l.same("seccomp.given.mode", 2, r.Given.Seccomp)
	if r.SeccompFilters < 0 || r.Given.SeccompFilters < 0 {
		l.untold("seccomp.filters", "this kernel does not count them")
		return
	}
	l.atLeast("seccomp.given.filters", 1, r.Given.SeccompFilters)
	// One is the runner's own.
	l.atLeast("seccomp.filters", r.Given.SeccompFilters+1, r.SeccompFilters)
}

// outside judges what the driver sees.
func (a *attestation) outside(o Outside) {
	a.statement.Checks = append(a.statement.Checks, o.Told...)
	a.statement.Untold = append(a.statement.Untold, o.Untold...)
	l := look{a, api.Outside}
	l.same("runtime", a.isolation.Runtime, o.Runtime)
	l.same("runtime.version", a.isolation.RuntimeVersion, o.RuntimeVersion)
	l.same("image", a.isolation.Image, o.Image)
	if !a.isUntold("seccomp.profile") {
		l.same("seccomp.profile", a.isolation.Seccomp, o.Seccomp)
	}
	switch {
	case o.Process != nil:
		l.process(*o.Process)
	case !a.isUntold("process"):
		l.same("process", true, false)
	}
	if o.Cgroup == nil && !a.isUntold("cgroup") {
		l.same("cgroup", true, false)
	}
}

// isUntold reports whether the driver has said that it cannot see something, and why.
func (a *attestation) isUntold(claim string) bool {
	return slices.ContainsFunc(a.statement.Untold, func(u api.Untold) bool { return u.Claim == claim && u.Where == api.Outside })
}

// process judges the box's process as the host's kernel tells of it. gVisor's is the Sentry: the kernel that holds
// the box must be confined itself, and what it gives the box only the box can tell.
func (l look) process(p procfs.Process) {
	s := p.Status
	if l.gVisor && !l.expect.BareKernel {
		l.untold("user", "the engine starts gVisor's kernel with the privileges that it chooses")
	} else {
		l.host(s)
	}
	if l.expect.PIDOne && len(s.PIDs) > 0 {
		l.same("pid", 1, s.PIDs[len(s.PIDs)-1])
	}
	if l.spec.NoNewPrivileges {
		l.same("no-new-privileges", true, s.NoNewPrivs)
	}
	if l.spec.Seccomp != nil { // the runner's own filter is told from within
		l.same("seccomp.mode", 2, s.Seccomp)
		if s.SeccompFilters >= 0 {
			l.atLeast("seccomp.filters", 1, s.SeccompFilters)
		}
	}
	l.namespaces(p.Namespaces)
	l.idMaps(p.UIDMap, p.GIDMap)
	l.interfaces(p.Interfaces)
	if l.gVisor {
		l.untold("mounts", "what is mounted in the box is known to gVisor's kernel alone")
		l.untold("rlimits", "gVisor's kernel keeps the box's own")
		return
	}
	if p.EnvHidden {
		l.untold("environment", "a user without privileges may not read another's, and the box's user is another")
	} else {
		l.environment(p.Env)
	}
	// Each /proc tells the same of the machine.
	l.mounts(p.Mounts, func(path string) bool { _, err := os.Lstat(path); return err == nil })
	for _, limit := range l.spec.Rlimits {
		i := slices.IndexFunc(p.Rlimits, func(r protocol.Rlimit) bool { return r.Type == limit.Type })
		if i < 0 {
			l.same("rlimits."+limit.Type, limit.Value, "unknown")
			continue
		}
		// The runner may have set less.
		l.atMost("rlimits."+limit.Type, limit.Value, max(p.Rlimits[i].Soft, p.Rlimits[i].Hard))
	}
}

// host judges whom the host takes the process for.
func (l look) host(s procfs.Status) {
	for _, ids := range []struct {
		claim string
		seen  []int
	}{{"user", s.UIDs}, {"group", s.GIDs}} {
		switch {
		case l.expect.HostID > 0 && !l.gVisor:
			all := []int{l.expect.HostID, l.expect.HostID, l.expect.HostID, l.expect.HostID}
			l.same(ids.claim, all, ids.seen)
		default:
			l.same(ids.claim+".root", false, len(ids.seen) == 0 || slices.Contains(ids.seen, 0))
		}
	}
	others := slices.DeleteFunc(slices.Clone(s.Groups), func(group int) bool { return slices.Contains(s.GIDs, group) })
	l.same("groups", 0, len(others))
	l.capabilities(capabilitySets{s.CapEff, s.CapPrm, s.CapBnd, s.CapInh, s.CapAmb})
}

// rlimit checks a limit that the runtime has set.
func (l look) rlimit(limit Rlimit, seen []protocol.Rlimit) {
	for _, r := range seen {
		if r.Type == limit.Type {
			l.same("rlimits."+limit.Type, limit.Value, max(r.Soft, r.Hard))
			return
		}
	}
	l.same("rlimits."+limit.Type, limit.Value, "unknown")
}

func (l look) environment(names []string) {
	l.same("environment.unexpected", []string(nil), beyond(names, l.expect.Env))
}

func (l look) interfaces(names []string) {
	l.same("network.interfaces.unexpected", []string(nil), beyond(names, []string{"lo"}))
}

// beyond returns the names that are not among the allowed.
func beyond(names, allowed []string) (more []string) {
	for _, name := range names {
		if !slices.Contains(allowed, name) {
			more = append(more, name)
		}
	}
	return more
}

// capabilitySets are the five, a bit for each capability.
type capabilitySets struct{ effective, permitted, bounding, inheritable, ambient uint64 }

func (l look) capabilities(sets capabilitySets) {
	wanted, err := capabilityMask(l.spec.Capabilities)
	if err != nil {
		l.same("capabilities", "known", err.Error())
		return
	}
	mask := func(m uint64) string { return fmt.Sprintf("%#x", m) }
	for _, set := range []struct {
		name string
		seen uint64
	}{
		{"effective", sets.effective}, {"permitted", sets.permitted}, {"bounding", sets.bounding},
		{"inheritable", sets.inheritable}, {"ambient", sets.ambient},
	} {
		// None may be held that was not asked for; a kernel or an engine may give fewer.
		l.same("capabilities."+set.name, mask(wanted), mask(wanted|set.seen))
	}
}
