// Package glovebox_test holds the project's import graph: which way imports point is what keeps untrusted code
// out of the control plane, and one driver out of another.
package glovebox_test

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A listed is what go list tells of one package.
type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func list(t *testing.T, patterns ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Deps"}, patterns...)...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var packages []listed
	decoder := json.NewDecoder(stdout)
	for {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if len(packages) == 0 {
		t.Fatalf("no package matches %v", patterns)
	}
	return packages
}

// under reports whether a package is the prefix itself or lies below it.
func under(path string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool {
		return path == prefix || strings.HasPrefix(path, strings.TrimSuffix(prefix, "/")+"/")
	})
}

// A ban says what some packages must not reach.
type ban struct {
	what   string
	from   []string // patterns for go list
	banned []string // import paths, and everything below them
	except []string // of from
	allow  []string // import paths of banned, none below them
	direct bool     // only imports written in the package itself count
	reason string
}

var bans = []ban{
	{
		what: "a JavaScript engine in the control plane", from: []string{"./cmd/glovebox"},
		banned: []string{"github.com/dop251/goja", "github.com/evanw/esbuild", "glovebox/image/engine", "glovebox/image/seal"},
		reason: "untrusted code is never interpreted, nor even parsed, outside a box",
	},
	{
		what: "the network and other programs in the box", from: []string{"./image/...", "./cmd/runner"},
		banned: []string{"net", "net/http", "os/exec"}, direct: true,
		except: []string{"glovebox/image/lib/bundle"}, // runs when the runner is built, and is no part of it
		reason: "what a runner cannot do it need not be kept from (esbuild imports some of it: the seal denies sockets)",
	},
	{
		what: "hostile attempts in the control plane", from: []string{"./cmd/glovebox"},
		banned: []string{"glovebox/internal/probe/trial", "glovebox/internal/probe/guise", "glovebox/internal/probe/weak"},
		reason: "what breaks out is linked into an image of its own, and runs in boxes alone",
	},
	{
		what: "drivers, the network and other programs in the probe", from: []string{"./cmd/probe"},
		banned: []string{"glovebox/internal/sandbox", "glovebox/internal/probe/native", "net", "os/exec"},
		allow:  []string{"net/url", "net/netip"}, // goja reads the addresses of source maps
		reason: "its image is one small binary, and what it does it does by system calls",
	},
	{
		what: "our engine in the one that stands in for it", from: []string{"./internal/probe/weak"},
		banned: []string{"glovebox/image"},
		reason: "what is shown without the engine is not to be stopped by a part of it",
	},
	{
		what: "the audit in what makes boxes for scripts", from: []string{"./controller/...", "./internal/sandbox", "./internal/sandbox/docker", "./internal/sandbox/oci", "./internal/action", "./internal/agent/...", "./internal/mcp", "./internal/runnerimage"},
		banned: []string{"glovebox/internal/probe"},
		reason: "the probe's image is opened by the audit and by nobody else",
	},
	{
		what: "drivers in the audit's probes", from: []string{"./internal/probe/native", "./internal/probe/script", "./internal/probe"},
		banned: []string{"glovebox/internal/sandbox/docker", "glovebox/internal/sandbox/oci", "glovebox/internal/probe/probeimage"},
		reason: "they are given a driver, and know neither's making",
	},
	{
		what: "boxes, and what is tried in them, in the audit's report", from: []string{"./internal/probe/report"},
		banned: []string{"glovebox/internal/sandbox/docker", "glovebox/internal/sandbox/oci", "glovebox/internal/probe/native", "glovebox/internal/probe/trial", "glovebox/internal/probe/probeimage", "net/http", "os/exec"},
		reason: "it shows what was seen, and can be tested without seeing anything",
	},
	{
		what: "the Docker client, or a database driver, in the HTTP controller", from: []string{"./controller/..."},
		banned: []string{"github.com/moby", "github.com/docker", "modernc.org/sqlite", "github.com/mattn/go-sqlite3", "github.com/jackc"},
		reason: "routes and errors are one thing, and how a box is made is another",
	},
	{
		what: "SQLite outside its package", from: []string{"./..."}, banned: []string{"modernc.org", "github.com/pressly/goose"}, direct: true,
		except: []string{"glovebox/internal/store/sqlite", "glovebox/tools/soak"}, // soak keeps a server's database locked, as another process may
		reason: "what keeps things can be taken out, and another put beside it",
	},
	{
		what: "what keeps things in what is kept", from: []string{"./internal/tenant", "./internal/store"},
		banned: []string{"glovebox/internal", "glovebox/controller", "database/sql", "net/http"},
		allow:  []string{"glovebox/internal/tenant", "glovebox/internal/secret", "glovebox/internal/ledger"},
		reason: "tenants and their keys can be judged without a database, and a database be written without the house",
	},
	{
		what: "databases in what is accepted", from: []string{"./internal/kept", "./internal/execution/...", "./internal/agentrun/..."},
		banned: []string{"glovebox/internal/store", "glovebox/controller", "modernc.org", "github.com/pressly/goose"},
		reason: "what is accepted is judged, run and told wherever it is kept",
	},
	{
		what: "what is kept in how it is", from: []string{"./internal/kept"},
		banned: []string{"glovebox/internal/execution", "glovebox/internal/agentrun", "glovebox/internal/agent", "glovebox/internal/sandbox"},
		reason: "executions and runs of agents share a skeleton, which knows of neither",
	},
	{
		what: "the project in its contract", from: []string{"./api/..."}, banned: []string{"glovebox"},
		except: []string{"glovebox/api/client"},
		reason: "the contract can be taken without the house",
	},
	{
		what: "the project in the client", from: []string{"./api/client"}, banned: []string{"glovebox"},
		allow:  []string{"glovebox/api"},
		reason: "who asks a server needs the contract, and nothing of how it is kept",
	},
	{
		what: "the project in the seccomp table", from: []string{"./seccomp"}, banned: []string{"glovebox"},
		reason: "the table can be read, and used, by itself",
	},
	{
		what: "the project in the ledger", from: []string{"./internal/ledger"}, banned: []string{"glovebox", "net/http", "os/exec", "modernc.org/sqlite"},
		reason: "what proves that a record is whole can be read, and used, by itself",
	},
	{
		what: "one driver in another", from: []string{"./internal/sandbox/docker"}, banned: []string{"glovebox/internal/sandbox/oci"},
		reason: "a driver can be taken out without the other",
	},
	{
		what: "one driver in another", from: []string{"./internal/sandbox/oci"}, banned: []string{"glovebox/internal/sandbox/docker", "github.com/moby/moby/client"},
		reason: "a machine without Docker needs none of it",
	},
	{
		what: "drivers in the sandbox", from: []string{"./internal/sandbox"},
		banned: []string{"glovebox/internal/sandbox/docker", "glovebox/internal/sandbox/oci", "glovebox/controller", "glovebox/image", "github.com/labstack"},
		reason: "the consumer declares the interface, and its makers depend on it",
	},
	{
		what: "anything but the contract in the protocol", from: []string{"./internal/protocol"},
		banned: []string{"glovebox/internal", "glovebox/controller", "glovebox/image", "glovebox/seccomp"},
		reason: "both sides of the boundary are built on it",
	},
	{
		what: "anything but the protocol's forms in what reads /proc", from: []string{"./internal/procfs"},
		banned: []string{"glovebox/internal", "glovebox/controller", "glovebox/image", "glovebox/seccomp", "net", "os/exec"},
		allow:  []string{"glovebox/internal/protocol"},
		reason: "the runner in a box and the controller outside read by the same code, and only the latter judges",
	},
	{
		what: "the Model Context Protocol outside its package", from: []string{"./controller/...", "./internal/...", "./image/...", "./api/...", "./metadata/..."},
		banned: []string{"github.com/modelcontextprotocol"}, direct: true, except: []string{"glovebox/internal/mcp"},
		reason: "a tool is an action: what runs it knows nothing of who asks",
	},
	{
		what: "boxes, servers and models in the agent", from: []string{"./internal/agent"},
		banned: []string{"glovebox/internal/sandbox", "glovebox/controller", "glovebox/image", "glovebox/metadata", "net/http", "github.com/openai", "github.com/anthropics"},
		reason: "it is given a model and an executor, and knows neither's making",
	},
	{
		what: "OpenAI's SDK outside its client", from: []string{"./..."}, banned: []string{"github.com/openai/openai-go"}, direct: true,
		except: []string{"glovebox/internal/agent/openai"},
		reason: "what is known of a provider is known in one place, and can be taken out",
	},
	{
		what: "Anthropic's SDK outside its client", from: []string{"./..."}, banned: []string{"github.com/anthropics"}, direct: true,
		except: []string{"glovebox/internal/agent/anthropic"},
		reason: "what is known of a provider is known in one place, and can be taken out",
	},
	{
		what: "a model's client in the agent", from: []string{"./internal/agent", "./internal/agent/remote"},
		banned: []string{"github.com/openai/openai-go", "github.com/anthropics", "glovebox/internal/agent/openai", "glovebox/internal/agent/anthropic"},
		reason: "the consumer declares the interface, and its makers depend on it",
	},
	{
		what: "one model's client in another", from: []string{"./internal/agent/openai"}, banned: []string{"github.com/anthropics", "glovebox/internal/agent/anthropic"},
		reason: "a provider can be taken out without the other",
	},
	{
		what: "one model's client in another", from: []string{"./internal/agent/anthropic"}, banned: []string{"github.com/openai/openai-go", "glovebox/internal/agent/openai"},
		reason: "a provider can be taken out without the other",
	},
	{
		what: "anything but the standard library in what notes for the log", from: []string{"./internal/logcontext"}, banned: []string{"glovebox", "github.com", "golang.org"},
		reason: "whoever writes a line can build on it",
	},
	{
		what: "anything but the standard library in what knows loopback", from: []string{"./internal/loopback"}, banned: []string{"glovebox", "github.com", "golang.org"},
		reason: "who judges an address can build on it",
	},
	{
		what: "the project in what reads settings", from: []string{"./internal/config"}, banned: []string{"glovebox"},
		reason: "a setting is a flag, and what it is for only the flag's owner knows",
	},
	{
		what: "anything but the standard library in secrets", from: []string{"./internal/secret"}, banned: []string{"glovebox", "github.com", "golang.org"},
		reason: "who holds keys depends on nobody",
	},
	{
		what: "the project in what makes private files", from: []string{"./internal/private"}, banned: []string{"glovebox"},
		reason: "whoever keeps something builds on it",
	},
	{
		what: "anything but the standard library in the queue", from: []string{"./internal/queue"}, banned: []string{"glovebox", "github.com", "golang.org"},
		reason: "who is next depends on nothing of what is done then",
	},
	{
		what: "boxes, servers and stores in quotas", from: []string{"./internal/quota", "./internal/tenant"},
		banned: []string{"glovebox/internal/sandbox", "glovebox/internal/store", "glovebox/controller", "net/http", "database/sql"},
		reason: "what a tenant may have is judged by what is asked, wherever it is kept and whatever runs it",
	},
	{
		what: "OpenTelemetry's SDK outside what sends traces", from: []string{"./..."},
		banned: []string{"go.opentelemetry.io/otel/sdk", "go.opentelemetry.io/otel/exporters", "go.opentelemetry.io/proto"}, direct: true,
		except: []string{"glovebox/internal/trace/otlp"},
		reason: "who makes a span does not know where it goes",
	},
	{
		what: "what sends traces in what makes them", from: []string{"./controller/...", "./internal/sandbox/...", "./internal/execution", "./internal/recorder", "./internal/action", "./internal/agent/...", "./internal/mcp", "./internal/trace"},
		banned: []string{"glovebox/internal/trace/otlp", "go.opentelemetry.io/otel/sdk", "go.opentelemetry.io/otel/exporters"},
		except: []string{"glovebox/internal/trace/otlp"},
		reason: "a span goes where the server that began it says, and a test keeps it in memory",
	},
	{
		what: "OpenTelemetry's global providers", from: []string{"./..."}, banned: []string{"go.opentelemetry.io"}, direct: true,
		allow: []string{"go.opentelemetry.io/otel/attribute", "go.opentelemetry.io/otel/codes", "go.opentelemetry.io/otel/propagation",
			"go.opentelemetry.io/otel/trace", "go.opentelemetry.io/otel/trace/noop"},
		except: []string{"glovebox/internal/trace/otlp"},
		reason: "with one, the clients of Docker and of models would make spans of their own, and tell their servers of ours",
	},
	{
		what: "global providers in what sends traces", from: []string{"./internal/trace/otlp"}, banned: []string{"go.opentelemetry.io/otel"}, direct: true,
		allow: []string{"go.opentelemetry.io/otel/attribute", "go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp",
			"go.opentelemetry.io/otel/sdk/resource", "go.opentelemetry.io/otel/sdk/trace", "go.opentelemetry.io/otel/trace"},
		reason: "with one, the clients of Docker and of models would make spans of their own, and tell their servers of ours",
	},
	{
		what: "traces in the box", from: []string{"./image/...", "./cmd/runner", "./cmd/probe", "./internal/protocol", "./api/..."},
		banned: []string{"go.opentelemetry.io", "glovebox/internal/trace"},
		reason: "a box is sealed: it is told of no trace, and has none to tell of",
	},
	{
		what: "boxes, servers and databases in webhooks", from: []string{"./internal/webhook/..."},
		banned: []string{"glovebox/internal/sandbox", "glovebox/internal/store", "glovebox/internal/execution", "glovebox/controller", "database/sql", "modernc.org"},
		reason: "what goes out to others has bytes to tell, and nothing else at hand",
	},
	{
		what: "the service manager in anything but the program", from: []string{"./api/...", "./controller/...", "./internal/...", "./image/..."},
		banned: []string{"github.com/coreos/go-systemd"},
		reason: "who has started the program is the program's alone to know",
	},
	{
		what: "systemd's bus and journal", from: []string{"./..."}, banned: []string{"github.com/coreos/go-systemd", "github.com/godbus"},
		allow:  []string{"github.com/coreos/go-systemd/v22/daemon"},
		reason: "it is told how the server is, and asked nothing",
	},
	{
		what: "echo outside the controller", from: []string{"./internal/...", "./image/...", "./api/...", "./seccomp/..."},
		banned: []string{"github.com/labstack"}, direct: true,
		reason: "its next version is a step within one folder",
	},
}

func TestImportGraph(t *testing.T) {
	for _, b := range bans {
		for _, p := range list(t, b.from...) {
			if under(p.ImportPath, b.except...) {
				continue
			}
			reached := p.Deps
			if b.direct {
				reached = p.Imports
			}
			for _, dep := range reached {
				if under(dep, b.banned...) && dep != p.ImportPath && !slices.Contains(b.allow, dep) {
					t.Errorf("%s: %s reaches %s; %s", b.what, p.ImportPath, dep, b.reason)
				}
			}
		}
	}
}

// serve and run can never use the probe's image: in the one program that has it, the files of the verb audit alone
// know of it.
func TestOnlyTheAuditOpensTheProbe(t *testing.T) {
	files, err := filepath.Glob("cmd/glovebox/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err, len(files))
	}
	opened := 0
	for _, file := range files {
		source, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range source.Imports {
			if !under(strings.Trim(spec.Path.Value, `"`), "glovebox/internal/probe") {
				continue
			}
			opened++
			if !strings.HasPrefix(filepath.Base(file), "audit") {
				t.Errorf("%s imports %s", file, spec.Path.Value)
			}
		}
	}
	if opened == 0 {
		t.Error("no file imports the probe: this test holds nothing")
	}
}

// What others build on is the standard library and the contract.
func TestContractNeedsNoModule(t *testing.T) {
	for _, p := range list(t, "./api/...") {
		for _, dep := range p.Deps {
			first, _, _ := strings.Cut(dep, "/")
			if strings.Contains(first, ".") { // as every module's path but ours has
				t.Errorf("%s reaches %s; who takes the contract takes no module with it", p.ImportPath, dep)
			}
		}
	}
}

// No drawer for what has no place.
func TestNoPackageWithoutAnIdea(t *testing.T) {
	for _, p := range list(t, "./...") {
		switch name := p.ImportPath[strings.LastIndexByte(p.ImportPath, '/')+1:]; name {
		case "utils", "util", "common", "types", "pkg", "helpers", "misc":
			t.Errorf("%s: the name says nothing", p.ImportPath)
		}
	}
}
