package sandbox

import (
	"bytes"
	"context"
	"io"
	"strconv"
	"strings"
)

// lastWords keeps the beginning of what a runner writes to stderr, and reads on to the end so that
// the runner never blocks on it. What stands there is hostile bytes: it is shown escaped, and only its
// first line may weigh in a verdict.
type lastWords struct {
	done chan struct{} // closed when stderr has ended
	kept []byte        // read only once done is closed
}

func newLastWords(r io.Reader) *lastWords {
	w := &lastWords{done: make(chan struct{})}
	go func() {
		defer close(w.done)
		if r == nil {
			return
		}
		var kept bytes.Buffer
		_, _ = io.Copy(&kept, io.LimitReader(r, maxStderr))
		_, _ = io.Copy(io.Discard, r)
		w.kept = kept.Bytes()
	}()
	return w
}

// firstLine waits until stderr has ended, or ctx has, and returns its first line.
func (w *lastWords) firstLine(ctx context.Context) string {
	select {
	case <-w.done:
		line, _, _ := strings.Cut(string(w.kept), "\n")
		return line
	case <-ctx.Done():
		return ""
	}
}

// suffix gives the first line for one of our own error messages.
func (w *lastWords) suffix(ctx context.Context) string {
	if line := w.firstLine(ctx); line != "" {
		return ": its stderr begins " + strconv.QuoteToASCII(line)
	}
	return ""
}

// fatal is the kind of a Go runtime's fatal error.
type fatal int

const (
	fatalNone fatal = iota
	fatalStack
	fatalMemory
	fatalSyscall
)

// fatal reads the one text that may weigh: the first line of a Go fatal, which the Go runtime writes
// itself. A script cannot write to stderr; an engine that was broken can only blame itself.
func (w *lastWords) fatal(ctx context.Context) fatal {
	line := w.firstLine(ctx)
	switch {
	case strings.HasPrefix(line, "runtime: goroutine stack exceeds"), strings.HasPrefix(line, "fatal error: stack overflow"):
		return fatalStack
	case strings.HasPrefix(line, "runtime: out of memory"), strings.HasPrefix(line, "fatal error: runtime: out of memory"),
		strings.HasPrefix(line, "fatal error: out of memory"), strings.HasPrefix(line, "runtime: cannot allocate memory"),
		strings.HasPrefix(line, "fatal error: runtime: cannot allocate memory"):
		return fatalMemory
	case strings.HasPrefix(line, "SIGSYS: bad system call"):
		// gVisor raises the signal where Linux kills.
		return fatalSyscall
	}
	return fatalNone
}
