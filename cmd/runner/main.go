// Go's own looks at its surroundings are switched off: a box has no cgroup files to read and to keep open,
// and nobody reads the names of its memory mappings.
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0
//go:debug decoratemappings=0

// Command runner is the one program in a box's image.
package main

import (
	"os"

	"glovebox/image"
	"glovebox/image/engine"
)

func main() {
	os.Exit(image.Run(os.Stdin, os.Stdout, os.Stderr, func() (engine.Engine, error) {
		return engine.NewGoja(engine.BundledModules())
	}))
}
