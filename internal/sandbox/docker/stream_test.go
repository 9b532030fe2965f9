package docker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

func frame(stream byte, body string) string {
	head := [frameHeader]byte{stream}
	binary.BigEndian.PutUint32(head[4:], uint32(len(body)))
	return string(head[:]) + body
}

func TestOutputTakesTheFramesOff(t *testing.T) {
	for name, c := range map[string]struct {
		in, want string
		err      error
	}{
		"nothing":               {"", "", nil},
		"one frame":             {frame(1, "hello"), "hello", nil},
		"several":               {frame(1, "he") + frame(1, "") + frame(1, "llo"), "hello", nil},
		"an end within a head":  {frame(1, "he") + "\x01\x00", "he", io.ErrUnexpectedEOF},
		"an end within a frame": {frame(1, "hello")[:10], "he", io.ErrUnexpectedEOF},
		"another stream":        {frame(1, "he") + frame(2, "llo"), "he", errFraming},
		"stdin's number":        {frame(0, "llo"), "", errFraming},
		"no frame at all":       {"HTTP/1.1 500 no\r\n", "", errFraming},
	} {
		t.Run(name, func(t *testing.T) {
			for how, reader := range map[string]io.Reader{
				"whole": strings.NewReader(c.in), "byte by byte": iotest.OneByteReader(strings.NewReader(c.in)),
			} {
				got, err := io.ReadAll(newOutput(reader, streamStdout, nil))
				if string(got) != c.want || !errors.Is(err, c.err) {
					t.Errorf("%s: got %q, %v; want %q, %v", how, got, err, c.want, c.err)
				}
			}
		})
	}
}

func TestOutputReportsTheDaemonsWords(t *testing.T) {
	_, err := io.ReadAll(newOutput(strings.NewReader(frame(3, "out of\x1b[2J disk")), streamStdout, nil))
	if err == nil || !strings.Contains(err.Error(), `out of\x1b[2J disk`) {
		t.Errorf("got %v, want the daemon's words, escaped", err)
	}
}

func FuzzOutput(f *testing.F) {
	f.Add([]byte(frame(1, "hello")))
	f.Add([]byte(frame(1, "he") + frame(1, "") + frame(3, "gone")))
	f.Add([]byte(frame(2, "x") + "\x01\x00\x00\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := io.ReadAll(newOutput(bytes.NewReader(in), streamStdout, nil))
		if len(got) > len(in) {
			t.Errorf("%d bytes out of %d", len(got), len(in))
		}
		if err == nil && len(in) > 0 && len(got) == len(in) {
			t.Error("frames take no room")
		}
	})
}

// socketPair returns two ends of a connection that has deadlines and can be half closed.
func socketPair(t *testing.T) (ours, daemons *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*net.UnixConn
	for i, fd := range fds {
		file := os.NewFile(uintptr(fd), "socket")
		conn, err := net.FileConn(file)
		if err := errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
		ends[i] = conn.(*net.UnixConn)
		t.Cleanup(func() { _ = conn.Close() })
	}
	return ends[0], ends[1]
}

// The daemon ends the streams of a dead container late: a script that was killed in time would be told
// to have taken too long.
func TestStreamsEndSoonAfterTheProcess(t *testing.T) {
	for name, c := range map[string]struct {
		how   func(*ending)
		after time.Duration
	}{
		"by itself": {func(*ending) {}, quietByItself},
		"killed":    {(*ending).killed, quietKilled},
		"asked":     {(*ending).asked, quietAsked},
		"closed":    {(*ending).stdoutClosed, quietByItself},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, daemons := net.Pipe()
				defer func() { _ = daemons.Close() }()
				e := newEnding(ours, ours)
				c.how(e)
				if name != "closed" {
					e.died()
				}
				began := time.Now()
				go func() { _, _ = io.WriteString(daemons, frame(1, "last words")) }()
				got, err := io.ReadAll(newOutput(ours, streamStdout, e))
				if string(got) != "last words" || err != nil {
					t.Errorf("got %q, %v", got, err)
				}
				if took := time.Since(began); took != c.after {
					t.Errorf("the stream ended after %v, not %v", took, c.after)
				}
			})
		})
	}
}

func TestWordsOnTheirWayAreHeardAfterDeath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, daemons := net.Pipe()
		e := newEnding(ours, ours)
		e.died() // by itself: there is time
		go func() {
			for range 3 {
				time.Sleep(quietByItself - time.Millisecond)
				_, _ = io.WriteString(daemons, frame(1, "word "))
			}
			_ = daemons.Close()
		}()
		if got, err := io.ReadAll(newOutput(ours, streamStdout, e)); string(got) != "word word word " || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestADeathWithinAFrameIsNoWholeFrame(t *testing.T) {
	ours, daemons := socketPair(t)
	e := newEnding(ours, ours)
	e.killed()
	if _, err := io.WriteString(daemons, frame(1, "half a frame")[:12]); err != nil {
		t.Fatal(err)
	}
	e.died()
	if _, err := io.ReadAll(newOutput(ours, streamStdout, e)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
}

func TestNothingIsWrittenToAKilledBox(t *testing.T) {
	ours, _ := socketPair(t)
	e := newEnding(ours, ours)
	in := &input{conn: ours, ending: e, closing: func() {}}
	wrote := make(chan error, 1)
	go func() {
		// More than fits on the way: nobody reads.
		_, err := in.Write(make([]byte, 16<<20))
		wrote <- err
	}()
	time.Sleep(10 * time.Millisecond) // whether it blocks already or not, the write must end
	e.killed()
	select {
	case err := <-wrote:
		if err == nil {
			t.Error("16 MiB were written to nobody")
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the write hangs")
	}
}

func TestCloseOfStdinLeavesStdoutOpen(t *testing.T) {
	ours, daemons := socketPair(t)
	sampled := 0
	in := &input{conn: ours, ending: newEnding(ours, ours), closing: func() { sampled++ }}
	for range 2 {
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if sampled != 1 {
		t.Errorf("the counters were read %d times", sampled)
	}
	if rest, err := io.ReadAll(daemons); len(rest) > 0 || err != nil {
		t.Errorf("the daemon read %q, %v", rest, err)
	}
	if _, err := io.WriteString(daemons, frame(1, "still here")); err != nil {
		t.Fatal(err)
	}
	_ = daemons.Close()
	if got, err := io.ReadAll(newOutput(ours, streamStdout, nil)); string(got) != "still here" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}
