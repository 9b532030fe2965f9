package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/client"

	"glovebox/internal/runnerimage"
)

// Each version of glovebox loads a runner's image of its own, and the daemon does not tell when one was used. A record
// in the state directory tells since when each has been seen without use, so that what nobody uses is removed after a
// while, and two versions that are both in use do not take turns at removing and loading.
const (
	imagesFile  = "docker-images.json"
	imagesEvery = 24 * time.Hour     // between two looks
	imagesAge   = 7 * 24 * time.Hour // of an image that is removed, counted from when it was first seen
)

// imagesRecord is the record, as it is written.
type imagesRecord struct {
	At     time.Time            `json:"at"`     // of the last look
	Unused map[string]time.Time `json:"unused"` // since when, by the image's id
}

// sweepImages removes the images of other versions that have been without use for long. One that a container uses, or
// that somebody has given another name, stays. An image that is removed although another version wants it is loaded
// again when that makes its next box.
func (d *Driver) sweepImages(ctx context.Context) error {
	now := time.Now()
	record := readImagesRecord(d.state.Path(imagesFile))
	if age := now.Sub(record.At); age >= 0 && age < imagesEvery {
		return nil
	}
	list, err := d.client.ImageList(ctx, client.ImageListOptions{Filters: client.Filters{}.Add("label", runnerimage.LabelProtocol)})
	if err != nil {
		return fmt.Errorf("docker: list of images: %w", err)
	}
	next := imagesRecord{At: now, Unused: map[string]time.Time{}}
	var errs []error
	for _, item := range list.Items {
		if item.ID == d.imageRef || !isRunnerImage(item) {
			continue
		}
		since, known := record.Unused[item.ID]
		if !known || since.After(now) {
			since = now
		}
		if now.Sub(since) > imagesAge {
			gone, err := d.removeOldImage(ctx, item.ID)
			errs = append(errs, err)
			if gone {
				continue
			}
			since = now
		}
		next.Unused[item.ID] = since
	}
	writeWhole(d.state, imagesFile, next)
	return errors.Join(errs...)
}

// removeOldImage returns false where the image is in use.
func (d *Driver) removeOldImage(ctx context.Context, id string) (gone bool, err error) {
	_, err = d.client.ImageRemove(ctx, id, client.ImageRemoveOptions{PruneChildren: true})
	switch {
	case err == nil:
		d.log.Info("removed a runner's image that nobody has used for a week", "image", id)
		return true, nil
	case cerrdefs.IsNotFound(err):
		return true, nil
	case cerrdefs.IsConflict(err):
		return false, nil
	}
	return false, fmt.Errorf("docker: removal of image %s: %w", id, err)
}

// runnerTag is the form of [runnerimage.Image.Tag].
var runnerTag = regexp.MustCompile(`^(` + regexp.QuoteMeta(runnerimage.Repository) + `|` + regexp.QuoteMeta(runnerimage.ProbeRepository) + `):[0-9a-f]{12}$`)

// isRunnerImage reports whether an image with our label is one that glovebox has loaded, and not one that somebody has
// made from it, or has a name for.
func isRunnerImage(item image.Summary) bool {
	return len(item.RepoTags) == 1 && runnerTag.MatchString(item.RepoTags[0])
}

// readImagesRecord takes a record that cannot be read for an empty one.
func readImagesRecord(path string) (record imagesRecord) {
	body, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(body, &record) != nil {
		return imagesRecord{}
	}
	return record
}
