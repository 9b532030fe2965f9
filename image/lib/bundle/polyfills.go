package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"glovebox/image/lib/manifest"
)

// polyfills writes each module of core-js as a file of its own, so that the engine compiles only those
// that a feature needs when a script first touches it: a few milliseconds, where all of it costs forty.
// A file is the expression `(function(module,exports,require){…})`, and the names that it requires
// are those of the files ("internals/export"). One more, "actual", requires every module in core-js's own
// order: tests compare what it adds with what the engine offers.
func polyfills(modules string, out output) (manifest.Library, error) {
	const name = "core-js"
	root := filepath.Join(modules, name)
	var all strings.Builder
	done := map[string]bool{}
	var visit func(module string) error
	visit = func(module string) error {
		if done[module] {
			return nil
		}
		done[module] = true
		required, err := requires(root, module)
		if err != nil {
			return err
		}
		for _, name := range required {
			if err := visit(name); err != nil {
				return err
			}
		}
		switch {
		case strings.HasPrefix(module, "modules/"):
			fmt.Fprintf(&all, "require(%q);", module)
		case !strings.HasPrefix(module, "internals/"):
			return nil // entry points do nothing but require what does the work
		}
		text, err := wrap(root, module)
		if err != nil {
			return fmt.Errorf("%s: %w", module, err)
		}
		out[path.Join(manifest.Polyfills, module+".js")] = text
		return nil
	}
	if err := visit("actual/index"); err != nil {
		return manifest.Library{}, err
	}
	out[path.Join(manifest.Polyfills, "actual.js")] = fmt.Appendf(nil, "(function(module,exports,require){%s})\n", all.String())
	return describe(modules, name)
}

var requireCall = regexp.MustCompile(`\brequire\('([^']+)'\)`)

// requires lists what a module of core-js requires, as names relative to its root.
func requires(root, module string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(module)+".js"))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, match := range requireCall.FindAllSubmatch(text, -1) {
		name, err := target(root, module, string(match[1]))
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out, nil
}

// target says which module a relative specifier means.
func target(root, from, specifier string) (string, error) {
	name := strings.TrimSuffix(path.Join(path.Dir(from), specifier), ".js")
	for _, try := range []string{name, path.Join(name, "index")} {
		if info, err := os.Stat(filepath.Join(root, filepath.FromSlash(try)+".js")); err == nil && info.Mode().IsRegular() {
			return try, nil
		}
	}
	return "", fmt.Errorf("%s requires %q, which is not there", from, specifier)
}

// wrap makes a module into its function expression, minified.
func wrap(root, module string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(module)+".js"))
	if err != nil {
		return nil, err
	}
	var bad error
	code := requireCall.ReplaceAllStringFunc(string(text), func(call string) string {
		name, err := target(root, module, requireCall.FindStringSubmatch(call)[1])
		if err != nil {
			bad = err
		}
		return "require('" + name + "')"
	})
	if bad != nil {
		return nil, bad
	}
	// The assignment keeps esbuild from dropping an expression that nobody uses.
	const assign = "_="
	result := api.Transform(assign+"function(module,exports,require){"+code+"\n}", api.TransformOptions{
		Define:           map[string]string{"global": "globalThis"},
		MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true,
		Target: api.ES2020, Supported: unsupported(),
		LegalComments: api.LegalCommentsNone,
		LogLevel:      api.LogLevelSilent,
	})
	if err := failure(result.Errors); err != nil {
		return nil, err
	}
	function := strings.TrimSuffix(strings.TrimSpace(strings.TrimPrefix(string(result.Code), assign)), ";")
	return []byte("(" + function + ")\n"), nil
}
