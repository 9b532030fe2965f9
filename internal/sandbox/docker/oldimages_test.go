package docker

import (
	"testing"
	"time"

	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/client"

	"glovebox/internal/runnerimage"
)

func TestIsRunnerImage(t *testing.T) {
	for name, c := range map[string]struct {
		tags []string
		want bool
	}{
		"ours":                          {[]string{runnerimage.New([]byte("x")).Tag()}, true},
		"without a name":                {nil, false},
		"with somebody's name":          {[]string{"keep-this:12"}, false},
		"with somebody's name too":      {[]string{"glovebox-runner:0123456789ab", "keep-this:12"}, false},
		"somebody's build of ours":      {[]string{"glovebox-runner:local"}, false},
		"of a registry":                 {[]string{"example.com/glovebox-runner:0123456789ab"}, false},
		"with a name that begins alike": {[]string{"glovebox-runner:0123456789abc"}, false},
	} {
		if got := isRunnerImage(image.Summary{RepoTags: c.tags}); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Every version left an image of 21 MB in the daemon, for ever.
func TestSweepRemovesImagesThatNobodyHasUsedForLong(t *testing.T) {
	c := needClient(t)
	load := func() string {
		ref, err := ensureImage(t.Context(), c, freshImage(t, c))
		if err != nil {
			t.Fatal(err)
		}
		return ref
	}
	old, recent, fresh, used := load(), load(), load(), load()
	made, err := c.ContainerCreate(t.Context(), client.ContainerCreateOptions{Image: used})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := removeContainer(t.Context(), c, made.ID); err != nil {
			t.Error(err)
		}
	}()
	d := newDriver(t, t.TempDir()+"/state", "", freshImage(t, c))
	now := time.Now()
	record := imagesRecord{At: now.Add(-time.Hour), Unused: map[string]time.Time{
		old: now.Add(-imagesAge - time.Hour), used: now.Add(-imagesAge - time.Hour), recent: now.Add(-imagesAge + time.Hour),
		d.imageRef: now.Add(-imagesAge - time.Hour),
	}}
	there := func(ref string) bool {
		_, err := c.ImageInspect(t.Context(), ref)
		if err != nil && !isGone(err) {
			t.Fatal(err)
		}
		return err == nil
	}
	sweep := func() imagesRecord {
		writeWhole(d.state, imagesFile, record)
		if _, err := d.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		return readImagesRecord(d.state.Path(imagesFile))
	}
	if sweep(); !there(old) {
		t.Error("it was looked at again within the day")
	}
	record.At = now.Add(-imagesEvery - time.Hour)
	after := sweep()
	if there(old) {
		t.Error("what nobody has used for long is still there")
	}
	for name, ref := range map[string]string{"a recent one": recent, "one never seen before": fresh, "one that a container uses": used, "our own": d.imageRef} {
		if !there(ref) {
			t.Errorf("%s was removed", name)
		}
	}
	if after.At.Before(now) || !after.Unused[recent].Equal(record.Unused[recent]) || after.Unused[fresh].Before(now) || after.Unused[used].Before(now) {
		t.Errorf("the record is %+v", after)
	}
	for _, ref := range []string{old, d.imageRef} {
		if _, ok := after.Unused[ref]; ok {
			t.Errorf("the record holds %s", ref)
		}
	}
}
