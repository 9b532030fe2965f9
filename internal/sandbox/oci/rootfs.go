package oci

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"glovebox/internal/runnerimage"
)

// runnerName is the one file with something in it. The others are where something is mounted.
const (
	runnerName = "runner"
	nullName   = "dev/null"
)

var mountPoints = []string{"dev", "proc"}

// tempPrefix begins the names of root file systems in the making.
const tempPrefix = "new-"

// rootfsElsewhere is where root file systems are kept where /run is mounted noexec, as Debian's and Ubuntu's initramfs do. It outlives a boot.
const rootfsElsewhere = "/var/lib/glovebox-rootfs"

// executableDir returns the first of the directories, which need not be there yet, from which programs may be run, and says why it is none
// before it, or "".
func executableDir(dirs ...string) (dir, why string, err error) {
	for i, dir := range dirs {
		var stat unix.Statfs_t
		err := unix.Statfs(dir, &stat)
		if errors.Is(err, fs.ErrNotExist) {
			err = unix.Statfs(filepath.Dir(dir), &stat)
		}
		if err != nil {
			return "", "", fmt.Errorf("oci: root file system: %w", &fs.PathError{Op: "statfs", Path: dir, Err: err})
		}
		if stat.Flags&unix.ST_NOEXEC == 0 {
			return dir, noexec(dirs[:i]), nil
		}
	}
	return "", "", fmt.Errorf("oci: root file system: %s; keep the state elsewhere with --state-dir", noexec(dirs))
}

func noexec(dirs []string) string {
	if len(dirs) == 0 {
		return ""
	}
	return fmt.Sprintf("no program may be run from %s: what it is on is mounted noexec", strings.Join(dirs, ", or from "))
}

// A rootfs is the root file system that all boxes of one image share. Nobody can write to it, and
// every box mounts it read-only.
type rootfs struct {
	parent string // the directory of all root file systems
	path   string // that of this image
	image  *runnerimage.Image
	stamp  string   // the file that tells what it looked like when it was checked
	hold   *os.File // locked while a driver uses it, so that no sweep takes it away
}

// rootfsOf returns the image's root file system in a directory. Its stamp belongs where only we can write.
func rootfsOf(parent, stamp string, image *runnerimage.Image) rootfs {
	name := strings.TrimPrefix(image.BinaryDigest(), "sha256:")
	return rootfs{parent: parent, path: filepath.Join(parent, name), image: image, stamp: stamp}
}

// prepare makes the root file system where it is missing and checks it where it is not: every byte, unless
// it is as it was when every byte was checked. It returns the fingerprint that it had then. Several processes may do so at
// once.
func (r rootfs) prepare() (print string, err error) {
	if err := makeOwnDir(r.parent); err != nil {
		return "", fmt.Errorf("oci: root file system: %w", err)
	}
	before, changed := r.fingerprint()
	if before != "" && r.stamped(before) {
		return before, nil
	}
	err = r.check()
	if err == nil {
		r.writeStamp(before, changed)
		return before, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		// Whatever it is, it is not what a box should run.
		if removeErr := r.discard(); removeErr != nil {
			return "", fmt.Errorf("oci: root file system: %w", errors.Join(err, removeErr))
		}
	}
	if err := r.build(); err != nil {
		return "", fmt.Errorf("oci: root file system: %w", err)
	}
	before, _ = r.fingerprint()
	if err := r.check(); err != nil {
		return "", fmt.Errorf("oci: root file system: %w", err)
	}
	return before, nil
}

// fingerprint tells what every file in it looks like, "" where one is missing, and when any was changed
// last. Whatever is done to a file or a directory changes its ctime, which nobody can set.
func (r rootfs) fingerprint() (print string, changed time.Time) {
	var b strings.Builder
	for _, name := range append([]string{".", nullName, runnerName}, mountPoints...) {
		var s unix.Stat_t
		if err := unix.Lstat(filepath.Join(r.path, name), &s); err != nil {
			return "", time.Time{}
		}
		ctime := time.Unix(s.Ctim.Unix())
		if ctime.After(changed) {
			changed = ctime
		}
		fmt.Fprintf(&b, "%s %d:%d %o %d %d %d\n", filepath.Join(r.path, name), s.Dev, s.Ino, s.Mode, s.Uid, s.Size, ctime.UnixNano())
	}
	return b.String(), changed
}

func (r rootfs) stamped(print string) bool {
	stamp, err := os.ReadFile(r.stamp)
	return err == nil && string(stamp) == print
}

// settled is far longer than the ticks in which file systems count: a change right after the check would
// have another ctime.
const settled = time.Second

// writeStamp notes what a root file system looked like before it was checked. Without the note the next
// check takes longer, and that is all.
func (r rootfs) writeStamp(print string, changed time.Time) {
	if r.stamp == "" || time.Since(changed) < settled {
		return
	}
	temp, err := os.CreateTemp(filepath.Dir(r.stamp), "stamp-")
	if err != nil {
		return
	}
	_, err = temp.WriteString(print)
	if errors.Join(err, temp.Close()) != nil || os.Rename(temp.Name(), r.stamp) != nil {
		_ = os.Remove(temp.Name())
	}
}

// take marks the root file system as in use for as long as the process lives, or until it is dropped.
func (r *rootfs) take() error {
	dir, err := os.Open(r.path)
	if err != nil {
		return fmt.Errorf("oci: root file system: %w", err)
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_SH|unix.LOCK_NB); err != nil {
		_ = dir.Close()
		return fmt.Errorf("oci: root file system: %s is being removed: %w", r.path, err)
	}
	r.hold = dir
	return nil
}

// sweep removes the root file systems of other images that nobody uses, and those that were never
// finished.
func (r rootfs) sweep() error {
	entries, err := os.ReadDir(r.parent)
	if err != nil {
		return skipMissing(err)
	}
	var errs []error
	for _, entry := range entries {
		if entry.Name() == filepath.Base(r.path) {
			continue
		}
		other := rootfs{parent: r.parent, path: filepath.Join(r.parent, entry.Name())}
		if info, err := entry.Info(); err != nil || time.Since(info.ModTime()) < youngRootfs {
			continue // somebody may be making it
		}
		errs = append(errs, other.removeUnused())
	}
	return errors.Join(errs...)
}

// youngRootfs is an age at which a root file system may still be in the making.
const youngRootfs = 10 * time.Minute

func (r rootfs) removeUnused() error {
	dir, err := os.Open(r.path)
	if err != nil {
		return skipMissing(err)
	}
	defer func() { _ = dir.Close() }()
	if unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return nil // in use
	}
	if strings.HasPrefix(filepath.Base(r.path), tempPrefix) {
		return removeAll(r.path)
	}
	return r.discard()
}

// present is the cheap look before each box: prepare has checked the bytes, and only we can write there.
func (r rootfs) present() bool {
	_, err := os.Lstat(filepath.Join(r.path, runnerName))
	return err == nil
}

// makeOwnDir makes a directory that everybody may pass through, for a box's user namespace has to, and
// only we may write to.
func makeOwnDir(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	var stat unix.Stat_t
	if err := unix.Lstat(dir, &stat); err != nil {
		return &fs.PathError{Op: "lstat", Path: dir, Err: err}
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR || int(stat.Uid) != os.Geteuid() || stat.Mode&0o022 != 0 {
		return fmt.Errorf("%s must be a directory that only uid %d can write to", dir, os.Geteuid())
	}
	return os.Chmod(dir, 0o755) // whatever our umask
}

// check compares the root file system with what it should be, the runner's bytes above all.
func (r rootfs) check() error {
	entries, err := os.ReadDir(r.path)
	if err != nil {
		return err
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	if want := append(slices.Clone(mountPoints), runnerName); !slices.Equal(names, want) {
		return fmt.Errorf("%s holds %q, not %q", r.path, names, want)
	}
	for _, name := range append([]string{"."}, mountPoints...) {
		if err := checkMode(filepath.Join(r.path, name), unix.S_IFDIR); err != nil {
			return err
		}
	}
	if err := checkFile(filepath.Join(r.path, nullName), nil); err != nil {
		return err
	}
	return checkFile(filepath.Join(r.path, runnerName), r.image.Binary())
}

func checkFile(path string, want []byte) error {
	if err := checkMode(path, unix.S_IFREG); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := compare(f, want); err != nil {
		return fmt.Errorf("%s %w", path, err)
	}
	return nil
}

func checkMode(path string, kind uint32) error {
	var stat unix.Stat_t
	if err := unix.Lstat(path, &stat); err != nil {
		return &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	if stat.Mode&unix.S_IFMT != kind || stat.Mode&0o7777 != 0o555 || int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("%s is not as we made it: mode %o, owner %d", path, stat.Mode, stat.Uid)
	}
	return nil
}

// compare fails unless the file's bytes are these: it costs less than a hash, and says more.
func compare(f io.Reader, want []byte) error {
	buffer := make([]byte, 1<<20)
	for {
		n, err := f.Read(buffer)
		if !bytes.HasPrefix(want, buffer[:n]) {
			return errors.New("is not ours")
		}
		want = want[n:]
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if len(want) > 0 {
		return errors.New("is cut short")
	}
	return nil
}

// build makes the root file system aside and puts it in place whole.
func (r rootfs) build() error {
	temp, err := os.MkdirTemp(r.parent, tempPrefix)
	if err != nil {
		return err
	}
	defer func() { _ = removeAll(temp) }()
	for _, name := range mountPoints {
		if err := os.Mkdir(filepath.Join(temp, name), 0o700); err != nil {
			return err
		}
	}
	for name, content := range map[string][]byte{nullName: nil, runnerName: r.image.Binary()} {
		if err := os.WriteFile(filepath.Join(temp, name), content, 0o600); err != nil {
			return err
		}
	}
	for _, name := range append([]string{nullName, runnerName, "."}, mountPoints...) {
		if err := os.Chmod(filepath.Join(temp, name), 0o555); err != nil {
			return err
		}
	}
	// Another process may have been first: then its work is checked in place of ours.
	if err := os.Rename(temp, r.path); err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, unix.ENOTEMPTY) {
		return err
	}
	return nil
}

// discard takes a root file system out of the way, whole, before it removes it.
func (r rootfs) discard() error {
	temp, err := os.MkdirTemp(r.parent, tempPrefix)
	if err != nil {
		return err
	}
	_ = os.Chmod(r.path, 0o755) // a directory that changes its parent is written to
	if err := os.Rename(r.path, filepath.Join(temp, "old")); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return removeAll(temp)
}

// removeAll is os.RemoveAll for trees with directories that nobody may write to; root need not care.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}

// passable returns the first directory on the way to path that a process without privileges cannot pass
// through, or "". A box's runtime has none in the box's user namespace.
func passable(path string) (blocked string) {
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return path
	}
	for dir := resolved; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			blocked = dir
		}
		if dir == filepath.Dir(dir) {
			return blocked
		}
	}
}
