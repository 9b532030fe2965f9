// Package golden compares what expressions give in our runtime with what Node.js gave for them. It is
// for tests only.
//
// A golden file holds one expression a line, and what it gives on the line below, indented. Lines that
// begin with // are comments.
package golden

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/dop251/goja"
)

//go:embed show.js
var show string

// Check runs each expression of the file in rt and compares. Where node is not nil the file is
// written anew first: node runs a program in Node.js and gives what it printed.
func Check(t *testing.T, file string, rt *goja.Runtime, node func(program string) ([]byte, error)) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if node != nil {
		lines = update(t, file, lines, node)
	}
	if _, err := rt.RunString(show); err != nil {
		t.Fatal(err)
	}
	n, wrong := 0, 0
	for i, line := range lines {
		if !isExpression(line) {
			continue
		}
		n++
		want := ""
		if i+1 < len(lines) {
			want = strings.TrimPrefix(lines[i+1], "\t")
		}
		got := ""
		v, err := rt.RunString("evaluate(() => (" + line + "))")
		if err != nil {
			got = "does not compile: " + err.Error()
			if strings.Contains(got, "SyntaxError") {
				got = "throws SyntaxError"
			}
		} else {
			got = v.String()
		}
		if got != want {
			wrong++
			t.Errorf("%s:%d: %s\n got %s\nwant %s", file, i+1, line, got, want)
		}
	}
	t.Logf("%s: %d expressions, %d differ from Node.js", file, n, wrong)
	if n == 0 {
		t.Errorf("%s holds no expression", file)
	}
}

func isExpression(line string) bool {
	return line != "" && line[0] != '\t' && !strings.HasPrefix(line, "//")
}

func update(t *testing.T, file string, lines []string, node func(string) ([]byte, error)) []string {
	t.Helper()
	var b strings.Builder
	b.WriteString(show + "const out = [];\n")
	var kept []string
	for _, line := range lines {
		if strings.HasPrefix(line, "\t") {
			continue
		}
		kept = append(kept, line)
		if isExpression(line) {
			quoted, err := json.Marshal("(" + line + ")")
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "out.push(evaluate(() => (0, eval)(%s)));\n", quoted)
		}
	}
	b.WriteString("console.log(JSON.stringify(out));\n")
	printed, err := node(b.String())
	if err != nil {
		t.Fatal(err)
	}
	var results []string
	if err := json.Unmarshal(printed, &results); err != nil {
		t.Fatal(err)
	}
	var out []string
	next := 0
	for _, line := range kept {
		out = append(out, line)
		if isExpression(line) {
			out = append(out, "\t"+results[next])
			next++
		}
	}
	if err := os.WriteFile(file, []byte(strings.Join(out, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return out
}
