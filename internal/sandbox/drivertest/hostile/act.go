//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"glovebox/api"
	"glovebox/internal/probe/guise"
	"glovebox/internal/protocol"
)

type runner struct {
	job     protocol.Job
	started time.Time
}

// act obeys the order in the job's code: a word, and for some an argument. Each begins with a log, so
// that every case shows that logs survive what follows.
func (r *runner) act() {
	word, argument, _ := strings.Cut(r.job.Code, " ")
	n, _ := strconv.Atoi(argument)
	d, _ := time.ParseDuration(argument)
	r.log(r.job.Code)
	switch word {
	// What honest runners do.
	case "echo":
		r.success(r.job.Input)
	case "logs":
		for range n {
			r.log("line")
		}
	case "bytes": // a log of so many bytes
		r.log(strings.Repeat("x", n))
	case "output": // an output of so many bytes
		r.success(json.RawMessage(`"` + strings.Repeat("x", n-2) + `"`))
	case "sleep":
		r.sleep(d)
	case "beat": // a log each 50 ms until the end
		for {
			r.log("beat")
			time.Sleep(50 * time.Millisecond)
		}
	case "fail":
		r.result(protocol.Result{Code: api.ResultCode(argument), Error: &api.ScriptError{Name: "Error", Message: "as told"}})
	case "probe":
		r.json(probe())

	// What breaks the protocol.
	case "forge":
		r.say(protocol.Result{Code: api.ResultCode(argument), Error: &api.ScriptError{Name: "Forged", Message: "not my fault"}})
		sleepForEver()
	case "ready":
		ready, _ := guise.Ready()
		say(protocol.Frame{Type: protocol.FrameReady, Ready: &ready})
		sleepForEver()
	case "garbage":
		writeBody("this is no frame")
		sleepForEver()
	case "flood":
		noise := []byte(strings.Repeat("A", 64<<10))
		for {
			_, _ = os.Stdout.Write(noise)
		}
	case "floodlogs":
		for {
			r.log("flood")
		}
	case "half":
		_, _ = os.Stdout.Write(append(binary.BigEndian.AppendUint32(nil, 1000), `{"type":"result"`...))
		sleepForEver()
	case "huge":
		_, _ = os.Stdout.Write([]byte{0xff, 0xff, 0xff, 0xff, '{'})
		sleepForEver()
	case "trailing":
		_, _ = os.Stdout.Write(append(r.resultMessage("1"), "and more"...))
		sleepForEver()
	case "twice":
		_, _ = os.Stdout.Write(append(r.resultMessage("1"), r.resultMessage("2")...))
		sleepForEver()
	case "late":
		r.say(protocol.Result{Code: api.Success, Output: json.RawMessage("1")})
		time.Sleep(time.Second)
		r.say(protocol.Result{Code: api.Success, Output: json.RawMessage("2")})
		sleepForEver()
	case "stay": // it does not leave when stdin closes
		r.say(protocol.Result{Code: api.Success, Output: json.RawMessage("1")})
		ignoreSignals()
		sleepForEver()
	case "closeout":
		_ = os.Stdout.Close()
		ignoreSignals()
		sleepForEver()

	// How it ends, or does not.
	case "exit":
		os.Exit(n)
	case "panic":
		panic("fatal error: runtime: out of memory") // a lie, and not in the first line's place
	case "kill":
		killSelf()
	case "stack":
		debug.SetMaxStack(8 << 20)
		_ = deeper(0)
	case "hang":
		ignoreSignals()
		for {
		}
	case "stderr":
		noise := []byte(strings.Repeat("!", 4096))
		for {
			_, _ = os.Stderr.Write(noise)
		}

	// What the cgroup is for.
	case "alloc": // so many MiB, each page touched
		keep := allocate(n)
		r.json(len(keep))
	case "burn":
		burn(2, d)
	case "fork":
		r.json(forkBomb(n))
	case "threads":
		r.json(threads(n))
	case "forbidden":
		r.json(forbidden())
	default:
		r.result(protocol.Result{Code: api.RuntimeError,
			Error: &api.ScriptError{Name: "Error", Message: "no such order: " + strconv.Quote(word)}})
	}
	r.success(nil)
}

func (r *runner) log(message string) {
	say(protocol.Frame{Type: protocol.FrameLog, Log: &protocol.Log{Level: api.LevelLog, Message: message, AtMs: r.sinceMs()}})
}

func (r *runner) say(result protocol.Result) {
	result.ExecutionMs = r.sinceMs()
	say(protocol.Frame{Type: protocol.FrameResult, Result: &result})
}

// resultMessage is a success with that output, as the bytes that stand on stdout.
func (r *runner) resultMessage(output string) []byte {
	var message bytes.Buffer
	result := protocol.Result{Code: api.Success, Output: json.RawMessage(output), ExecutionMs: r.sinceMs()}
	if err := protocol.WriteMessage(&message, protocol.Frame{Type: protocol.FrameResult, Result: &result}); err != nil {
		panic(err)
	}
	return message.Bytes()
}

// result says the result and leaves as an honest runner does.
func (r *runner) result(result protocol.Result) {
	r.say(result)
	_ = os.Stdout.Close()
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

func (r *runner) success(output json.RawMessage) {
	if output == nil {
		output = json.RawMessage("null")
	}
	r.result(protocol.Result{Code: api.Success, Output: output})
}

func (r *runner) json(v any) {
	output, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	r.success(output)
}

// sleep ends at the soft deadline, as an engine does.
func (r *runner) sleep(d time.Duration) {
	soft := time.Until(r.started.Add(time.Duration(r.job.TimeoutMs) * time.Millisecond))
	time.Sleep(min(d, soft))
	if d > soft {
		r.result(protocol.Result{Code: api.Timeout, Error: &api.ScriptError{Name: "Timeout", Message: "the time is up"}})
	}
}

func (r *runner) sinceMs() float64 { return float64(time.Since(r.started).Microseconds()) / 1000 }

func writeBody(body string) {
	_, _ = os.Stdout.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
}

func ignoreSignals() {
	signal.Ignore()
}

// deeper overflows the stack.
func deeper(n int) int {
	var room [1024]byte
	room[n%len(room)] = byte(n)
	return deeper(n+1) + int(room[(n+1)%len(room)])
}

func allocate(mib int) [][]byte {
	var keep [][]byte
	for range mib {
		block := make([]byte, api.MiB)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		keep = append(keep, block)
	}
	return keep
}

// burn keeps so many threads busy for d of wall clock.
func burn(threads int, d time.Duration) {
	until := time.Now().Add(d)
	done := make(chan struct{})
	for range threads {
		go func() {
			for time.Now().Before(until) {
			}
			done <- struct{}{}
		}()
	}
	for range threads {
		<-done
	}
}

func killSelf() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	time.Sleep(100 * time.Millisecond)
	// Process 1 of a pid namespace cannot be killed from within.
	fmt.Fprintln(os.Stderr, "still alive:", err)
	os.Exit(128 + 9)
}
