package private

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// under calls f with a umask, which is the whole process's: no test here runs beside another.
func under(umask int, f func() error) error {
	defer syscall.Umask(syscall.Umask(umask))
	return f()
}

func TestModesDoNotDependOnTheUmask(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o277} {
		dir := filepath.Join(t.TempDir(), "d")
		if err := under(umask, func() error { return Dir(dir + "/") }); err != nil {
			t.Fatalf("umask %o: %v", umask, err)
		}
		file := filepath.Join(dir, "f")
		if err := under(umask, func() error { return File(file) }); err != nil {
			t.Fatalf("umask %o: %v", umask, err)
		}
		for path, want := range map[string]os.FileMode{dir: 0o700, file: 0o600} {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
				t.Errorf("umask %o: %s has mode %v, want %v; %v", umask, path, info.Mode(), want, err)
			}
		}
		if Dir(dir) != nil || File(file) != nil {
			t.Errorf("umask %o: what was made is refused when it is met again", umask)
		}
	}
}

func TestWhatIsNotOursAloneIsRefused(t *testing.T) {
	root := t.TempDir()
	path := func(name string) string { return filepath.Join(root, name) }
	for name, mode := range map[string]os.FileMode{"open": 0o755, "writable": 0o720, "x": 0o701} {
		if err := errors.Join(os.Mkdir(path(name), 0o700), os.Chmod(path(name), mode)); err != nil {
			t.Fatal(err)
		}
		refuses(t, name, Dir(path(name)))
		name += "-file"
		if err := errors.Join(os.WriteFile(path(name), nil, 0o600), os.Chmod(path(name), mode)); err != nil {
			t.Fatal(err)
		}
		refuses(t, name, File(path(name)))
	}
	if err := errors.Join(Dir(path("ours")), File(path("a-file")), os.Symlink(path("ours"), path("link")),
		os.Symlink(path("a-file"), path("file-link"))); err != nil {
		t.Fatal(err)
	}
	refuses(t, "a link to a directory", Dir(path("link")))
	refuses(t, "a link to a file", File(path("file-link")))
	refuses(t, "a file for a directory", Dir(path("a-file")))
	refuses(t, "a directory for a file", File(path("ours")))
	if os.Geteuid() == 0 {
		const somebody = 12345
		if err := errors.Join(os.Chown(path("ours"), somebody, 0), os.Chown(path("a-file"), somebody, 0)); err != nil {
			t.Fatal(err)
		}
		refuses(t, "somebody else's directory", Dir(path("ours")))
		refuses(t, "somebody else's file", File(path("a-file")))
	}
}

func refuses(t *testing.T, what string, err error) {
	t.Helper()
	var notOurs *Error
	if !errors.As(err, &notOurs) {
		t.Errorf("%s: %v, want an *Error", what, err)
	}
}
