package script_test

import (
	"slices"
	"strings"
	"testing"

	"glovebox/internal/probe"
	"glovebox/internal/probe/probetest"
	"glovebox/internal/probe/script"
	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
	"glovebox/internal/testenv"
)

func image(t *testing.T) *runnerimage.Image {
	t.Helper()
	image, err := runnerimage.Embedded()
	testenv.Need(t, testenv.Runner, err)
	return image
}

// withoutBombs leaves out what takes most of the time: the drivers' own tests run the very same bombs on each pair. One pair
// has them here, so that the audit's verdict on them is tried too.
func withoutBombs(probes []probe.Probe) []probe.Probe {
	return slices.DeleteFunc(probes, func(p probe.Probe) bool { return strings.HasPrefix(p.ID, "bomb.") })
}

func TestWithoutADaemon(t *testing.T) {
	for _, kind := range []sandbox.Kind{sandbox.KindRunc, sandbox.KindCrun, sandbox.KindRunsc} {
		t.Run(string(kind), func(t *testing.T) {
			probes := script.Probes()
			if kind != sandbox.KindRunc {
				probes = withoutBombs(probes)
			}
			probetest.Audit(t, script.Runner{}, probetest.OCI(t, kind, image(t)), probes)
		})
	}
}

func TestWithDocker(t *testing.T) {
	for _, name := range []string{"runc", "crun", "runsc"} {
		t.Run(name, func(t *testing.T) {
			probetest.Audit(t, script.Runner{}, probetest.Docker(t, name, image(t)), withoutBombs(script.Probes()))
		})
	}
}

func TestEveryProbeIsWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range script.Probes() {
		if seen[p.ID] {
			t.Errorf("two probes are %s", p.ID)
		}
		seen[p.ID] = true
		if p.Claim == "" || p.Reference == "" || len(p.Layers) == 0 || len(p.Expect.Denials) == 0 || p.Deadline <= 0 || p.Family != probe.Script {
			t.Errorf("%s is not whole: %+v", p.ID, p)
		}
	}
}
