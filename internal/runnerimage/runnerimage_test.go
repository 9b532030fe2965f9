package runnerimage

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"glovebox/internal/testenv"
)

func archive(t *testing.T, i *Image) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := i.WriteArchive(&buf); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// files reads a tar, and checks on the way what must be the same in every build.
func files(t *testing.T, body []byte) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(body)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if !h.ModTime.Equal(time.Unix(0, 0)) || h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Gname != "" {
			t.Errorf("%s: time %v, owner %d:%d %q:%q are not fixed", h.Name, h.ModTime, h.Uid, h.Gid, h.Uname, h.Gname)
		}
		if h.Name == "runner" && h.Mode != 0o555 {
			t.Errorf("the runner's mode is %o", h.Mode)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[h.Name] = content
	}
}

func TestBuildingTwiceGivesTheSameBytes(t *testing.T) {
	binary := bytes.Repeat([]byte("runner"), 1000)
	one, two := New(binary), New(slices.Clone(binary))
	if !bytes.Equal(archive(t, one), archive(t, two)) {
		t.Error("the archives of one binary differ")
	}
	if one.ID() != two.ID() {
		t.Errorf("ids differ: %s, %s", one.ID(), two.ID())
	}
	other := New(append(slices.Clone(binary), 0))
	if other.ID() == one.ID() || other.LayerDigest() == one.LayerDigest() || other.BinaryDigest() == one.BinaryDigest() {
		t.Error("another binary has the same digest")
	}
}

func TestArchive(t *testing.T) {
	// Sizes on both sides of tar's block of 512 bytes.
	for _, size := range []int{1, 511, 512, 513, 100_000} {
		binary := bytes.Repeat([]byte{7}, size)
		image := New(binary)
		outer := files(t, archive(t, image))
		if len(outer) != 3 {
			t.Fatalf("the archive holds %d files, not 3", len(outer))
		}
		var index []manifest
		if err := json.Unmarshal(outer["manifest.json"], &index); err != nil || len(index) != 1 {
			t.Fatalf("manifest: %v, %d entries", err, len(index))
		}
		if !slices.Equal(index[0].RepoTags, []string{image.Tag()}) {
			t.Errorf("tags are %v", index[0].RepoTags)
		}
		rawConfig := outer[index[0].Config]
		if got := digest(rawConfig); got != image.ID() || index[0].Config != strings.TrimPrefix(got, "sha256:")+".json" {
			t.Errorf("id %s, the configuration's digest %s, its name %s", image.ID(), got, index[0].Config)
		}
		layer := outer[index[0].Layers[0]]
		if got := digest(layer); got != image.LayerDigest() {
			t.Errorf("layer digest %s, its content's %s", image.LayerDigest(), got)
		}
		inner := files(t, layer)
		if len(inner) != 1 || !bytes.Equal(inner["runner"], binary) {
			t.Errorf("the layer does not hold the runner alone: %d files", len(inner))
		}
		var config map[string]any
		if err := json.Unmarshal(rawConfig, &config); err != nil {
			t.Fatal(err)
		}
		if config["architecture"] != runtime.GOARCH || config["os"] != "linux" {
			t.Errorf("platform %v/%v", config["os"], config["architecture"])
		}
		process := config["config"].(map[string]any)
		for key := range process {
			if key != "Entrypoint" && key != "WorkingDir" && key != "Labels" {
				t.Errorf("the image sets %s", key)
			}
		}
		if entry := process["Entrypoint"].([]any); len(entry) != 1 || entry[0] != "/runner" || process["WorkingDir"] != "/" {
			t.Errorf("it runs %v in %v", entry, process["WorkingDir"])
		}
	}
}

func TestDigestsOfWhatIsEmbeddedAreOfItsBytes(t *testing.T) {
	image, err := Embedded()
	testenv.Need(t, testenv.Runner, err)
	if got, want := image.BinaryDigest(), digest(image.Binary()); got != want {
		t.Errorf("digest %s, the bytes' %s", got, want)
	}
	if copied := New(image.Binary()); copied.ID() != image.ID() || copied.Size() != image.Size() {
		t.Error("the same bytes make another image")
	}
}

type failing struct{ room int }

var errFull = errors.New("full")

func (f *failing) Write(p []byte) (int, error) {
	if len(p) > f.room {
		return f.room, errFull
	}
	f.room -= len(p)
	return len(p), nil
}

func TestWriteArchiveReportsItsWritersError(t *testing.T) {
	image := New(make([]byte, 10_000))
	whole := len(archive(t, image))
	for _, room := range []int{0, 600, 5000, whole - 1} {
		if err := image.WriteArchive(&failing{room}); !errors.Is(err, errFull) {
			t.Errorf("with room for %d of %d bytes: %v", room, whole, err)
		}
	}
}
