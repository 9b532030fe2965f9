package client

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"glovebox/api"
)

// MaxWait is how long a server waits for an end at most before it answers.
const MaxWait = time.Minute

// SubmitOptions say how something is accepted.
type SubmitOptions struct {
	// IdempotencyKey has the same request under the same key be one and the same, run once; "" is none.
	IdempotencyKey string
	// Wait is how long the server waits for the end before it answers with how far it is, in whole seconds and at most [MaxWait]; 0 is not at all.
	Wait time.Duration
}

// header prefers that something is accepted.
func (o SubmitOptions) header() http.Header {
	header := http.Header{"Prefer": {"respond-async"}}
	if o.Wait > 0 {
		header.Set("Prefer", "respond-async, wait="+strconv.Itoa(int(math.Ceil(o.Wait.Seconds()))))
	}
	if o.IdempotencyKey != "" {
		header.Set("Idempotency-Key", o.IdempotencyKey)
	}
	return header
}

// A Filter picks some of what was accepted, by how it ended among others: C is the type of the code that says so. The zero value is each.
type Filter[C ~string] struct {
	State      api.ExecutionState
	ResultCode C
	// Since and Until bound when they were accepted: from Since on, before Until.
	Since, Until time.Time
	// Limit is how many a page holds, from 1 to 200; 0 leaves it to the server.
	Limit int
	// Cursor is the Next of an earlier page.
	Cursor string
}

func (f Filter[C]) query() url.Values {
	query := url.Values{}
	for name, at := range map[string]time.Time{"since": f.Since, "until": f.Until} {
		if !at.IsZero() {
			query.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	if f.Limit != 0 {
		query.Set("limit", strconv.Itoa(f.Limit))
	}
	set(query, "cursor", f.Cursor)
	set(query, "state", string(f.State))
	set(query, "resultCode", string(f.ResultCode))
	return query
}

// set adds a parameter that is given.
func set(query url.Values, name, value string) {
	if value != "" {
		query.Set(name, value)
	}
}

// below is the path of one resource. An id that is none would be another path.
func below(path, id string) (string, error) {
	alphanumeric := func(r rune) bool { return '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z' }
	if id == "" || strings.ContainsFunc(id, func(r rune) bool { return !alphanumeric(r) }) {
		return "", &api.Error{Kind: api.KindInvalid, Field: "id", Detail: "is none"}
	}
	return path + "/" + id, nil
}

// resources are those of one kind: T is one of them.
type resources[T any] struct {
	client *Client
	path   string
	decode func([]byte) (T, error)
	id     func(T) string
	state  func(T) api.ExecutionState
	// attested has them asked for with whole attestations, where those are wanted.
	attested bool
}

// get asks for one, once it has ended, or as it is after a while; 0 is at once.
func (r resources[T]) get(ctx context.Context, id string, wait time.Duration) (T, error) {
	query := waitQuery(wait)
	if r.attested {
		r.client.attested(query)
	}
	return r.one(ctx, call{query: query}, id)
}

// wait returns one once it has ended.
func (r resources[T]) wait(ctx context.Context, id string) (T, error) {
	return untilEnded(ctx, func() (T, bool, error) {
		got, err := r.get(ctx, id, MaxWait)
		return got, err == nil && r.state(got) == api.ExecutionEnded, err
	})
}

// end ends one, or has it forgotten too.
func (r resources[T]) end(ctx context.Context, id string, forget bool) (T, error) {
	what := call{method: http.MethodDelete}
	if forget {
		what.query = url.Values{"forget": {strconv.FormatBool(true)}}
	}
	return r.one(ctx, what, id)
}

// one makes a call about one.
func (r resources[T]) one(ctx context.Context, what call, id string) (none T, err error) {
	if what.path, err = below(r.path, id); err != nil {
		return none, err
	}
	what.most = maxResultBytes
	answer, err := r.client.ask(ctx, what)
	if err != nil {
		return none, err
	}
	got, err := r.decode(answer)
	if err == nil && r.id(got) != id {
		return none, &AnswerError{http.StatusOK, "it is of another id"}
	}
	return got, err
}

// waitQuery asks to wait for an end; 0 is not at all.
func waitQuery(d time.Duration) url.Values {
	query := url.Values{}
	if d > 0 {
		query.Set("wait", min(d, MaxWait).String())
	}
	return query
}

// askAgain is how long a client waits before it asks a server again that did not wait itself, as one does not that stops.
const askAgain = time.Second

// untilEnded asks until something has ended.
func untilEnded[T any](ctx context.Context, ask func() (got T, ended bool, err error)) (T, error) {
	for {
		asked := time.Now()
		got, ended, err := ask()
		pause := askAgain - time.Since(asked)
		var problem *ProblemError
		if errors.As(err, &problem) && problem.Status == http.StatusTooManyRequests && problem.RetryAfter > 0 {
			pause, err = problem.RetryAfter, nil // who only waits does as it is told
		}
		if err != nil || ended {
			return got, err
		}
		if err := wait(ctx, pause); err != nil {
			return got, err
		}
	}
}
