package docker

import (
	"context"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"glovebox/internal/sandbox"
)

func TestOrphan(t *testing.T) {
	state, err := sandbox.OpenState(t.TempDir() + "/state")
	if err != nil {
		t.Fatal(err)
	}
	us := state.Owner()
	dead, earlier := us, us
	dead.Start++ // our pid, and another process
	earlier.Boot = "00000000-0000-0000-0000-000000000000"
	for name, c := range map[string]struct {
		owner string
		pidNS string
		local bool
		dead  bool
		fails bool
	}{
		"ours":                                 {us.String(), "here", true, false, false},
		"a dead one's":                         {dead.String(), "here", true, true, false},
		"a dead one's, as seen from elsewhere": {dead.String(), "elsewhere", true, false, false},
		"one of an earlier boot":               {earlier.String(), "here", true, true, false},
		"one of another host, maybe":           {earlier.String(), "here", false, false, false},
		"one without an owner":                 {"", "here", true, false, true},
		"one with a strange owner":             {"a/b/c", "here", true, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			d := &Driver{state: state, pidNS: "here", info: Info{Local: c.local}}
			_, got, err := d.orphan(container.Summary{Labels: map[string]string{
				sandbox.OwnerLabel: c.owner, labelPIDs: c.pidNS, labelBox: "0123",
			}})
			if got != c.dead || (err != nil) != c.fails {
				t.Errorf("dead %v, error %v", got, err)
			}
		})
	}
}

func TestValidID(t *testing.T) {
	id, err := newID()
	if err != nil || !validID(id) {
		t.Errorf("%q, %v", id, err)
	}
	for _, bad := range []string{"", "..", "../../memory", "abc/def", "ABC", "g"} {
		if validID(bad) {
			t.Errorf("%q would name a cgroup", bad)
		}
	}
}

// What another owner, or another tool, has running is never touched; what a dead owner left, with a
// label that leads elsewhere, is removed and nothing else.
func TestSweepLeavesTheLivingAlone(t *testing.T) {
	c := needClient(t)
	image := freshImage(t, c)
	stateDir := t.TempDir() + "/state"
	d := newDriver(t, stateDir, "runc", image)
	us := d.state.Owner()
	dead := us
	dead.Start++
	label := func(owner, box string) string {
		made, err := c.ContainerCreate(t.Context(), client.ContainerCreateOptions{
			Image: d.imageRef, Config: &container.Config{Labels: map[string]string{
				sandbox.OwnerLabel: owner, labelBox: box, labelPIDs: d.pidNS,
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if _, err := removeContainer(context.Background(), c, made.ID); err != nil {
				t.Error(err)
			}
		})
		return made.ID
	}
	living, orphan := label(us.String(), "aaaa"), label(dead.String(), "../../memory")
	swept, err := d.Sweep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(swept.Boxes) == 0 {
		t.Error("nothing was swept")
	}
	if _, err := c.ContainerInspect(t.Context(), orphan, client.ContainerInspectOptions{}); !isGone(err) {
		t.Errorf("the orphan: %v", err)
	}
	if _, err := c.ContainerInspect(t.Context(), living, client.ContainerInspectOptions{}); err != nil {
		t.Errorf("the living owner's: %v", err)
	}
}
