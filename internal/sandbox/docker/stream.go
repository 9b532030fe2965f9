package docker

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// The daemon cuts what a container writes into frames: a stream's number, three zeroes, a length of
// four bytes, and that many bytes, which are the container's and hostile.
const frameHeader = 8

// The numbers of the streams.
const (
	streamStdout    = 1
	streamStderr    = 2
	streamDaemonErr = 3 // the daemon's own words: it gives up
)

// output is one stream of an attached container without its frames. Each stream has a connection of
// its own: where both came through one, a box that floods its stdout would hide its stderr behind it.
// Nothing is read ahead of what is asked for, but for a small buffer: the box waits.
type output struct {
	r      *bufio.Reader
	stream byte
	left   uint32  // of the frame
	ending *ending // nil in tests that have no process
}

func newOutput(r io.Reader, stream byte, e *ending) *output {
	return &output{r: bufio.NewReader(r), stream: stream, ending: e}
}

// errFraming means that whoever speaks on the connection is no daemon.
var errFraming = errors.New("docker: the attached stream is not framed as a daemon's")

// Read implements [io.Reader].
func (o *output) Read(p []byte) (int, error) {
	for o.left == 0 {
		if err := o.nextFrame(); err != nil {
			return 0, o.ending.explain(err)
		}
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := o.r.Read(p[:min(uint64(len(p)), uint64(o.left))])
	o.left -= uint32(n)
	o.ending.heard()
	if err = o.ending.explain(err); errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (o *output) nextFrame() error {
	var head [frameHeader]byte
	if _, err := io.ReadFull(o.r, head[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(head[4:])
	switch {
	case head[1] != 0 || head[2] != 0 || head[3] != 0:
		return errFraming
	case head[0] == streamDaemonErr:
		const most = 1024
		text, _ := io.ReadAll(io.LimitReader(o.r, int64(min(size, most))))
		return fmt.Errorf("docker: the daemon ended the stream: %q", text)
	case head[0] != o.stream:
		return errFraming
	}
	o.left = size
	return nil
}

// input is the stdin of an attached container.
type input struct {
	conn    net.Conn
	closing func() // called before it is closed, while the box still lives
	ending  *ending
	once    sync.Once
	err     error
}

// Write implements [io.Writer].
func (i *input) Write(p []byte) (int, error) { return i.conn.Write(p) }

// Close ends the box's stdin, and leaves its stdout open. It is idempotent.
func (i *input) Close() error {
	i.once.Do(func() {
		i.closing()
		i.ending.asked()
		half, ok := i.conn.(interface{ CloseWrite() error })
		if !ok {
			i.err = errors.New("docker: the connection cannot be half closed")
			return
		}
		i.err = half.CloseWrite()
	})
	return i.err
}
