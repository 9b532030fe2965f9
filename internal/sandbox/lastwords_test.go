package sandbox

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf8"
)

func TestFatal(t *testing.T) {
	for _, c := range []struct {
		stderr string
		want   fatal
	}{
		{"", fatalNone},
		{"runtime: goroutine stack exceeds 1000000000-byte limit\nruntime: sp=0x1", fatalStack},
		{"fatal error: stack overflow", fatalStack},
		{"runtime: out of memory: cannot allocate 8589934592-byte block\nfatal error: out of memory", fatalMemory},
		{"fatal error: runtime: out of memory\n", fatalMemory},
		{"fatal error: runtime: cannot allocate memory", fatalMemory},
		{"SIGSYS: bad system call\nPC=0x1 m=0 sigcode=1", fatalSyscall},
		{"panic: SIGSYS: bad system call", fatalNone},
		{"panic: runtime: out of memory", fatalNone},
		{" fatal error: runtime: out of memory", fatalNone},
		{"first\nfatal error: runtime: out of memory", fatalNone},
		{"\nfatal error: runtime: out of memory", fatalNone},
		{"fatal error: all goroutines are asleep - deadlock!", fatalNone},
	} {
		if got := newLastWords(strings.NewReader(c.stderr)).fatal(t.Context()); got != c.want {
			t.Errorf("%q: %v, want %v", c.stderr, got, c.want)
		}
	}
	if got := newLastWords(nil).fatal(t.Context()); got != fatalNone {
		t.Errorf("no stderr: %v", got)
	}
}

// endless gives so many bytes, without a line's end.
type endless struct{ left int64 }

var noise = bytes.Repeat([]byte("!"), 64<<10) // byte by byte the race detector takes a minute for a GiB on a busy machine

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := copy(p, noise)
	e.left -= int64(n)
	return n, nil
}

func TestLastWordsAreBounded(t *testing.T) {
	source := &endless{left: 1 << 30}
	words := newLastWords(source)
	if line := words.firstLine(t.Context()); len(line) != maxStderr {
		t.Errorf("it kept %d bytes of a GiB, want %d", len(line), maxStderr)
	}
	if cap(words.kept) > 4*maxStderr {
		t.Errorf("it holds %d bytes", cap(words.kept))
	}
	if source.left > 0 {
		t.Error("it did not read to the end: the runner would block on its stderr")
	}
}

func TestLastWordsAreEscaped(t *testing.T) {
	words := newLastWords(strings.NewReader("\x1b[31mred\xff\x00\u202e\nsecond"))
	got := words.suffix(t.Context())
	if strings.ContainsAny(got, "\x1b\x00\u202e") || !utf8.ValidString(got) || !strings.Contains(got, `\x1b[31mred`) || strings.Contains(got, "second") {
		t.Errorf("%q", got)
	}
}

// A stderr that does not end does not hold up a verdict beyond its time.
func TestLastWordsThatNeverEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		words := newLastWords(r)
		ctx, cancel := context.WithTimeout(t.Context(), killLimit)
		defer cancel()
		if got := words.fatal(ctx); got != fatalNone || ctx.Err() == nil {
			t.Errorf("%v, %v", got, ctx.Err())
		}
		_ = w.Close()
		synctest.Wait()
	})
}
