package sandbox_test

import (
	"testing"

	"glovebox/internal/sandbox"
)

func TestIsolationLevels(t *testing.T) {
	for _, name := range []string{"", "none", "GVISOR", "gvisor "} {
		if level, err := sandbox.ParseIsolationLevel(name); err == nil {
			t.Errorf("%q is %q", name, level)
		}
	}
	for _, c := range []struct {
		runtime, asked string
		want           bool
	}{
		{"runc", "standard", true}, {"crun", "standard", true}, {"runsc", "standard", true}, {"kata", "standard", true},
		{"runsc", "gvisor", true}, {"runsc-kvm", "gvisor", true}, {"/usr/bin/runsc", "gvisor", true},
		{"runc", "gvisor", false}, {"crun", "gvisor", false}, {"kata", "gvisor", false}, {"", "gvisor", false},
	} {
		asked, err := sandbox.ParseIsolationLevel(c.asked)
		if err != nil {
			t.Fatal(err)
		}
		if got := sandbox.IsolationOf(c.runtime).Meets(asked); got != c.want {
			t.Errorf("%q for %s: %v", c.runtime, c.asked, got)
		}
	}
}
