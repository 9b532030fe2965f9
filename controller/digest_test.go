package controller

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/ledger"
	"glovebox/internal/sandbox"
)

// Whoever records an execution by its context's salt has the digests that the resource tells: waited for, or not.
func TestARecordersDigestsAreTheResources(t *testing.T) {
	salts := make(chan ledger.Salt, 1)
	s := testServer(t, executorFunc(func(ctx context.Context, request api.Request) (api.Result, error) {
		hooks := sandbox.HooksOf(ctx)
		if err := hooks.Begin(); err != nil {
			return api.Result{}, err
		}
		salt, ok := ledger.SaltFrom(ctx)
		if !ok {
			t.Error("nobody keeps a salt")
		}
		if since := time.Since(hooks.Since); since > time.Minute {
			t.Errorf("it waits since %v ago, and not since it was accepted", since)
		}
		salts <- salt
		result := success(request)
		result.ID = hooks.ID
		return result, nil
	}))
	const body = `{"code":"return 1","inputData":{"a":1}}`
	for _, prefer := range []string{async, "wait=1"} {
		answer := ask(t, s, with(post(body), "Prefer", prefer))
		var made struct{ ID string }
		if err := json.Unmarshal(answer.body, &made); err != nil || made.ID == "" {
			t.Fatalf("%s: %v: %s", prefer, err, answer.body)
		}
		salt := within(t, "an execution", salts)
		for deadline := time.After(10 * time.Second); ; {
			told := ask(t, s, get("/v1/executions/"+made.ID))
			if told.status == http.StatusOK {
				if e := told.execution(t, http.StatusOK); e.CodeDigest != salt.Code("return 1").String() || e.InputDigest != salt.Input([]byte(`{"a":1}`)).String() {
					t.Errorf("%s: %+v", prefer, e)
				}
				break
			}
			select { // what was waited for is noted soon after
			case <-deadline:
				t.Fatalf("%s: it is not noted", prefer)
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}
