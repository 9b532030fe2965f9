package client

import (
	"context"
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

// pageQuery is what every list takes.
func pageQuery(since, until time.Time, limit int, cursor string) url.Values {
	query := url.Values{}
	for name, at := range map[string]time.Time{"since": since, "until": until} {
		if !at.IsZero() {
			query.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	if limit != 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	set(query, "cursor", cursor)
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

// askOf makes a call about one resource: what has its path but for the id.
func (c *Client) askOf(ctx context.Context, what call, id string) (_ []byte, err error) {
	if what.path, err = below(what.path, id); err != nil {
		return nil, err
	}
	return c.ask(ctx, what)
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
		if err != nil || ended {
			return got, err
		}
		if err := wait(ctx, askAgain-time.Since(asked)); err != nil {
			return got, err
		}
	}
}
