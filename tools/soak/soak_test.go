package main

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"glovebox/internal/testenv"
	"glovebox/tools/toolstest"
)

// A few seconds of each fault: nothing that was accepted is lost, nothing is told wrong, and nothing is left behind. The clock's is for
// make soak alone: it takes minutes to build.
func TestSoak(t *testing.T) {
	faults := slices.DeleteFunc(faultNames(), func(name string) bool { return name == faultClock || name == faultDaemon })
	soakFor(t, toolstest.RacingGlovebox(t), 24*time.Second, faults...)
}

func TestSoakOfADaemon(t *testing.T) {
	_, err := exec.LookPath("dockerd")
	testenv.Need(t, testenv.Docker, err)
	soakFor(t, toolstest.RacingGlovebox(t), 5*time.Second, faultDaemon)
}

func soakFor(t *testing.T, glovebox string, while time.Duration, faults ...string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status := run(t.Context(), []string{"--glovebox", glovebox, "--tenants", "4", "--concurrency", "12", "--duration", while.String(),
		"--faults", strings.Join(faults, ",")}, &stdout, &stderr)
	t.Logf("%s", stdout.Bytes())
	if status != 0 {
		t.Errorf("status %d:\n%s", status, stderr.Bytes())
	}
	for _, name := range faults {
		if !strings.Contains(stdout.String(), "\n"+name+" ") {
			t.Errorf("nothing is told of %s", name)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"--faults", "earthquake"}, {"--tenants", "0"}, {"--nonsense"}} {
		if status := run(t.Context(), args, &bytes.Buffer{}, &bytes.Buffer{}); status != 2 {
			t.Errorf("%v: status %d", args, status)
		}
	}
}

func TestQuantile(t *testing.T) {
	if got := quantile([]float64{1, 2, 3, 4}, 0.5); got != 3 {
		t.Errorf("p50 is %v", got)
	}
	if got := quantile(nil, 0.99); got != 0 {
		t.Errorf("p99 of nothing is %v", got)
	}
}
