package controller

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"glovebox/api"
	"glovebox/internal/kept"
)

// What a stopping server cuts off counted as cancelled, which is not what its caller is told.
func TestWhatAStoppingServerCutsOffCountsAsItIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		cause error
		told  func() api.ResultCode
		codes string // of those that count
	}{
		"accepted":               {kept.ErrStops, func() api.ResultCode { return api.ExecutionFailed }, "EXECUTION_FAILED"},
		"left to the next":       {kept.ErrStops, func() api.ResultCode { return "" }, ""},
		"waited for":             {kept.ErrStops, nil, "CANCELLED"},
		"cancelled by its owner": {context.Canceled, func() api.ResultCode { return api.ExecutionFailed }, "CANCELLED"},
	} {
		s := testServer(t, executorFunc(nil))
		cut := executorFunc(func(context.Context, api.Request) (api.Result, error) {
			return api.Result{ID: "x", ResultCode: api.Cancelled}, nil
		})
		ctx, end := context.WithCancelCause(t.Context())
		end(c.cause)
		if c.told != nil {
			ctx = kept.WithCutOff(ctx, c.told)
		}
		result, err := measured{cut, s.metrics, slog.New(slog.DiscardHandler)}.Execute(ctx, api.Request{}, nil)
		if err != nil || result.ResultCode != api.Cancelled {
			t.Errorf("%s: %+v, %v", name, result, err)
		}
		var codes []string
		for line := range strings.Lines(string(ask(t, s, request("GET", "/metrics", nil)).body)) {
			if rest, ok := strings.CutPrefix(line, `glovebox_executions_total{code="`); ok && !strings.HasSuffix(line, " 0\n") {
				code, _, _ := strings.Cut(rest, `"`)
				codes = append(codes, code)
			}
		}
		if got := strings.Join(codes, " "); got != c.codes {
			t.Errorf("%s: %q counts, want %q", name, got, c.codes)
		}
	}
}
