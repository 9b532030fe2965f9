// What is asked of both services. Each probe is run on a fresh service of either kind. `why` says why Glovebox's answer is
// the right one, and is shown where the two differ; a probe without it is one on which they should agree.
const bomb = { memoryLimitMB: 64, timeoutSeconds: 20 };
const memory = 'Memory that ran out has one name whatever filled it, and takes nothing else with it: the box alone is gone.';
const words = 'A class comes from what happened, never from the words of a message, which are the script’s own.';
const whole = 'A value that JSON does not know is converted by a stated rule, with a warning that names where; it never becomes {} in silence.';
const real = 'The real library, not a stand-in written by hand.';
const printed = 'Printing is what scripts do most; it must never fail a run.';
const sealed = 'Code made from text is where sandboxes are broken: it is documented as blocked, and so it is.';
const capped = 'What a script gives is bounded, so that one script cannot fill the memory of its caller.';
const present = (name) => ({ area: 'globals', what: name, code: `output = typeof ${name}`, why: 'Code that models write expects it.' });

export const probes = [
  { area: 'basics', what: 'output assigned', code: 'output = 6 * 7' },
  { area: 'basics', what: 'input passed through', code: 'output = input', inputData: { a: [1, 'ä', null, true, { b: -0.5 }] } },
  { area: 'basics', what: 'await', code: 'output = await Promise.resolve(3)' },
  { area: 'basics', what: 'no output', code: 'const a = 1', why: 'A result always has an output, null where there is none, so that it survives JSON.' },
  { area: 'basics', what: '`return` at top level', code: 'return 42', why: 'What is returned is plainly meant to be the result.' },
  { area: 'basics', what: 'state between runs', code: 'globalThis.n = (globalThis.n ?? 0) + 1; output = globalThis.n', times: 2 },
  { area: 'basics', what: 'async generators, classes, private fields', code: 'class A { #a = 1; async *g() { yield this.#a } } for await (const x of new A().g()) output = x' },
  { area: 'basics', what: 'named groups in regular expressions', code: 'output = /(?<y>\\d{4})-(?<m>\\d\\d)/u.exec("on 2026-01").groups.m' },

  { area: 'console', what: 'console.log of an object', code: 'console.log({ a: 1 }); output = 1', show: 'logs', why: printed },
  { area: 'console', what: 'console.log of an array', code: 'console.log([1, "b"]); output = 1', show: 'logs', why: printed },
  { area: 'console', what: 'console.log of an Error', code: 'console.log(new Error("e").message, new Error("e") instanceof Error); console.log(new RangeError("so")); output = 1', show: 'logs', why: printed },
  { area: 'console', what: 'console.log of a Date', code: 'console.log(new Date(0)); output = 1', show: 'logs', why: printed },
  { area: 'console', what: 'console.debug', code: 'console.debug("d"); output = 1', show: 'logs', why: printed },
  { area: 'console', what: 'console.table', code: 'console.table([{ a: 1 }]); output = 1', show: 'logs', why: printed },

  { area: 'errors', what: 'what was printed before a failure', code: 'console.log("before"); throw new Error("so")', show: 'logs', why: 'What was printed tells what went wrong: it is kept whatever the end.' },
  { area: 'errors', what: 'the time of a failed run', code: 'throw new Error("so")', show: 'hasTime', why: 'A run that failed took time too.' },
  { area: 'errors', what: 'where an error is', code: 'const a = 1;\nconst b = undefined;\nb.c', why: 'Whoever mends the code needs the line. The words before it are the engine’s own.' },
  { area: 'errors', what: 'a SyntaxError', code: 'const a = 1;\nconst = 2', show: 'type' },
  { area: 'errors', what: 'where a SyntaxError is', code: 'const a = 1;\nconst = 2', why: 'The line is the script’s own, and no path of the host is told.' },
  { area: 'errors', what: '`let a` twice', code: 'let a = 1; let a = 2', show: 'type', why: 'It does not parse, and so nothing of it ran.' },
  ...['Unexpected end', 'Security Error', 'memory limit reached', 'Script execution timed out'].map((message) => (
    { area: 'errors', what: `throws Error("${message}")`, code: `throw new Error("${message}")`, show: 'type', why: words })),

  { area: 'limits', what: 'an endless loop, limit 1 s', code: 'for (;;) {}', timeoutSeconds: 1, show: 'type' },
  { area: 'limits', what: 'an await that never settles, limit 1 s', code: 'await new Promise(() => {})', timeoutSeconds: 1, show: 'typeAndSeconds', why: 'What nothing can settle any more is the script’s error, told at once; and a limit of one second is one second.' },
  { area: 'limits', what: 'timeoutSeconds −1', code: 'output = 1', timeoutSeconds: -1, why: 'What is out of bounds is refused, never clamped in silence.' },
  { area: 'limits', what: 'memoryLimitMB −5', code: 'output = 1', memoryLimitMB: -5, why: 'As above.' },
  { area: 'limits', what: 'memoryLimitMB 8', code: 'output = 1', memoryLimitMB: 8, why: 'As above; the least that is allowed is 16 MB.' },
  { area: 'limits', what: '100,000 log lines', code: 'for (let i = 0; i < 100000; i++) console.log("line"); output = 1', show: 'logSize', why: capped },
  { area: 'limits', what: 'a log line of 50 MB', code: 'console.log("x".repeat(50e6)); output = 1', memoryLimitMB: 512, show: 'logSize', why: capped },
  { area: 'limits', what: '60 MB of output', code: 'output = "x".repeat(60e6)', memoryLimitMB: 512, show: 'outputSize', why: capped },

  ...Object.entries({
    'an array that grows': 'const a = []; for (;;) a.push({ i: a.length })',
    'a string that doubles': 'let s = "x"; for (;;) s += s + Math.random()',
    'a Map that grows': 'const m = new Map(); for (let i = 0; ; i++) m.set(i, "v" + i)',
    'arrays filled': 'const a = []; for (;;) a.push(new Array(1e6).fill(1))',
    'typed arrays': 'const a = []; for (;;) a.push(new Float64Array(1e6).fill(1))',
    'strings joined': 'const a = []; for (;;) a.push("x".repeat(1e6) + a.length)',
  }).map(([what, code]) => ({ area: 'memory, limit 64 MB', what, code, ...bomb, show: 'type', why: memory })),

  ...Object.entries({
    BigInt: '1n', 'a circle': '(() => { const a = {}; a.a = a; return a })()', Map: 'new Map([["a", 1]])', Set: 'new Set([1, 2])', Error: 'new TypeError("so")',
    ArrayBuffer: 'new Uint8Array([1, 2]).buffer', Uint8Array: 'new Uint8Array([1, 2])', Date: 'new Date(0)', 'NaN in an object': '({ a: NaN })',
  }).map(([what, value]) => ({ area: 'output', what, code: `output = ${value}`, why: what === 'a circle' ? 'It is the script’s error, told as one, within the contract.' : whole })),

  { area: 'libraries', what: 'lodash groupBy', code: 'output = require("lodash").groupBy([{ a: 1 }, { a: 2 }, { a: 1 }], "a")', why: real },
  { area: 'libraries', what: 'lodash chain', code: 'output = require("lodash")([3, 1, 2]).sortBy().map((n) => n * 2).value()', why: real },
  { area: 'libraries', what: 'mathjs', code: 'output = require("mathjs").evaluate("sqrt(16) + 2^10")', why: real },
  { area: 'libraries', what: 'papaparse', code: 'output = require("papaparse").parse("a,b\\n1,\\"x,y\\"", { header: true }).data', why: real },
  { area: 'libraries', what: 'date-fns addMonths(31 Jan, 1)', code: 'const { addMonths, format } = require("date-fns"); output = format(addMonths(new Date(2026, 0, 31), 1), "d MMM")', why: real },
  { area: 'libraries', what: 'date-fns parseISO and format', code: 'const { parseISO, format } = require("date-fns"); output = format(parseISO("2026-01-31"), "yyyy-MM-dd EEEE")', why: real },
  { area: 'libraries', what: 'date-fns differenceInBusinessDays', code: 'const f = require("date-fns").differenceInBusinessDays; output = f(new Date(2026, 0, 12), new Date(2026, 0, 5))', why: real },
  { area: 'libraries', what: 'validator isURL', code: 'output = require("validator").isURL("https://example.com")', why: real },
  { area: 'libraries', what: 'validator isEmail("a@b..c")', code: 'output = require("validator").isEmail("a@b..c")', why: real },
  { area: 'libraries', what: 'uuid v4, validated', code: 'const { v4, validate } = require("uuid"); output = validate(v4())', why: real },
  { area: 'libraries', what: 'jstat', code: 'output = typeof require("jstat")', why: 'Not on Glovebox’s list, which holds the six libraries that Glovebox promises; mathjs has most of what is asked of it.' },

  { area: 'security', what: 'require("fs")', code: 'require("fs")', why: 'The same class, and a sentence that says what is to be had; no path of the host.' },
  { area: 'security', what: 'require("node:fs")', code: 'require("node:fs")', why: 'It is the same module, and so the same class.' },
  { area: 'security', what: 'eval', code: 'output = eval("1 + 1")', why: sealed },
  { area: 'security', what: 'new Function', code: 'output = new Function("return 1")()', why: sealed },
  { area: 'security', what: 'a function’s constructor', code: 'output = (() => 1).constructor("return 1")()', why: sealed },
  { area: 'security', what: 'process', code: 'output = typeof process' },
  { area: 'security', what: 'bridgeHandlers', code: 'output = await __bridgeCall("add", { a: 1 })', bridgeHandlers: { add: ({ a }) => a + 1 }, why: 'A box has no way to call its host, which is the point of it: the host fetches first, and passes data in.' },

  ...['setTimeout', 'URL', 'TextEncoder', 'crypto', 'structuredClone', 'atob', 'queueMicrotask', 'performance'].map(present),
];
