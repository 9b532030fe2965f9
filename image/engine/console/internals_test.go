package console

import (
	"testing"

	"github.com/dop251/goja"
	"github.com/dop251/goja/unistring"
)

// TestInternals holds what is read of goja's unexported fields: where a new goja breaks it, the
// printer still works through the public API, but reads getters' kinds, holes and weak collections
// less well.
func TestInternals(t *testing.T) {
	rt := goja.New()
	x := newInternals()
	for code, want := range map[string]kind{
		`({})`: kindOther, `[1]`: kindArray, `(() => { const a = []; a[1e7] = 1; return a })()`: kindSparseArray,
		`(function () { return arguments })(1)`: kindArguments, `(function () { 'use strict'; return arguments })()`: kindArguments,
		`(function f() {})`: kindFunction, `(() => {})`: kindFunction, `({ m() {} }).m`: kindFunction, `parseInt`: kindFunction,
		`(function f() {}).bind()`: kindFunction, `Map`: kindFunction, `Math.max`: kindFunction, `Function.prototype`: kindFunction,
		`(class {})`: kindClass, `(class extends Map {})`: kindClass,
		`(async () => {})`: kindAsyncFunction, `(async function () {})`: kindAsyncFunction, `({ async m() {} }).m`: kindAsyncFunction,
		`(function* () {})`: kindGeneratorFunction, `({ *m() {} }).m`: kindGeneratorFunction,
		`new Error`: kindError, `new (class extends TypeError {})`: kindError, `new AggregateError([])`: kindError,
		`new Date(0)`: kindDate, `new Date(NaN)`: kindDate, `/x/`: kindRegExp, `new Map`: kindMap, `new Set`: kindSet,
		`new Map().keys()`: kindMapIterator, `new Set().keys()`: kindSetIterator, `new WeakMap`: kindWeakMap, `new WeakSet`: kindWeakSet,
		`Promise.resolve()`: kindPromise, `(async () => {})()`: kindPromise, `new Proxy({}, {})`: kindProxy, `new Proxy(() => {}, {})`: kindProxy,
		`new Uint8Array(1)`: kindTypedArray, `new BigInt64Array(1)`: kindTypedArray, `new ArrayBuffer(1)`: kindArrayBuffer,
		`new DataView(new ArrayBuffer(1))`: kindDataView, `new Number(1)`: kindPrimitive, `new Boolean(true)`: kindPrimitive,
		`Object(Symbol())`: kindPrimitive, `Object(1n)`: kindPrimitive, `new String('a')`: kindString, `Math`: kindOther,
		`(function* () {})()`: kindOther, `[].keys()`: kindOther,
	} {
		v, err := rt.RunString(code)
		if err != nil {
			t.Fatal(code, err)
		}
		if got := x.kindOf(v.(*goja.Object)); got != want {
			t.Errorf("%s is of kind %d, want %d", code, got, want)
		}
	}
	v, err := rt.RunString(`Object.defineProperties({ a: 1 }, { g: { get() {} }, s: { set(v) {}, enumerable: true }, b: { get() {}, set(v) {} }, h: { value: 1 } })`)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]slot{
		"a": {exists: true, enumerable: true}, "g": {exists: true, getter: true}, "s": {exists: true, setter: true, enumerable: true},
		"b": {exists: true, getter: true, setter: true}, "h": {exists: true}, "none": {},
	} {
		if got, known := x.slot(v.(*goja.Object), unistring.NewFromString(name)); !known || got != want {
			t.Errorf("property %s: %+v, known %v; want %+v", name, got, known, want)
		}
	}
	if n := x.ownCount(v.(*goja.Object)); n != 5 {
		t.Errorf("%d own properties, want 5", n)
	}
}

// Where goja's fields cannot be read, printing still works through the public API.
func TestWithoutInternals(t *testing.T) {
	r := record(t, Options{})
	r.reader.self = -1
	r.run(t, `console.log({ a: [1, , 3], get g() { throw 1 }, p: new Proxy({ b: 1 }, {}), d: new Date(0), f() {}, e: Object.assign([], { x: 1 }) }, Promise.resolve(1))`)
	want := "{\n  a: [ 1, <1 empty item>, 3 ],\n  g: [Getter],\n  p: { b: 1 },\n  d: 1970-01-01T00:00:00.000Z,\n  f: [Function: f],\n  e: [ x: 1 ]\n} Promise { 1 }"
	if r.text() != want {
		t.Errorf("got\n%s\nwant\n%s", r.text(), want)
	}
}
