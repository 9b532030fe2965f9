package runnerimage

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"runtime"
	"strconv"
	"strings"
	"time"

	"glovebox/internal/protocol"
)

// Path is where the runner lies in the image, and what the image runs.
const Path = "/runner"

// Labels of the image. They hold nothing that changes from one build of the same binary to the next, and no
// digest: the layer's is in the configuration, and every start would pay for another.
const (
	labelTitle    = "org.opencontainers.image.title"
	LabelProtocol = "glovebox.protocol" // the version of internal/protocol that the runner speaks
)

// Repository names the image for people, and keeps it from being pruned as one without a name. It is
// found by its content, never by this name, and never pulled.
const Repository = "glovebox-runner"

// ProbeRepository names the image that the isolation audit runs in the runner's place.
const ProbeRepository = "glovebox-probe"

// The JSON below is what `docker load` reads. Its fields stand in a fixed order, so that the same
// image gives the same bytes.

type imageConfig struct {
	Architecture string        `json:"architecture"`
	OS           string        `json:"os"`
	Created      string        `json:"created"`
	Config       processConfig `json:"config"`
	RootFS       rootFS        `json:"rootfs"`
	History      []history     `json:"history"`
}

type processConfig struct {
	Entrypoint []string          `json:"Entrypoint"`
	WorkingDir string            `json:"WorkingDir"`
	Labels     map[string]string `json:"Labels"` // marshalled in the order of its keys
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

type history struct {
	Created   string `json:"created"`
	CreatedBy string `json:"created_by"`
}

type manifest struct {
	Config   string   `json:"Config"`
	RepoTags []string `json:"RepoTags"`
	Layers   []string `json:"Layers"`
}

func (i *Image) makeConfig() []byte {
	epoch := time.Unix(0, 0).UTC().Format(time.RFC3339)
	return mustJSON(imageConfig{
		Architecture: runtime.GOARCH,
		OS:           "linux",
		Created:      epoch,
		Config: processConfig{
			Entrypoint: []string{Path},
			WorkingDir: "/",
			Labels:     map[string]string{labelTitle: i.repository, LabelProtocol: strconv.Itoa(protocol.Version)},
		},
		RootFS:  rootFS{Type: "layers", DiffIDs: []string{i.layer()}},
		History: []history{{Created: epoch, CreatedBy: "glovebox"}},
	})
}

func mustJSON(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings always marshal
	}
	return body
}

// ID returns the image's id as Docker counts it: sha256: and the hash of the image's configuration.
func (i *Image) ID() string {
	return sum(func(h hash.Hash) error { _, err := h.Write(i.config()); return err })
}

// LayerDigest returns sha256: and the hash of the image's one layer, uncompressed: what identifies the
// content of the image where an engine counts its ids in another way.
func (i *Image) LayerDigest() string { return i.layer() }

// Tag returns the name that the image carries in an engine.
func (i *Image) Tag() string { return i.repository + ":" + strings.TrimPrefix(i.ID(), "sha256:")[:12] }

// Entrypoint returns what the image runs.
func (i *Image) Entrypoint() []string { return []string{Path} }

// writeLayer writes the layer: the runner, and nothing that is not the same in every build.
func (i *Image) writeLayer(w io.Writer) error {
	t := tar.NewWriter(w)
	if err := t.WriteHeader(header(strings.TrimPrefix(Path, "/"), i.size, 0o555)); err != nil {
		return err
	}
	if _, err := io.Copy(t, i.reader()); err != nil {
		return err
	}
	return t.Close()
}

// layerSize is the size of what writeLayer writes: a header, the file filled up to whole blocks, and
// two empty blocks.
func (i *Image) layerSize() int64 {
	const block = 512
	return block + (i.size+block-1)/block*block + 2*block
}

func header(name string, size, mode int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: mode, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
}

// WriteArchive writes the image in the form that `docker load` reads.
func (i *Image) WriteArchive(w io.Writer) error {
	config := i.config()
	configSum := sha256.Sum256(config)
	configName := hex.EncodeToString(configSum[:]) + ".json"
	layerName := strings.TrimPrefix(i.layer(), "sha256:") + "/layer.tar"
	index := mustJSON([]manifest{{Config: configName, RepoTags: []string{i.Tag()}, Layers: []string{layerName}}})

	t := tar.NewWriter(w)
	add := func(name string, size int64, write func(io.Writer) error) error {
		if err := t.WriteHeader(header(name, size, 0o444)); err != nil {
			return err
		}
		return write(t)
	}
	copyOf := func(body []byte) func(io.Writer) error {
		return func(w io.Writer) error { _, err := io.Copy(w, bytes.NewReader(body)); return err }
	}
	for _, err := range []error{
		add(configName, int64(len(config)), copyOf(config)),
		add(layerName, i.layerSize(), i.writeLayer),
		add("manifest.json", int64(len(index)), copyOf(index)),
		t.Close(),
	} {
		if err != nil {
			return fmt.Errorf("image archive: %w", err)
		}
	}
	return nil
}
