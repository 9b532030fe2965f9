package control

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"glovebox/api"
	"glovebox/internal/protocol"
	"glovebox/internal/sandbox"
)

// A talk is the conversation of a careless controller with a disposable box: it takes what comes as it comes, in whatever
// number and order, and may give a box more than one script. What it bounds is for the machine's sake, and far wider than what
// is to be shown.
type talk struct {
	box   *disposable
	ready chan struct{} // closed by the first frame
	ended chan struct{} // closed once nothing more comes

	mu    sync.Mutex
	calls []*call
}

// A call is a script that has been given to the box and has not been told of.
type call struct {
	frames chan protocol.Frame
	gone   chan struct{}
}

const (
	// mostSaid bounds what is read of a box, in bytes.
	mostSaid = 64 << 20
	// carelessTime is how long a script may outlive its time: long enough to be seen to.
	carelessTime = 2500 * time.Millisecond
	// startTime bounds a box's start on a busy machine.
	startTime = time.Minute
)

// listen begins a conversation with a box that is starting.
func listen(ctx context.Context, box *disposable) (*talk, error) {
	t := &talk{box: box, ready: make(chan struct{}), ended: make(chan struct{})}
	go t.read()
	limit := time.NewTimer(startTime)
	defer limit.Stop()
	select {
	case <-t.ready:
		return t, nil
	case <-ctx.Done():
		return nil, errors.Join(context.Cause(ctx), t.close())
	case <-limit.C:
		return nil, errors.Join(errors.New("control: the box did not get ready"), t.close())
	case <-t.ended:
		err := t.close()
		return nil, errors.Join(fmt.Errorf("control: the box did not get ready: %s", box.lastWords()), err)
	}
}

// read gives each frame to the script that was given to the box last.
func (t *talk) read() {
	defer close(t.ended)
	said := io.LimitReader(t.box.stdout, mostSaid)
	for first := true; ; first = false {
		frame, err := readFrame(said)
		if err != nil {
			return
		}
		if first {
			close(t.ready)
			continue
		}
		t.mu.Lock()
		var newest *call
		if n := len(t.calls); n > 0 {
			newest = t.calls[n-1]
		}
		t.mu.Unlock()
		if newest == nil {
			continue
		}
		select {
		case newest.frames <- frame:
		case <-newest.gone:
		}
	}
}

// readFrame reads a frame and believes it. One that is none is empty.
func readFrame(r io.Reader) (frame protocol.Frame, err error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return frame, err
	}
	length := binary.BigEndian.Uint32(head[:])
	if length > mostSaid {
		return frame, errors.New("more than is ever read")
	}
	body, err := io.ReadAll(io.LimitReader(r, int64(length)))
	if err != nil || len(body) < int(length) {
		return frame, errors.Join(err, io.ErrUnexpectedEOF)
	}
	if json.Unmarshal(body, &frame) != nil {
		return protocol.Frame{}, nil
	}
	return frame, nil
}

// do gives the box a script and waits for what comes of it. How it ended is told in the words of a result; the box lives on.
func (t *talk) do(ctx context.Context, job protocol.Job, timeout time.Duration, onLog func(api.Log)) (api.Result, error) {
	c := &call{frames: make(chan protocol.Frame), gone: make(chan struct{})}
	t.mu.Lock()
	t.calls = append(t.calls, c)
	t.mu.Unlock()
	defer func() {
		close(c.gone)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.calls = slices.DeleteFunc(t.calls, func(other *call) bool { return other == c })
	}()
	began := time.Now()
	result := api.Result{ResultCode: api.RuntimeError, Isolation: api.Isolation{Runtime: string(sandbox.KindRunc)}}
	if err := protocol.WriteMessage(t.box.stdin, protocol.Order{Job: &job}); err != nil {
		return result, fmt.Errorf("control: the box did not take in its script: %w", err)
	}
	clock := time.NewTimer(timeout + carelessTime)
	defer clock.Stop()
	for {
		select {
		case frame := <-c.frames:
			if frame.Log != nil {
				entry := api.Log{Level: frame.Log.Level, Message: frame.Log.Message, AtMs: frame.Log.AtMs}
				result.Logs = append(result.Logs, entry)
				onLog(entry)
			}
			if said := frame.Result; said != nil {
				result.ResultCode, result.Success = said.Code, said.Code == api.Success
				result.Output, result.Error = said.Output, said.Error
				return t.timed(result, began)
			}
		case <-clock.C:
			result.ResultCode = api.Timeout
			return t.timed(result, began)
		case <-ctx.Done():
			result.ResultCode = api.Cancelled
			return t.timed(result, began)
		case <-t.ended:
			return t.timed(result, began)
		}
	}
}

// timed adds what a script has taken to what is told of it.
func (t *talk) timed(result api.Result, began time.Time) (api.Result, error) {
	result.ExecutionTimeMs = float64(time.Since(began).Microseconds()) / 1000
	usage, err := t.box.bundle.Usage()
	if usage.OOMKilled && !result.Success {
		result.ResultCode = api.MemoryLimit
	}
	result.Usage = api.Usage{PeakMemoryBytes: usage.PeakMemoryBytes}
	return result, err
}

// close ends the box, and takes away everything of it.
func (t *talk) close() error {
	err := t.box.remove()
	<-t.ended
	_ = t.box.cmd.Wait() // by whose end is no news
	return err
}
