package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"glovebox/api"
	"glovebox/internal/runnerimage"
)

// version and commit are set when the program is linked.
var (
	version = "dev"
	commit  = "unknown"
)

// about is what this build is made of.
type about struct {
	Version      string    `json:"version"`
	Commit       string    `json:"commit"`
	Go           string    `json:"go"`
	Platform     string    `json:"platform"`
	RunnerDigest string    `json:"runnerDigest,omitempty"`
	ImageID      string    `json:"imageId,omitempty"`
	Engines      []library `json:"engines"`
	Libraries    []library `json:"libraries"`
	Polyfill     *library  `json:"polyfill,omitempty"`
}

type library struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	License string `json:"license,omitempty"`
}

// engines are the modules of the runner that interpret scripts or make them ready to be.
var engines = []string{"github.com/dop251/goja", "github.com/evanw/esbuild"}

// readAbout reads what this build is made of from the runner that it embeds.
func readAbout() about {
	a := about{Version: version, Commit: commit, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Engines: []library{}, Libraries: []library{}}
	image, err := runnerimage.Embedded()
	if err != nil {
		return a
	}
	a.RunnerDigest, a.ImageID = image.BinaryDigest(), image.ID()
	if info, err := buildinfo.Read(bytes.NewReader(image.Binary())); err == nil {
		for _, module := range info.Deps {
			for _, engine := range engines {
				if module.Path == engine {
					a.Engines = append(a.Engines, library{Name: module.Path, Version: module.Version})
				}
			}
		}
	}
	for _, l := range runnerimage.Libraries() {
		a.Libraries = append(a.Libraries, library{Name: l.Name, Version: l.Version, License: l.License})
	}
	if l := runnerimage.Polyfill(); l.Name != "" {
		a.Polyfill = &library{Name: l.Name, Version: l.Version, License: l.License}
	}
	return a
}

// info is what /v1/info tells of this build on this host.
func (a about) info() api.Info {
	return api.NewInfo(a.build(), a.controllerLibraries(), hostCPUs())
}

func (a about) build() api.Build { return api.Build{Version: a.Version, Commit: a.Commit} }

func (a about) controllerLibraries() []api.Library {
	out := []api.Library{}
	for _, l := range a.Libraries {
		out = append(out, api.Library{Name: l.Name, Version: l.Version})
	}
	return out
}

// libraryNames are the packages that scripts may import.
func (a about) libraryNames() []string {
	var names []string
	for _, l := range a.Libraries {
		names = append(names, l.Name)
	}
	return names
}

func newVersionCommand() *cobra.Command {
	var asJSON, notices bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Tell what this build is made of",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			switch {
			case notices:
				_, err := io.WriteString(out, runnerimage.Notices())
				return outputError(err)
			case asJSON:
				encoder := json.NewEncoder(out)
				encoder.SetIndent("", "  ")
				return outputError(encoder.Encode(readAbout()))
			}
			return outputError(writeAbout(out, readAbout()))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	cmd.Flags().BoolVar(&notices, "notices", false, "print the licences of everything that is in this program")
	cmd.MarkFlagsMutuallyExclusive("json", "notices")
	return cmd
}

func writeAbout(out io.Writer, a about) error {
	var text bytes.Buffer
	fmt.Fprintf(&text, "glovebox %s (commit %s, %s, %s)\n", a.Version, a.Commit, a.Go, a.Platform)
	if a.RunnerDigest == "" {
		fmt.Fprintln(&text, "built without its runner: run `make build`")
	} else {
		fmt.Fprintf(&text, "runner   %s\nimage    %s\n", a.RunnerDigest, a.ImageID)
	}
	for _, l := range a.Engines {
		fmt.Fprintf(&text, "engine   %s %s\n", l.Name, l.Version)
	}
	for _, l := range a.Libraries {
		fmt.Fprintf(&text, "library  %s %s (%s)\n", l.Name, l.Version, l.License)
	}
	if l := a.Polyfill; l != nil {
		fmt.Fprintf(&text, "polyfill %s %s (%s)\n", l.Name, l.Version, l.License)
	}
	_, err := out.Write(text.Bytes())
	return err
}
