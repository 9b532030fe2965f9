package docker

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
)

// ownersFile names, in a state directory, every process of the test that made boxes: some are killed.
const ownersFile = "test-owners"

func noteOwner(t *testing.T, state *sandbox.State) {
	t.Helper()
	f, err := os.OpenFile(state.Path(ownersFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(state.Owner().String() + "\n")
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// leftBehind lists what is still there of boxes: the claims in a state directory, the containers of
// those who made boxes in it, and our cgroups around no container. What another test's process is
// making or removing at this moment is gone, or somebody's, a little later: it looks for a while, and
// what is not there at one look is not left behind, though another process is at the next one then.
func leftBehind(t *testing.T, stateDir string) (left []string) {
	t.Helper()
	left = look(t, stateDir)
	for deadline := time.Now().Add(3 * time.Second); len(left) > 0 && time.Now().Before(deadline); {
		time.Sleep(50 * time.Millisecond)
		now := look(t, stateDir)
		left = slices.DeleteFunc(left, func(it string) bool { return !slices.Contains(now, it) })
	}
	return left
}

func look(t *testing.T, stateDir string) (left []string) {
	t.Helper()
	claims, err := filepath.Glob(filepath.Join(stateDir, "boxes", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, claim := range claims {
		left = append(left, "claim "+claim)
	}
	// Before the containers: whose cgroup is there, was there before it.
	holds := map[string]string{}
	for _, pattern := range []string{"/sys/fs/cgroup/", "/sys/fs/cgroup/*/"} {
		dirs, err := filepath.Glob(pattern + holdPrefix + "*")
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range dirs {
			holds[dir] = strings.TrimPrefix(filepath.Base(dir), holdPrefix)
		}
	}
	c, err := newClient()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	list, err := c.ContainerList(context.Background(), client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", sandbox.OwnerLabel),
	})
	if err != nil {
		t.Fatal(err)
	}
	owners, err := os.ReadFile(filepath.Join(stateDir, ownersFile))
	if err != nil {
		t.Fatal(err)
	}
	living := map[string]bool{}
	for _, item := range list.Items {
		living[item.Labels[labelBox]] = true
		if slices.Contains(strings.Fields(string(owners)), item.Labels[sandbox.OwnerLabel]) {
			left = append(left, "container "+item.ID)
		}
	}
	for dir, id := range holds {
		if !living[id] && exists(dir) {
			left = append(left, "cgroup "+dir)
		}
	}
	return left
}

// removeImage removes the driver's image from the daemon, unless it is the one that users have.
func removeImage(ctx context.Context, t *testing.T, d *Driver) {
	t.Helper()
	if embedded, err := runnerimage.Embedded(); err == nil && embedded.ID() == d.image.ID() {
		return
	}
	// Another test may use the same image at this moment: then it is that test's to remove.
	_, err := d.client.ImageRemove(ctx, d.imageRef, client.ImageRemoveOptions{PruneChildren: true})
	if err != nil && !cerrdefs.IsNotFound(err) && !cerrdefs.IsConflict(err) {
		t.Error(err)
	}
}
