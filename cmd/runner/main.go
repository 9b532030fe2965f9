// Go's own looks at its surroundings are switched off: a box has no cgroup files to read and to keep open,
// and nobody reads the names of its memory mappings.
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0
//go:debug decoratemappings=0

// Command runner is the one program in a box's image.
package main

import (
	"os"
	"os/signal"
	"syscall"

	"glovebox/image"
	"glovebox/image/engine"
)

func main() {
	// What asks for an end politely comes from the host alone (a daemon that stops, an administrator). Go would end with a status
	// that reads like the script's own doing. The controller's word is SIGKILL, and so is that of whoever means it.
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT)
	os.Exit(image.Run(os.Stdin, os.Stdout, os.Stderr, func() (engine.Engine, error) {
		return engine.NewGoja(engine.BundledModules())
	}))
}
