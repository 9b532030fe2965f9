package ledger_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"testing"

	"github.com/gowebpki/jcs"
)

// RFC 8785 has examples of what canonical JSON is, in sections 3.2.2 and 3.2.3. Whoever verifies an export with another library has them as well.
func TestTheRFCsExamples(t *testing.T) {
	for name, example := range map[string]struct{ text, want string }{
		"values": {
			`{
  "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
  "literals": [null, true, false]
}`,
			`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
		},
		"order": {
			`{
  "\u20ac": "Euro Sign",
  "\r": "Carriage Return",
  "\ufb33": "Hebrew Letter Dalet With Dagesh",
  "1": "One",
  "\ud83d\ude00": "Emoji: Grinning Face",
  "\u0080": "Control",
  "\u00f6": "Latin Small Letter O With Diaeresis"
}`,
			`{"\r":"Carriage Return","1":"One","` + "\u0080" + `":"Control","ö":"Latin Small Letter O With Diaeresis","€":"Euro Sign",` +
				`"😀":"Emoji: Grinning Face","` + "\ufb33" + `":"Hebrew Letter Dalet With Dagesh"}`,
		},
		// What encoding/json escapes for the sake of HTML is not escaped in canonical JSON.
		"html": {`{"a":"\u003c\u003e\u0026\u2028\u2029\u007f"}`, `{"a":"<>&` + "\u2028\u2029\u007f" + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := jcs.Transform([]byte(example.text))
			if err != nil || string(got) != example.want {
				t.Errorf("%q, %v\nand not %q", got, err, example.want)
			}
		})
	}
}

// The numbers of RFC 8785's appendix B: the bits of a double, and how it is written.
func TestTheRFCsNumbers(t *testing.T) {
	for bits, want := range map[uint64]string{
		0x0000000000000000: "0",
		0x8000000000000000: "0",
		0x0000000000000001: "5e-324",
		0x8000000000000001: "-5e-324",
		0x7fefffffffffffff: "1.7976931348623157e+308",
		0xffefffffffffffff: "-1.7976931348623157e+308",
		0x4340000000000000: "9007199254740992",
		0xc340000000000000: "-9007199254740992",
		0x4430000000000000: "295147905179352830000",
		0x44b52d02c7e14af5: "9.999999999999997e+22",
		0x44b52d02c7e14af6: "1e+23",
		0x44b52d02c7e14af7: "1.0000000000000001e+23",
		0x444b1ae4d6e2ef4e: "999999999999999700000",
		0x444b1ae4d6e2ef4f: "999999999999999900000",
		0x444b1ae4d6e2ef50: "1e+21",
		0x3eb0c6f7a0b5ed8c: "9.999999999999997e-7",
		0x3eb0c6f7a0b5ed8d: "0.000001",
		0x41b3de4355555553: "333333333.3333332",
		0x41b3de4355555554: "333333333.33333325",
		0x41b3de4355555555: "333333333.3333333",
		0x41b3de4355555556: "333333333.3333334",
		0x41b3de4355555557: "333333333.33333343",
		0xbecbf647612f3696: "-0.0000033333333333333333",
		0x43143ff3c1cb0959: "1424953923781206.2",
	} {
		t.Run(fmt.Sprintf("%016x", bits), func(t *testing.T) {
			number := math.Float64frombits(bits)
			plain, err := json.Marshal(number)
			if err != nil {
				t.Fatal(err)
			}
			// As encoding/json writes it, which is what becomes canonical here, and with as many digits as there are.
			for _, text := range []string{string(plain), strconv.FormatFloat(number, 'e', 24, 64)} {
				if got, err := jcs.Transform([]byte("[" + text + "]")); err != nil || string(got) != "["+want+"]" {
					t.Errorf("%s is written as %s (%v), and not as %s", text, got, err, want)
				}
			}
		})
	}
	for _, none := range []string{"[NaN]", "[Infinity]", "[-Infinity]", "[1e999]", `["\ud800"]`, `{"a":1,"a":2}`} {
		if got, err := jcs.Transform([]byte(none)); err == nil {
			t.Errorf("%s has the canonical form %s", none, got)
		}
	}
}
