package cgroup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if _, err := Read(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there was read: %v", err)
	}
	if err := Write(path, "1"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there was written: %v", err)
	}
	long := strings.Repeat("123456 \n", 10_000)
	if err := os.WriteFile(path, []byte(long), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(path); err != nil || got != strings.TrimSpace(long) {
		t.Errorf("of %d bytes %d were read, %v", len(long), len(got), err)
	}
	if pids, err := PIDs(path); err != nil || len(pids) != 10_000 || pids[9999] != 123456 {
		t.Errorf("%d pids, %v", len(pids), err)
	}
	if _, err := Number(path); err == nil {
		t.Error("a list is a number")
	}
	if err := os.WriteFile(path, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil {
		t.Error("a file without an end was read to its end")
	}
	if err := os.WriteFile(path, []byte("max\nlow 0\n oom_kill 3 \nodd\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Keyed(path); err != nil || len(got) != 2 || got["oom_kill"] != 3 {
		t.Errorf("%v, %v", got, err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, "42"); err != nil {
		t.Fatal(err)
	}
	if got, err := Number(path); err != nil || got != 42 {
		t.Errorf("%d, %v", got, err)
	}
	if _, err := Read(t.TempDir()); err == nil {
		t.Error("a directory was read")
	}
}

var errNowhere = errors.New("no such tree")

func TestGroupOfATreeThatIsNotMounted(t *testing.T) {
	g := Group{Dir: func(string) (string, error) { return "", errNowhere }}
	if _, err := g.Usage(); !errors.Is(err, errNowhere) {
		t.Error(err)
	}
	if err := g.Write("cpu", "cpu.shares", "2"); !errors.Is(err, errNowhere) {
		t.Error(err)
	}
	if err := g.Weigh(true); !errors.Is(err, errNowhere) {
		t.Error(err)
	}
	if err := g.Hasten(); !errors.Is(err, errNowhere) {
		t.Error(err)
	}
}

// On a busy machine a box that had been killed in time died late: it had to share the CPU with all others for its own end.
func TestWhatWasKilledGoesFirst(t *testing.T) {
	for _, c := range []struct {
		v2         bool
		file, most string
	}{{false, "cpu.shares", "262144"}, {true, "cpu.weight", "10000"}} {
		for _, idle := range []string{"", "1"} { // a kernel that knows it not, and a cgroup that is idle
			dir := t.TempDir()
			g := Group{V2: c.v2, Dir: func(string) (string, error) { return dir, nil }}
			files := map[string]string{c.file: c.most}
			if idle != "" {
				files["cpu.idle"] = "0"
			}
			for name := range files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(idle), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := g.Hasten(); err != nil {
				t.Error(err)
			}
			for name, want := range files {
				if got, err := g.Read("cpu", name); err != nil || got != want {
					t.Errorf("%s is %q, %v; want %s", name, got, err, want)
				}
			}
		}
	}
}
