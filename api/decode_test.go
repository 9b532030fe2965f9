package api

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

const testCPUs = 4

// decode does what a handler does with a body.
func decode(body string) (Request, error) {
	r, err := DecodeRequest([]byte(body))
	if err != nil {
		return r, err
	}
	r = r.WithDefaults()
	return r, r.Validate(testCPUs)
}

func TestRequestAccepted(t *testing.T) {
	for _, c := range []struct {
		name, body string
		check      func(Request) bool
	}{
		{"the least", `{"code":"1"}`, func(r Request) bool {
			return r.Code == "1" && r.Language == JavaScript && r.InputData == nil && *r.TimeoutSeconds == 30 && *r.MemoryLimitMB == 128 &&
				*r.CPUs == 1 && r.Seed == nil && r.Now == nil
		}},
		{"everything", `{"code":"1","language":"typescript","inputData":[1.0],"timeoutSeconds":1.5,"memoryLimitMB":64,"cpus":0.5,"seed":-7,"now":"2026-01-31T12:00:00+01:00"}`,
			func(r Request) bool {
				return r.Language == TypeScript && string(r.InputData) == "[1.0]" && *r.TimeoutSeconds == 1.5 && *r.MemoryLimitMB == 64 && *r.CPUs == 0.5 &&
					*r.Seed == -7 && r.Now.Equal(time.Date(2026, 1, 31, 11, 0, 0, 0, time.UTC))
			}},
		{"null is an input", `{"code":"1","inputData":null}`, func(r Request) bool { return string(r.InputData) == "null" }},
		{"the input as it was written", `{"code":"1","inputData": { "b" : 1e2 , "a":"\u0061" } }`,
			func(r Request) bool { return string(r.InputData) == `{ "b" : 1e2 , "a":"\u0061" }` }},
		{"code of the largest size", `{"code":"` + strings.Repeat("x", MaxCodeBytes) + `"}`, func(r Request) bool { return len(r.Code) == MaxCodeBytes }},
		{"code, every byte escaped", `{"code":"` + strings.Repeat(`\u0078`, MaxCodeBytes) + `"}`, func(r Request) bool { return len(r.Code) == MaxCodeBytes }},
		{"the largest input", `{"code":"1","inputData":"` + strings.Repeat("x", MaxInputBytes-2) + `"}`, func(r Request) bool { return len(r.InputData) == MaxInputBytes }},
		{"the deepest input", `{"code":"1","inputData":` + strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth) + `}`, nil},
		{"the shortest timeout", `{"code":"1","timeoutSeconds":0.1}`, nil},
		{"the longest timeout", `{"code":"1","timeoutSeconds":300}`, nil},
		{"the least memory", `{"code":"1","memoryLimitMB":16}`, nil},
		{"the most memory", `{"code":"1","memoryLimitMB":2048}`, nil},
		{"a whole number with a point", `{"code":"1","memoryLimitMB":64.0}`, func(r Request) bool { return *r.MemoryLimitMB == 64 }},
		{"a whole number with an exponent", `{"code":"1","memoryLimitMB":6.4e1}`, func(r Request) bool { return *r.MemoryLimitMB == 64 }},
		{"the smallest share", `{"code":"1","cpus":0.1}`, nil},
		{"all the processors", `{"code":"1","cpus":4}`, nil},
		{"the largest seed", `{"code":"1","seed":9223372036854775807}`, func(r Request) bool { return *r.Seed == math.MaxInt64 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := decode(c.body)
			if err != nil {
				t.Fatal(err)
			}
			if c.check != nil && !c.check(r) {
				t.Errorf("it was read as %+v", r)
			}
		})
	}
}

// Each row of the table "Limits and bad input": the refusal names the field, or the place.
func TestRequestRefused(t *testing.T) {
	at := func(field string) Error { return Error{Kind: KindInvalid, Field: field} }
	input := Error{Kind: KindInvalid, Field: "inputData", ResultCode: InvalidInputData}
	noCode := Error{Kind: KindInvalid, Field: "code", ResultCode: MissingCode}
	deep := strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1)
	for _, c := range []struct {
		name, body string
		want       Error
		says       string
	}{
		{"no code", `{}`, noCode, "no code"},
		{"empty code", `{"code":""}`, noCode, "no code"},
		{"blank code", `{"code":" \t\n\r\u000b\f\u00a0\ufeff\u2028\u2029"}`, noCode, "no code"},
		{"code of Unicode's spaces", `{"code":"\u1680\u2003\u202f\u3000"}`, noCode, "no code"},
		{"code that is a number", `{"code":1}`, at("code"), "string"},
		{"code that is null", `{"code":null}`, at("code"), "string"},
		{"code that is an array", `{"code":["1"]}`, at("code"), "string"},
		{"too much code", `{"code":"` + strings.Repeat("x", MaxCodeBytes+1) + `"}`, Error{Kind: KindTooLarge, Field: "code"}, "1048577"},
		{"too much input", `{"code":"1","inputData":"` + strings.Repeat("x", MaxInputBytes-1) + `"}`,
			Error{Kind: KindTooLarge, Field: "inputData", ResultCode: InvalidInputData}, "16777217"},

		{"input that does not parse", `{"code":"1","inputData":{"a":tru}}`, input, "byte 32"},
		{"input that ends", `{"code":"1","inputData":[1,`, input, "byte 27"},
		{"input without a value", `{"code":"1","inputData":}`, input, "byte 24"},
		{"input that is too deep", `{"code":"1","inputData":` + deep + `}`, input, "deep"},
		{"input with a key twice", `{"code":"1","inputData":{"a":1,"a":2}}`, input, `duplicate key "a"`},
		{"input that is not UTF-8", "{\"code\":\"1\",\"inputData\":\"\xff\"}", input, "UTF-8"},
		{"input before the code", `{"inputData":{,},"code":"1"}`, input, "byte 14"},

		{"timeout of nothing", `{"code":"1","timeoutSeconds":0}`, at("timeoutSeconds"), "0.1"},
		{"too short a timeout", `{"code":"1","timeoutSeconds":0.099}`, at("timeoutSeconds"), "0.099"},
		{"too long a timeout", `{"code":"1","timeoutSeconds":300.001}`, at("timeoutSeconds"), "300.001"},
		{"a negative timeout", `{"code":"1","timeoutSeconds":-1}`, at("timeoutSeconds"), "-1"},
		{"an infinite timeout", `{"code":"1","timeoutSeconds":1e999}`, at("timeoutSeconds"), "number"},
		{"a timeout in words", `{"code":"1","timeoutSeconds":"30"}`, at("timeoutSeconds"), "number"},
		{"a timeout of null", `{"code":"1","timeoutSeconds":null}`, at("timeoutSeconds"), "number"},
		{"too little memory", `{"code":"1","memoryLimitMB":15}`, at("memoryLimitMB"), "15"},
		{"too much memory", `{"code":"1","memoryLimitMB":2049}`, at("memoryLimitMB"), "2049"},
		{"half an MB", `{"code":"1","memoryLimitMB":16.5}`, at("memoryLimitMB"), "whole"},
		{"memory in words", `{"code":"1","memoryLimitMB":"64"}`, at("memoryLimitMB"), "whole"},
		{"memory beyond numbers", `{"code":"1","memoryLimitMB":1e999}`, at("memoryLimitMB"), "whole"},
		{"memory that would overflow", `{"code":"1","memoryLimitMB":18446744073709551632}`, at("memoryLimitMB"), "whole"},
		{"no processor", `{"code":"1","cpus":0}`, at("cpus"), "0.1"},
		{"too small a share", `{"code":"1","cpus":0.09}`, at("cpus"), "0.09"},
		{"more than the host has", `{"code":"1","cpus":4.1}`, at("cpus"), "4.1"},
		{"cpus that are true", `{"code":"1","cpus":true}`, at("cpus"), "number"},
		{"half a seed", `{"code":"1","seed":0.5}`, at("seed"), "whole"},
		{"a seed in words", `{"code":"1","seed":"1"}`, at("seed"), "whole"},
		{"a seed beyond 64 bits", `{"code":"1","seed":9223372036854775808}`, at("seed"), "whole"},
		{"a time that is a number", `{"code":"1","now":0}`, at("now"), "string"},
		{"a time in words", `{"code":"1","now":"yesterday"}`, at("now"), "RFC 3339"},
		{"a date without a time", `{"code":"1","now":"2026-01-31"}`, at("now"), "RFC 3339"},
		{"an unknown language", `{"code":"1","language":"python"}`, at("language"), "javascript"},
		{"a language in capitals", `{"code":"1","language":"JavaScript"}`, at("language"), "javascript"},
		{"an empty language", `{"code":"1","language":""}`, at("language"), "javascript"},
		{"a language of null", `{"code":"1","language":null}`, at("language"), "string"},

		{"an unknown field", `{"code":"1","timeout":5}`, at("timeout"), "not a field"},
		{"a field in another case", `{"Code":"1"}`, at("Code"), "not a field"},
		{"a field without a name", `{"":1,"code":"1"}`, at(`""`), "not a field"},
		{"what only the server says", `{"code":"1","libraries":["lodash"]}`, at("libraries"), "not a field"},
		{"__proto__", `{"code":"1","__proto__":{}}`, at("__proto__"), "not a field"},
		{"a field twice", `{"code":"1","code":"2"}`, at(""), `duplicate key "code" at byte 12`},
		{"a field twice, escaped", `{"code":"1","\u0063ode":"2"}`, at(""), "duplicate key"},
		{"an array", `[]`, at(""), "object"},
		{"a string", `"code"`, at(""), "object"},
		{"null", `null`, at(""), "object"},
		{"nothing", ``, at(""), "byte 0"},
		{"half a document", `{"code":"1"`, at(""), "byte 11"},
		{"two documents", `{"code":"1"}{"code":"2"}`, at(""), "byte 12"},
		{"a byte behind it", `{"code":"1"} x`, at(""), "byte 13"},
		{"bad UTF-8 in the code", "{\"code\":\"\xff\"}", at(""), "UTF-8"},
		{"bad UTF-8 in a name", "{\"\xff\":1}", at(""), "UTF-8"},
		{"a deep unknown field", `{"code":"1","x":` + strings.Repeat("[", MaxDepth+2), at(""), "deep"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := decode(c.body)
			var refusal *Error
			if !errors.As(err, &refusal) {
				t.Fatalf("%v (%T); want an *Error", err, err)
			}
			if refusal.Kind != c.want.Kind || refusal.Field != c.want.Field || refusal.ResultCode != c.want.ResultCode {
				t.Errorf("kind %d, field %q, code %q (%v); want %d, %q, %q",
					refusal.Kind, refusal.Field, refusal.ResultCode, err, c.want.Kind, c.want.Field, c.want.ResultCode)
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("%q does not say %q", err, c.says)
			}
			if len(err.Error()) > 500 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

// What no JSON can hold may come from a command line.
func TestValidateNumbersThatAreNone(t *testing.T) {
	for name, change := range map[string]func(*Request){
		"timeoutSeconds": func(r *Request) { r.TimeoutSeconds = new(math.NaN()) },
		"cpus":           func(r *Request) { r.CPUs = new(math.Inf(1)) },
		"code":           func(r *Request) { r.Code = "\xff" },
		"inputData":      func(r *Request) { r.InputData = json.RawMessage{} },
	} {
		r := Request{Code: "1"}.WithDefaults()
		change(&r)
		err := r.Validate(testCPUs)
		var refusal *Error
		if !errors.As(err, &refusal) || refusal.Field != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWithDefaultsChangesNothingGiven(t *testing.T) {
	given := Request{Code: "1", Language: TypeScript, TimeoutSeconds: new(1.0), MemoryLimitMB: new(16), CPUs: new(0.5)}
	got := given.WithDefaults()
	if got.Language != TypeScript || *got.TimeoutSeconds != 1 || *got.MemoryLimitMB != 16 || *got.CPUs != 0.5 {
		t.Errorf("%+v", got)
	}
	bare := Request{}
	if bare.WithDefaults(); bare.TimeoutSeconds != nil || bare.Language != "" {
		t.Error("the receiver was changed")
	}
	if a, b := bare.WithDefaults(), bare.WithDefaults(); a.TimeoutSeconds == b.TimeoutSeconds {
		t.Error("two requests share a default: one that changes it changes both")
	}
	if err := (Request{Code: "1"}).WithDefaults().Validate(1); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
}

func FuzzDecodeRequest(f *testing.F) {
	for _, seed := range []string{
		`{"code":"1"}`, `{"code":"1","inputData":{"a":[1,2]},"timeoutSeconds":1,"memoryLimitMB":64,"cpus":1,"seed":3,"now":"2026-01-31T12:00:00Z"}`,
		`{"code":"1","inputData":{"a":1,"a":2}}`, `{"code":1}`, `[]`, `{"code":"1"} {}`, "{\"code\":\"\xff\"}", `{"code":"1","language":"typescript"}`,
		`{"code":"\ud800"}`, `{"code":"1","memoryLimitMB":1e99}`, `{"c\u006fde":"1"}`, `{"inputData":`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := DecodeRequest(body)
		var refusal *Error
		if err != nil {
			if !errors.As(err, &refusal) || refusal.Detail == "" || len(err.Error()) > 1000 {
				t.Fatalf("%q: %#v", body, err)
			}
			return
		}
		if CheckJSON(body, MaxDepth+1) != nil {
			t.Fatalf("%q was accepted", body)
		}
		r = r.WithDefaults()
		if err := r.Validate(testCPUs); err != nil {
			if !errors.As(err, &refusal) || refusal.Field == "" {
				t.Fatalf("%q: %#v", body, err)
			}
			return
		}
		// What was accepted reads the same again.
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		r2, err := DecodeRequest(again)
		if err != nil || r2.Code != r.Code || r2.Language != r.Language || *r2.TimeoutSeconds != *r.TimeoutSeconds {
			t.Fatalf("%q came back as %+v, %v", body, r2, err)
		}
	})
}
