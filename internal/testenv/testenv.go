// Package testenv decides what a test may assume about the machine it runs on.
//
// A test that needs something that a bare machine lacks (a Docker daemon, root, the bundled
// libraries) asks for it by name. Where it is missing the test is skipped, saying so; where the
// environment variable GLOVEBOX_REQUIRE names it, a missing thing is a failure instead, so that a
// continuous integration run cannot turn green by skipping.
package testenv

import (
	"os"
	"strings"
	"testing"
)

// EnvRequire names the variable that lists, separated by commas, what must not be missing.
const EnvRequire = "GLOVEBOX_REQUIRE"

// A Thing is something that a machine may lack, by the name that GLOVEBOX_REQUIRE uses for it.
type Thing string

// The things that tests ask for.
const (
	Docker Thing = "docker" // a Docker daemon that answers, and that we may use
	Runc   Thing = "runc"   // runc, and the right to use it (root)
	Runsc  Thing = "runsc"  // gVisor's runsc, likewise
	Crun   Thing = "crun"   // crun, likewise
	Libs   Thing = "libs"   // the JavaScript libraries, fetched and bundled
	Runner Thing = "runner" // the runner binary, built and embedded
	Node   Thing = "node"   // Node.js, and what the TypeScript client is built and tested with
	MCP    Thing = "mcp"    // Node.js, and the official clients of the Model Context Protocol
	Curl   Thing = "curl"

	Amicontained Thing = "amicontained" // the tool of that name, built
)

// Required reports whether GLOVEBOX_REQUIRE names the thing.
func Required(thing Thing) bool {
	for name := range strings.SplitSeq(os.Getenv(EnvRequire), ",") {
		if Thing(strings.TrimSpace(name)) == thing {
			return true
		}
	}
	return false
}

// Missing ends the test: as a failure where the thing is required, as a skip that names it
// otherwise. why says what was looked for and what to type to have it.
func Missing(tb testing.TB, thing Thing, why string) {
	tb.Helper()
	if Required(thing) {
		tb.Fatalf("%s is required by %s and missing: %s", thing, EnvRequire, why)
	}
	tb.Skipf("needs %s: %s", thing, why)
}

// Need ends the test as Missing does where err, the answer of whoever looked for the thing, is not
// nil. It is the usual way to ask: testenv.Need(t, testenv.Libs, lib.Available()).
func Need(tb testing.TB, thing Thing, err error) {
	tb.Helper()
	if err != nil {
		Missing(tb, thing, err.Error())
	}
}
