package sandbox

import (
	"bytes"
	"encoding/json"
	"testing"

	"glovebox/seccomp"
)

func TestProfileForGVisorNamesNoActionItRefuses(t *testing.T) {
	profile := &seccomp.Profile{Default: seccomp.Kill, Rules: []seccomp.Rule{
		{Names: []string{"read"}, Action: seccomp.Allow}, {Names: []string{"ptrace"}, Action: seccomp.Kill},
	}}
	before := profile.Digest()
	body, err := json.Marshal(ProfileFor(KindRunsc, profile))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(body, []byte(seccomp.Kill)) || bytes.Count(body, []byte(trap)) != 2 {
		t.Errorf("the profile for gVisor: %s", body)
	}
	if profile.Digest() != before {
		t.Error("the profile itself was changed")
	}
	if ProfileFor(KindRunc, profile) != profile || ProfileFor(KindRunsc, nil) != nil {
		t.Error("a profile that needs no change was changed")
	}
}
