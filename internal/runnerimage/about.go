package runnerimage

import (
	"encoding/json"

	libs "glovebox/image/lib/manifest"
)

// Libraries lists the JavaScript libraries that the embedded runner holds, and core-js; nothing where this
// program was built without a runner.
func Libraries() []libs.Library {
	body, err := dist.ReadFile("dist/libraries.json")
	if err != nil {
		return nil
	}
	var m libs.Manifest
	if err := json.Unmarshal(body, &m); err != nil {
		return nil // a build that went wrong is found by its test, not by who asks for a version
	}
	return append(m.Libraries, m.Polyfill)
}

// Notices returns the licences of everything that this program and its runner are made of.
func Notices() string {
	body, err := dist.ReadFile("dist/NOTICES.txt")
	if err != nil {
		return "This glovebox was built without its notices: run `make build` in its source.\n"
	}
	return string(body)
}
