//go:build linux

// Command hostile is a runner that does what a broken runner might. Tests of drivers put it into a box in
// the place of the real one: it says a correct ready frame, reads its job, and then obeys the job's
// code, which is an order such as "flood" or "alloc 64" (see the table in act.go). It is never part
// of an image that is shipped.
package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"glovebox/api"
	"glovebox/internal/probe/guise"
	"glovebox/internal/protocol"
)

// start says how the runner begins. Package drivertest overwrites its padded value in the built
// binary: a box starts its runner without arguments and without an environment.
var start = "GLOVEBOX-HOSTILE-START:honest          "

func main() {
	_, how, _ := strings.Cut(start, ":")
	how = strings.TrimSpace(how)
	switch how {
	case "dies":
		fmt.Fprintln(os.Stderr, "fatal error: this runner dies before it is ready")
		os.Exit(2)
	case "silent":
		sleepForEver()
	case "junk":
		writeBody("this is no frame")
	}
	ready, err := guise.Ready()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fatal error: look:", err)
		os.Exit(3)
	}
	switch how {
	case "unsealed":
		ready.Seccomp, ready.SeccompFilters = 0, 0
	case "root":
		ready.UID = 0
	}
	say(protocol.Frame{Type: protocol.FrameReady, Ready: &ready})
	if how == "deaf" {
		sleepForEver()
	}
	switch how {
	case "dies-waiting":
		time.Sleep(time.Second)
		os.Exit(2)
	case "speaks-waiting":
		time.Sleep(time.Second)
		say(protocol.Frame{Type: protocol.FrameLog, Log: &protocol.Log{Level: api.LevelLog, Message: "unasked"}})
		sleepForEver()
	}
	job, err := protocol.ReadJob(os.Stdin)
	if err != nil {
		os.Exit(1)
	}
	r := runner{job: job, started: time.Now()}
	r.act()
}

func say(v any) {
	if err := protocol.WriteMessage(os.Stdout, v); err != nil {
		os.Exit(4)
	}
}

func sleepForEver() {
	for {
		time.Sleep(time.Hour)
	}
}
