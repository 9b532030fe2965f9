package sandbox

import (
	"slices"
	"testing"
)

func TestLayersAreThoseInForce(t *testing.T) {
	spec := Sealed("sha256:0", "runc")
	if layers := Layers(spec, true); slices.Contains(layers, LayerGVisor) || !slices.Contains(layers, LayerUserNamespace) {
		t.Errorf("runc with a user namespace: %v", layers)
	}
	spec = Sealed("sha256:0", "runsc")
	spec.Seccomp, spec.ReadOnlyRoot = nil, false
	want := []string{LayerEngine, LayerProcess, LayerSelfSeal, LayerNamespaces, LayerCgroup, LayerGVisor}
	if layers := Layers(spec, false); !slices.Equal(layers, want) {
		t.Errorf("runsc without profile, user namespace and read-only root: %v, want %v", layers, want)
	}
}
