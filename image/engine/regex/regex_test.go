package regex_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/format"
	"maps"
	"os"
	"slices"
	"testing"
	"unicode"

	"glovebox/image/engine/regex"
	"glovebox/image/engine/regex/golden"
	"glovebox/internal/testenv/node"

	"github.com/dop251/goja"
)

var update = flag.Bool("update", false, "write the golden files anew, with the Node.js of this machine")

func install(rt *goja.Runtime) { regex.Install(rt) }

func newRuntime() *goja.Runtime {
	rt := goja.New()
	install(rt)
	return rt
}

// TestLikeNode compares with Node.js what patterns match, and what they are refused for.
func TestLikeNode(t *testing.T) {
	for _, file := range []string{"testdata/patterns.txt", "testdata/objects.txt", "testdata/unicode.txt"} {
		t.Run(file, func(t *testing.T) { golden.Check(t, file, newRuntime(), node.Updater(t.Context(), *update)) })
	}
}

// TestTables holds the generated tables to what Node.js knows, when asked to.
func TestTables(t *testing.T) {
	if !*update {
		t.Skip("needs -update: the tables are generated")
	}
	names, err := json.Marshal(slices.Sorted(maps.Keys(unicode.Scripts)))
	if err != nil {
		t.Fatal(err)
	}
	out, err := node.RunFile(t.Context(), "testdata", "tables.js", bytes.NewReader(names))
	if err != nil {
		t.Fatal(err)
	}
	if out, err = format.Source(out); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("tables.go", out, 0o644); err != nil {
		t.Fatal(err)
	}
}
