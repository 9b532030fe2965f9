// Package probeimage is the image that the isolation audit's native probes run in: one static binary in the runner's
// place, and nothing else. It is embedded at build time, beside the runner's image and apart from it: whoever makes
// boxes for scripts does not import this package, and holds its driver to the runner's id.
package probeimage

import (
	"embed"
	"errors"
	"runtime"

	"glovebox/internal/runnerimage"
)

//go:embed dist
var dist embed.FS

// Repository names the image for people, as [runnerimage.Repository] does the runner's.
const Repository = runnerimage.ProbeRepository

// Embedded returns the image of the probe that this program was built with, for the architecture that it runs on.
// Without one (a plain `go build`) the error says what to type.
func Embedded() (*runnerimage.Image, error) {
	binary, err := dist.ReadFile("dist/probe-linux-" + runtime.GOARCH)
	if err != nil || len(binary) == 0 {
		return nil, errors.New("this glovebox was built without its probe: run `make build` in its source")
	}
	return runnerimage.NewNamed(binary, Repository), nil
}
