// Command gen writes what is generated from the table in package seccomp: the profile as JSON, for people
// and for the tools that take a file, and the runner's own filter as a BPF program for each architecture.
// Run it with `go generate ./seccomp`; a test compares what is committed with what it would write.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"glovebox/seccomp/filter"
)

func main() { os.Exit(run()) }

func run() int {
	root := ".."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	files, err := filter.Generate()
	if err != nil {
		fmt.Fprintln(os.Stderr, "seccomp/gen:", err)
		return 1
	}
	for name, body := range files {
		if err := os.WriteFile(filepath.Join(root, name), body, 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "seccomp/gen:", err)
			return 1
		}
	}
	return 0
}
