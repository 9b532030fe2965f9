//go:build linux

// Command probe stands in the runner's place in the boxes of the isolation audit, as if the runner had been broken:
// its job's code is a plan of hostile attempts. It is the one binary in an image of its own, which no verb but audit
// ever opens.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"glovebox/api"
	"glovebox/image/seal"
	"glovebox/internal/probe/guise"
	"glovebox/internal/probe/plan"
	"glovebox/internal/probe/trial"
	"glovebox/internal/probe/weak"
	"glovebox/internal/protocol"
)

// The main thread is kept for the main goroutine: no attempt is made on it, so that what is killed for an attempt is a
// thread that can be missed.
func init() { runtime.LockOSThread() }

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) > 1 { // not in a box, whose program has no arguments
		switch os.Args[1] {
		case "stand-in":
			return trial.StandIn()
		case "victim":
			return trial.Victim()
		}
		return fmt.Errorf("unknown argument %q", os.Args[1])
	}
	// A thread that is killed for an attempt takes what it ran on with it: there is to be more.
	runtime.GOMAXPROCS(16)
	ready, err := guise.Ready()
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT) // what a box could, so as to live on
	if err := trial.HandleTraps(); err != nil {
		return err
	}
	if err := protocol.WriteMessage(os.Stdout, protocol.Frame{Type: protocol.FrameReady, Ready: &ready}); err != nil {
		return err
	}
	p, job, err := readPlan()
	if err != nil {
		return err
	}
	if p.Seal {
		if _, err := seal.Seal(); err != nil {
			return err
		}
	}
	if p.Script != nil {
		return weak.Serve(script(p, job), nextScript, os.Stdout)
	}
	if err := tryAll(p); err != nil {
		return err
	}
	result := protocol.Result{Code: api.Success, Output: json.RawMessage("null")}
	if err := protocol.WriteMessage(os.Stdout, protocol.Frame{Type: protocol.FrameResult, Result: &result}); err != nil {
		return err
	}
	_ = os.Stdout.Close()
	_, _ = io.Copy(io.Discard, os.Stdin)
	return nil
}

// readPlan reads a job, whose code is a plan.
func readPlan() (p plan.Plan, job protocol.Job, err error) {
	job, err = protocol.ReadJob(os.Stdin)
	if err == nil {
		err = json.Unmarshal([]byte(job.Code), &p)
	}
	return p, job, err
}

func script(p plan.Plan, job protocol.Job) weak.Script {
	return weak.Script{Code: p.Script.Code, Input: job.Input, KeepWorld: p.Script.KeepWorld}
}

// nextScript reads a further script: a process that is not a box's own is given more than one.
func nextScript() (weak.Script, error) {
	p, job, err := readPlan()
	if err == nil && p.Script == nil {
		err = errors.New("a plan without a script")
	}
	if err != nil {
		return weak.Script{}, err
	}
	return script(p, job), nil
}

// tryAll runs the plan, and says each event as it comes.
func tryAll(p plan.Plan) error {
	start := time.Now()
	var failed error
	say := func(e plan.Event) {
		body, err := json.Marshal(e)
		if err == nil {
			err = protocol.WriteMessage(os.Stdout, protocol.Frame{Type: protocol.FrameLog, Log: &protocol.Log{
				Level: api.LevelLog, Message: string(body), AtMs: float64(time.Since(start).Microseconds()) / 1000,
			}})
		}
		if failed == nil {
			failed = err
		}
	}
	for _, t := range p.Trials {
		trial.Run(t, say)
	}
	return failed
}
