package script

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"glovebox/api"
	"glovebox/image/attacks"
	"glovebox/internal/probe"
	"glovebox/internal/protocol"
	"glovebox/internal/sandbox"
)

// What a weak box would answer is never taken for a denial.
func TestNoWeakBoxPasses(t *testing.T) {
	forged := api.Result{Success: true, ResultCode: api.Success, Output: []byte(`"forged"`)}
	found := api.Result{Success: true, ResultCode: api.Success, Output: []byte(`["it"]`)}
	logs := api.Result{Success: true, ResultCode: api.Success, Logs: make([]api.Log, api.MaxLogEntries+1)}
	long := api.Result{ResultCode: api.RuntimeError, Error: &api.ScriptError{Message: strings.Repeat("x", mostErrorBytes+1)}}
	late := api.Result{ResultCode: api.Timeout, ExecutionTimeMs: 60_000, Logs: []api.Log{{Message: "before the bomb"}}}
	for _, tr := range trials() {
		answer := forged
		switch area, _, _ := strings.Cut(tr.ID, "."); {
		case tr.ID == "flood.logs":
			answer = logs
		case tr.ID == "flood.errors":
			answer = long
		case area == "bomb":
			answer = late
		case tr.ID == "tenant.input" || area == "engine" && !slices.Contains([]string{"engine.eval", "engine.modules", "engine.import", "engine.proxies"}, tr.ID):
			answer = found
		}
		attempts, err := tr.try(t.Context(), func(ctx context.Context, request api.Request, onLog func(api.Log)) (api.Result, error) {
			if request.InputData != nil { // the victim, which is there until the other has ended
				onLog(api.Log{})
				<-ctx.Done()
				return api.Result{ResultCode: api.Cancelled}, nil
			}
			return answer, nil
		})
		if err != nil {
			t.Fatal(tr.ID, err)
		}
		if o := outcome(tr.Probe, probe.Pair{}, attempts); o.Verdict.OK() {
			t.Errorf("%s holds in a weak box: %+v", tr.ID, attempts)
		}
	}
}

// A box that says nothing, or dies, proves nothing.
func TestNoSilentBoxPasses(t *testing.T) {
	for _, tr := range trials() {
		attempts, err := tr.try(t.Context(), func(context.Context, api.Request, func(api.Log)) (api.Result, error) {
			return api.Result{ResultCode: api.ExecutionFailed}, nil
		})
		if err != nil {
			t.Fatal(tr.ID, err)
		}
		if o := outcome(tr.Probe, probe.Pair{}, attempts); o.Verdict.OK() {
			t.Errorf("%s holds in a box that has failed: %+v", tr.ID, attempts)
		}
	}
}

// A bomb that takes more than its box may have is a breach, however it is told to have ended.
func TestABombThatOutgrowsItsBoxIsABreach(t *testing.T) {
	for _, runtime := range []string{"runc", "runsc"} {
		most := int64(2*64*api.MiB) + sandbox.Sealed("", runtime).Overhead.MemoryBytes
		for peak, want := range map[int64]probe.Verdict{most: probe.Held, most + 1: probe.Breached} {
			attempts, err := Try(t.Context(), "bomb.growth", func(context.Context, api.Request, func(api.Log)) (api.Result, error) {
				return api.Result{
					ResultCode: api.MemoryLimit, Logs: []api.Log{{Message: attacks.Mark}},
					Usage: api.Usage{PeakMemoryBytes: peak}, Isolation: api.Isolation{Runtime: runtime},
				}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if got, why := probe.Judge(find(t, "bomb.growth").Probe, attempts); got != want {
				t.Errorf("%d bytes on %s: %s, %s; want %s", peak, runtime, got, why, want)
			}
		}
	}
}

// The frame that scripts forge is one that a controller takes, if it ever comes to one. It told a wrong length once.
func TestTheForgedFrameIsAFrame(t *testing.T) {
	var said bytes.Buffer
	ready := protocol.Ready{Version: protocol.Version}
	if err := protocol.WriteMessage(&said, protocol.Frame{Type: protocol.FrameReady, Ready: &ready}); err != nil {
		t.Fatal(err)
	}
	said.WriteString(forgedFrame)
	frames := protocol.NewReader(&said)
	if _, err := frames.Next(); err != nil {
		t.Fatal(err)
	}
	if frame, err := frames.Next(); err != nil || frame.Result == nil || string(frame.Result.Output) != `"forged"` {
		t.Errorf("%+v, %v", frame, err)
	}
}

// An error that is told as what it says of itself is a breach, whatever it says.
func TestAForgedCodeIsABreach(t *testing.T) {
	attempts, err := Try(t.Context(), "frames.codes", func(_ context.Context, request api.Request, _ func(api.Log)) (api.Result, error) {
		for _, c := range api.Codes() {
			if strings.Contains(request.Code, `"`+string(c.Code)+`"`) {
				return api.Result{Success: c.Code == api.Success, ResultCode: c.Code}, nil
			}
		}
		return api.Result{ResultCode: api.RuntimeError}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	breached := 0
	for _, a := range attempts {
		if a.Succeeded {
			breached++
		}
	}
	if want := len(api.Codes()) - 1; breached != want { // but RUNTIME_ERROR, which it is
		t.Errorf("%d forged codes are breaches, want %d", breached, want)
	}
}

func find(t *testing.T, id string) trial {
	t.Helper()
	all := trials()
	i := slices.IndexFunc(all, func(tr trial) bool { return tr.ID == id })
	if i < 0 {
		t.Fatalf("there is no probe %s", id)
	}
	return all[i]
}
