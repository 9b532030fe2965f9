// Package runnerimage is the image that boxes run: one static binary, /runner, and nothing else. The
// binary is embedded at build time.
package runnerimage

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"runtime"
	"strings"
	"sync"
)

//go:embed dist
var dist embed.FS

// An Image is a runner binary, as what a driver needs: bytes for an OCI bundle, an archive for Docker.
// The same binary gives the same bytes and the same ids, whenever and wherever. It is immutable, and
// safe for concurrent use.
//
// The binary is tens of megabytes: it is copied or hashed only when somebody asks for it.
type Image struct {
	repository string // that of its name

	file   io.ReaderAt
	size   int64
	binary func() []byte
	digest func() string // of the binary
	layer  func() string // of the one layer's tar
	config func() []byte
}

// Embedded returns the image of the runner that this program was built with, for the architecture that
// it runs on. Without one (a plain `go build`) the error says what to type.
func Embedded() (*Image, error) {
	missing := errors.New("this glovebox was built without its runner: run `make build` in its source")
	file, err := dist.Open("dist/runner-linux-" + runtime.GOARCH)
	if err != nil {
		return nil, missing
	}
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("the embedded runner: %w", err)
	}
	// What is embedded is in memory already: ReadAt reads it there, without a copy of the whole.
	reader, ok := file.(io.ReaderAt)
	if !ok || info.Size() == 0 {
		return nil, missing
	}
	i := newImage(reader, info.Size())
	if digest, ok := embeddedDigest(); ok {
		i.digest = func() string { return digest }
	}
	return i, nil
}

// embeddedDigest returns the digest that was taken when the runner was built: to hash it anew would be most of
// what a run without a daemon costs beside its runtime. It lies in the same program as the runner, so
// whoever could change the one could change the other; a test holds it to the bytes.
func embeddedDigest() (string, bool) {
	body, err := dist.ReadFile("dist/runner-linux-" + runtime.GOARCH + ".sha256")
	text := strings.TrimSpace(string(body))
	if raw, decodeErr := hex.DecodeString(text); err != nil || decodeErr != nil || len(raw) != sha256.Size {
		return "", false
	}
	return "sha256:" + text, true
}

// New returns the image of a runner binary. Tests use it to put a hostile one into a box.
func New(binary []byte) *Image { return NewNamed(binary, Repository) }

// NewNamed returns the image of a binary that stands in the runner's place, by another name: [ProbeRepository].
func NewNamed(binary []byte, repository string) *Image {
	i := newImage(bytes.NewReader(binary), int64(len(binary)))
	i.binary = func() []byte { return binary }
	i.repository = repository
	return i
}

func newImage(file io.ReaderAt, size int64) *Image {
	i := &Image{repository: Repository, file: file, size: size}
	i.binary = sync.OnceValue(func() []byte {
		all := make([]byte, size)
		if _, err := file.ReadAt(all, 0); err != nil && !errors.Is(err, io.EOF) {
			panic(err) // memory does not fail to be read
		}
		return all
	})
	i.digest = sync.OnceValue(func() string {
		return sum(func(h hash.Hash) error { _, err := io.Copy(h, i.reader()); return err })
	})
	i.layer = sync.OnceValue(func() string { return sum(func(h hash.Hash) error { return i.writeLayer(h) }) })
	i.config = sync.OnceValue(i.makeConfig)
	return i
}

// sum returns sha256: and the hash of what write writes.
func sum(write func(hash.Hash) error) string {
	h := sha256.New()
	if err := write(h); err != nil {
		panic(err) // neither memory nor a hash fails
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

func (i *Image) reader() io.Reader { return io.NewSectionReader(i.file, 0, i.size) }

// Size returns the binary's size in bytes.
func (i *Image) Size() int64 { return i.size }

// Binary returns the runner's bytes. They must not be changed.
func (i *Image) Binary() []byte { return i.binary() }

// BinaryDigest returns sha256: and the hash of the binary.
func (i *Image) BinaryDigest() string { return i.digest() }
