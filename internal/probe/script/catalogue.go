package script

import (
	"slices"
	"strings"
	"time"

	"glovebox/api"
	"glovebox/image/attacks"
	"glovebox/internal/probe"
	"glovebox/internal/sandbox"
)

const (
	engine     = sandbox.LayerEngine
	process    = sandbox.LayerProcess
	cgroup     = sandbox.LayerCgroup
	controller = probe.LayerController
)

// usualDeadline bounds a probe that takes a few boxes.
const usualDeadline = 30 * time.Second

func claim(id, text string, layers []string, reference string, denials []probe.Denial, try tryFunc) trial {
	return trial{Probe: probe.Probe{
		ID: id, Family: probe.Script, Claim: text, Layers: layers, Reference: reference, Expect: probe.Expect{Denials: denials}, Deadline: usualDeadline,
	}, try: try}
}

func by(layers ...string) []string { return layers }

func denied(ways ...probe.Denial) []probe.Denial { return ways }

var (
	thrown    = denied(probe.DeniedThrown)
	absent    = denied(probe.DeniedAbsent)
	contained = denied(probe.DeniedContained)
	coded     = denied(probe.DeniedCode)
)

func trials() []trial {
	all := []trial{
		claim("engine.eval", "No text is compiled: neither by eval nor by Function, by whatever road.", by(engine),
			"vm2 CVE-2023-37903; n8n CVE-2025-68613", thrown, expressions(attacks.Roads(), "SecurityError")),
		claim("engine.constructors", "No function that can be reached leads to a constructor that compiles a text.", by(engine),
			"vm2 CVE-2023-30547; SandboxJS", thrown, finds(constructorWalk, probe.DeniedThrown)),
		claim("engine.modules", "No module is loaded but the allowlisted ones.", by(engine), "vm2; Node's require", thrown, expressions(modules(), "")),
		claim("engine.import", "No text, file or address is imported.", by(engine), "ECMAScript, import()", coded, codes(imports(), api.SecurityError, api.SyntaxError, api.RuntimeError)),
		claim("engine.host-objects", "No object of a host's is there: neither of Node.js, Deno or Bun, nor of a browser.", by(engine),
			"vm2 CVE-2023-29017", absent, finds(hostObjects, probe.DeniedAbsent)),
		claim("engine.host-frames", "The stack of an error shows no frame, path or object of the host's.", by(engine),
			"vm2 CVE-2022-36067 (Error.prepareStackTrace)", absent, finds(hostFrames, probe.DeniedAbsent)),
		claim("engine.host-functions", "What can be reached of functions made in Go tells nothing of Go.", by(engine), "vm2 CVE-2023-32314", absent,
			finds(attacks.GoWalk, probe.DeniedAbsent)),
		claim("engine.callers", "No function tells who called it.", by(engine), "ECMAScript, Function.prototype.caller", absent, finds(callers, probe.DeniedAbsent)),
		claim("engine.regexp-statics", "RegExp keeps no match but the script's own.", by(engine), "RegExp legacy static properties", absent, finds(regexpStatics, probe.DeniedAbsent)),
		claim("engine.proxies", "A proxy or a getter of a script's is never run outside of its box.", by(engine), "vm2 CVE-2023-32314", contained, hostileValues),
		claim("tenant.prototypes", "What one script does to the built-in objects the next does not find.", by(process, engine), "prototype pollution; go-judge: boxes reused", absent, pollution),
		claim("tenant.libraries", "What one script does to a library the next does not find.", by(process, engine), "prototype pollution; go-judge: boxes reused", absent, pollutedLibrary),
		claim("tenant.input", "A script finds nothing of another's input, which runs beside it.", by(process, engine), "dify-sandbox#225", absent, othersInput),
		claim("frames.console", "What a script prints is a log, and never a frame.", by(engine), "forged frames; llm-sandbox's markers in stdout", contained, forgedByConsole),
		claim("frames.output", "What a script returns is its output, and never a frame.", by(engine), "forged frames", contained, forgedByOutput),
		claim("frames.codes", "What an error says of itself never becomes the result's code.", by(engine), "judging by the text of a message", coded, forgedCodes),
		claim("flood.logs", "Logs are bounded in number and bytes, and what was kept is given.", by(engine, controller), "piston#465", contained, floodedLogs),
		claim("flood.output", "An output beyond its limit is refused.", by(engine, controller), "unbounded output", coded,
			codes([]string{`output = "x".repeat(17 * 1024 * 1024)`, `output = Array.from({length: 20}, () => "x".repeat(1024 * 1024))`}, api.OutputLimit, api.MemoryLimit)),
		claim("flood.errors", "An error's text is bounded.", by(engine, controller), "unbounded output", contained, floodedErrors),
	}
	for _, g := range attacks.Groups() {
		t := claim("bomb."+g.Name, bombClaims[g.Name], bombLayers(g), bombReferences[g.Name], coded, bombs(g.Bombs))
		t.Deadline = 3 * time.Minute
		all = append(all, t)
	}
	return all
}

// bombLayers are those that stop every bomb of a group by themselves: the engine where it stops them all.
func bombLayers(g attacks.Group) []string {
	if slices.ContainsFunc(g.Bombs, func(b attacks.Bomb) bool { return !b.Safe }) {
		return by(cgroup)
	}
	return by(engine, cgroup)
}

var bombClaims = map[string]string{
	"growth":     "A script that holds on to ever more is ended by a limit, and its logs are kept.",
	"allocation": "A single operation that asks for more than a box has ends in its own box.",
	"depth":      "A structure that a recursive program falls over ends in its own box.",
	"deaf":       "A script that hears no interruption is killed soon after its time, and its logs are kept.",
	"endless":    "A script without an end is ended when its time is up.",
}

var bombReferences = map[string]string{
	"growth": "cgroup memory", "allocation": "cgroup memory", "depth": "V8 and goja: stack overflow", "deaf": "piston#196; piston#465; ReDoS", "endless": "piston#196",
}

func modules() []string {
	var all []string
	for name := range strings.FieldsSeq("fs node:fs fs/promises child_process net http https dgram tls vm worker_threads cluster module process os inspector v8 async_hooks wasi repl ./runner /runner ../../etc/passwd /etc/passwd /proc/self/environ file:///etc/passwd") {
		all = append(all, `require("`+name+`")`)
	}
	return append(all, `require.main.require("fs")`, `require.cache.x`, `require.resolve.paths("x")`, `require.extensions[".js"]({}, "x")`,
		`module.constructor._load("fs")`, `require({toString() { return "fs" }})`, `require("lodash/../fs")`)
}

func imports() []string {
	var all []string
	for name := range strings.FieldsSeq("data:text/javascript,export%20default%201 fs node:fs file:///etc/passwd http://127.0.0.1/x.js blob:x /runner") {
		all = append(all, `import x from "`+name+`"; output = typeof x`, `output = typeof await import("`+name+`")`)
	}
	return all
}

// constructorWalk tries the constructor of everything that can be reached, and its constructor's, and so on.
const constructorWalk = `
const seen = new Set(), found = [], kinds = new Set();
let tried = 0;
const compile = (make, path) => {
  for (const way of [() => make("return 7"), () => new make("return 7"), () => Reflect.construct(make, ["return 7"]), () => Reflect.apply(make, null, ["return 7"])]) {
    tried++;
    try {
      const f = way();
      if (typeof f !== "function") continue;
      const value = f();
      if (value === 7 || (value && typeof value.next === "function" && value.next().value === 7)) found.push(path);
    } catch { }
  }
};
const look = (o, path, depth) => {
  if ((typeof o !== "object" && typeof o !== "function") || o === null || seen.has(o) || depth > 6) return;
  seen.add(o);
  let make;
  try { make = o.constructor } catch { }
  for (let i = 0; typeof make === "function" && i < 4; i++) {
    if (!kinds.has(make) && !/^(setTimeout|setInterval|setImmediate)$/.test(make.name)) { kinds.add(make); compile(make, path + ".constructor".repeat(i + 1)) }
    make = make.constructor;
  }
  for (const k of Reflect.ownKeys(o)) {
    const d = Object.getOwnPropertyDescriptor(o, k);
    for (const v of [d.value, d.get, d.set]) look(v, path + "." + String(k), depth + 1);
  }
  look(Object.getPrototypeOf(o), path + ".__proto__", depth + 1);
};
look(globalThis, "globalThis", 0);
for (const [name, f] of Object.entries({ f() {}, g: function* () {}, a: async () => {}, ag: async function* () {}, c: class {}, b: (() => {}).bind(null), e: new Error("x"), p: Promise.resolve(), y: Symbol.iterator })) look(f, name, 0);
if (kinds.size < 20 || tried < 80) throw new Error("only " + kinds.size + " constructors were found");
return found`

const hostObjects = `
const found = [];
for (const name of "process Deno Bun fetch XMLHttpRequest WebSocket EventSource Worker SharedWorker importScripts indexedDB localStorage sessionStorage caches RTCPeerConnection WebTransport ShadowRealm WebAssembly window document navigator location global Buffer __dirname __filename exports java Java Packages load read print readFile quit gc d8 std os scriptArgs $262 GLib imports vm sandbox host".split(" ")) {
  if (name in globalThis && globalThis[name] !== undefined && globalThis[name] !== globalThis) found.push(name);
}
return found`

const hostFrames = `
const found = [];
let called = false;
Error.prepareStackTrace = (e, frames) => { called = true; return frames };
const errors = [];
for (const f of [() => null.x, () => [1].map(() => { throw new Error("x") }), () => JSON.parse("{"), () => require("nothing"), () => new Array(-1), () => "x".repeat(-1), () => structuredClone(() => {}), () => { throw new Error("y") }]) {
  try { f() } catch (e) { errors.push(e) }
}
const o = {};
if (Error.captureStackTrace) { Error.captureStackTrace(o); errors.push(o) }
for (const e of errors) {
  if (typeof e.stack !== "string" && e.stack !== undefined) found.push("a stack that is no text");
  if (/\.go\b|goja|glovebox|github\.com|\/(root|home|work|usr|proc)\//.test(String(e.stack))) found.push(String(e.stack).slice(0, 100));
}
if (called) found.push("Error.prepareStackTrace is called");
if (errors.length < 8) throw new Error("too few errors");
return found`

const callers = `
const found = [];
const inner = () => { try { const c = outer.caller; if (c) found.push("caller") } catch { } };
function outer() { inner(); try { if (arguments.callee && arguments.callee.caller) found.push("callee.caller") } catch { } return 1 }
outer(); [1].map(outer); [2, 1].sort(outer); "x".replace(/x/, outer); JSON.stringify({ a: 1 }, outer); Reflect.apply(outer, null, []);
return found`

// regexpStatics must look before it matches anything itself.
const regexpStatics = `return ["$1", "$&", "$_", "input", "lastMatch", "leftContext", "rightContext", "lastParen"].filter(k => RegExp[k])`
