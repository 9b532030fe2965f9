package console

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"
	"github.com/google/go-cmp/cmp"

	"glovebox/api"
	"glovebox/internal/testenv/node"
)

var update = flag.Bool("update", false, "write testdata/golden.json anew: needs Node 20")

// recorded is a console that keeps what it logs.
type recorded struct {
	*Console
	rt     *goja.Runtime
	levels []api.LogLevel
	lines  []string
	now    time.Time
}

func record(t testing.TB, opts Options) *recorded {
	t.Helper()
	r := &recorded{rt: goja.New()}
	opts.Log = func(level api.LogLevel, message string) {
		r.levels = append(r.levels, level)
		r.lines = append(r.lines, message)
	}
	opts.Now = func() time.Time { return r.now }
	r.Console = Install(r.rt, opts)
	return r
}

func (r *recorded) run(t testing.TB, code string) {
	t.Helper()
	if _, err := r.rt.RunString(code); err != nil {
		t.Fatalf("%s\n%v", code, err)
	}
}

func (r *recorded) text() string { return strings.Join(r.lines, "\n") }

// exceptions are the cases in which we print something else than Node, each with the reason.
var exceptions = map[string]struct{ want, why string }{
	`console.log(/a/, /a\/b/gimsuy, new RegExp(''), new RegExp('/'), new RegExp('\n'), [/x/y])`: {
		`/a/ /a\/b/gimsuy /(?:)/ /\u002f/ /\n/ [ /x/y ]`,
		"goja escapes a slash in its own way: the script sees this source too",
	},
	`console.log(Object.setPrototypeOf(new ArrayBuffer(1), null))`: {
		`[ArrayBuffer: null prototype] { [Uint8Contents]: <00>, byteLength: 1 }`,
		"Node asks the missing prototype for the length and prints undefined",
	},
}

// TestGolden compares what we print with what Node 20 prints, case by case.
func TestGolden(t *testing.T) {
	if *update {
		if _, err := node.RunFile(t.Context(), "testdata", "golden.mjs", nil); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Golden []struct{ Code, Want string }
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	harness, err := os.ReadFile("testdata/harness.js")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	equal := 0
	for _, g := range file.Golden {
		t.Run(g.Code, func(t *testing.T) {
			r := record(t, Options{})
			r.run(t, "(function () {"+string(harness)+"\n"+g.Code+"\n})()")
			want := g.Want
			if e, ok := exceptions[g.Code]; ok {
				seen[g.Code] = true
				if e.want == g.Want {
					t.Errorf("listed as an exception, but Node prints the same")
				}
				want = e.want
			} else {
				equal++
			}
			if diff := cmp.Diff(want, r.text()); diff != "" {
				t.Errorf("want\n%s\ngot\n%s\n(-want +got):\n%s", want, r.text(), diff)
			}
		})
	}
	if len(file.Golden) < 300 {
		t.Errorf("only %d cases: was golden.json cut?", len(file.Golden))
	}
	for code := range exceptions {
		if !seen[code] {
			t.Errorf("an exception for a case that is not there: %s", code)
		}
	}
	t.Logf("%d of %d cases are Node's own text", equal, len(file.Golden))
}
