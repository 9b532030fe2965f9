package drivertest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strings"
	"time"

	"glovebox/api"
	"glovebox/internal/protocol"
	"glovebox/internal/sandbox"
)

// A Step is one thing that a fake's runner does. Steps are played in their order; a runner that has
// come to the end of its steps without a result says SUCCESS with null.
type Step struct {
	play func(*player) (goOn bool)
}

const (
	goOn = true
	ends = false
)

// Log prints one entry.
func Log(level api.LogLevel, message string) Step {
	return Step{func(p *player) bool {
		p.say(protocol.Frame{Type: protocol.FrameLog, Log: &protocol.Log{Level: level, Message: message, AtMs: p.sinceMs()}})
		return goOn
	}}
}

// Logs prints n equal entries.
func Logs(n int, level api.LogLevel, message string) Step {
	one := Log(level, message)
	return Step{func(p *player) bool {
		for range n {
			if !p.alive() {
				return ends
			}
			one.play(p)
		}
		return goOn
	}}
}

// Output ends the script with SUCCESS and the output, which is JSON.
func Output(output string) Step {
	return Step{func(p *player) bool {
		return p.end(protocol.Result{Code: api.Success, Output: json.RawMessage(output)})
	}}
}

// Echo ends the script with its input as output, null where it has none.
func Echo() Step {
	return Step{func(p *player) bool {
		output := p.job.Input
		if output == nil {
			output = json.RawMessage("null")
		}
		return p.end(protocol.Result{Code: api.Success, Output: output})
	}}
}

// EchoJob ends the script with all that its runner was told as output.
func EchoJob() Step {
	return Step{func(p *player) bool {
		job, err := json.Marshal(p.job)
		if err != nil {
			panic(err)
		}
		return p.end(protocol.Result{Code: api.Success, Output: job})
	}}
}

// EchoLibraries ends the script with the names of the libraries that it may require as output, null where it may require each.
func EchoLibraries() Step {
	return Step{func(p *player) bool {
		output, _ := json.Marshal(p.job.Libraries) // strings: cannot fail
		return p.end(protocol.Result{Code: api.Success, Output: output})
	}}
}

// Fail ends the script with a code other than SUCCESS.
func Fail(code api.ResultCode, name, message string) Step {
	return Step{func(p *player) bool {
		return p.end(protocol.Result{Code: code, Error: &api.ScriptError{Name: name, Message: message, Line: 1, Column: 1}})
	}}
}

// SayResult says a result, whatever it is, and goes on to the next step as no honest runner does.
func SayResult(result protocol.Result) Step {
	return Step{func(p *player) bool {
		p.say(protocol.Frame{Type: protocol.FrameResult, Result: &result})
		return goOn
	}}
}

// Say writes v as one message, whatever it is.
func Say(v any) Step {
	return Step{func(p *player) bool {
		p.say(v)
		return goOn
	}}
}

// Breath writes what the steps say in one piece.
func Breath(steps ...Step) Step {
	return Step{func(p *player) bool {
		stdout := p.stdout
		var all breath
		p.stdout = &all
		for _, step := range steps {
			step.play(p)
		}
		p.stdout = stdout
		_, _ = stdout.Write(all.Bytes())
		return goOn
	}}
}

// A breath is a stdout whose words are kept.
type breath struct{ bytes.Buffer }

func (*breath) Close() error { return nil }

// Raw writes bytes to stdout.
func Raw(bytes string) Step {
	return Step{func(p *player) bool {
		_, _ = p.stdout.Write([]byte(bytes))
		return goOn
	}}
}

// Body writes bytes to stdout as the body of one message.
func Body(body string) Step {
	return Raw(string(binary.BigEndian.AppendUint32(nil, uint32(len(body)))) + body)
}

// Endless writes the bytes to stdout again and again, until the box is killed.
func Endless(bytes string) Step {
	return Step{func(p *player) bool {
		for p.alive() {
			if _, err := p.stdout.Write([]byte(bytes)); err != nil {
				break
			}
		}
		return p.hang()
	}}
}

// Stderr writes text to stderr.
func Stderr(text string) Step {
	return Step{func(p *player) bool {
		_, _ = p.stderr.Write([]byte(text))
		return goOn
	}}
}

// EndlessStderr writes to stderr until the box is killed.
func EndlessStderr() Step {
	return Step{func(p *player) bool {
		noise := []byte(strings.Repeat("!", 4096))
		for p.alive() {
			if _, err := p.stderr.Write(noise); err != nil {
				break
			}
		}
		return p.hang()
	}}
}

// CloseStdout closes stdout, and goes on.
func CloseStdout() Step {
	return Step{func(p *player) bool {
		_ = p.stdout.Close()
		return goOn
	}}
}

// Sleep waits, as a script does with a timer: its soft deadline ends it with TIMEOUT.
func Sleep(d time.Duration) Step {
	return Step{func(p *player) bool {
		soft := p.started.Add(p.soft()).Sub(p.now())
		if d <= soft {
			return p.wait(d)
		}
		return p.wait(soft) && Fail(api.Timeout, "Timeout", "the time is up").play(p)
	}}
}

// Burn is busy for d of wall clock and counts the CPU time that the box's share allows.
func Burn(d time.Duration) Step {
	sleep := Sleep(d)
	return Step{func(p *player) bool {
		before := p.now()
		goesOn := sleep.play(p)
		p.box.addCPU(time.Duration(float64(p.now().Sub(before)) * min(p.box.limits.CPUs, 1)))
		return goesOn
	}}
}

// Forever is an endless loop that the engine can interrupt: it ends with TIMEOUT at the soft deadline.
func Forever() Step { return Sleep(1<<63 - 1) }

// Hang is busy with something that cannot be interrupted: only a kill from outside ends it.
func Hang() Step { return Step{func(p *player) bool { return p.hang() }} }

// Alloc allocates so many bytes: beyond the script's limit and the box's overhead the kernel kills it.
func Alloc(bytes int64) Step {
	return Step{func(p *player) bool {
		if most := p.box.limits.MemoryBytes + p.box.overhead.MemoryBytes; bytes > most {
			p.box.oom()
			return ends
		}
		return goOn
	}}
}

// OOM is a kill by the kernel for want of memory.
func OOM() Step {
	return Step{func(p *player) bool {
		p.box.oom()
		return ends
	}}
}

// Exit ends the runner with a status.
func Exit(status int) Step {
	return Step{func(p *player) bool {
		p.box.die(sandbox.Exit{Status: status})
		return ends
	}}
}

// Signal ends the runner by a signal that was not sent from outside.
func Signal(signal int) Step {
	return Step{func(p *player) bool {
		p.box.die(sandbox.Exit{Signal: signal})
		return ends
	}}
}
