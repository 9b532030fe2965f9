package native_test

import (
	"slices"
	"testing"

	"glovebox/internal/probe"
	"glovebox/internal/probe/native"
	"glovebox/internal/probe/probetest"
	"glovebox/internal/sandbox"
)

// TestABoxThatIsWeakIsFound weakens the Spec of real boxes, a field at a time, and has the probes that are named for that
// field tried: an audit that passes such a box would pass any.
func TestABoxThatIsWeakIsFound(t *testing.T) {
	target := probetest.OCI(t, sandbox.KindRunc, image(t))
	for _, c := range []struct {
		field  string
		weaken func(*sandbox.Spec)
		finds  []string
	}{
		{"Seccomp", func(s *sandbox.Spec) { s.Seccomp = nil }, []string{"syscall.sweep"}},
		{"MaskedPaths", func(s *sandbox.Spec) { s.MaskedPaths = nil }, []string{"files.proc-kernel", "files.proc-keys", "host.load"}},
		{"Capabilities", func(s *sandbox.Spec) { s.Capabilities = []string{"CAP_CHOWN"} }, []string{"process.capabilities", "process.ambient-capability"}},
		{"Rlimits", func(s *sandbox.Spec) { s.Rlimits = nil }, []string{"limits.core", "limits.file-size", "limits.descriptors"}},
		// runc starts no box under the profile without it.
		{"NoNewPrivileges", func(s *sandbox.Spec) { s.NoNewPrivileges, s.Seccomp = false, nil }, []string{"process.gain-privileges"}},
		{"Hostname", func(s *sandbox.Spec) { s.Hostname = hostname(t) }, []string{"host.name"}},
	} {
		t.Run(c.field, func(t *testing.T) {
			weak := target
			c.weaken(&weak.Spec)
			var probes []probe.Probe
			for _, p := range native.Probes() {
				if slices.Contains(native.SpecProbes[c.field], p.ID) {
					probes = append(probes, p)
				}
			}
			found := map[string]bool{}
			err := native.Runner{}.Run(t.Context(), weak, probes,
				func(o probe.Outcome) {
					if o.Verdict == probe.Breached {
						found[o.Probe] = true
					}
				})
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range c.finds {
				if !found[id] {
					t.Errorf("%s found nothing in a box that is weak in its %s", id, c.field)
				}
			}
		})
	}
}
