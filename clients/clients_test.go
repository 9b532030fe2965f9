// Package clients_test drives the clients that are not written in Go, and the examples: against fakes of their own,
// and against a real server.
package clients_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"glovebox/internal/testenv"
)

//go:generate npm run --silent generate --prefix typescript

const typescript = "typescript"

// built holds what is built once for all tests, and goes with them.
var built string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if built, err = os.MkdirTemp("", "gb-clients-"); err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(built) }()
		return m.Run()
	}())
}

// node is what a test of the TypeScript client runs, ready made.
type node struct {
	root string // holds the examples and the built client as the repository does
	env  []string
}

// newNode builds the client and its tests, which checks their types.
func newNode(t *testing.T) node {
	t.Helper()
	needNode(t)
	if err := buildClient(); err != nil {
		t.Fatal(err)
	}
	return node{root: built}
}

var buildClient = sync.OnceValue(func() error {
	client := filepath.Join(built, "clients", typescript)
	out, err := exec.Command("node", filepath.Join(typescript, "node_modules/typescript/bin/tsc"),
		"--project", filepath.Join(typescript, "tsconfig.test.json"), "--outDir", filepath.Join(client, "build")).CombinedOutput()
	if err != nil {
		return fmt.Errorf("tsc: %w\n%s", err, out)
	}
	// So that Node takes it for what it is, and the examples find it.
	return errors.Join(os.WriteFile(filepath.Join(client, "package.json"), []byte(`{"type":"module"}`), 0o600),
		os.Symlink(filepath.Join("build", "src"), filepath.Join(client, "dist")))
})

func needNode(t *testing.T) {
	t.Helper()
	_, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat(filepath.Join(typescript, "node_modules", "typescript"))
	}
	if err != nil {
		err = fmt.Errorf("%w (type `make clients`)", err)
	}
	testenv.Need(t, testenv.Node, err)
	readSources(t, typescript)
}

// readSources has go test know what its cached answers depend on: of what the programs that it starts read
// it knows nothing.
func readSources(t *testing.T, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			switch name := entry.Name(); {
			case err != nil:
				return err
			case entry.IsDir() && (name == "node_modules" || name == "testdata" || name == "build"):
				return fs.SkipDir
			case entry.Type().IsRegular():
				_, err = os.ReadFile(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// run runs a program to its end, which must be a good one, and returns what it printed on stdout.
func run(t *testing.T, env []string, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", program, err, &stdout, &stderr)
	}
	return stdout.String()
}

// test runs files of tests of the client. The names are without their .test.js.
func (n node) test(t *testing.T, names ...string) {
	t.Helper()
	var files []string
	for _, name := range names {
		files = append(files, filepath.Join(n.root, "clients", typescript, "build", "test", name+".test.js"))
	}
	nodeTest(t, n.env, files...)
}

// nodeTest runs files of tests, each test of theirs as one of ours.
func nodeTest(t *testing.T, env []string, files ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", append([]string{"--test", "--test-reporter=tap", "--test-force-exit"}, files...)...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	results := tapResult.FindAllStringSubmatch(string(out), -1)
	for _, result := range results {
		t.Run(result[2], func(t *testing.T) {
			if result[1] != "ok" || result[3] != "" {
				t.Errorf("%s", result[0])
			}
		})
	}
	if err != nil || len(results) == 0 || t.Failed() {
		t.Errorf("node: %v\n%s", err, out)
	}
}

// A tapResult is a line of the Test Anything Protocol: ok 1 - name # SKIP why.
var tapResult = regexp.MustCompile(`(?m)^(ok|not ok) \d+ - (.*?)(?: # (.*))?$`)

// The types are those of the contract as it is.
func TestTypesAreGenerated(t *testing.T) {
	needNode(t)
	contract, err := filepath.Abs("../api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	readSources(t, contract)
	committed, err := os.ReadFile(filepath.Join(typescript, "src", "schema.ts"))
	if err != nil {
		t.Fatal(err)
	}
	fresh := filepath.Join(t.TempDir(), "schema.ts")
	run(t, nil, "npm", "run", "--silent", "types", "--prefix", typescript, "--", "--output", fresh)
	generated, err := os.ReadFile(fresh)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(generated, committed) {
		t.Error("clients/typescript/src/schema.ts is not what api/openapi.yaml gives: type `make generate`")
	}
}

// A lock file that names no place is taken from wherever npm is told to look.
func TestLockNamesNoPlace(t *testing.T) {
	for _, dir := range []string{typescript, filepath.Join(typescript, "compare"), foreign} {
		lock, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(lock), `"resolved"`) {
			t.Errorf("%s: the lock file names where packages come from", dir)
		}
	}
}

// At run time the client is its own files, and runs where there is no Node.js.
func TestClientNeedsNothing(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(typescript, "package.json"))
	if err != nil {
		t.Fatal(err)
	}
	var manifest map[string]json.RawMessage
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"dependencies", "peerDependencies", "optionalDependencies", "bundleDependencies"} {
		if _, there := manifest[name]; there {
			t.Errorf("package.json has %s", name)
		}
	}
	sources, err := filepath.Glob(filepath.Join(typescript, "src", "*.ts"))
	if err != nil || len(sources) == 0 {
		t.Fatalf("no sources: %v", err)
	}
	for _, name := range sources {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, module := range importedModule.FindAllSubmatch(source, -1) {
			if !strings.HasPrefix(string(module[1]), "./") {
				t.Errorf("%s imports %s", name, module[1])
			}
		}
	}
}

var importedModule = regexp.MustCompile(`(?:from|import\()\s*'([^']+)'`)

func TestTypeScript(t *testing.T) {
	newNode(t).test(t, "client", "executions", "runs", "memberjunction")
}
