package attacks

// Roads are ways to have a text compiled. Each is an expression, and must throw a SecurityError.
func Roads() []string {
	return []string{
		`eval("1")`,
		`(0, eval)("1")`,
		`globalThis.eval("1")`,
		`globalThis["ev" + "al"]("1")`,
		`eval.call(null, "1")`,
		`Reflect.apply(eval, null, ["1"])`,
		`new Function("return 1")`,
		`Function("return 1")()`,
		`new globalThis.Function("a", "return a")`,
		`Function.call(null, "return 1")`,
		`Function.apply(null, ["return 1"])`,
		`Function.bind(null, "return 1")()`,
		`Reflect.construct(Function, ["return 1"])`,
		`Reflect.construct(Object, [], Function) && Reflect.construct(Function, ["1"], Object)`,
		`(function () {}).constructor("return 1")`,
		`(() => {}).constructor("return 1")`,
		`(class {}).constructor("return 1")`,
		`Math.max.constructor("return 1")`,
		`Object.constructor("return 1")`,
		`eval.constructor("return 1")`,
		`Function.prototype.constructor("return 1")`,
		`Object.getPrototypeOf(function () {}).constructor("return 1")`,
		`(async function () {}).constructor("return 1")`,
		`(async () => {}).constructor("return 1")`,
		`Object.getPrototypeOf(async function () {}).constructor("return 1")`,
		`(function* () {}).constructor("yield 1")`,
		`new (Object.getPrototypeOf(function* () {}).constructor)("yield 1")`,
		`Object.getPrototypeOf((function* () {}).constructor)("return 1")`,
		`Object.getPrototypeOf((async function () {}).constructor)("return 1")`,
		`(async function* () {}).constructor("yield 1")`,
		`new (class extends Function { constructor() { super("return 1") } })()`,
		`[].map.constructor("return 1")`,
		`({}).toString.constructor("return 1")`,
		`Promise.resolve().then.constructor("return 1")`,
		`console.log.constructor("return 1")`,
		`require.constructor("return 1")`,
		`setTimeout.constructor("return 1")`,
		`new Proxy(Function, {})("return 1")`,
		`new (new Proxy(Function, {}))("return 1")`,
		`Symbol.prototype.constructor.constructor("return 1")`,
		`Object.getOwnPropertyDescriptor(Function.prototype, "constructor").value("return 1")`,
		`setTimeout("1", 0)`,
		`setInterval("1", 0)`,
		`setImmediate("1")`,
		`queueMicrotask("1")`,
		`require("lodash").template("x")`,
		`import.meta.constructor.constructor("return 1")`,
		// What takes something away stands last: they may be tried one after the other in one script.
		`(() => { delete Function.prototype.constructor; return (() => {}).constructor("return 1") })()`,
		`(() => { Function.prototype.constructor = null; return (() => {}).constructor("return 1") })()`,
		`(() => { delete globalThis.eval; delete globalThis.Function; return (() => {}).constructor("1") })()`,
	}
}

// GoWalk is a script that looks at everything that can be reached, and returns what tells of Go: nothing.
const GoWalk = `const seen = new Set(), found = [];
const look = (o, path, depth) => {
  if ((typeof o !== "object" && typeof o !== "function") || o === null || seen.has(o) || depth > 4) return;
  seen.add(o);
  if (typeof o === "function" && (/[\/.]|glovebox|goja|func\d/.test(o.name.replace(/^(get|set) /, "").replace(/^\[Symbol\..*\]$/, "")) || /glovebox|goja\b/.test(Function.prototype.toString.call(o)))) found.push(path + ": " + o.name);
  for (const k of Reflect.ownKeys(o)) {
    const d = Object.getOwnPropertyDescriptor(o, k);
    for (const v of [d.value, d.get, d.set]) look(v, path + "." + String(k), depth + 1);
  }
  look(Object.getPrototypeOf(o), path + ".__proto__", depth + 1);
};
look(globalThis, "globalThis", 0);
look(setTimeout(() => {}, 0), "timer", 0);
return found`
