package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"glovebox/internal/runnerimage"
)

// ensureImage returns what the daemon calls the image. It loads it where it is missing, and never
// trusts a name: the content decides.
//
// A daemon with its classic store calls an image by the digest of its configuration, which covers the
// digests of its layers. One with containerd's store calls it by a digest of its own making: there
// the layers and what would run are compared.
func ensureImage(ctx context.Context, c *client.Client, image *runnerimage.Image) (ref string, err error) {
	for _, name := range []string{image.ID(), image.Tag()} {
		ref, err := findImage(ctx, c, image, name)
		if err == nil {
			return ref, nil
		}
		if !cerrdefs.IsNotFound(err) && !errors.Is(err, errOtherImage) {
			return "", fmt.Errorf("docker: image %s: %w", name, err)
		}
	}
	if err := loadImage(ctx, c, image); err != nil {
		return "", fmt.Errorf("docker: load of the runner's image: %w", err)
	}
	for _, name := range []string{image.ID(), image.Tag()} {
		if ref, err = findImage(ctx, c, image, name); err == nil {
			return ref, nil
		}
	}
	return "", fmt.Errorf("docker: the runner's image, after it was loaded: %w", err)
}

// errOtherImage means that a name is there and stands for something else.
var errOtherImage = errors.New("the daemon holds another image under this name")

func findImage(ctx context.Context, c *client.Client, image *runnerimage.Image, name string) (string, error) {
	got, err := c.ImageInspect(ctx, name)
	if err != nil {
		return "", err
	}
	if got.ID == image.ID() {
		return got.ID, nil
	}
	// User, environment, command and mounts are the container's to say (see translate), but for what
	// an image can add to them.
	if !slices.Equal(got.RootFS.Layers, []string{image.LayerDigest()}) || got.Config == nil ||
		len(got.Config.Env) > 0 || len(got.Config.Cmd) > 0 || len(got.Config.Volumes) > 0 ||
		!slices.Equal(got.Config.Entrypoint, image.Entrypoint()) {
		return "", errOtherImage
	}
	return got.ID, nil
}

// loadImage sends the image. What the daemon says to that is read to its end, and not believed: only
// findImage tells whether it is there.
func loadImage(ctx context.Context, c *client.Client, image *runnerimage.Image) error {
	r, w := io.Pipe()
	written := make(chan struct{})
	go func() {
		defer close(written)
		_ = w.CloseWithError(image.WriteArchive(w))
	}()
	response, err := c.ImageLoad(ctx, r, client.ImageLoadWithQuiet(true))
	_ = r.Close()
	<-written
	if err != nil {
		return err
	}
	defer func() { _ = response.Close() }()
	const most = 1 << 20
	_, err = io.Copy(io.Discard, io.LimitReader(response, most))
	return err
}
