package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"glovebox/image/lib/manifest"
)

// exportsName is the variable that esbuild puts a bundle's exports in. It lives inside the wrapper's
// function, so that no script can see it.
const exportsName = "__exports"

// finish is the end of a wrapper: JavaScript that returns the exports object that scripts get.
type finish string

const (
	// asIs returns what a CommonJS entry exported.
	asIs finish = "return " + exportsName + "})"
	// unwrap returns the default export of an ES module that stands for the whole.
	unwrap finish = "return " + exportsName + ".default})"
	// flatten copies the exports of an ES module into plain data properties: esbuild's are getters, which would
	// be paid for at every call in a loop. The namespace is its own default as well, hidden, so
	// that `import dateFns from "date-fns"` works as people expect of it.
	flatten finish = "var o={};for(var k in " + exportsName + ")o[k]=" + exportsName + "[k];" +
		"Object.defineProperty(o,\"__esModule\",{value:true});" +
		"if(!(\"default\"in o))Object.defineProperty(o,\"default\",{value:o});return o})"
)

// A source is one file that a script's `import` can end in.
type source struct {
	specifier string
	entry     string
	finish    finish
}

// mathEntry makes mathjs lazily: `create(all)` from the ES modules defines getters (29 ms) where the
// package's own entry makes every function at once (2457 ms). Scripts get the instance, with what
// the package's namespace has and an instance lacks (`all`, and `create` with factories) put on it.
const mathEntry = `
import * as all from "./node_modules/mathjs/lib/esm/factoriesAny.js";
import { create } from "./node_modules/mathjs/lib/esm/core/create.js";
const math = create(all);
math.create = create;
Object.defineProperties(math, {
	all: { value: all },
	default: { value: math },
	__esModule: { value: true },
});
export default math;`

// validatorEntry takes the ES modules, which fold into one scope: half the size of the CommonJS ones.
const validatorEntry = `
import validator from "validator/es/index.js";
Object.defineProperty(validator, "default", { value: validator });
export default validator;`

var sources = []source{
	{"date-fns", `export * from "date-fns"`, flatten},
	{"date-fns/constants", `export * from "date-fns/constants"`, flatten},
	{"date-fns/fp", `export * from "date-fns/fp"`, flatten},
	{"lodash", `module.exports = require("lodash")`, asIs},
	{"lodash/fp", `module.exports = require("lodash/fp")`, asIs},
	{"mathjs", mathEntry, unwrap},
	{"papaparse", `module.exports = require("papaparse")`, asIs},
	{"uuid", `export * from "uuid"`, flatten},
	{"validator", validatorEntry, unwrap},
}

// libraries bundles what scripts may import into out.
func libraries(modules string, out output) (manifest.Manifest, error) {
	locales, err := names(filepath.Join(modules, "date-fns", "locale"), "*.js", []string{"cdn", "types"})
	if err != nil {
		return manifest.Manifest{}, err
	}
	all := slices.Clone(sources)
	for _, locale := range locales {
		specifier := "date-fns/locale/" + locale
		// Both the named export and the default are there already.
		all = append(all, source{specifier, fmt.Sprintf("export * from %q; export { default } from %[1]q", specifier), flatten})
	}

	out[libraryFile("date-fns/locale")] = localeIndex(locales)

	byName := map[string]*manifest.Library{}
	var m manifest.Manifest
	for _, s := range all {
		text, err := build(modules, s)
		if err != nil {
			return m, fmt.Errorf("%s: %w", s.specifier, err)
		}
		out[libraryFile(s.specifier)] = text
		name, _, sub := strings.Cut(s.specifier, "/")
		if byName[name] == nil {
			library, err := describe(modules, name)
			if err != nil {
				return m, err
			}
			byName[name] = &library
		}
		if sub {
			byName[name].Subpaths = append(byName[name].Subpaths, s.specifier)
		}
	}
	byName["date-fns"].Subpaths = append(byName["date-fns"].Subpaths, "date-fns/locale")
	for _, library := range byName {
		slices.Sort(library.Subpaths)
		if library.Members, err = members(modules, library.Name); err != nil {
			return m, err
		}
		m.Libraries = append(m.Libraries, *library)
	}
	slices.SortFunc(m.Libraries, func(a, b manifest.Library) int { return strings.Compare(a.Name, b.Name) })
	return m, nil
}

func libraryFile(specifier string) string { return path.Join(manifest.Libraries, specifier+".js") }

// localeIndex makes date-fns/locale out of its parts, each loaded when it is first asked for: the whole is 780 KB
// and would cost 200 ms to compile for the one locale that a script wants.
func localeIndex(locales []string) []byte {
	var ids strings.Builder
	for _, locale := range locales {
		words := strings.Split(locale, "-")
		for i, word := range words[1:] {
			words[i+1] = strings.ToUpper(word[:1]) + word[1:]
		}
		fmt.Fprintf(&ids, "%s:%q,", strings.Join(words, ""), locale)
	}
	return fmt.Appendf(nil, "(function(require){var ids={%s},o={};"+
		"Object.keys(ids).forEach(function(id){Object.defineProperty(o,id,{enumerable:true,configurable:true,"+
		"get:function(){return require(\"date-fns/locale/\"+ids[id])[id]}})});"+
		"Object.defineProperty(o,\"__esModule\",{value:true});Object.defineProperty(o,\"default\",{value:o});return o})\n",
		strings.TrimSuffix(ids.String(), ","))
}

// build bundles one source into a function expression that returns the exports object.
func build(modules string, s source) ([]byte, error) {
	options := api.BuildOptions{
		Stdin: &api.StdinOptions{Contents: s.entry, ResolveDir: filepath.Dir(modules), Sourcefile: "entry.js"},
		// Modules are named by their paths from here, wherever the build was started.
		AbsWorkingDir: filepath.Dir(modules),
		Bundle:        true,
		Write:         false,
		Platform:      api.PlatformBrowser,
		Format:        api.FormatIIFE,
		GlobalName:    exportsName,
		// Without these a library would look for a global of Node's, or of a module loader's.
		Define:  map[string]string{"global": "globalThis", "define": "undefined", "process.env.NODE_ENV": `"production"`},
		Banner:  map[string]string{"js": "(function(require){"},
		Footer:  map[string]string{"js": string(s.finish)},
		Plugins: []api.Plugin{lateRandom},

		// Identifiers stay: scripts print functions and classes, and errors name them. It costs a third more bytes
		// and, measured, no time.
		MinifyWhitespace: true, MinifySyntax: true,
		Target: api.ES2020, Supported: unsupported(),
		LegalComments: api.LegalCommentsNone,
		LogLevel:      api.LogLevelSilent,
	}
	result := api.Build(options)
	if err := failure(result.Errors); err != nil {
		return nil, err
	}
	return result.OutputFiles[0].Contents, nil
}

// unsupported is what ES2020 has, or esbuild would pass, and goja cannot parse. Regular expressions that goja
// would get wrong in silence become `new RegExp(…)`, so that the engine's own check meets them.
func unsupported() map[string]bool {
	return map[string]bool{
		"async-generator": false, "for-await": false, "using": false, "decorators": false,
		"regexp-unicode-property-escapes": false, "regexp-match-indices": false, "regexp-set-notation": false,
	}
}

// lateRandom makes the random functions of mathjs draw their seed from Math.random, when they are first used.
// As published, mathjs seeds them from the clock, and seedrandom draws from Math.random, while they
// load: a script with a seed of its own would see whether the library was loaded before that was set.
// mathjs passes the clock as a number, and every seed of a user's as a string.
var lateRandom = api.Plugin{Name: "late-random", Setup: func(build api.PluginBuild) {
	const late = "late-random"
	build.OnResolve(api.OnResolveOptions{Filter: `^seedrandom$`}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
		if args.Namespace == late {
			return api.OnResolveResult{}, nil
		}
		return api.OnResolveResult{Path: args.Path, Namespace: late, PluginData: args.ResolveDir}, nil
	})
	build.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: late}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
		text := `module.exports = function (seed) {
			var draw;
			return function () {
				if (!draw) {
					var seedrandom = require("seedrandom");
					draw = seedrandom(typeof seed === "number" ? String(Math.random()) : seed);
				}
				return draw();
			};
		};`
		dir, _ := args.PluginData.(string)
		return api.OnLoadResult{Contents: &text, ResolveDir: dir}, nil
	})
}}

// failure turns esbuild's messages into one error.
func failure(messages []api.Message) error {
	var errs []error
	for _, message := range messages {
		if at := message.Location; at != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %s", at.File, at.Line, message.Text))
		} else {
			errs = append(errs, errors.New(message.Text))
		}
	}
	return errors.Join(errs...)
}

// describe reads what a package says of itself.
func describe(modules, name string) (manifest.Library, error) {
	text, err := os.ReadFile(filepath.Join(modules, filepath.FromSlash(name), "package.json"))
	if err != nil {
		return manifest.Library{}, err
	}
	var library struct{ Name, Version, License string }
	if err := json.Unmarshal(text, &library); err != nil {
		return manifest.Library{}, fmt.Errorf("%s: %w", name, err)
	}
	return manifest.Library{Name: library.Name, Version: library.Version, License: library.License}, nil
}
