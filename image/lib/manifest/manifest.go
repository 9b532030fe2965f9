// Package manifest is the shape of dist/manifest.json, which the bundler writes and package lib
// reads. It stands alone so that the bundler need not embed the bundles that it is about to replace.
package manifest

// Where things lie, below the bundle's folder. Names are slash-separated.
const (
	File      = "manifest.json"
	Notices   = "NOTICES.txt"
	Libraries = "libraries" // a library, or a subpath with a source of its own: SPECIFIER.js
	Polyfills = "polyfills" // one module of core-js: internals/NAME.js or modules/NAME.js
)

// A Manifest says what a bundle holds.
type Manifest struct {
	// Libraries are what scripts may import, in the order of their names.
	Libraries []Library `json:"libraries"`
	// Polyfill is the package that the polyfills come from.
	Polyfill Library `json:"polyfill"`
}

// A Library is one package as it was bundled.
type Library struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	License string `json:"license"` // an SPDX expression, as the package declares it
	// Subpaths are specifiers below the library that have a source of their own ("lodash/fp").
	Subpaths []string `json:"subpaths,omitempty"`
	// Members are specifiers below the library that name one member of a source.
	Members []MemberSet `json:"members,omitempty"`
}

// A MemberSet says which specifiers PREFIX/NAME stand for the member NAME of the source Of.
type MemberSet struct {
	Prefix string   `json:"prefix"` // "date-fns/fp"
	Of     string   `json:"of"`     // the name of a source
	Names  []string `json:"names"`  // sorted
	// Shape says what the module's exports look like.
	Shape Shape `json:"shape"`
}

// A Shape is how a module that holds one function exports it.
type Shape string

const (
	// Bare is `module.exports = fn`.
	Bare Shape = "bare"
	// Named is an ES module with the function under its own name and as the default.
	Named Shape = "named"
)
