// Command glovebox runs one piece of untrusted code in one sealed, single-use container, and hands back
// JSON.
package main

import (
	"context"
	"os"
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
