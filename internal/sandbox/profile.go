package sandbox

import (
	"slices"

	"glovebox/seccomp"
)

// trap is the OCI name of the action that raises SIGSYS.
const trap seccomp.Action = "SCMP_ACT_TRAP"

// ProfileFor returns the profile in the form that a kind of runtime takes. gVisor knows no
// SCMP_ACT_KILL_PROCESS, and refuses a profile that names it; its SCMP_ACT_KILL ends one thread, and
// leaves a Go program hanging. It gets SCMP_ACT_TRAP: the call is not made either, and the SIGSYS ends
// a Go program.
func ProfileFor(kind Kind, profile *seccomp.Profile) *seccomp.Profile {
	if kind != KindRunsc || profile == nil {
		return profile
	}
	adapted := *profile
	if adapted.Default == seccomp.Kill {
		adapted.Default = trap
	}
	adapted.Rules = slices.Clone(profile.Rules)
	for i := range adapted.Rules {
		if adapted.Rules[i].Action == seccomp.Kill {
			adapted.Rules[i].Action = trap
		}
	}
	return &adapted
}
