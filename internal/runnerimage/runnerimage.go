// Package runnerimage is the image that boxes run: one static binary, /runner, and nothing else. The
// binary is embedded at build time.
package runnerimage

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"runtime"
)

//go:embed dist
var dist embed.FS

// An Image is a runner binary, as what a driver needs: bytes for an OCI bundle, an archive for Docker.
// It is immutable, and safe for concurrent use.
type Image struct {
	binary []byte
	digest string
}

// Embedded returns the image of the runner that this program was built with, for the architecture that
// it runs on. Without one (a plain `go build`) the error says what to type.
func Embedded() (*Image, error) {
	binary, err := dist.ReadFile("dist/runner-linux-" + runtime.GOARCH)
	if err != nil {
		return nil, fmt.Errorf("this glovebox was built without its runner: run `make build` in its source")
	}
	return New(binary), nil
}

// New returns the image of a runner binary. Tests use it to put a hostile one into a box.
func New(binary []byte) *Image {
	sum := sha256.Sum256(binary)
	return &Image{binary: binary, digest: "sha256:" + hex.EncodeToString(sum[:])}
}

// Binary returns the runner's bytes. They must not be changed.
func (i *Image) Binary() []byte { return i.binary }

// BinaryDigest returns sha256: and the hash of the binary.
func (i *Image) BinaryDigest() string { return i.digest }
