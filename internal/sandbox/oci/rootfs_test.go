package oci

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"glovebox/internal/runnerimage"
)

func TestRootfsHoldsTheRunnerAndNothingThatCanBeWritten(t *testing.T) {
	r := rootfsOf(filepath.Join(t.TempDir(), "rootfs"), "", goldenImage)
	if r.present() {
		t.Error("it is there before it is made")
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := r.prepare(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if !r.present() {
		t.Error("it is not there")
	}
	entries, err := os.ReadDir(r.parent)
	if err != nil || len(entries) != 1 {
		t.Errorf("beside it there is %v, %v", entries, err)
	}
	err = filepath.WalkDir(r.path, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm() != 0o555 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestRootfsThatWasTamperedWithIsMadeAnew(t *testing.T) {
	for name, tamper := range map[string]func(t *testing.T, path string){
		"another runner":         func(t *testing.T, path string) { overwrite(t, filepath.Join(path, runnerName), "b runner") },
		"a longer runner":        func(t *testing.T, path string) { overwrite(t, filepath.Join(path, runnerName), "a runner and more") },
		"a shorter runner":       func(t *testing.T, path string) { overwrite(t, filepath.Join(path, runnerName), "a") },
		"something on /dev/null": func(t *testing.T, path string) { overwrite(t, filepath.Join(path, nullName), "x") },
		"a writable runner":      func(t *testing.T, path string) { chmod(t, filepath.Join(path, runnerName), 0o777) },
		"a setuid runner":        func(t *testing.T, path string) { chmod(t, filepath.Join(path, runnerName), 0o555|fs.ModeSetuid) },
		"a writable root":        func(t *testing.T, path string) { chmod(t, path, 0o777) },
		"a link for a runner": func(t *testing.T, path string) {
			chmod(t, path, 0o755)
			runner := filepath.Join(path, runnerName)
			if err := errors.Join(os.Rename(runner, path+"-moved"), os.Symlink(path+"-moved", runner)); err != nil {
				t.Fatal(err)
			}
			chmod(t, path, 0o555)
		},
		"one file more": func(t *testing.T, path string) {
			chmod(t, path, 0o755)
			if err := os.WriteFile(filepath.Join(path, "sh"), nil, 0o555); err != nil {
				t.Fatal(err)
			}
			chmod(t, path, 0o555)
		},
		"a file in its place": func(t *testing.T, path string) {
			if err := errors.Join(removeAll(path), os.WriteFile(path, nil, 0o555)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := rootfsOf(filepath.Join(t.TempDir(), "rootfs"), "", goldenImage)
			if _, err := r.prepare(); err != nil {
				t.Fatal(err)
			}
			tamper(t, r.path)
			if err := r.check(); err == nil {
				t.Fatal("the check finds nothing")
			}
			if _, err := r.prepare(); err != nil {
				t.Fatal(err)
			}
			if err := r.check(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRootfsThatLooksAsItDidIsNotReadAgain, and one that does not is: a stamp is no promise about bytes.
func TestRootfsThatLooksAsItDidIsNotReadAgain(t *testing.T) {
	dir := t.TempDir()
	r := rootfsOf(filepath.Join(dir, "rootfs"), filepath.Join(dir, "stamp"), goldenImage)
	if _, err := r.prepare(); err != nil {
		t.Fatal(err)
	}
	now, changed := r.fingerprint()
	if r.writeStamp(now, changed); r.stamped(now) {
		t.Fatal("a root file system that has just been changed was stamped")
	}
	if r.writeStamp(now, changed.Add(-2*settled)); !r.stamped(now) {
		t.Fatal("no stamp was written")
	}
	other := r
	other.image = runnerimage.New([]byte("other bytes"))
	if _, err := other.prepare(); err != nil || !r.stamped(now) {
		t.Errorf("it was read though it looks as it did: %v", err)
	}
	overwrite(t, filepath.Join(r.path, runnerName), "b runner")
	if _, err := r.prepare(); err != nil {
		t.Fatal(err)
	}
	if err := r.check(); err != nil {
		t.Errorf("what was changed under the stamp was kept: %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("beside the root file system and its stamp lies %v, %v", entries, err)
	}
}

func overwrite(t *testing.T, path, content string) {
	t.Helper()
	chmod(t, path, 0o755)
	if err := os.WriteFile(path, []byte(content), 0o555); err != nil {
		t.Fatal(err)
	}
	chmod(t, path, 0o555)
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestRootfsIsRefusedWhereOthersCanWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "rootfs")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	chmod(t, dir, 0o777)
	if _, err := rootfsOf(dir, "", goldenImage).prepare(); err == nil {
		t.Error("a directory that everybody can write to was taken")
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	if _, err := rootfsOf(link, "", goldenImage).prepare(); err == nil {
		t.Error("a link was taken for the directory")
	}
}

// Debian's and Ubuntu's initramfs mounts /run noexec: a runner there could not be started in any box.
func TestRootfsIsKeptWhereProgramsMayBeRun(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounts: needs root")
	}
	bare, good := t.TempDir(), filepath.Join(t.TempDir(), "rootfs")
	tested := make(chan struct{})
	go func() {
		defer close(tested)
		runtime.LockOSThread() // and never unlocked: the thread ends, and its mounts with it
		if err := errors.Join(unix.Unshare(unix.CLONE_NEWNS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
			unix.Mount("none", bare, "tmpfs", unix.MS_NOEXEC|unix.MS_NOSUID|unix.MS_NODEV, "size=64k")); err != nil {
			t.Error(err)
			return
		}
		missing := filepath.Join(bare, "rootfs")
		for _, dirs := range [][]string{{good}, {missing, good}, {bare, good}, {good, missing}} {
			dir, why, err := executableDir(dirs...)
			told := strings.Contains(why, "noexec") && strings.Contains(why, dirs[0])
			if err != nil || dir != good || told != (dirs[0] != good) || !told && why != "" {
				t.Errorf("of %q it is kept in %q, %q, %v", dirs, dir, why, err)
			}
		}
		for _, dirs := range [][]string{{missing}, {bare, missing}} {
			if dir, _, err := executableDir(dirs...); err == nil || !strings.Contains(err.Error(), "noexec") || !strings.Contains(err.Error(), missing) {
				t.Errorf("of %q it is kept in %q, %v", dirs, dir, err)
			}
		}
	}()
	<-tested
}

func TestSweepTakesRootFileSystemsThatNobodyUses(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "rootfs")
	mine, used, unused := rootfsOf(parent, "", goldenImage), rootfsOf(parent, "", runnerimage.New([]byte("used"))),
		rootfsOf(parent, "", runnerimage.New([]byte("unused")))
	for _, r := range []rootfs{mine, used, unused} {
		if _, err := r.prepare(); err != nil {
			t.Fatal(err)
		}
	}
	if err := used.take(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = used.hold.Close() }()
	for _, name := range []string{tempPrefix + "old", tempPrefix + "young"} {
		if err := os.Mkdir(filepath.Join(parent, name), 0o555); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-2 * youngRootfs)
	for _, path := range []string{mine.path, used.path, unused.path, filepath.Join(parent, tempPrefix+"old")} {
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	if err := mine.sweep(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, entry := range entries {
		left = append(left, filepath.Join(parent, entry.Name()))
	}
	got := strings.Join(left, " ")
	for path, stays := range map[string]bool{mine.path: true, used.path: true, unused.path: false,
		filepath.Join(parent, tempPrefix+"young"): true, filepath.Join(parent, tempPrefix+"old"): false} {
		if strings.Contains(got, path) != stays {
			t.Errorf("%s stays: want %v; left is %v", path, stays, left)
		}
	}
}

func TestPassable(t *testing.T) {
	dir := newDir(t)
	closed := filepath.Join(dir, "closed")
	path := filepath.Join(closed, "open")
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if blocked := passable(path); blocked != "" {
		t.Errorf("blocked by %s", blocked)
	}
	chmod(t, closed, 0o700)
	link := filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, link} {
		if blocked := passable(p); blocked != closed {
			t.Errorf("%s is blocked by %q, want %s", p, blocked, closed)
		}
	}
}
