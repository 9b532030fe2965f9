package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"glovebox/api"
	"glovebox/image/engine/lower"
	"glovebox/image/engine/web/native"
)

// load returns the exports of a module, which is made once for each run, beforehand perhaps. They are nil where there is
// no such module, or none for this script.
func (g *Goja) load(specifier string) (goja.Value, error) {
	if !g.allows(specifier) {
		return nil, nil
	}
	if exports, ok := g.loaded[specifier]; ok {
		return exports, nil
	}
	if g.warm.making != nil {
		return g.makeWarm(specifier)
	}
	if exports, ok := g.takeWarm(specifier); ok {
		return exports, nil
	}
	p, err := g.modules.program(specifier)
	if err != nil || p == nil {
		return nil, err
	}
	exports, err := g.instantiate(specifier, p)
	if err != nil {
		return nil, err
	}
	g.loaded[specifier] = exports
	return exports, nil
}

// instantiate makes the exports of a module that is compiled.
func (g *Goja) instantiate(specifier string, p *goja.Program) (goja.Value, error) {
	factory, err := g.rt.RunProgram(p)
	if err != nil {
		return nil, err
	}
	call, ok := goja.AssertFunction(factory)
	if !ok {
		return nil, fmt.Errorf("engine: the module %s is no function", specifier)
	}
	return call(goja.Undefined(), g.builtin.require)
}

// allows reports whether the script may have a module, if there is one: those below a library's name are the library's.
func (g *Goja) allows(specifier string) bool {
	library, _, _ := strings.Cut(strings.TrimSuffix(specifier, ".js"), "/")
	return g.program.Libraries == nil || slices.Contains(g.program.Libraries, library)
}

// libraries are the names of those that the script may have.
func (g *Goja) libraries() []string {
	return slices.DeleteFunc(slices.Clone(g.modules.names()), func(name string) bool { return !g.allows(name) })
}

// refusal says why a module cannot be had, and whether asking for it is a matter of security.
func (g *Goja) refusal(specifier string) (message string, forbidden bool) {
	shown := bound(specifier, 100)
	have := "a box has " + strings.Join(g.libraries(), ", ")
	switch {
	case len(g.modules.names()) == 0:
		have = "this build has no libraries"
	case len(g.libraries()) == 0:
		have = "this script may use no library"
	}
	switch {
	case !g.allows(specifier) && g.modules.has(specifier):
		return fmt.Sprintf("The module %q is not available: it is not among the libraries that this script may use; %s", shown, have), true
	case isNodeBuiltin(specifier):
		return fmt.Sprintf("The module %q is not available: a box has no files, network, processes or other modules of Node's; %s", shown, have), true
	case isNetworkPackage(specifier):
		return fmt.Sprintf("The module %q is not available: a box has no network; %s", shown, have), true
	case strings.Contains(specifier, ":"):
		return fmt.Sprintf("The module %q is not available: a box loads no code from elsewhere; %s", shown, have), true
	}
	return fmt.Sprintf("Cannot find the module %q: %s", shown, have), false
}

// isNodeBuiltin reports whether the specifier names a module of Node's own.
func isNodeBuiltin(specifier string) bool {
	if strings.HasPrefix(specifier, "node:") {
		return true
	}
	name, _, _ := strings.Cut(specifier, "/")
	switch name {
	case "assert", "async_hooks", "buffer", "child_process", "cluster", "console", "constants", "crypto", "dgram",
		"diagnostics_channel", "dns", "domain", "events", "fs", "http", "http2", "https", "inspector", "module", "net",
		"os", "path", "perf_hooks", "process", "punycode", "querystring", "readline", "repl", "sqlite", "stream",
		"string_decoder", "sys", "test", "timers", "tls", "trace_events", "tty", "url", "util", "v8", "vm", "wasi",
		"worker_threads", "zlib":
		return true
	}
	return false
}

// isNetworkPackage reports whether the specifier names a package that scripts use to reach for the network, files
// or processes.
func isNetworkPackage(specifier string) bool {
	name, _, _ := strings.Cut(specifier, "/")
	switch name {
	case "axios", "node-fetch", "cross-fetch", "isomorphic-fetch", "got", "request", "superagent", "undici", "ky", "needle",
		"ws", "socket.io", "socket.io-client", "express", "fastify", "koa", "ssh2", "ftp", "nodemailer", "puppeteer",
		"playwright", "pg", "mysql", "mysql2", "mongodb", "mongoose", "redis", "ioredis", "sqlite3", "better-sqlite3",
		"fs-extra", "graceful-fs", "glob", "rimraf", "chokidar", "dotenv", "execa", "shelljs", "cross-spawn", "vm2",
		"isolated-vm", "bun", "deno", "electron":
		return true
	}
	return false
}

// require is the script's require.
func (g *Goja) require(call goja.FunctionCall) goja.Value {
	name, ok := call.Argument(0).(goja.String)
	if !ok {
		panic(g.rt.NewTypeError("require: the name of a module must be a string"))
	}
	if g.leading > 0 {
		g.leading--
		g.begun = false
		defer func() { g.begun = true }()
	}
	return g.mustLoad(name.String(), false)
}

// mustLoad returns the exports of a module or throws. Where strict is true, what is not there is forbidden too.
func (g *Goja) mustLoad(specifier string, strict bool) goja.Value {
	exports, err := g.load(specifier)
	var ex *goja.Exception
	if errors.As(err, &ex) {
		panic(ex.Value()) // the module threw
	}
	if err != nil {
		panic(err)
	}
	if exports != nil {
		return exports
	}
	message, forbidden := g.refusal(specifier)
	if forbidden || strict {
		panic(g.deny(specifier, message))
	}
	o := g.newError("Error", message)
	native.Hidden(o, "code", g.rt.ToValue("MODULE_NOT_FOUND"))
	panic(o)
}

// resolve finds what an import declaration asks for and returns the module's namespace.
func (g *Goja) resolve(imp lower.Import) (namespace *goja.Object, err error) {
	fail := func(code api.ResultCode, name, message string) error {
		return &placedError{code: code, name: name, message: message, line: imp.Line, column: imp.Column}
	}
	exports, err := g.load(imp.Specifier)
	if err != nil {
		return nil, err
	}
	if exports == nil {
		message, forbidden := g.refusal(imp.Specifier)
		if forbidden {
			return nil, fail(api.SecurityError, "SecurityError", message)
		}
		return nil, fail(api.RuntimeError, "Error", message)
	}
	ex := g.rt.Try(func() {
		namespace = g.namespace(exports)
		for _, name := range imp.Names {
			if namespace.Get(name) == nil {
				err = fail(api.SyntaxError, "SyntaxError", fmt.Sprintf(
					"The module %q has no export named %q", imp.Specifier, bound(name, 100)))
				return
			}
		}
	})
	if ex != nil {
		return nil, ex
	}
	return namespace, err
}

// namespace makes of a module's exports what an import of it sees.
func (g *Goja) namespace(exports goja.Value) *goja.Object {
	o, _ := exports.(*goja.Object)
	return g.rt.NewDynamicObject(&namespace{exports: exports, object: o})
}

// A namespace shows the exports of a module by their names, and as default what the module itself calls so, or else
// all of it, as Node does for CommonJS. It looks at an export only when the script does: those of mathjs are made
// when they are first read. It implements goja.DynamicObject.
type namespace struct {
	exports goja.Value
	object  *goja.Object // nil where exports is none
}

// Get implements goja.DynamicObject.
func (n *namespace) Get(key string) goja.Value {
	if n.object != nil && (key != "default" || n.hasDefault()) {
		return n.object.Get(key)
	}
	if key == "default" {
		return n.exports
	}
	return nil
}

func (n *namespace) hasDefault() bool {
	esModule := n.object.Get("__esModule")
	return esModule != nil && esModule.ToBoolean() && n.object.Get("default") != nil
}

// Set implements goja.DynamicObject: a namespace does not change.
func (*namespace) Set(string, goja.Value) bool { return false }

// Has implements goja.DynamicObject.
func (n *namespace) Has(key string) bool { return n.Get(key) != nil }

// Delete implements goja.DynamicObject.
func (*namespace) Delete(string) bool { return false }

// Keys implements goja.DynamicObject.
func (n *namespace) Keys() []string {
	keys := []string{"default"}
	if n.object != nil {
		for _, key := range n.object.Keys() {
			if key != "default" {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// dynamicImport is import(specifier): a promise of the namespace.
func (g *Goja) dynamicImport(call goja.FunctionCall) goja.Value {
	promise, resolve, reject := g.rt.NewPromise()
	var settled error
	if ex := g.rt.Try(func() {
		specifier := call.Argument(0).String()
		settled = resolve(g.namespace(g.mustLoad(specifier, true)))
	}); ex != nil {
		settled = reject(ex.Value())
	}
	if settled != nil {
		panic(settled)
	}
	return g.rt.ToValue(promise)
}
