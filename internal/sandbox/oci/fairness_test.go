package oci

import (
	"testing"

	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
)

// The queue's promise, in real boxes: each script keeps the one box for a fifth of a second, and prints when it begins.
func TestFairness(t *testing.T) {
	d := measuredDriver(t, needRuntime(t, sandbox.KindRunc))
	drivertest.Fairness(t, d, d.Spec(), `console.log('begun'); for (const end = Date.now() + 200; Date.now() < end;); return 1`)
}
