package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"glovebox/internal/runnerimage"
	"glovebox/internal/testenv"
)

// needClient skips the test by name where no daemon answers.
func needClient(t *testing.T) *client.Client {
	t.Helper()
	testenv.Need(t, testenv.Docker, Ping(t.Context()))
	c, err := newClient()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// freshImage is an image that no daemon has seen.
func freshImage(t *testing.T, c *client.Client) *runnerimage.Image {
	t.Helper()
	image := runnerimage.New([]byte(rand.Text()))
	t.Cleanup(func() { dropImage(t, c, image.Tag()) })
	return image
}

func dropImage(t *testing.T, c *client.Client, ref string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := c.ImageRemove(ctx, ref, client.ImageRemoveOptions{Force: true, PruneChildren: true}); err != nil && !isGone(err) {
		t.Error(err)
	}
}

func TestTheDaemonReportsTheImagesID(t *testing.T) {
	c := needClient(t)
	image := freshImage(t, c)
	if _, err := findImage(t.Context(), c, image, image.ID()); !isGone(err) {
		t.Fatalf("before it is loaded: %v", err)
	}
	ref, err := ensureImage(t.Context(), c, image)
	if err != nil {
		t.Fatal(err)
	}
	if ref != image.ID() {
		t.Logf("this daemon calls %s %s: it counts in another way", image.ID(), ref)
	}
	again, err := ensureImage(t.Context(), c, image)
	if err != nil || again != ref {
		t.Errorf("the second time: %s, %v", again, err)
	}
	got, err := c.ImageInspect(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.RootFS.Layers) != 1 || got.RootFS.Layers[0] != image.LayerDigest() {
		t.Errorf("its layers are %q, not %q", got.RootFS.Layers, image.LayerDigest())
	}
	if len(got.Config.Env) > 0 || len(got.Config.Cmd) > 0 {
		t.Errorf("it sets %q and %q", got.Config.Env, got.Config.Cmd)
	}
}

// Whoever has taken the image's name has not become the image.
func TestANameDoesNotMakeAnImage(t *testing.T) {
	c := needClient(t)
	image, other := freshImage(t, c), freshImage(t, c)
	ref, err := ensureImage(t.Context(), c, other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.ImageTag(t.Context(), client.ImageTagOptions{Source: ref, Target: image.Tag()}); err != nil {
		t.Fatal(err)
	}
	if _, err := findImage(t.Context(), c, image, image.Tag()); !errors.Is(err, errOtherImage) {
		t.Fatalf("another image under its name: %v", err)
	}
	got, err := ensureImage(t.Context(), c, image)
	if err != nil {
		t.Fatal(err)
	}
	if got == ref {
		t.Error("the other image is taken for it")
	}
}

// entries lists what an image holds, but for what an engine adds to every container: paths, modes,
// owners and contents.
func entries(t *testing.T, c *client.Client, ref string) map[string]string {
	t.Helper()
	made, err := c.ContainerCreate(t.Context(), client.ContainerCreateOptions{Image: ref})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := removeContainer(context.Background(), c, made.ID); err != nil {
			t.Error(err)
		}
	}()
	export, err := c.ContainerExport(t.Context(), made.ID, client.ContainerExportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = export.Close() }()
	out := map[string]string{}
	for r := tar.NewReader(export); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[h.Name] = string([]byte{h.Typeflag}) + fs.FileMode(h.Mode).String() + itoa(h.Uid) + ":" + itoa(h.Gid) + " " + itoa(len(content)) + string(content)
	}
}

// Dockerfile.runner and the image that glovebox carries within itself are one.
func TestDockerfileGivesTheSameImage(t *testing.T) {
	c := needClient(t)
	image := freshImage(t, c)
	ref, err := ensureImage(t.Context(), c, image)
	if err != nil {
		t.Fatal(err)
	}
	dockerfile, err := os.ReadFile(filepath.Join("..", "..", "..", "Dockerfile.runner"))
	if err != nil {
		t.Fatal(err)
	}
	var buildContext bytes.Buffer
	w := tar.NewWriter(&buildContext)
	for name, body := range map[string][]byte{"Dockerfile.runner": dockerfile, "runner-linux-test": image.Binary()} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o555, Size: int64(len(body)), Uid: 1000, Gid: 1000, ModTime: time.Now()}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	const tag, arch = "glovebox-runner:test-dockerfile", "test"
	t.Cleanup(func() { dropImage(t, c, tag) })
	built, err := c.ImageBuild(t.Context(), &buildContext, client.ImageBuildOptions{
		Dockerfile: "Dockerfile.runner", Tags: []string{tag}, BuildArgs: map[string]*string{"ARCH": new(string(arch))}, Remove: true, ForceRemove: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(io.LimitReader(built.Body, 1<<20))
	_ = built.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.ImageInspect(t.Context(), tag)
	if err != nil {
		t.Fatalf("%v; the build said %s", err, said)
	}
	want, err := c.ImageInspect(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := got.Config, want.Config; !equal(a.Entrypoint, b.Entrypoint) || !equal(a.Cmd, b.Cmd) || a.WorkingDir != b.WorkingDir {
		t.Errorf("it runs %q %q in %q; ours %q %q in %q", a.Entrypoint, a.Cmd, a.WorkingDir, b.Entrypoint, b.Cmd, b.WorkingDir)
	}
	ours, its := entries(t, c, ref), entries(t, c, tag)
	for name := range ours {
		if its[name] != ours[name] {
			t.Errorf("%s: %.60q in ours, %.60q in Dockerfile.runner's", name, ours[name], its[name])
		}
		delete(its, name)
	}
	for name := range its {
		t.Errorf("%s is in Dockerfile.runner's alone", name)
	}
	if runner := ours["runner"]; len(runner) == 0 {
		t.Error("there is no runner in it")
	}
}

// An operator prunes images while a service runs.
func TestAnImageThatWasRemovedIsLoadedAgain(t *testing.T) {
	needDaemon(t, "runc")
	c := needClient(t)
	image := freshImage(t, c) // no other test has it in use
	d := newDriver(t, t.TempDir()+"/state", "runc", image)
	dropImage(t, c, d.imageRef)
	_, err := d.Create(t.Context(), d.Spec(), testLimits())
	// What was loaded is no program: it must get so far as to be run.
	if err == nil || !strings.Contains(err.Error(), "exec format error") {
		t.Errorf("got %v", err)
	}
}
