// Command notices writes the licences of every Go module that is linked into the given packages, and then
// what stands in the given file of further notices, to standard output. `make build` runs it.
//
//	go run ./internal/runnerimage/notices FURTHER PACKAGE...
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "notices:", err)
		os.Exit(1)
	}
}

type module struct {
	Path, Version, Dir string
	Main               bool
}

func run(args []string, stdout io.Writer) error {
	if len(args) < 2 {
		return errors.New("a file of further notices and one or more packages are needed")
	}
	modules, err := linked(args[1:])
	if err != nil {
		return err
	}
	out := bufio.NewWriter(stdout)
	fmt.Fprint(out, "Glovebox contains the works below, each under its own licence.\n")
	for _, m := range modules {
		texts, err := licences(m.Dir)
		if err != nil {
			return fmt.Errorf("%s: %w", m.Path, err)
		}
		heading(out, m.Path+" "+m.Version)
		for _, text := range texts {
			fmt.Fprintf(out, "%s\n", strings.TrimSpace(text))
		}
	}
	further, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	heading(out, "JavaScript")
	if _, err := out.Write(further); err != nil {
		return err
	}
	return out.Flush()
}

func heading(out io.Writer, name string) {
	fmt.Fprintf(out, "\n%s\n%s\n\n", strings.Repeat("=", 72), name)
}

// linked lists the modules that the packages are made of, each once, by path, and the Go standard library.
func linked(packages []string) ([]module, error) {
	list := exec.Command("go", append([]string{"list", "-deps", "-json=Module"}, packages...)...)
	list.Stderr = os.Stderr
	body, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	root, err := exec.Command("go", "env", "GOROOT", "GOVERSION").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	goEnv := strings.Fields(string(root))
	modules := []module{{Path: "The Go standard library", Version: goEnv[1], Dir: goEnv[0]}}
	decoder := json.NewDecoder(bytes.NewReader(body))
	for {
		var p struct {
			Module *struct {
				module
				Replace *struct{ Version string }
			}
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		if p.Module == nil || p.Module.Main || slices.Contains(modules, p.Module.module) {
			continue
		}
		if r := p.Module.Replace; r != nil && r.Version == "" {
			continue // a stub of our own (internal/stubs)
		}
		modules = append(modules, p.Module.module)
	}
	slices.SortFunc(modules[1:], func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	return modules, nil
}

// licences returns the texts of a module's licence files. A module without one is an error: it may not be
// given on.
func licences(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, entry := range entries {
		name := strings.ToUpper(entry.Name())
		if entry.IsDir() || !strings.HasPrefix(name, "LICEN") && !strings.HasPrefix(name, "COPYING") && !strings.HasPrefix(name, "NOTICE") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		texts = append(texts, string(text))
	}
	if texts == nil {
		return nil, errors.New("no licence file")
	}
	return texts, nil
}
