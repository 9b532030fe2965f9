package oci

import (
	"testing"

	"glovebox/internal/sandbox"
)

// crun starts a detached box by a copy of itself, which may end after crun: then the box's process was no child of ours yet,
// and one in four boxes without a user namespace was refused for it.
func TestCrunWhoseCopyOutlivesIt(t *testing.T) {
	d, spec := newDriver(t, needRuntime(t, sandbox.KindCrun))
	spec.UserNamespace = sandbox.UserNamespaceOff
	for range 20 {
		box := create(t, d, spec, defaultLimits)
		if result := do(t, box, "done"); !result.Success {
			t.Errorf("%s %+v", result.ResultCode, result.Error)
		}
		destroy(t, box)
	}
	if left := leftBehind(t, d.state.Path(), d.rootfs.parent); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
