package polyfill_test

import (
	"testing"

	"glovebox/image/lib"
	"glovebox/internal/testenv"
)

// probes are features as scripts use them: each script's value, as String gives it, is compared. `done` is a
// global that asynchronous ones set.
var probes = []struct{ name, script, want string }{
	{"Object.groupBy", `JSON.stringify(Object.groupBy([1,2,3], x => x % 2 ? 'odd' : 'even'))`, `{"odd":[1,3],"even":[2]}`},
	{"Object.groupBy has no prototype", `Object.getPrototypeOf(Object.groupBy([], x => x))`, `null`},
	{"Map.groupBy", `[...Map.groupBy([1,2,3], x => x % 2).get(1)].join()`, `1,3`},
	{"Map.groupBy takes an iterator", `Map.groupBy(new Set([1,2]), x => 'k').get('k').length`, `2`},
	{"Map getOrInsert", `var m = new Map(); m.getOrInsert('a', 1); m.getOrInsert('a', 2)`, `1`},
	{"Map getOrInsertComputed", `new Map().getOrInsertComputed('a', k => k + '!')`, `a!`},
	{"WeakMap getOrInsert", `new WeakMap().getOrInsert({}, 5)`, `5`},
	{"WeakMap getOrInsertComputed", `new WeakMap().getOrInsertComputed({}, () => 6)`, `6`},

	{"Promise.withResolvers", `var w = Promise.withResolvers(); w.promise.then(v => done = v); w.resolve(7); w`, `7`},
	{"Promise.try", `Promise.try((a, b) => a + b, 1, 2).then(v => done = v)`, `3`},
	{"Promise.try catches", `Promise.try(() => { throw new Error('x') }).catch(e => done = e.message)`, `x`},
	{"Promise.allKeyed", `Promise.allKeyed({a: 1, b: Promise.resolve(2)}).then(v => done = JSON.stringify(v))`, `{"a":1,"b":2}`},
	{"Promise.allSettledKeyed", `Promise.allSettledKeyed({a: Promise.reject(1)}).then(v => done = v.a.status)`, `rejected`},
	{"Promise is goja's own", `Promise.withResolvers(); Function.prototype.toString.call(Promise)`, `function Promise() { [native code] }`},
	{"Array.fromAsync", `Array.fromAsync([1, Promise.resolve(2)], x => x * 2).then(v => done = v.join())`, `2,4`},
	{"Array.fromAsync of an async iterable", `Array.fromAsync({[Symbol.asyncIterator]() { var i = 0; return {next: async () => ({value: i, done: i++ == 2})} }}).then(v => done = v.join())`, `0,1`},

	{"Iterator", `typeof Iterator + ' ' + ([].values() instanceof Iterator)`, `function true`},
	{"Iterator.from", `Iterator.from({next() { return {done: true} }}).toArray().length`, `0`},
	{"Iterator.concat", `[...Iterator.concat([1], [2])].join()`, `1,2`},
	{"Iterator.zip", `JSON.stringify([...Iterator.zip([[1,2],[3,4]])])`, `[[1,3],[2,4]]`},
	{"Iterator.zipKeyed", `JSON.stringify([...Iterator.zipKeyed({a: [1], b: [2]})])`, `[{"a":1,"b":2}]`},
	{"iterator map", `[1,2].values().map(x => x * 2).toArray().join()`, `2,4`},
	{"iterator filter", `[...new Set([1,2,3]).values().filter(x => x > 1)].join()`, `2,3`},
	{"iterator take of an endless generator", `(function* () { for (let i = 0;; i++) yield i })().take(3).toArray().join()`, `0,1,2`},
	{"iterator drop", `[1,2,3].values().drop(2).next().value`, `3`},
	{"iterator flatMap", `[1,2].values().flatMap(x => [x, x]).toArray().join()`, `1,1,2,2`},
	{"iterator reduce", `new Map([[1, 2]]).values().reduce((a, b) => a + b, 1)`, `3`},
	{"iterator forEach", `var s = 0; [1,2].values().forEach(x => s += x); s`, `3`},
	{"iterator some", `[1].values().some(x => x == 1)`, `true`},
	{"iterator every", `[1].values().every(x => x == 2)`, `false`},
	{"iterator find", `[1,2].values().find(x => x > 1)`, `2`},
	{"iterator includes", `[1,2].values().includes(2)`, `true`},
	{"iterator join", `[1,2].values().join('-')`, `1-2`},
	{"iterator chunks", `JSON.stringify([...[1,2,3].values().chunks(2)])`, `[[1,2],[3]]`},
	{"iterator windows", `JSON.stringify([...[1,2,3].values().windows(2)])`, `[[1,2],[2,3]]`},
	{"class extends Iterator", `class R extends Iterator { next() { return {done: this.n > 1, value: this.n = (this.n || 0) + 1} } }; [...new R().map(x => x * 10)].join()`, `10,20`},
	{"Iterator.prototype[Symbol.dispose]", `typeof [].values()[Symbol.dispose]`, `function`},
	{"Symbol.dispose", `typeof Symbol.dispose + Symbol.dispose.description`, `symbolSymbol.dispose`},
	{"Symbol.asyncDispose", `String(Symbol.asyncDispose)`, `Symbol(Symbol.asyncDispose)`},
	{"Symbol.asyncIterator", `String(Symbol.asyncIterator)`, `Symbol(Symbol.asyncIterator)`},
	{"Symbol.metadata", `(class {})[Symbol.metadata]`, `null`},
	{"AsyncIterator.from", `AsyncIterator.from([1,2]).map(x => x + 1).toArray().then(v => done = v.join())`, `2,3`},
	{"iterator toAsync", `[1,2].values().toAsync().filter(x => x > 1).toArray().then(v => done = v.join())`, `2`},

	{"Set union", `[...new Set([1]).union(new Set([2]))].join()`, `1,2`},
	{"Set intersection", `[...new Set([1,2]).intersection(new Set([2]))].join()`, `2`},
	{"Set difference", `[...new Set([1,2]).difference(new Map([[2, 0]]))].join()`, `1`},
	{"Set symmetricDifference", `[...new Set([1,2]).symmetricDifference(new Set([2,3]))].join()`, `1,3`},
	{"Set isSubsetOf", `new Set([1]).isSubsetOf(new Set([1,2]))`, `true`},
	{"Set isSupersetOf", `new Set([1]).isSupersetOf(new Set([1,2]))`, `false`},
	{"Set isDisjointFrom", `new Set([1]).isDisjointFrom(new Set([2]))`, `true`},

	{"toSorted", `var a = [3,1]; a.toSorted().join() + ' ' + a.join() + ' ' + ('toSorted' in [])`, `1,3 3,1 true`},
	{"toReversed", `[1,2].toReversed().join()`, `2,1`},
	{"toSpliced", `[1,2,3].toSpliced(1, 1, 9, 9).join()`, `1,9,9,3`},
	{"with", `[1,2].with(-1, 9).join()`, `1,9`},
	{"typed toSorted", `new Uint8Array([3,1]).toSorted().join()`, `1,3`},
	{"typed toReversed", `new Float64Array([1.5,2]).toReversed().join()`, `2,1.5`},
	{"typed with", `new Int16Array([1,2]).with(0, 5).join()`, `5,2`},
	{"at", `[1,2].at(-1) + 'ab'.at(-1) + new Uint8Array([7]).at(-1)`, `2b7`},
	{"findLast", `[1,2,3].findLast(x => x < 3) + ' ' + [1,2,3].findLastIndex(x => x < 3)`, `2 1`},
	{"flat and flatMap", `[1,[2,[3]]].flat(Infinity).flatMap(x => [x, x]).length`, `6`},
	{"Object.fromEntries", `JSON.stringify(Object.fromEntries(new Map([['a', 1]])))`, `{"a":1}`},
	{"Object.hasOwn", `Object.hasOwn({a: 1}, 'a')`, `true`},
	{"replaceAll", `'a.a'.replaceAll('.', '$&$&')`, `a..a`},
	{"matchAll", `[...'a1b2'.matchAll(/[a-z](\d)/g)].map(m => m[1]).join()`, `1,2`},

	{"isWellFormed", `'a\uD800'.isWellFormed() + ' ' + 'ab'.isWellFormed()`, `false true`},
	{"toWellFormed", `'a\uD800'.toWellFormed() === 'a\uFFFD'`, `true`},
	{"RegExp.escape", `new RegExp(RegExp.escape('a.b*c')).test('a.b*c') + ' ' + new RegExp(RegExp.escape('a.b')).test('axb')`, `true false`},
	{"Math.sumPrecise", `Math.sumPrecise([1e20, 0.1, -1e20])`, `0.1`},
	{"Math.f16round", `Math.f16round(1.337)`, `1.3369140625`},
	{"Math.cosh", `Math.cosh(710) > 1e308 && Math.cosh(710) < Infinity && Math.cosh(1) === 1.5430806348152437 && Math.cosh(-711) === Infinity && Math.cosh(-0) === 1 && Math.cosh.name === 'cosh'`, `true`},
	{"Math.cosh of nothing", `Math.cosh()`, `NaN`},
	{"Float16 in DataView", `var d = new DataView(new ArrayBuffer(2)); d.setFloat16(0, 1.5); d.getFloat16(0)`, `1.5`},
	{"Error.isError", `Error.isError(new TypeError()) + ' ' + Error.isError({})`, `true false`},
	{"Error cause", `new Error('a', {cause: 5}).cause`, `5`},
	{"AggregateError", `new AggregateError([1], 'm').errors.length`, `1`},
	{"SuppressedError", `var e = new SuppressedError(1, 2, 'm'); e.error + e.suppressed + e.message + (e instanceof Error)`, `3mtrue`},
	{"DisposableStack", `var log = []; var s = new DisposableStack(); s.defer(() => log.push('a')); s.use({[Symbol.dispose]() { log.push('b') }}); s.dispose(); log.join()`, `b,a`},
	{"AsyncDisposableStack", `var s = new AsyncDisposableStack(); s.defer(async () => { done = 'a' }); s.disposeAsync()`, `a`},
	{"JSON.rawJSON", `JSON.stringify({a: JSON.rawJSON('12345678901234567890')})`, `{"a":12345678901234567890}`},
	{"JSON.parse gives the source", `JSON.stringify(JSON.parse('{"a":1.50,"b":[12345678901234567890]}', (k, v, c) => typeof v === 'number' ? c.source : v))`, `{"a":"1.50","b":["12345678901234567890"]}`},
	{"JSON.parse with an old reviver", `JSON.stringify(JSON.parse('{"a":[1,2]}', function (k, v) { return k === '0' ? undefined : v })) + JSON.parse.length + JSON.parse.name`, `{"a":[null,2]}2parse`},
	{"JSON.parse of garbage", `try { JSON.parse('{') } catch (e) { e.name }`, `SyntaxError`},
	{"JSON.parse of garbage, with source", `try { JSON.parse('{', (a, b, c) => b) } catch (e) { e.name }`, `SyntaxError`},
	{"JSON.stringify is well-formed", `JSON.stringify('\uD800')`, `"\ud800"`},
	{"base64 of bytes", `new Uint8Array([1,2,255]).toBase64() + ' ' + Uint8Array.fromBase64('AQL/').join()`, `AQL/ 1,2,255`},
	{"hex of bytes", `new Uint8Array([1,255]).toHex() + ' ' + Uint8Array.fromHex('01ff').join()`, `01ff 1,255`},
	{"ArrayBuffer transfer", `var b = new Uint8Array([1,2,3]).buffer, c = b.transfer(2); b.detached + ' ' + c.detached + ' ' + new Uint8Array(c).join() + ' ' + b.byteLength`, `true false 1,2 0`},
	{"ArrayBuffer transfer, longer", `new Uint8Array(new Uint8Array([1]).buffer.transferToFixedLength(3)).join()`, `1,0,0`},
	{"getYear", `new Date(1999, 1).getYear()`, `99`},
	{"toGMTString", `Date.prototype.toGMTString === Date.prototype.toUTCString`, `true`},
	{"__defineGetter__", `var o = {}; o.__defineGetter__('x', () => 5); o.x`, `5`},
	{"__lookupSetter__", `typeof ({set x(v) {}}).__lookupSetter__('x')`, `function`},
	{"anchor", `'a'.anchor('"')`, `<a name="&quot;">a</a>`},

	{"structuredClone of an object", `var a = {x: [1, {y: 2}]}, b = structuredClone(a); b.x[1].y = 3; a.x[1].y`, `2`},
	{"structuredClone of a Map", `structuredClone(new Map([['a', new Set([1])]])).get('a').has(1)`, `true`},
	{"structuredClone of a Date", `var d = new Date(5), c = structuredClone(d); c !== d && c instanceof Date && c.getTime()`, `5`},
	{"structuredClone of typed arrays", `var a = new Uint8Array([1,2]), c = structuredClone(a); c[0] = 9; a.join() + ' ' + (c instanceof Uint8Array) + ' ' + c.join()`, `1,2 true 9,2`},
	{"structuredClone of BigInt arrays", `structuredClone(new BigInt64Array([5n]))[0]`, `5`},
	{"structuredClone of an error", `var c = structuredClone(new TypeError('m')); c instanceof TypeError && c.message`, `m`},
	{"structuredClone of a RegExp", `String(structuredClone(/a/gi))`, `/a/gi`},
	{"structuredClone of a cycle", `var a = {}; a.self = a; var b = structuredClone(a); b !== a && b.self === b`, `true`},
	{"structuredClone keeps shared parts shared", `var s = {}, c = structuredClone({a: s, b: s}); c.a === c.b`, `true`},
	{"structuredClone of a function", `try { structuredClone(() => 1) } catch (e) { e.name + ' ' + (e instanceof DOMException) + ' ' + e.code }`, `DataCloneError true 25`},
	{"structuredClone of a symbol", `try { structuredClone(Symbol()) } catch (e) { e.name }`, `DataCloneError`},
	{"structuredClone of primitives", `[structuredClone(1n), structuredClone(null), structuredClone(undefined), structuredClone('s')].map(String).join()`, `1,null,undefined,s`},
	{"structuredClone of holes", `0 in structuredClone([,1])`, `false`},

	{"atob and btoa", `atob(btoa('hello')) + btoa('\xff')`, `hello/w==`},
	{"btoa of more than bytes", `try { btoa('\u0100') } catch (e) { e.name }`, `InvalidCharacterError`},
	{"atob of garbage", `try { atob('*') } catch (e) { e.name + e.code + (e instanceof Error) }`, `InvalidCharacterError5true`},
	{"DOMException", `var e = new DOMException('m', 'AbortError'); e.name + e.code + e.message + DOMException.ABORT_ERR + (e instanceof Error)`, `AbortError20m20true`},
	{"queueMicrotask", `queueMicrotask(() => { done = 'ran' })`, `ran`},

	{"URL", `var u = new URL('../b?x=1#h', 'https://user:pw@example.com:8080/a/c'); [u.href, u.origin, u.port, u.pathname, u.search, u.hash].join(' ')`, `https://user:pw@example.com:8080/b?x=1#h https://example.com:8080 8080 /b ?x=1 #h`},
	{"URL in other scripts", `new URL('https://münchen.de/ä?ö').href`, `https://xn--mnchen-3ya.de/%C3%A4?%C3%B6`},
	{"URL of IPv4 forms", `new URL('http://0x7f.1/').hostname`, `127.0.0.1`},
	{"URL invalid", `try { new URL('nope') } catch (e) { e.name }`, `TypeError`},
	{"URL.canParse", `URL.canParse('nope') + ' ' + URL.canParse('a:b')`, `false true`},
	{"URL.parse", `URL.parse('nope') + ' ' + URL.parse('https://a.b/').host`, `null a.b`},
	{"URL as JSON", `JSON.stringify({u: new URL('https://a.b')})`, `{"u":"https://a.b/"}`},
	{"URL searchParams are live", `var u = new URL('https://a.b/?x=1'); u.searchParams.append('y', 'ä b'); u.search`, `?x=1&y=%C3%A4+b`},
	{"URLSearchParams", `var p = new URLSearchParams('a=1&a=2&b=3'); p.delete('b'); p.getAll('a').join() + p.size + p.has('a', '2') + [...p].length + p`, `1,22true2a=1&a=2`},
	{"URLSearchParams of an object", `String(new URLSearchParams({q: 'a&b', n: 1}))`, `q=a%26b&n=1`},
	{"URLSearchParams sort", `var p = new URLSearchParams('b=1&a=2'); p.sort(); String(p)`, `a=2&b=1`},
}

func TestProbes(t *testing.T) {
	testenv.Need(t, testenv.Libs, lib.Available())
	for _, probe := range probes {
		t.Run(probe.name, func(t *testing.T) {
			rt := newRuntime(t)
			value, err := rt.RunString("var done;\n" + probe.script)
			if err != nil {
				t.Fatal(err)
			}
			if done, err := rt.RunString("done"); err != nil {
				t.Fatal(err)
			} else if done.String() != "undefined" {
				value = done
			}
			if got := value.String(); got != probe.want {
				t.Errorf("got %s, want %s", got, probe.want)
			}
		})
	}
}
