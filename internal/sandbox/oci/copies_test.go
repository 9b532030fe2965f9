package oci

import (
	"context"
	"os"
	"testing"
	"time"

	"glovebox/internal/sandbox"
)

// Where a box has a user namespace its process is ours from the start, and nobody waited for crun's copy of itself: each box left a zombie for
// as long as the server lived, or, on a busy machine, a copy that had not ended yet.
func TestCrunsCopiesAreReaped(t *testing.T) {
	forEachRuntime(t, func(t *testing.T, runtime Runtime) {
		for _, mode := range []sandbox.UserNamespace{sandbox.UserNamespaceRequired, sandbox.UserNamespaceOff} {
			t.Run(string(mode), func(t *testing.T) {
				d, spec := newDriver(t, runtime)
				if spec.UserNamespace = mode; os.Geteuid() != 0 && mode == sandbox.UserNamespaceOff {
					t.Skip("without root there is always one")
				}
				before := map[int]bool{}
				for _, pid := range children() {
					before[pid] = true
				}
				for range 5 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					box, err := d.Create(ctx, spec, defaultLimits)
					cancel()
					if err != nil {
						t.Fatal(err)
					}
					destroy(t, box)
				}
				for _, pid := range children() {
					if state, _, _ := stat(pid); !before[pid] {
						t.Errorf("child %d (%s) is left, in the state %c", pid, commandOf(pid), state)
					}
				}
			})
		}
	})
}
