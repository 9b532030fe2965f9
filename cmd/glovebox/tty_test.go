package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// cmdTTY runs a program whose standard streams are a terminal, wants its exit status, and puts all that the
// terminal got on stdout: tty 0 glovebox run.
func cmdTTY(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: tty STATUS PROGRAM [ARG...]")
	}
	ours, theirs, err := openTerminal()
	ts.Check(err)
	defer func() { _ = ours.Close() }()
	cmd := command(ts, args[1:])
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	err = cmd.Start()
	_ = theirs.Close()
	ts.Check(err)
	var shown bytes.Buffer
	// The end of a terminal that nobody holds open any more is EIO.
	if _, err := io.Copy(&shown, ours); err != nil && !errors.Is(err, unix.EIO) {
		ts.Fatalf("%v", err)
	}
	_, err = ts.Stdout().Write(shown.Bytes())
	ts.Check(err)
	wantStatus(ts, args[0], cmd.Wait())
}

// openTerminal opens a pseudo-terminal that passes bytes on as they are written to it.
func openTerminal() (ours, theirs *os.File, err error) {
	ours, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	theirs, err = unlock(int(ours.Fd()))
	if err != nil {
		return nil, nil, errors.Join(err, ours.Close())
	}
	return ours, theirs, nil
}

func unlock(fd int) (*os.File, error) {
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, err
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, err
	}
	terminal, err := os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	modes, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err == nil {
		modes.Oflag &^= unix.OPOST // a line feed stays one byte
		err = unix.IoctlSetTermios(int(terminal.Fd()), unix.TCSETS, modes)
	}
	if err != nil {
		return nil, errors.Join(err, terminal.Close())
	}
	return terminal, nil
}
