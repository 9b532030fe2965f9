// Command bundle makes the JavaScript libraries that scripts may import, and the polyfills, into the
// folder that package lib embeds. It runs at build time, after `npm ci --ignore-scripts`, and is never linked into
// anything that ships: untrusted code meets only what it wrote.
//
// The output depends on node_modules and on this program alone: building twice gives the same bytes.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"glovebox/image/lib/manifest"
)

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

// placeholder is the one file of the output that is committed, and so is kept.
const placeholder = "PLACEHOLDER"

func run(args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("bundle", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("dir", "image/lib", "the folder that holds node_modules and takes dist")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if err := bundle(*dir); err != nil {
		fmt.Fprintln(stderr, "bundle:", err)
		return 1
	}
	return 0
}

// bundle makes dir's dist from its node_modules.
func bundle(dir string) error {
	root, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	out, err := assemble(filepath.Join(root, "node_modules"))
	if err != nil {
		return err
	}
	return out.write(filepath.Join(root, "dist"))
}

// assemble builds everything in memory, so that a failure leaves the last good output alone.
func assemble(modules string) (output, error) {
	if _, err := os.Stat(modules); err != nil {
		return nil, fmt.Errorf("run `npm ci --ignore-scripts` first: %w", err)
	}
	out := output{}
	m, err := libraries(modules, out)
	if err != nil {
		return nil, err
	}
	if m.Polyfill, err = polyfills(modules, out); err != nil {
		return nil, err
	}
	if out[manifest.Notices], err = notices(modules); err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return nil, err
	}
	out[manifest.File] = append(text, '\n')
	return out, nil
}

// output is what goes into dist: contents by slash-separated name.
type output map[string][]byte

// write replaces what dir holds, except for the placeholder.
func (o output) write(dir string) error {
	old, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range old {
		if entry.Name() == placeholder {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
			return err
		}
	}
	for name, content := range o {
		if !fs.ValidPath(name) {
			return fmt.Errorf("%q is no name for a file", name)
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
