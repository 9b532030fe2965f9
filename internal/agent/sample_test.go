package agent

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"glovebox/api"
)

func TestSampleOfASmallInputIsTheWhole(t *testing.T) {
	if got, want := sample(json.RawMessage(` {"a" : [1, "x"]} `)), "The whole of it, 18 bytes:\n{\"a\":[1,\"x\"]}"; got != want {
		t.Errorf("got %q, not %q", got, want)
	}
}

func TestShape(t *testing.T) {
	for _, test := range []struct{ name, json, want string }{
		{"a number", `1.5`, "number (1.5 to 1.5)"},
		{"text", `"abc"`, "string (up to 3 bytes)"},
		{"nothing in it", `[]`, "array of 0"},
		{"rows", `[{"a":1,"b":"x"},{"a":-2,"b":null},{"a":3}]`,
			"array of 3: {\n  \"a\": integer (-2 to 3)\n  \"b\"? (in 2 of 3): string (up to 1 byte) | null\n}"},
		{"mixed", `[1, "a", true, null, [2], {"k": {}}]`,
			"array of 6: boolean | integer (1 to 1) | string (up to 1 byte) | array of 1: integer (2 to 2) | {\n  \"k\": {\n  }\n} | null"},
		{"arrays of many lengths", `[[1],[1,2,3],[]]`, "array of 3: array of 0 to 3: integer (1 to 3)"},
		{"a hostile key", `{"a\nEND": 1}`, "{\n  \"a\\nEND\": integer (1 to 1)\n}"},
		{"a number beyond all", `1e999`, "integer (0 to 0)"},
	} {
		if got := shapeOf(json.RawMessage(test.json)); got != test.want {
			t.Errorf("%s:\n%s\nnot\n%s", test.name, got, test.want)
		}
	}
}

func TestExcerpt(t *testing.T) {
	long := strings.Repeat("é", 500)
	for _, test := range []struct{ name, json, want string }{
		{"items", `{"a":[1,2,3,4,5],"b":{"c":true}}`, `{"a":[1,2,3, … 2 more],"b":{"c":true}}`},
		{"rows", `[{"a":1},{"a":2},{"a":3},{"a":4}]`, "[\n{\"a\":1},\n{\"a\":2},\n{\"a\":3}, … 1 more]"},
		{"deep", `[[[[[[[[1]]]]]]]]`, "[\n[[[[[[…]]]]]]]"},
		{"a long text", `"` + long + `"`, `"` + strings.Repeat("é", 44) + " … (884 bytes left out) … " + strings.Repeat("é", 14) + `"`},
	} {
		if got := excerpt(json.RawMessage(test.json)); got != test.want {
			t.Errorf("%s:\n%s\nnot\n%s", test.name, got, test.want)
		}
	}
}

func TestCut(t *testing.T) {
	if got := cut("short", 5); got != "short" {
		t.Errorf("got %q", got)
	}
	if got, want := cut(strings.Repeat("a", 900)+strings.Repeat("z", 1100), 40), strings.Repeat("a", 30)+" … (1,960 bytes left out) … "+strings.Repeat("z", 10); got != want {
		t.Errorf("got %q, not %q", got, want)
	}
}

// Of any document no more is shown than is promised, and never all of a large one.
func FuzzSample(f *testing.F) {
	var wide []string
	for i := range 3000 {
		wide = append(wide, fmt.Sprintf(`"key %d":{"a":[%d,"%s"]}`, i, i, strings.Repeat("x", 40)))
	}
	for _, seed := range []string{
		`[]`, `null`, `{"a":[1,2,{"b":null}]}`, "{" + strings.Join(wide, ",") + "}", `["` + strings.Repeat("é", 4000) + `"]`,
		strings.Repeat("[", 900) + strings.Repeat(" ", 2000) + strings.Repeat("]", 900), `[1e999,-0,"\ud800"]`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if api.CheckJSON([]byte(text), api.MaxDepth) != nil {
			return
		}
		const words = 400 // ours, around it
		got := sample(json.RawMessage(text))
		if len(got) > MaxShownInput+words && len(got) > MaxShownShape+MaxShownRows+words {
			t.Fatalf("%d bytes are shown of %d", len(got), len(text))
		}
		if !utf8.ValidString(got) {
			t.Fatalf("%q is no text", got)
		}
	})
}
