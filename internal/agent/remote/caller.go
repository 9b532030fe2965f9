package remote

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"glovebox/internal/agent"
)

// A Caller asks one model. It is safe for concurrent use.
type Caller struct {
	opts     Options
	provider Provider
	base     *url.URL
}

// NewCaller returns a Caller, or what is wrong with the options.
func NewCaller(opts Options, provider Provider) (*Caller, error) {
	if opts.Model == "" {
		return nil, errors.New("no model is named")
	}
	opts = opts.withDefaults(provider)
	base, err := opts.address(provider)
	if err != nil {
		return nil, err
	}
	return &Caller{opts: opts, provider: provider, base: base}, nil
}

// Options returns the options, with their defaults filled in.
func (c *Caller) Options() Options { return c.opts }

// OwnServers reports whether the provider's own servers are asked, and not somebody else's.
func (c *Caller) OwnServers() bool { return c.opts.BaseURL == c.provider.BaseURL }

// HTTPClient returns the client to make requests with. It follows no redirect: the key would go along.
func (c *Caller) HTTPClient() *http.Client {
	return &http.Client{
		Transport:     c.opts.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// An Ask makes one request and reads the answer to its end, telling say each piece of text. It must have
// each request go through the Exchange. Where it returns an error, the answer's usage may still tell
// what was spent.
type Ask func(ctx context.Context, x *Exchange, say func(text string)) (agent.Answer, error)

// Answer asks, and asks again where an answer broke off. Its error is an [*agent.ModelError] or
// ctx's own; the answer's usage is that of all tries, with an error too.
func (c *Caller) Answer(ctx context.Context, onText func(string), ask Ask) (agent.Answer, error) {
	say := onText
	if say == nil {
		say = func(string) {}
	}
	var spent agent.Usage
	for try := 0; ; try++ {
		x := &Exchange{maxAnswer: c.opts.MaxAnswerBytes}
		answer, err := ask(ctx, x, say)
		spent.InputTokens += tokens(answer.Usage.InputTokens)
		spent.OutputTokens += tokens(answer.Usage.OutputTokens)
		answer.Usage = spent
		if err == nil {
			return answer, nil
		}
		failure, worthAnother := c.judge(ctx, x, err)
		if !worthAnother || try == c.opts.Retries {
			return agent.Answer{Usage: spent}, failure
		}
		if err := wait(ctx, c.opts.RetryDelay<<min(try, 10)); err != nil {
			return agent.Answer{Usage: spent}, err
		}
		say("")
	}
}

// tokens is a count as a server tells it, kept from being a credit and from overflowing a sum.
func tokens(told int64) int64 { return max(0, min(told, 1<<40)) }

func wait(ctx context.Context, delay time.Duration) error {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
