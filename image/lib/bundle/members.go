package main

import (
	"path/filepath"
	"slices"
	"strings"

	"glovebox/image/lib/manifest"
)

// members lists the specifiers below a library that hold one function each ("lodash/groupBy"). Their files are
// not bundled, since each would carry its own copy of the library's heart: they name a member of the
// whole.
func members(modules, library string) ([]manifest.MemberSet, error) {
	type set struct {
		prefix, of, dir string
		shape           manifest.Shape
		skip            []string
	}
	sets := map[string][]set{
		"date-fns": {
			{"date-fns", "date-fns", ".", manifest.Named, []string{"index", "fp", "locale", "constants", "cdn", "types"}},
			{"date-fns/fp", "date-fns/fp", "fp", manifest.Named, []string{"cdn", "types"}},
		},
		"lodash": {{"lodash", "lodash", ".", manifest.Bare, []string{
			// Categories, builds and internals: no members of the whole.
			"lodash", "core", "fp", "index", "release", "flake", "array", "collection", "date",
			"function", "lang", "math", "number", "object", "seq", "string", "util", "wrapperAt", "wrapperChain",
			"wrapperLodash", "wrapperReverse", "wrapperValue", "next", "plant", "commit", "value", "valueOf",
			"toJSON", "toIterator",
		}}},
		"validator": {
			{"validator/lib", "validator", "lib", manifest.Bare, []string{"alpha"}},
			{"validator/es/lib", "validator", "lib", manifest.Bare, []string{"alpha"}},
		},
	}
	var out []manifest.MemberSet
	for _, s := range sets[library] {
		found, err := names(filepath.Join(modules, library, s.dir), "*.js", s.skip)
		if err != nil {
			return nil, err
		}
		out = append(out, manifest.MemberSet{Prefix: s.prefix, Of: s.of, Names: found, Shape: s.shape})
	}
	return out, nil
}

// names lists the files of dir that match pattern, without their extension, sorted; private ones (_name), builds (name.min) and those
// in skip are left out.
func names(dir, pattern string, skip []string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, path := range paths {
		base := filepath.Base(path)
		name := strings.TrimSuffix(base, filepath.Ext(base))
		if !strings.HasPrefix(name, "_") && !strings.Contains(name, ".") && !slices.Contains(skip, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out, nil
}
