// Package lib holds the JavaScript libraries that scripts may import, and the modules of core-js that
// the polyfills are made of: the real packages, pinned and checked by package-lock.json, bundled at
// build time (`make libs`) and embedded. Nothing is read or parsed until it is asked for.
//
// What each costs in goja, the first time in a runtime (BenchmarkLibraries; milliseconds of CPU time):
//
//	                      KB   compile    load
//	date-fns             128        12     2.3
//	date-fns/fp          153        13     4.2
//	date-fns/locale        1       0.1     0.1   (and each locale that is touched as the next line)
//	date-fns/locale/fr    10       0.8     0.1
//	lodash               142        15     3.6
//	lodash/fp             94        16    56
//	mathjs               879       103    17     (the first evaluate makes the functions that it needs)
//	papaparse             20         2     0.1
//	uuid                  15       1.5     0.3
//	validator            129        47     1.7   (most of it its many regular expressions)
package lib

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"glovebox/image/lib/manifest"
)

// dist is the bundler's output. On a clean clone it holds a placeholder alone.
//
//go:embed dist
var dist embed.FS

// ErrNotBundled says that the libraries are missing from this build.
var ErrNotBundled = errors.New("the JavaScript libraries are not bundled: run `make libs`")

// A Library is one package as it was bundled.
type Library struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	License string `json:"license"` // an SPDX expression, as the package declares it
}

// Available is nil when the libraries were bundled into this build, else an error that says what to type.
func Available() error {
	if _, err := fs.Stat(dist, "dist/"+manifest.File); err != nil {
		return ErrNotBundled
	}
	return nil
}

// Libraries lists what scripts may import, by name; nothing where nothing was bundled. It parses the manifest
// anew at each call.
func Libraries() []Library {
	var out []Library
	for _, library := range read().Libraries {
		out = append(out, summary(library))
	}
	return out
}

// Polyfills describes core-js, which the polyfills are made of. Its name is empty where nothing was bundled.
func Polyfills() Library { return summary(read().Polyfill) }

func summary(l manifest.Library) Library {
	return Library{Name: l.Name, Version: l.Version, License: l.License}
}

// Subpaths lists, sorted, every specifier below the libraries' names that Source knows.
func Subpaths() []string {
	var out []string
	for _, library := range read().Libraries {
		out = append(out, library.Subpaths...)
		for _, set := range library.Members {
			for _, name := range set.Names {
				out = append(out, set.Prefix+"/"+name)
			}
		}
	}
	slices.Sort(out)
	return out
}

// Source gives what `require(specifier)` and `import … from specifier` load: a JavaScript expression whose value is
// a function. Called with one argument, a require function for the same specifiers, it makes the
// module's exports, as CommonJS has them: a value with __esModule where the package is made of ES
// modules. So esbuild's default interop gives scripts what Node would.
//
// The specifiers are the names of the libraries, and below them what the packages offer: "lodash/groupBy",
// "lodash/fp", "date-fns/format", "date-fns/fp", "date-fns/locale/fr", "validator/lib/isEmail". A trailing
// ".js" is ignored. The bool is false for everything else. Each module is to be evaluated once for
// each runtime, and after eval and Function were replaced: lodash keeps what it finds.
func Source(specifier string) (string, bool) {
	name := strings.TrimSuffix(specifier, ".js")
	if text, ok := file(manifest.Libraries, name); ok {
		return text, true
	}
	prefix, member := path.Split(name)
	if prefix == "" {
		return "", false
	}
	prefix = strings.TrimSuffix(prefix, "/")
	for _, library := range read().Libraries {
		for _, set := range library.Members {
			if _, found := slices.BinarySearch(set.Names, member); found && set.Prefix == prefix {
				return memberSource(set, member), true
			}
		}
	}
	return "", false
}

// memberSource is the source of a module that is one member of a whole.
func memberSource(set manifest.MemberSet, name string) string {
	if set.Shape == manifest.Named {
		return fmt.Sprintf(`(function(require){var f=require(%s).%[2]s;`+
			`return Object.defineProperty({%[2]s:f,default:f},"__esModule",{value:true})})`, strconv.Quote(set.Of), name)
	}
	return fmt.Sprintf(`(function(require){return require(%s).%s})`, strconv.Quote(set.Of), name)
}

// Polyfill gives one module of core-js by its name there ("modules/es.array.at"): an expression whose value
// is `function(module, exports, require)`, which requires others by the same names.
func Polyfill(name string) (string, bool) { return file(manifest.Polyfills, name) }

// Notices is the licence texts of everything bundled, those of the libraries' own dependencies too; empty
// where nothing was.
func Notices() string {
	text, err := dist.ReadFile("dist/" + manifest.Notices)
	if err != nil {
		return ""
	}
	return string(text)
}

// file reads one script of the bundle. A name that is no plain path ("../x") is not found.
func file(folder, name string) (string, bool) {
	text, err := dist.ReadFile("dist/" + folder + "/" + name + ".js")
	return string(text), err == nil
}

// read parses the manifest. The bundler wrote it and the build embedded it: one that does not parse is treated
// as one that is not there, and the tests see to it that it parses.
func read() manifest.Manifest {
	var m manifest.Manifest
	text, err := dist.ReadFile("dist/" + manifest.File)
	if err != nil || json.Unmarshal(text, &m) != nil {
		return manifest.Manifest{}
	}
	return m
}
