package sandbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/api"
	"glovebox/internal/protocol"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
)

// These tests run in bubbles of synctest: their clock moves only when everything waits, so that each
// time below is exact, and a goroutine that is left behind is a failure.

const (
	limit = 2 * time.Second
	grace = 250 * time.Millisecond // of the hard deadline
)

var (
	testSpec   = sandbox.Sealed("sha256:0", "runc")
	testLimits = sandbox.Limits{MemoryBytes: 16 * api.MiB, CPUs: 1, Timeout: limit}
	errBroken  = errors.New("broken by the test")
)

func request(code string) api.Request {
	return api.Request{Code: code, TimeoutSeconds: new(limit.Seconds()), MemoryLimitMB: new(16)}.WithDefaults()
}

func openBox(t *testing.T, fake *drivertest.Fake) sandbox.Box {
	t.Helper()
	box, err := fake.Create(t.Context(), testSpec, testLimits)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func destroyBox(t *testing.T, box sandbox.Box) {
	t.Helper()
	if err := box.Destroy(context.WithoutCancel(t.Context())); err != nil {
		t.Errorf("Destroy: %v", err)
	}
}

func TestRun(t *testing.T) {
	success := protocol.Result{Code: api.Success, Output: json.RawMessage("1")}
	thrown := func(text string) drivertest.Step { return drivertest.Fail(api.RuntimeError, text, text) }
	type step = drivertest.Step
	for _, c := range []struct {
		name  string
		steps []step
		want  api.ResultCode
		took  time.Duration // exactly
	}{
		{"success", []step{drivertest.Output("1")}, api.Success, 0},
		{"no output", nil, api.Success, 0},
		{"a script that sleeps", []step{drivertest.Sleep(time.Second), drivertest.Output("1")}, api.Success, time.Second},
		{"an error", []step{thrown("Error")}, api.RuntimeError, 0},
		{"an error that reads like a timeout", []step{thrown("TIMEOUT")}, api.RuntimeError, 0},
		{"an error that reads like a lack of memory", []step{thrown("fatal error: runtime: out of memory")}, api.RuntimeError, 0},
		{"the soft deadline", []step{drivertest.Forever()}, api.Timeout, limit},
		{"the hard deadline", []step{drivertest.Hang()}, api.Timeout, limit + grace},
		{"the hard deadline behind half a frame", []step{drivertest.Raw("\x00\x00\x01\x00{"), drivertest.Hang()}, api.Timeout, limit + grace},
		{"the hard deadline behind a flood of stderr", []step{drivertest.Stderr(strings.Repeat("!", 1<<20)), drivertest.Hang()}, api.Timeout, limit + grace},
		{"a kill for want of memory", []step{drivertest.OOM()}, api.MemoryLimit, 0},
		{"a kill by nobody", []step{drivertest.Signal(9)}, api.MemoryLimit, 0},
		{"too much memory", []step{drivertest.Alloc(math.MaxInt64)}, api.MemoryLimit, 0},
		{"a system call that kills", []step{drivertest.Signal(31)}, api.SecurityError, 0},
		{"a system call that traps", []step{drivertest.Stderr("SIGSYS: bad system call\n"), drivertest.Exit(2)}, api.SecurityError, 0},
		{"a crash", []step{drivertest.Signal(11)}, api.RuntimeError, 0},
		{"exit 0", []step{drivertest.Exit(0)}, api.RuntimeError, 0},
		{"exit 1", []step{drivertest.Exit(1)}, api.RuntimeError, 0},
		{"exit within half a frame", []step{drivertest.Raw("\x00\x00\x01\x00{"), drivertest.Exit(1)}, api.RuntimeError, 0},
		{"exit within half a length", []step{drivertest.Raw("\x00\x00"), drivertest.Exit(1)}, api.RuntimeError, 0},
		{"stack", []step{drivertest.Stderr("runtime: goroutine stack exceeds 1000000000-byte limit\n"), drivertest.Exit(2)}, api.RuntimeError, 0},
		{"Go's out of memory", []step{drivertest.Stderr("fatal error: runtime: out of memory\n"), drivertest.Exit(2)}, api.MemoryLimit, 0},

		{"endless stdout", []step{drivertest.Endless("AAAA")}, api.SecurityError, 0},
		{"endless zeros", []step{drivertest.Endless("\x00\x00\x00\x00")}, api.SecurityError, 0},
		{"endless logs", []step{drivertest.Logs(1e9, api.LevelLog, "x")}, api.SecurityError, 0},
		{"endless long logs", []step{drivertest.Logs(1e9, api.LevelLog, strings.Repeat("x", api.MaxLogBytes))}, api.SecurityError, 0},
		{"garbage", []step{drivertest.Body("garbage")}, api.SecurityError, 0},
		{"an empty frame", []step{drivertest.Body("")}, api.SecurityError, 0},
		{"a huge length", []step{drivertest.Raw("\xff\xff\xff\xff"), drivertest.Hang()}, api.SecurityError, 0},
		{"a second ready", []step{drivertest.Body(`{"type":"ready","ready":{"version":2}}`)}, api.SecurityError, 0},
		{"a forged CANCELLED", []step{drivertest.Fail(api.Cancelled, "x", "x")}, api.SecurityError, 0},
		{"a forged EXECUTION_FAILED", []step{drivertest.Fail(api.ExecutionFailed, "x", "x")}, api.SecurityError, 0},
		{"a forged MISSING_CODE", []step{drivertest.Fail(api.MissingCode, "x", "x")}, api.SecurityError, 0},
		{"a code of no table", []step{drivertest.Fail("WHATEVER", "x", "x")}, api.SecurityError, 0},
		{"a result and a byte", []step{drivertest.Breath(drivertest.SayResult(success), drivertest.Raw("\n")), drivertest.Hang()}, api.SecurityError, 0},
		{"a result and a log", []step{drivertest.Breath(drivertest.SayResult(success), drivertest.Log(api.LevelLog, "late")), drivertest.Hang()}, api.SecurityError, 0},
		{"two results", []step{drivertest.Breath(drivertest.SayResult(success), drivertest.SayResult(success)), drivertest.Hang()}, api.SecurityError, 0},
		{"a result, and a byte much later", []step{drivertest.SayResult(success), drivertest.Sleep(time.Second), drivertest.Raw("\n")}, api.Success, 0},
		{"a result, and it stays", []step{drivertest.SayResult(success), drivertest.Hang()}, api.Success, 0},
		{"a result, and it stays behind a closed stdout", []step{drivertest.SayResult(success), drivertest.CloseStdout(), drivertest.Hang()}, api.Success, 0},
		{"a result, and a crash", []step{drivertest.SayResult(success), drivertest.Exit(2)}, api.Success, 0},
		{"stdout closed", []step{drivertest.CloseStdout(), drivertest.Hang()}, api.SecurityError, 2 * time.Second},
		{"stdout closed near the end of its time", []step{drivertest.Sleep(time.Second), drivertest.CloseStdout(), drivertest.Hang()},
			api.Timeout, limit + grace},
		{"stdout closed, and then an end", []step{drivertest.CloseStdout(), drivertest.Sleep(time.Second), drivertest.Exit(7)},
			api.RuntimeError, time.Second},
		{"stdout closed, and then no memory", []step{drivertest.CloseStdout(), drivertest.Sleep(time.Second), drivertest.OOM()},
			api.MemoryLimit, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				steps := append([]step{drivertest.Log(api.LevelWarn, "first")}, c.steps...)
				fake := drivertest.NewFake().Teach(c.name, steps...)
				box := openBox(t, fake)
				started := time.Now()
				result, err := box.Run(t.Context(), request(c.name), nil)
				took := time.Since(started)
				if err != nil || result.ResultCode != c.want {
					t.Fatalf("%s, error %v (%+v); want %s", result.ResultCode, err, result.Error, c.want)
				}
				if took != c.took {
					t.Errorf("it took %v, want %v", took, c.took)
				}
				if len(result.Logs) == 0 || result.Logs[0].Message != "first" || result.Logs[0].Level != api.LevelWarn {
					t.Errorf("the logs are lost: %d of them", len(result.Logs))
				}
				if result.Success != (c.want == api.Success) || result.Success != (result.Error == nil) || result.Success != (result.Output != nil) {
					t.Errorf("success %v, error %+v, output %s", result.Success, result.Error, result.Output)
				}
				destroyBox(t, box)
				if fake.Living() != 0 {
					t.Error("the box lives on")
				}
			})
		})
	}
}

func TestRunPassesTheJobOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake().Teach("code", drivertest.Echo())
		box := openBox(t, fake)
		defer destroyBox(t, box)
		r := request("code")
		r.InputData = json.RawMessage(`{"big":` + strings.Repeat("[", 900) + strings.Repeat("]", 900) + `,"n":1.10e+1}`)
		result, err := box.Run(t.Context(), r, nil)
		if err != nil || string(result.Output) != string(r.InputData) {
			t.Errorf("%s, %v: %s", result.ResultCode, err, result.Output)
		}
	})
}

func TestRunPassesTheLibrariesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for want, names := range map[string][]string{"null": nil, "[]": {}, `["lodash"]`: {"lodash"}} {
			box := openBox(t, drivertest.NewFake().Teach("code", drivertest.EchoLibraries()))
			r := request("code")
			r.Libraries = names
			result, err := box.Run(t.Context(), r, nil)
			if err != nil || string(result.Output) != want {
				t.Errorf("%q: %s, %v: %s", names, result.ResultCode, err, result.Output)
			}
			destroyBox(t, box)
		}
	})
}

func TestLogsStreamAndAreCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long := strings.Repeat("é", api.MaxLogBytes/2-1)
		fake := drivertest.NewFake().Teach("code",
			drivertest.Log(api.LevelInfo, long), drivertest.Sleep(time.Second), drivertest.Log(api.LevelError, "€uro"),
			drivertest.Log(api.LevelError, "lost"), drivertest.Output("1"))
		box := openBox(t, fake)
		defer destroyBox(t, box)
		started := time.Now()
		var heard []api.Log
		var at []time.Duration
		result, err := box.Run(t.Context(), request("code"), func(l api.Log) {
			heard, at = append(heard, l), append(at, time.Since(started))
		})
		if err != nil || !result.Success {
			t.Fatal(result.ResultCode, err)
		}
		if len(heard) == 0 || at[0] != 0 {
			t.Errorf("the first log came after %v: logs wait for the end", at)
		}
		if !result.Truncated.Logs {
			t.Error("truncated.logs is false")
		}
		total := 0
		for i, l := range result.Logs {
			total += len(l.Message)
			if l != heard[i] {
				t.Errorf("entry %d of the result is not what was heard", i)
			}
		}
		if len(result.Logs) != len(heard) || total > api.MaxLogBytes {
			t.Errorf("%d logs of %d bytes, %d heard", len(result.Logs), total, len(heard))
		}
	})
}

func TestRunCancelled(t *testing.T) {
	for name, steps := range map[string][]drivertest.Step{
		"asleep":                 {drivertest.Forever()},
		"hanging":                {drivertest.Hang()},
		"behind a closed stdout": {drivertest.CloseStdout(), drivertest.Hang()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := drivertest.NewFake().Teach("code", append([]drivertest.Step{drivertest.Log(api.LevelLog, "kept")}, steps...)...)
				box := openBox(t, fake)
				defer destroyBox(t, box)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				started := time.Now()
				result, err := box.Run(ctx, request("code"), nil)
				if err != nil || result.ResultCode != api.Cancelled || time.Since(started) != time.Second {
					t.Errorf("%s, %v after %v", result.ResultCode, err, time.Since(started))
				}
				if len(result.Logs) != 1 {
					t.Error("the logs are lost")
				}
			})
		})
	}
}

// A caller that goes while 16 MiB wait in the pipe gets CANCELLED: it was an error of ours once.
func TestRunCancelledWhileHandingOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake().StartAs(drivertest.Deaf)
		box := openBox(t, fake)
		defer destroyBox(t, box)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r := request("code")
		r.InputData = json.RawMessage(`"` + strings.Repeat("x", api.MaxInputBytes-2) + `"`)
		result, err := box.Run(ctx, r, nil)
		if err != nil || result.ResultCode != api.Cancelled {
			t.Errorf("%s, %v", result.ResultCode, err)
		}
	})
}

// A box that never takes its job in is our failure, within a time of our own.
func TestRunDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := openBox(t, drivertest.NewFake().StartAs(drivertest.Deaf))
		defer destroyBox(t, box)
		r := request("code")
		r.InputData = json.RawMessage(`"` + strings.Repeat("x", api.MaxInputBytes-2) + `"`)
		started := time.Now()
		result, err := box.Run(t.Context(), r, nil)
		if err == nil || time.Since(started) != 20*time.Second {
			t.Errorf("%s, %v after %v", result.ResultCode, err, time.Since(started))
		}
	})
}

// A small job fits into the pipe: the script's own time is up before anybody knows more.
func TestRunDeafToASmallJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := openBox(t, drivertest.NewFake().StartAs(drivertest.Deaf))
		defer destroyBox(t, box)
		result, err := box.Run(t.Context(), request("code"), nil)
		if err != nil || result.ResultCode != api.Timeout {
			t.Errorf("%s, %v", result.ResultCode, err)
		}
	})
}

// A box that died in the pool never had the script: that is not the script's fault.
func TestRunInADeadBox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inner sandbox.Container
		fake := drivertest.NewFake().Wrap(func(c sandbox.Container) sandbox.Container { inner = c; return c })
		box := openBox(t, fake)
		defer destroyBox(t, box)
		if err := inner.Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
		if result, err := box.Run(t.Context(), request("code"), nil); err == nil {
			t.Errorf("%s, %+v; want an error of ours", result.ResultCode, result.Error)
		}
	})
}

func TestRunOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := openBox(t, drivertest.NewFake())
		var ran, refused int
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				_, err := box.Run(t.Context(), request("code"), nil)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					ran++
				} else {
					refused++
				}
			})
		}
		all.Wait()
		if ran != 1 || refused != 3 {
			t.Errorf("%d ran and %d were refused", ran, refused)
		}
		destroyBox(t, box)
		destroyBox(t, box)
	})
}

func TestDestroyBeforeAndDuringRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake().Teach("code", drivertest.Hang())
		before := openBox(t, fake)
		destroyBox(t, before)
		if result, err := before.Run(t.Context(), request("code"), nil); err == nil {
			t.Errorf("a destroyed box ran: %s", result.ResultCode)
		}
		during := openBox(t, fake)
		ended := make(chan error)
		go func() {
			_, err := during.Run(t.Context(), request("code"), nil)
			ended <- err
		}()
		time.Sleep(time.Second)
		destroyBox(t, during)
		started := time.Now()
		if err := <-ended; err == nil || time.Since(started) != 0 {
			t.Errorf("error %v after %v; want one at once", err, time.Since(started))
		}
		if fake.Living() != 0 {
			t.Error("a box lives on")
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	for start, c := range map[drivertest.Start]struct {
		says string
		took time.Duration
	}{
		drivertest.DiesEarly: {"dies before it is ready", 0},
		drivertest.NeverSays: {"deadline exceeded", time.Minute},
		drivertest.Unsealed:  {"seccomp.mode (inside) is 0, not 2", 0},
		drivertest.WrongUser: {"user (inside) is 0, not 1", 0},
		drivertest.SaysJunk:  {"protocol broken", 0},
	} {
		t.Run(string(start), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := drivertest.NewFake().StartAs(start)
				started := time.Now()
				box, err := fake.Create(t.Context(), testSpec, testLimits)
				if err == nil || box != nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("box %v, error %v; want one that says %q", box, err, c.says)
				}
				if took := time.Since(started); took != c.took {
					t.Errorf("it took %v, want %v", took, c.took)
				}
				if fake.Living() != 0 {
					t.Error("the box was not removed")
				}
			})
		})
	}
}

func TestOpenCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake().StartAs(drivertest.NeverSays)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		started := time.Now()
		_, err := fake.Create(ctx, testSpec, testLimits)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(started) != time.Second || fake.Living() != 0 {
			t.Errorf("%v after %v, %d boxes live", err, time.Since(started), fake.Living())
		}
	})
}

// stubborn is a container some of whose methods fail.
type stubborn struct {
	sandbox.Container
	killFails, waitFails, removeFails, usageFails bool
}

func (s *stubborn) Kill(ctx context.Context) error {
	if s.killFails {
		return errBroken
	}
	return s.Container.Kill(ctx)
}

func (s *stubborn) Wait(ctx context.Context) (sandbox.Exit, error) {
	if s.waitFails {
		return sandbox.Exit{}, errBroken
	}
	return s.Container.Wait(ctx)
}

func (s *stubborn) Usage(ctx context.Context) (sandbox.Usage, error) {
	if s.usageFails {
		return sandbox.Usage{}, errBroken
	}
	return s.Container.Usage(ctx)
}

func (s *stubborn) Remove(ctx context.Context) error {
	err := s.Container.Remove(ctx)
	if s.removeFails {
		s.removeFails = false
		return errBroken
	}
	return err
}

func TestRunWhenTheDriverFails(t *testing.T) {
	type step = drivertest.Step
	for _, c := range []struct {
		name  string
		fails stubborn
		steps []step
		want  api.ResultCode // "": an error of ours
		took  time.Duration
	}{
		{"Kill, when nothing must be killed", stubborn{killFails: true}, nil, api.Success, 0},
		{"Kill at the hard deadline", stubborn{killFails: true}, []step{drivertest.Hang()}, "", limit + grace + 10*time.Second},
		{"Kill behind a closed stdout", stubborn{killFails: true}, []step{drivertest.CloseStdout(), drivertest.Hang()}, "", 20 * time.Second},
		{"Kill of what stays behind its result", stubborn{killFails: true},
			[]step{drivertest.SayResult(protocol.Result{Code: api.Success, Output: []byte("1")}), drivertest.Hang()}, api.Success, 0},
		{"Wait, when there is a result", stubborn{waitFails: true}, nil, api.Success, 0},
		{"Wait at the hard deadline", stubborn{waitFails: true}, []step{drivertest.Hang()}, api.Timeout, limit + grace},
		{"Wait for an exit", stubborn{waitFails: true}, []step{drivertest.Exit(3)}, "", 0},
		{"Wait and Kill", stubborn{waitFails: true, killFails: true}, []step{drivertest.Exit(3)}, "", 0},
		{"Usage", stubborn{usageFails: true}, nil, api.Success, 0},
		{"Usage of what was killed", stubborn{usageFails: true}, []step{drivertest.OOM()}, api.MemoryLimit, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := drivertest.NewFake().Teach("code", c.steps...)
				fails := c.fails
				fake.Wrap(func(inner sandbox.Container) sandbox.Container {
					fails.Container = inner
					return &fails
				})
				box := openBox(t, fake)
				defer destroyBox(t, box)
				started := time.Now()
				result, err := box.Run(t.Context(), request("code"), nil)
				if result.ResultCode != c.want || (err != nil) != (c.want == "") {
					t.Errorf("%s (%+v), error %v; want %q", result.ResultCode, result.Error, err, c.want)
				}
				if took := time.Since(started); took != c.took {
					t.Errorf("it took %v, want %v", took, c.took)
				}
			})
		})
	}
}

func TestDestroyThatFailsIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake().Wrap(func(c sandbox.Container) sandbox.Container { return &stubborn{Container: c, removeFails: true} })
		box := openBox(t, fake)
		if err := box.Destroy(t.Context()); !errors.Is(err, errBroken) {
			t.Errorf("Destroy: %v", err)
		}
		destroyBox(t, box)
		_, err := fake.StartAs(drivertest.Unsealed).Create(t.Context(), testSpec, testLimits)
		if !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "seccomp") {
			t.Errorf("a refused box that could not be removed: %v; want both told", err)
		}
	})
}

// A consumer of logs that is slow does not stop the clock.
func TestRunWithASlowListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := drivertest.NewFake().Teach("code", drivertest.Logs(5, api.LevelLog, "x"), drivertest.Hang())
		box := openBox(t, fake)
		defer destroyBox(t, box)
		started := time.Now()
		result, err := box.Run(t.Context(), request("code"), func(api.Log) { time.Sleep(100 * time.Millisecond) })
		if err != nil || result.ResultCode != api.Timeout || time.Since(started) != limit+grace || len(result.Logs) != 5 {
			t.Errorf("%s, %v, %d logs after %v", result.ResultCode, err, len(result.Logs), time.Since(started))
		}
	})
}
