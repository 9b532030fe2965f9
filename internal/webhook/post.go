package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// errPlainHTTP is returned where a webhook is no https, and that is not allowed.
var errPlainHTTP = errors.New("plain http is not allowed")

// A StatusError says what a receiver has answered that is no 2xx.
type StatusError struct {
	Status int
	// RetryAfter is when it wants the next attempt; 0 is that it does not say.
	RetryAfter time.Duration
}

func (e *StatusError) Error() string {
	if e.Status >= 300 && e.Status < 400 {
		return fmt.Sprintf("status %d: redirects are not followed", e.Status)
	}
	return fmt.Sprintf("status %d", e.Status)
}

// post makes one attempt. The error is the receiver's *[StatusError], a *[BlockedError] or one of the network's, and has nothing of the
// URL but its host.
func (d *Deliverer) post(ctx context.Context, delivery Delivery) error {
	ctx, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, delivery.To.URL, bytes.NewReader(delivery.Body))
	if err != nil {
		return errors.New("its URL is none") // the error would quote it
	}
	if request.URL.Scheme != "https" && !d.config.AllowPrivate {
		return errPlainHTTP
	}
	if err := sign(request.Header, delivery, time.Now()); err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "Glovebox")
	response, err := d.through.RoundTrip(request) // which follows no redirect
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.CopyN(io.Discard, response.Body, maxAnswerBytes) // the status says it all
	if response.StatusCode >= 200 && response.StatusCode < 300 {
		return nil
	}
	return &StatusError{response.StatusCode, retryAfter(response.Header.Get("Retry-After"), time.Now())}
}

// retryAfter reads the header of this name: seconds, or a date. What is neither says nothing.
func retryAfter(text string, now time.Time) time.Duration {
	text = strings.TrimSpace(text)
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
