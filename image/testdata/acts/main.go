//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0
//go:debug decoratemappings=0

// Command acts is the runner with an engine that does what a test names: package image's tests run it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"glovebox/api"
	"glovebox/image"
	"glovebox/image/engine"
)

func main() {
	os.Exit(image.Run(os.Stdin, os.Stdout, os.Stderr, func() (engine.Engine, error) { return acts{}, nil }))
}

// acts is an engine whose scripts are the names of what it does.
type acts struct{}

// Warm has every library that it is told of in place at once, but "slow", with which it is busy until it is told to stop.
func (acts) Warm(ctx context.Context, w engine.Warmup) (inPlace []string) {
	for _, name := range w.Libraries {
		if name == "slow" {
			<-ctx.Done()
			return inPlace
		}
		inPlace = append(inPlace, name)
	}
	return inPlace
}

func (acts) Run(ctx context.Context, p engine.Program) engine.Outcome {
	say := func(format string, args ...any) engine.Outcome {
		text, _ := json.Marshal(fmt.Sprintf(format, args...))
		return engine.Outcome{Code: api.Success, Output: text}
	}
	switch p.Code {
	case "log":
		p.Log(api.LevelWarn, "one")
		p.Log(api.LevelLog, "two")
		return say("done")
	case "flood":
		for range api.MaxLogEntries + 5 {
			p.Log(api.LevelLog, "x")
		}
		return say("done")
	case "wait":
		<-ctx.Done()
		return engine.Outcome{Code: api.Timeout, Error: &api.ScriptError{Name: "TimeoutError"}}
	case "for ever":
		select {}
	case "open":
		_, err := os.Open("/etc/passwd")
		return say("%v", errors.Is(err, unix.ENOSYS))
	case "socket":
		_, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		return say("a socket: %v", err)
	case "execve":
		return say("execve: %v", unix.Exec("/proc/self/exe", []string{"x"}, nil))
	case "fork":
		_, err := syscall.ForkExec("/proc/self/exe", []string{"x"}, &syscall.ProcAttr{})
		return say("fork: %v", err)
	case "executable memory":
		_, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
		return say("%v", errors.Is(err, unix.ENOSYS))
	case "threads":
		done := make(chan int)
		for range 16 {
			go func() {
				var sum int
				for i := range 1 << 20 {
					sum += i
				}
				done <- sum
			}()
		}
		for range 16 {
			<-done
		}
		return say("done")
	case "random":
		var b [8]byte
		_, err := unix.Getrandom(b[:], 0)
		return say("%v", err)
	}
	return engine.Outcome{Code: api.RuntimeError, Error: &api.ScriptError{Name: "Error", Message: strings.Repeat("é", 64<<10)}}
}
