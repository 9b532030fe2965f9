package runnerimage

import (
	"encoding/json"

	libs "glovebox/image/lib/manifest"
)

// Libraries lists the JavaScript libraries of the embedded runner that scripts may require; nothing where this program was built
// without a runner.
func Libraries() []libs.Library { return embeddedLibraries().Libraries }

// Polyfill is what the embedded runner makes missing built-ins with, and no script can require; the zero value where this program was
// built without a runner.
func Polyfill() libs.Library { return embeddedLibraries().Polyfill }

func embeddedLibraries() (m libs.Manifest) {
	body, err := dist.ReadFile("dist/libraries.json")
	if err != nil {
		return libs.Manifest{}
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return libs.Manifest{} // a build that went wrong is found by its test, not by who asks for a version
	}
	return m
}

// Notices returns the licences of everything that this program and its runner are made of.
func Notices() string {
	body, err := dist.ReadFile("dist/NOTICES.txt")
	if err != nil {
		return "This glovebox was built without its notices: run `make build` in its source.\n"
	}
	return string(body)
}
