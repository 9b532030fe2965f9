package drivertest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/protocol"
)

// testHostile holds that a runner that was taken over harms its own execution and nothing else: a
// bystander, a box of the same driver, must notice nothing.
func (h Harness) testHostile(t *testing.T) {
	f := h.hostile(t)
	end := f.bystander(t)
	t.Run("cases", func(t *testing.T) { f.playAll(t, hostileCases()) })
	end()
}

// mostSilence is how long a bystander, which logs each 50 ms, may be silent on a busy machine.
const mostSilence = 5 * time.Second

// bystander runs a job that logs all the time, until end is called and judges it.
func (f *fixture) bystander(t *testing.T) (end func()) {
	t.Helper()
	limits := caseLimits
	limits.Timeout = api.MaxTimeout
	box := f.create(t, limits)
	ctx, cancel := context.WithCancel(t.Context())
	var (
		heard   = make(chan struct{})
		once    sync.Once
		last    time.Time
		silence time.Duration
		ended   = make(chan struct{})
		result  api.Result
		err     error
	)
	go func() {
		defer close(ended)
		result, err = box.Run(ctx, Case{Code: "beat", TimeoutSeconds: api.MaxTimeoutSeconds}.request(), func(api.Log) {
			now := time.Now()
			if !last.IsZero() {
				silence = max(silence, now.Sub(last))
			}
			last = now
			once.Do(func() { close(heard) })
		})
	}()
	select {
	case <-heard:
	case <-ended:
	}
	return func() {
		defer cancel()
		select {
		case <-ended:
			t.Errorf("a bystander ended: %s, %+v, %v", result.ResultCode, result.Error, err)
			return
		default:
		}
		cancel()
		<-ended
		destroy(t, box)
		if err != nil || result.ResultCode != api.Cancelled || silence > mostSilence {
			t.Errorf("a bystander: %s, %v, silent for up to %v; want it to notice nothing", result.ResultCode, err, silence)
		}
	}
}

func hostileCases() []Case {
	one := protocol.Result{Code: api.Success, Output: []byte("1")}
	said := func(code string) Step { return Log("log", code) }
	cases := []Case{
		{Name: "a forged failure of ours", Code: "forge EXECUTION_FAILED", Want: forgery,
			Script: []Step{SayResult(protocol.Result{Code: api.ExecutionFailed, Error: &api.ScriptError{Name: "Forged"}}), Hang()}},
		{Name: "a second ready", Code: "ready", Want: forgery,
			Script: []Step{Say(protocol.Frame{Type: protocol.FrameReady, Ready: &protocol.Ready{Version: protocol.Version}}), Hang()}},
		{Name: "garbage", Code: "garbage", Want: forgery, Script: []Step{Body("this is no frame"), Hang()}},
		{Name: "endless stdout", Code: "flood", Want: forgery, Script: []Step{Endless(strings.Repeat("A", 64<<10))}},
		{Name: "endless logs", Code: "floodlogs", Want: forgery, Script: []Step{Logs(1e9, "log", "flood")}},
		{Name: "a huge length", Code: "huge", Want: forgery, Script: []Step{Raw("\xff\xff\xff\xff{"), Hang()}},
		{Name: "half a frame", Code: "half", TimeoutSeconds: 0.5, Want: timeout,
			Script: []Step{Raw("\x00\x00\x03\xe8" + `{"type":"result"`), Hang()}},
		{Name: "a result and more", Code: "trailing", Want: forgery, Script: []Step{Breath(SayResult(one), Raw("and more")), Hang()}},
		{Name: "two results", Code: "twice", Want: forgery, Script: []Step{Breath(SayResult(one), SayResult(one)), Hang()}},
		{Name: "a result and another much later", Code: "late", Want: success, Output: "1", Script: []Step{SayResult(one), Sleep(time.Second), SayResult(one)}},
		{Name: "a result and no end", Code: "stay", Want: success, Output: "1", Script: []Step{SayResult(one), Hang()}},
		// Docker does not tell that one stream of a box has ended: there only its time ends it.
		{Name: "stdout closed", Code: "closeout", TimeoutSeconds: 3, Want: []api.ResultCode{api.SecurityError, api.Timeout},
			Script: []Step{CloseStdout(), Hang()}},
		{Name: "endless stderr", Code: "stderr", TimeoutSeconds: 0.5, Want: timeout, Script: []Step{EndlessStderr()}},
	}
	for i := range cases {
		c := &cases[i]
		c.FirstLog = c.Code
		c.Script = append([]Step{said(c.Code)}, c.Script...)
		// What is not a timeout ends long before the default limit.
		c.InTime = true
	}
	return cases
}
