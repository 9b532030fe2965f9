package oci

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"glovebox/internal/sandbox"
)

// TestOverhead compares the driver with its runtime alone, on the very same config.json. It is a
// measurement: GLOVEBOX_MEASURE says how often.
func TestOverhead(t *testing.T) {
	rounds, err := strconv.Atoi(os.Getenv("GLOVEBOX_MEASURE"))
	if err != nil || rounds < 1 {
		t.Skip("GLOVEBOX_MEASURE names no number of rounds")
	}
	forEachRuntime(t, func(t *testing.T, runtime Runtime) {
		d, spec := newDriver(t, runtime)
		var bare, whole, created, destroyed []time.Duration
		for range rounds {
			bare = append(bare, runBare(t, d, spec))
			start := time.Now()
			box := create(t, d, spec, defaultLimits)
			created = append(created, time.Since(start))
			destroy(t, box)
			whole = append(whole, time.Since(start))
			destroyed = append(destroyed, whole[len(whole)-1]-created[len(created)-1])
		}
		t.Logf("p50 of %d: %s alone %v; create %v and destroy %v: %v, %.2f times as long", rounds, runtime.Kind, median(bare),
			median(created), median(destroyed), median(whole), float64(median(whole))/float64(median(bare)))
	})
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2].Round(100 * time.Microsecond)
}

// runBare runs a box as a shell would, with the runner's stdin at its end: it seals itself, and leaves.
func runBare(t *testing.T, d *Driver, spec sandbox.Spec) time.Duration {
	t.Helper()
	c, err := d.claim(spec, boundsOf(spec, defaultLimits), d.noUsers == "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Remove(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	config, err := c.bundle.config(spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.writeBundle(config); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"--root", c.root()}, d.runtime.flags()...)
	cmd := exec.Command(d.runtime.Path, append(args, "run", "--bundle", c.dir, c.claim.ID)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 64<<10)
	for {
		if _, err := out.Read(buffer); err != nil {
			break
		}
	}
	_ = cmd.Wait()
	return time.Since(start)
}
