// Package private makes directories and files that nobody but this user may look into, whatever the umask, and refuses
// those that others own or may look into.
package private

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Dir makes a directory of mode 0700 where there is none. It refuses, and never mends, one that is there and is somebody
// else's, or that others may look into, and whatever is no directory. It follows no link.
func Dir(path string) error {
	path = filepath.Clean(path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	switch err := os.Mkdir(path, 0o700); {
	case err == nil:
		if err := os.Chmod(path, 0o700); err != nil { // the umask may have taken more than it was asked for
			return err
		}
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	return check(path, unix.S_IFDIR, "directory", "0700")
}

// File makes an empty file of mode 0600 where there is none, and refuses as [Dir] does. The directory must be private
// already.
func File(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	switch {
	case err == nil:
		if err := errors.Join(f.Chmod(0o600), f.Close()); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	return check(path, unix.S_IFREG, "file", "0600")
}

// An Error says that something is not ours alone.
type Error struct{ Path, Want string }

func (e *Error) Error() string { return e.Path + " must be " + e.Want }

func check(path string, kind uint32, name, mode string) error {
	var stat unix.Stat_t
	if err := unix.Lstat(path, &stat); err != nil {
		return &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	if stat.Mode&unix.S_IFMT != kind || int(stat.Uid) != os.Geteuid() || stat.Mode&0o077 != 0 {
		return &Error{path, fmt.Sprintf("a %s of uid %d with mode %s", name, os.Geteuid(), mode)}
	}
	return nil
}
