package values

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/dop251/goja"
	"github.com/google/go-cmp/cmp"
)

func never() error { return nil }

const limit = 1 << 20

// encode runs the code and encodes its value.
func encode(t testing.TB, code string, limit int) (string, []string, error) {
	t.Helper()
	rt := goja.New()
	e := NewEncoder(rt)
	v, err := rt.RunString(code)
	if err != nil {
		t.Fatalf("%s: %v", code, err)
	}
	b, warned, err := e.Encode(v, limit, never)
	return string(b), warned, err
}

func TestEncode(t *testing.T) {
	tests := []struct {
		code, want string
		warned     []string
	}{
		{code: `undefined`, want: `null`},
		{code: `null`, want: `null`},
		{code: `true`, want: `true`},
		{code: `1`, want: `1`},
		{code: `-0`, want: `0`},
		{code: `0.1+0.2`, want: `0.30000000000000004`},
		{code: `1e21`, want: `1e+21`},
		{code: `123456789012345680000`, want: `123456789012345680000`},
		{code: `NaN`, want: `null`, warned: []string{"output: NaN was written as null"}},
		{code: `({a:[Infinity,-Infinity]})`, want: `{"a":[null,null]}`, warned: []string{
			"output.a[0]: Infinity was written as null", "output.a[1]: -Infinity was written as null"}},
		{code: `"a\"\\\n\u0001é😀\u2028"`, want: `"a\"\\\n\u0001é😀` + "\u2028" + `"`},
		{code: `"a\ud800b"`, want: `"a\ud800b"`},
		{code: `"\udc00\ud83d\ude00"`, want: `"\udc00😀"`},
		{code: `"\ufffd"`, want: `"` + "\ufffd" + `"`},
		{code: `[1,,undefined,()=>1,Symbol("x")]`, want: `[1,null,null,null,null]`, warned: []string{
			"output[3]: a function was written as null", "output[4]: a symbol was written as null"}},
		{code: `({a:1,b:undefined,c(){},d:Symbol(),e:null})`, want: `{"a":1,"e":null}`, warned: []string{
			"output.c: a function was left out", "output.d: a symbol was left out"}},
		{code: `(function(){})`, want: `null`, warned: []string{"output: a function was written as null"}},
		{code: `class A{};new Proxy(A,{})`, want: `null`, warned: []string{"output: a function was written as null"}},
		{code: `new Map([["a",1],["b",new Map()]])`, want: `{"a":1,"b":{}}`, warned: []string{
			"output: a Map was written as an object", "output.b: a Map was written as an object"}},
		{code: `new Map([[1,2],["x",[3]]])`, want: `[[1,2],["x",[3]]]`, warned: []string{"output: a Map was written as an array of pairs"}},
		{code: `new Set([1,"a",NaN])`, want: `[1,"a",null]`, warned: []string{
			"output: a Set was written as an array", "output[2]: NaN was written as null"}},
		{code: `({n:12345678901234567890n})`, want: `{"n":"12345678901234567890"}`, warned: []string{"output.n: a BigInt was written as a string"}},
		{code: `Object(5n)`, want: `"5"`, warned: []string{"output: a BigInt was written as a string"}},
		{code: `[Object(1),Object("s"),Object(false)]`, want: `[1,"s",false]`},
		{code: `Object(Symbol())`, want: `null`, warned: []string{"output: a symbol was written as null"}},
		{code: `[new Uint8Array([1,2]),new Float64Array([1.5,NaN]),new Int16Array([-3]),new Uint8ClampedArray([300])]`,
			want: `[[1,2],[1.5,null],[-3],[255]]`, warned: []string{"output[1][1]: NaN was written as null"}},
		{code: `new BigInt64Array([-1n])`, want: `["-1"]`, warned: []string{"output: a BigInt64Array was written as an array of strings"}},
		{code: `new Uint8Array([7,8]).buffer`, want: `[7,8]`},
		{code: `new DataView(new ArrayBuffer(2))`, want: `null`, warned: []string{"output: a DataView was written as null"}},
		{code: `({e:new TypeError("no")})`, want: `{"e":{"name":"TypeError","message":"no"}}`, warned: []string{"output.e: an Error was written as {name, message}"}},
		{code: `class E extends Error{constructor(){super("m");this.name="E";this.x=1}};new E`, want: `{"name":"E","message":"m"}`,
			warned: []string{"output: an Error was written as {name, message}"}},
		{code: `new Date(0)`, want: `"1970-01-01T00:00:00.000Z"`},
		{code: `({d:new Date(NaN)})`, want: `{"d":null}`},
		{code: `delete Date.prototype.toJSON;[new Date(0)]`, want: `["1970-01-01T00:00:00.000Z"]`},
		{code: `/a"\/b/gi`, want: `"a\"\\/b"`, warned: []string{"output: a RegExp was written as its source"}},
		{code: `({toJSON(k){return {k}}})`, want: `{"k":""}`},
		{code: `({x:{toJSON(k){return [k]}}, y:[{toJSON(k){return k}}]})`, want: `{"x":["x"],"y":["0"]}`},
		{code: `BigInt.prototype.toJSON=function(){return Number(this)};[3n]`, want: `[3]`},
		{code: `({get a(){return 4}})`, want: `{"a":4}`},
		{code: `new Proxy([1,2],{})`, want: `[1,2]`},
		{code: `new Proxy({a:1},{get:(t,k)=>k==="a"?9:t[k]})`, want: `{"a":9}`},
		{code: `Promise.resolve(1)`, want: `null`, warned: []string{"output: a Promise was written as null: await it first"}},
		{code: `[new WeakMap,new WeakSet,[1].values(),new Map().keys(),(function*(){})()]`, want: `[null,null,null,null,null]`, warned: []string{
			"output[0]: a WeakMap was written as null", "output[1]: a WeakSet was written as null", "output[2]: an iterator was written as null",
			"output[3]: an iterator was written as null", "output[4]: an iterator was written as null"}},
		{code: `class A{constructor(){this.a=1} get b(){return 2}};new A`, want: `{"a":1}`},
		{code: `class A{};new A`, want: `{}`},
		{code: `Object.create(null)`, want: `{}`},
		{code: `var s={x:1};({a:s,b:s,c:[s,s]})`, want: `{"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":1}]}`},
		{code: `JSON.parse('{"__proto__":{"a":1},"":2,"a b":3}')`, want: `{"__proto__":{"a":1},"":2,"a b":3}`},
		{code: `(function(){return arguments})(1,2)`, want: `{"0":1,"1":2}`},
		{code: `Array.prototype[1]=7;[0,,2]`, want: `[0,7,2]`},
		{code: `Map.prototype.forEach=null;Array.isArray=null;new Map([["a",1]])`, want: `{"a":1}`, warned: []string{"output: a Map was written as an object"}},
		{code: `({"a b":NaN,"é":NaN})`, want: `{"a b":null,"é":null}`, warned: []string{
			`output["a b"]: NaN was written as null`, `output["é"]: NaN was written as null`}},
		{code: `Symbol("x")`, want: `null`, warned: []string{"output: a symbol was written as null"}},
	}
	for _, test := range tests {
		t.Run(test.code, func(t *testing.T) {
			got, warned, err := encode(t, test.code, limit)
			if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if diff := cmp.Diff(test.warned, warned); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
			if !json.Valid([]byte(got)) {
				t.Errorf("%s is not JSON", got)
			}
		})
	}
}

func TestEncodeErrors(t *testing.T) {
	tests := []struct {
		name, code, want string
		limit            int
	}{
		{"cycle", `var b={};var o={a:1,b:{c:null}};o.b.c=o;o`, "output.b.c is a cycle: it is output again, and JSON cannot hold that", limit},
		{"inner cycle", `var o={l:[{}]};o.l[0].self=o.l;o`, "output.l[0].self is a cycle: it is output.l again, and JSON cannot hold that", limit},
		{"map cycle", `var m=new Map();m.set("k",m);({m})`, "output.m.k is a cycle: it is output.m again, and JSON cannot hold that", limit},
		{"deep cycle", `var o={},p=o;for(let i=0;i<50;i++)p=p.n={};p.n=o;o`, "", limit},
		{"deep", `var o=[];for(let i=0;i<1000;i++)o=[o];o`, "the output is nested deeper than 1000 levels, at output" + strings.Repeat("[0]", 99) + "… (901 levels more)", limit},
		{"getter", `({a:[{get b(){throw new Error("x")}}]})`, "output.a[0].b threw an error when it was read", limit},
		{"toJSON", `({a:{toJSON(){throw 1}}})`, "output.a threw an error when it was read", limit},
		{"revoked", `var p=Proxy.revocable({}, {});p.revoke();({p:p.proxy})`, "output.p threw an error when it was read", limit},
		{"large", `"x".repeat(100)`, ErrTooLarge.Error(), 100},
		{"large array", `new Array(4294967295)`, ErrTooLarge.Error(), limit},
		{"shared", `var o={};for(let i=0;i<40;i++)o={a:o,b:o};o`, ErrTooLarge.Error(), limit},
		{"typed", `new Uint8Array(100)`, ErrTooLarge.Error(), 100},
		{"key", `({["k".repeat(200)]:1})`, ErrTooLarge.Error(), 100},
		{"bigint", `2n**10000n`, ErrTooLarge.Error(), 100},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			out, _, err := encode(t, test.code, test.limit)
			if err == nil {
				t.Fatalf("no error, but %.100s", out)
			}
			if test.want != "" && err.Error() != test.want {
				t.Errorf("got  %s\nwant %s", err, test.want)
			}
		})
	}
}

func TestEncodeDepth1000(t *testing.T) {
	out, _, err := encode(t, `var o=[];for(let i=0;i<999;i++)o=[o];o`, limit)
	if want := strings.Repeat("[", 1000) + strings.Repeat("]", 1000); err != nil || out != want {
		t.Fatalf("got %.50s, %v", out, err)
	}
}

func TestEncodeExactLimit(t *testing.T) {
	if out, _, err := encode(t, `"x".repeat(98)`, 100); err != nil || len(out) != 100 {
		t.Fatalf("got %d bytes, %v", len(out), err)
	}
}

func TestEncodeStops(t *testing.T) {
	rt := goja.New()
	e := NewEncoder(rt)
	v, err := rt.RunString(`var o={f(){}};for(let i=0;i<40;i++)o=[o,o];o`)
	if err != nil {
		t.Fatal(err)
	}
	halt := errors.New("halt")
	calls := 0
	_, _, err = e.Encode(v, 1<<30, func() error {
		if calls++; calls > 10 {
			return halt
		}
		return nil
	})
	if !errors.Is(err, halt) {
		t.Fatalf("got %v", err)
	}
}

func TestWarningsAreBounded(t *testing.T) {
	_, warned, err := encode(t, `new Array(500).fill(NaN)`, limit)
	if err != nil || len(warned) != maxWarnings+1 || warned[maxWarnings] != "and 400 more such warnings" {
		t.Fatalf("%d warnings, %v", len(warned), err)
	}
}

func TestDecode(t *testing.T) {
	rt := goja.New()
	stringify, _ := goja.AssertFunction(rt.Get("JSON").(*goja.Object).Get("stringify"))
	for _, text := range []string{
		`null`, `true`, `false`, `0`, `-1`, `1.5`, `1e+21`, `"a"`, `""`, `"é😀"`, `"\ud800"`, `"a\"\\\n"`, `[]`, `[1,[2,[]]]`, `{}`,
		`{"a":{"b":[1,null,true]}}`, `{"__proto__":1}`, `{"1":1,"a":2}`, `123456789012345680000`,
	} {
		v, err := Decode(rt, text, MaxDepth, never)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		out, err := stringify(goja.Undefined(), v)
		if err != nil || out.String() != strings.ReplaceAll(text, `\ud800`, "\ufffd") && out.String() != text {
			t.Errorf("%s became %v (%v)", text, out, err)
		}
	}
	for text, want := range map[string]string{
		``: "Unexpected end in JSON at position 0", `{`: "Unexpected end in JSON at position 1", `[1,]`: "Unexpected token ']' in JSON at position 3",
		`{"a":1,}`: "Unexpected token '}' in JSON at position 7", `01`: "Unexpected token '1' in JSON at position 1", `1 2`: "Unexpected token '2' in JSON at position 2",
		`"a`: "Unterminated string in JSON at position 2", `"\x"`: "Bad escaped character in JSON at position 1", "\"\n\"": "Bad control character in string in JSON at position 1",
		`nul`: "Unexpected end in JSON at position 3", `{a:1}`: "Unexpected token 'a' in JSON at position 1", `1.`: "Unexpected end in JSON at position 2", `-`: "Unexpected end in JSON at position 1",
		`{"a" 1}`: "Unexpected token '1' in JSON at position 5", `"\u12"`: "Bad escaped character in JSON at position 1", `[1 2]`: "Unexpected token '2' in JSON at position 3",
	} {
		_, err := Decode(rt, text, MaxDepth, never)
		if err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	if _, err := Decode(rt, strings.Repeat("[", 1001), MaxDepth, never); !errors.Is(err, ErrTooDeep) {
		t.Errorf("deep: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, text := range []string{`{"a":[1,2,{"b":"\ud83d\ude00\ud800"}],"__proto__":null}`, `-0`, `1e999`, `"`, `[[[[`, `{"a":1,"a":2}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rt := goja.New()
		v, err := Decode(rt, text, MaxDepth, never)
		valid := json.Valid([]byte(text))
		if errors.Is(err, ErrTooDeep) {
			return
		}
		if (err == nil) != valid {
			t.Fatalf("%q: error %v, valid %v", text, err, valid)
		}
		if err != nil {
			return
		}
		out, _, err := NewEncoder(rt).Encode(v, 1<<24, never)
		if err != nil || !json.Valid(out) {
			t.Fatalf("%q became %q (%v)", text, out, err)
		}
	})
}

func BenchmarkEncodeRows(b *testing.B) {
	rt := goja.New()
	e := NewEncoder(rt)
	v, err := rt.RunString(`var a=[];for(let i=0;i<100000;i++)a.push({id:i,name:"n"+i,v:i*1.5,t:true,s:"abc"});a`)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := e.Encode(v, 1<<24, never); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeRows(b *testing.B) {
	rt := goja.New()
	v, err := rt.RunString(`var a=[];for(let i=0;i<100000;i++)a.push({id:i,name:"n"+i,v:i*1.5,t:true,s:"abc"});JSON.stringify(a)`)
	if err != nil {
		b.Fatal(err)
	}
	text := v.String()
	for b.Loop() {
		if _, err := Decode(rt, text, MaxDepth, never); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNewEncoder(b *testing.B) {
	for b.Loop() {
		NewEncoder(goja.New())
	}
}
