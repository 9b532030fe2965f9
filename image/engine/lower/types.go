package lower

import (
	"encoding/base64"
	"encoding/json"

	esbuild "github.com/evanw/esbuild/pkg/api"
)

// hasNamespace reports whether TypeScript code has, at its top level, a declaration that TypeScript allows
// nowhere else: namespace N, module N, declare ….
func hasNamespace(code string) bool {
	s := newScanner(code)
	for t := s.next(); t.kind != tokEOF; t = s.next() {
		switch {
		case t.kind != tokName || t.depth != 0:
		case s.is(s.prev, "namespace"), s.is(s.prev, "module"), s.is(s.prev, "declare"):
			return true
		}
	}
	return false
}

// stripTypes takes the types out of the script before it is wrapped into a function, in which namespaces
// would be a syntax error. It costs a second pass, and leaves one thing out: a script with a namespace cannot
// both await and return at its top level, since esbuild holds it to be a module then.
func (l *lowering) stripTypes() error {
	result := esbuild.Transform(l.modules.body, esbuild.TransformOptions{
		LogLevel:       esbuild.LogLevelSilent,
		LogLimit:       1,
		Sourcemap:      esbuild.SourceMapExternal,
		SourcesContent: esbuild.SourcesContentExclude,
		Target:         esbuild.ESNext,
		TreeShaking:    esbuild.TreeShakingFalse,
		LegalComments:  esbuild.LegalCommentsNone,
		Sourcefile:     File(l.options.Language),
		Loader:         esbuild.LoaderTS,
	})
	if len(result.Errors) > 0 {
		return l.syntaxError(result.Errors[0], 0)
	}
	var m struct {
		Mappings string   `json:"mappings"`
		Names    []string `json:"names"`
	}
	if err := json.Unmarshal(result.Map, &m); err != nil {
		return err
	}
	out, err := json.Marshal(map[string]any{
		"version": 3, "sources": []string{File(l.options.Language)}, "names": m.Names,
		"mappings": ";" + m.Mappings, // the wrapping puts a line before
	})
	if err != nil {
		return err
	}
	l.modules.body = string(result.Code)
	l.typeMap = "data:application/json;base64," + base64.StdEncoding.EncodeToString(out)
	return nil
}
