package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

func TestCheckJSON(t *testing.T) {
	const fine = JSONErrorKind(-1)
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	mixed := func(n int) string { return strings.Repeat(`{"a":[`, n/2) + strings.Repeat("]}", n/2) }
	for _, c := range []struct {
		name, in string
		kind     JSONErrorKind
		offset   int
	}{
		{"null", "null", fine, 0},
		{"true", " true\n", fine, 0},
		{"false", "\tfalse\r", fine, 0},
		{"a string", `"a\"\\\/\b\f\n\r\tA😀\ud800"`, fine, 0},
		{"DEL and astral", "\"\x7f\U0001f600\"", fine, 0},
		{"numbers", `[0,-0,1,-12,1.5,1e9,1E+9,1.25e-300,12345678901234567890]`, fine, 0},
		{"empty", `{"a":[],"b":{}}`, fine, 0},
		{"space everywhere", " { \"a\" : [ 1 , 2 ] , \"b\" : { } } ", fine, 0},
		{"one key in several objects", `[{"a":1},{"a":{"a":1}}]`, fine, 0},
		{"as deep as allowed", nested(MaxDepth), fine, 0},
		{"objects as deep as allowed", mixed(MaxDepth), fine, 0},

		{"nothing", "", JSONSyntax, 0},
		{"only space", "  ", JSONSyntax, 2},
		{"a NUL", "\x00", JSONSyntax, 0},
		{"a byte order mark", "\ufeff1", JSONSyntax, 0},
		{"a cut literal", "tru", JSONSyntax, 3},
		{"a wrong literal", "trux", JSONSyntax, 3},
		{"capitals", "True", JSONSyntax, 0},
		{"NaN", "NaN", JSONSyntax, 0},
		{"Infinity", "[Infinity]", JSONSyntax, 1},
		{"minus infinity", "-Infinity", JSONSyntax, 1},
		{"plus", "+1", JSONSyntax, 0},
		{"a leading zero", "01", JSONTrailing, 1},
		{"hex", "0x1", JSONTrailing, 1},
		{"a bare minus", "-", JSONSyntax, 1},
		{"a bare point", "1.", JSONSyntax, 2},
		{"a leading point", ".1", JSONSyntax, 0},
		{"a bare exponent", "1e", JSONSyntax, 2},
		{"a signed bare exponent", "1e+", JSONSyntax, 3},
		{"an open array", "[", JSONSyntax, 1},
		{"an open array behind a value", "[1", JSONSyntax, 2},
		{"an open object", "{", JSONSyntax, 1},
		{"a trailing comma in an array", "[1,]", JSONSyntax, 3},
		{"a trailing comma in an object", `{"a":1,}`, JSONSyntax, 7},
		{"a key without quotes", "{a:1}", JSONSyntax, 1},
		{"a number for a key", "{1:1}", JSONSyntax, 1},
		{"no colon", `{"a" 1}`, JSONSyntax, 5},
		{"no value", `{"a":}`, JSONSyntax, 5},
		{"a wrong bracket", "[1}", JSONSyntax, 2},
		{"single quotes", "'a'", JSONSyntax, 0},
		{"a comment", "1 // one", JSONTrailing, 2},
		{"an open string", `"abc`, JSONSyntax, 4},
		{"an open escape", `"\`, JSONSyntax, 2},
		{"a wrong escape", `"\x41"`, JSONSyntax, 2},
		{"a cut unicode escape", `"\u00"`, JSONSyntax, 5},
		{"a wrong unicode escape", `"\u00g0"`, JSONSyntax, 5},
		{"a raw line feed in a string", "\"a\nb\"", JSONSyntax, 2},
		{"a raw NUL in a string", "\"\x00\"", JSONSyntax, 1},
		{"two documents", "1 2", JSONTrailing, 2},
		{"two documents in lines", "{}\n{}", JSONTrailing, 3},
		{"a byte behind the document", "[]]", JSONTrailing, 2},

		{"a broken byte", "\"\xff\"", JSONBadUTF8, 1},
		{"a cut character", "\"\xe2\x82\"", JSONBadUTF8, 1},
		{"an overlong character", "\"\xc0\xaf\"", JSONBadUTF8, 1},
		{"an encoded surrogate", "\"\xed\xa0\x80\"", JSONBadUTF8, 1},
		{"beyond Unicode", "\"\xf4\x90\x80\x80\"", JSONBadUTF8, 1},
		{"a broken key", "{\"\xff\":1}", JSONBadUTF8, 2},

		{"deeper", nested(MaxDepth + 1), JSONTooDeep, MaxDepth},
		{"objects deeper", mixed(MaxDepth + 2), JSONTooDeep, MaxDepth / 2 * 6},
		{"deep and never closed", strings.Repeat("[", 1<<20), JSONTooDeep, MaxDepth},

		{"twice", `{"a":1,"a":2}`, JSONDuplicateKey, 7},
		{"twice in the depth", `[[{"b":{"a":1,"a":1}}]]`, JSONDuplicateKey, 14},
		{"twice, empty", `{"":1,"":1}`, JSONDuplicateKey, 6},
		{"twice, escaped once", `{"a":1,"\u0061":2}`, JSONDuplicateKey, 7},
		{"twice, escaped in two ways", `{"\u002F":1,"\/":2}`, JSONDuplicateKey, 12},
		{"twice, hex in two cases", `{"\u00E9":1,"\u00e9":2}`, JSONDuplicateKey, 12},
		{"twice, controls", `{"\n":1,"\u000a":2}`, JSONDuplicateKey, 8},
		{"twice, a pair escaped once", `{"😀":1,"\ud83d\ude00":2}`, JSONDuplicateKey, 10},
		{"twice, a lone half", `{"\ud800":1,"\uD800":2}`, JSONDuplicateKey, 12},
		{"two lone halves", `{"\ud800":1,"\udc00":2}`, fine, 0},
		{"a lone half and the replacement character", `{"\ud800":1,"\ufffd":2}`, fine, 0},
		{"halves in the wrong order", `{"\ude00\ud83d":1,"😀":2}`, fine, 0},
		{"keys that differ in case", `{"a":1,"A":2}`, fine, 0},
		{"composed and not", "{\"\u00e9\":1,\"e\u0301\":2}", fine, 0},
		{"backslashes", `{"\\u0061":1,"a":2}`, fine, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := CheckJSON([]byte(c.in), MaxDepth)
			var fault *JSONError
			switch {
			case err == nil && c.kind == fine:
			case err == nil:
				t.Fatal("it was accepted")
			case !errors.As(err, &fault):
				t.Fatalf("%T is no *JSONError", err)
			case c.kind == fine:
				t.Fatalf("refused: %v", err)
			case fault.Kind != c.kind || fault.Offset != c.offset:
				t.Fatalf("kind %d at byte %d (%v), want %d at %d", fault.Kind, fault.Offset, err, c.kind, c.offset)
			case len(err.Error()) > 400 || !utf8.ValidString(err.Error()):
				t.Fatalf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

// An error shows a key of the client's escaped and short.
func TestCheckJSONShowsKeysEscaped(t *testing.T) {
	key := "\x7f\u202e" + strings.Repeat("k", 1000)
	err := CheckJSON([]byte(`{"`+key+`":1,"`+key+`":1}`), MaxDepth)
	if err == nil || len(err.Error()) > 200 || strings.ContainsAny(err.Error(), "\x7f\u202e") {
		t.Errorf("%q", err)
	}
}

func TestCheckJSONOfManyKeys(t *testing.T) {
	var doc strings.Builder
	doc.WriteByte('{')
	for i := range 100_000 {
		fmt.Fprintf(&doc, `"key%d":0,`, i)
	}
	distinct := doc.String() + `"last":0}`
	started := time.Now()
	if err := CheckJSON([]byte(distinct), MaxDepth); err != nil {
		t.Fatal(err)
	}
	for _, twice := range []string{"key0", "key15", "key16", "key99999", `\u006bey17`} {
		err := CheckJSON([]byte(doc.String()+`"`+twice+`":0}`), MaxDepth)
		var fault *JSONError
		if !errors.As(err, &fault) || fault.Kind != JSONDuplicateKey || fault.Offset != doc.Len() {
			t.Errorf("%s: %v", twice, err)
		}
	}
	// Linear work takes a second or less for all six; quadratic work would take hours.
	if took := time.Since(started); took > time.Minute {
		t.Errorf("it took %v", took)
	}
}

// Within an object its keys are all that may cost memory, and of a large one eight bytes each.
func TestCheckJSONAllocatesLittle(t *testing.T) {
	doc := []byte(`[` + strings.Repeat(`{"a":"x","b":[1,2,{"c":null}]},`, 10_000) + `0]`)
	perDoc := testing.AllocsPerRun(1, func() { _ = CheckJSON(doc, MaxDepth) })
	if most := 10_000.0 * 5; perDoc > most {
		t.Errorf("%v allocations for 20,000 objects, want %v at most", perDoc, most)
	}
}

func FuzzCheckJSON(f *testing.F) {
	for _, seed := range []string{
		`null`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"\ud83d\ude00":1,"😀":2}`, `{"\ud800":1,"\ufffd":2}`, `[[[[]]]]`, `[1,]`, `-0.5e+7`,
		"\"\xff\"", `{"a":{"b":[{},{"a":1}]}}`, `1 2`, `"\u12"`, `{"\ude00\ud83d":1}`, `{"\ud83d\ud83d\ude00":1,"\ud83d😀":2}`, `{"a":[`,
		`{"0":0,"1":0,"2":0,"3":0,"4":0,"5":0,"6":0,"7":0,"8":0,"9":0,"a":0,"b":0,"c":0,"d":0,"e":0,"f":0,"g":0,"a":0}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const most = 6
		err := CheckJSON(data, most)
		want := json.Valid(data) && utf8.Valid(data)
		if want {
			w := walker{data: data}
			w.value(0)
			want = !w.duplicate && w.deepest <= most
		}
		if (err == nil) != want {
			t.Fatalf("%q: %v; want accepted: %v", data, err, want)
		}
		var fault *JSONError
		if err != nil && (!errors.As(err, &fault) || fault.Offset < 0 || fault.Offset > len(data)) {
			t.Fatalf("%q: %#v", data, err)
		}
	})
}

// A walker is the reference: it goes over JSON that is known to be valid and knows each key as the
// UTF-16 units that ECMAScript would make of it.
type walker struct {
	data      []byte
	pos       int
	deepest   int
	duplicate bool
}

func (w *walker) space() {
	for w.pos < len(w.data) && strings.IndexByte(" \t\r\n", w.data[w.pos]) >= 0 {
		w.pos++
	}
}

func (w *walker) value(depth int) {
	w.space()
	switch w.data[w.pos] {
	case '{', '[':
		w.container(depth + 1)
	case '"':
		w.text()
	default:
		for w.pos < len(w.data) && strings.IndexByte(" \t\r\n,]}", w.data[w.pos]) < 0 {
			w.pos++
		}
	}
	w.space()
}

func (w *walker) container(depth int) {
	w.deepest = max(w.deepest, depth)
	object := w.data[w.pos] == '{'
	keys := map[string]bool{}
	w.pos++
	w.space()
	for w.data[w.pos] != ']' && w.data[w.pos] != '}' {
		if object {
			key := w.text()
			w.duplicate = w.duplicate || keys[key]
			keys[key] = true
			w.space()
			w.pos++ // the colon
		}
		w.value(depth)
		if w.data[w.pos] == ',' {
			w.pos++
			w.space()
		}
	}
	w.pos++
}

// text returns a string's UTF-16 units, each in hex.
func (w *walker) text() string {
	w.pos++
	var units []uint16
	for w.data[w.pos] != '"' {
		if w.data[w.pos] != '\\' {
			r, size := utf8.DecodeRune(w.data[w.pos:])
			units = utf16.AppendRune(units, r)
			w.pos += size
			continue
		}
		if w.data[w.pos+1] == 'u' {
			var unit uint16
			if _, err := fmt.Sscanf(string(w.data[w.pos+2:w.pos+6]), "%04x", &unit); err != nil {
				panic(err)
			}
			units = append(units, unit)
			w.pos += 6
			continue
		}
		escapes := map[byte]uint16{'b': 8, 'f': 12, 'n': 10, 'r': 13, 't': 9}
		unit, named := escapes[w.data[w.pos+1]]
		if !named {
			unit = uint16(w.data[w.pos+1])
		}
		units = append(units, unit)
		w.pos += 2
	}
	w.pos++
	return fmt.Sprintf("%04x", units)
}
