package remote

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"
)

const (
	// maxErrorBytes bounds what is read of an error's body: a sentence is wanted.
	maxErrorBytes = 64 << 10
	// maxRetryAfter bounds how long a server may have us wait.
	maxRetryAfter = 2 * time.Minute
)

// errTooLong ends the reading of an answer that has no end.
var errTooLong = errors.New("the answer is too long")

// An Exchange watches the requests of one try (an SDK may make several) and what came back last.
type Exchange struct {
	maxAnswer int64

	status      int    // of the last response, 0 where there was none
	contentType string // likewise
	body        []byte // the beginning of it, where it was an error
}

// Do is middleware for the SDKs: it makes a request by next, notes how it ended, and bounds what may be
// read of the answer.
func (x *Exchange) Do(req *http.Request, next func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	x.status, x.contentType, x.body = 0, "", nil
	res, err := next(req)
	if err != nil {
		return res, err
	}
	x.status = res.StatusCode
	x.contentType, _, _ = mime.ParseMediaType(res.Header.Get("Content-Type"))
	if res.StatusCode < http.StatusBadRequest {
		res.Body = &boundedBody{ReadCloser: res.Body, left: x.maxAnswer}
		return res, nil
	}
	// Of a body that breaks off, what came is enough: the status says the rest.
	x.body, _ = io.ReadAll(io.LimitReader(res.Body, maxErrorBytes))
	_ = res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(x.body))
	if waitsTooLong(res.Header) {
		res.Header.Set("X-Should-Retry", "false") // which both SDKs obey
	}
	return res, nil
}

// waitsTooLong reports whether a server would have us wait longer than we do, or for what is no time.
func waitsTooLong(header http.Header) bool {
	for name, unit := range map[string]time.Duration{"Retry-After-Ms": time.Millisecond, "Retry-After": time.Second} {
		value := header.Get(name)
		if value == "" {
			continue
		}
		if count, err := strconv.ParseFloat(value, 64); err == nil || errors.Is(err, strconv.ErrRange) {
			if !(count >= 0 && count <= float64(maxRetryAfter/unit)) { // so that NaN is refused too
				return true
			}
		} else if at, err := http.ParseTime(value); err == nil && time.Until(at) > maxRetryAfter {
			return true
		}
	}
	return false
}

// A boundedBody fails once it was read to its bound.
type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}
