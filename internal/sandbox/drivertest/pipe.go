package drivertest

import (
	"io"
	"os"
	"sync"
	"syscall"
)

// pipeSize is a Linux pipe's: what a writer may be ahead of its reader.
const pipeSize = 64 << 10

// A pipe is a pipe as the kernel has them: it buffers, its reader sees the end once its writer has
// closed, and its writer gets EPIPE once its reader has. (io.Pipe does not buffer, so that a runner
// which never reads would look unlike a real one.) Both ends are safe for concurrent use.
type pipe struct {
	mu          sync.Mutex
	changed     sync.Cond
	buffer      []byte
	writeClosed bool
	readClosed  bool
}

func newPipe() (*pipeReader, *pipeWriter) {
	p := &pipe{}
	p.changed.L = &p.mu
	return &pipeReader{p}, &pipeWriter{p}
}

type pipeReader struct{ *pipe }

type pipeWriter struct{ *pipe }

var (
	_ io.ReadCloser  = (*pipeReader)(nil)
	_ io.WriteCloser = (*pipeWriter)(nil)
)

func (r *pipeReader) Read(into []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		switch {
		case r.readClosed:
			return 0, os.ErrClosed
		case len(into) == 0:
			return 0, nil
		case len(r.buffer) > 0:
			n := copy(into, r.buffer)
			r.buffer = r.buffer[n:]
			r.changed.Broadcast()
			return n, nil
		case r.writeClosed:
			return 0, io.EOF
		}
		r.changed.Wait()
	}
}

func (w *pipeWriter) Write(from []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	written := 0
	for {
		switch {
		case w.writeClosed:
			return written, os.ErrClosed
		case w.readClosed:
			return written, syscall.EPIPE
		case written == len(from):
			return written, nil
		}
		if room := pipeSize - len(w.buffer); room > 0 {
			n := min(room, len(from)-written)
			w.buffer = append(w.buffer, from[written:written+n]...)
			written += n
			w.changed.Broadcast()
			continue
		}
		w.changed.Wait()
	}
}

func (r *pipeReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.readClosed = true
	r.changed.Broadcast()
	return nil
}

func (w *pipeWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writeClosed = true
	w.changed.Broadcast()
	return nil
}
