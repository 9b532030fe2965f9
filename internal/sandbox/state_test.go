package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// envClaimChild makes the test binary a process that claims in the state directory that it names, and
// holds its claims until its stdin ends. "wait" claims nothing.
const envClaimChild = "GLOVEBOX_TEST_CLAIM_CHILD"

const claimsOfChild = 20

var testUIDs = UIDRange{First: 100_000, Count: 200}

func claimChild(dir string) {
	if dir != "wait" {
		state, err := OpenState(dir)
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		for i := range claimsOfChild {
			claim, err := state.Claim(fmt.Sprintf("child-%d-%d", os.Getpid(), i), "test", testUIDs)
			if err != nil {
				fmt.Println("error:", err)
				os.Exit(1)
			}
			fmt.Println(claim.IDs.Root, claim.IDs.Box)
		}
	}
	fmt.Println("done")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func openTestState(t *testing.T) *State {
	t.Helper()
	state, err := OpenState(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func TestClaimsNeverOverlap(t *testing.T) {
	state := openTestState(t)
	var (
		all  sync.WaitGroup
		mu   sync.Mutex
		held = map[int]string{}
	)
	for i := range 8 {
		all.Go(func() {
			for round := range 25 {
				id := fmt.Sprintf("box-%d-%d", i, round)
				claim, err := state.Claim(id, "test", testUIDs)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, number := range []int{claim.IDs.Root, claim.IDs.Box} {
					if other, taken := held[number]; taken {
						t.Errorf("%s and %s hold %d at one time", id, other, number)
					}
					held[number] = id
				}
				mu.Unlock()
				if round%2 == 0 {
					mu.Lock()
					delete(held, claim.IDs.Root)
					delete(held, claim.IDs.Box)
					mu.Unlock()
					if err := claim.Release(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	claims, err := state.Claims("test")
	if err != nil || len(claims)*2 != len(held) {
		t.Errorf("%d claims, %v; want %d", len(claims), err, len(held)/2)
	}
	// No half-written file stays behind.
	entries, err := os.ReadDir(state.Path())
	if err != nil || len(entries) != 1 {
		t.Errorf("the state directory holds %v, %v; want the claims alone", entries, err)
	}
}

func TestClaimsOfSeveralProcesses(t *testing.T) {
	state := openTestState(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	held := map[string]bool{}
	var children []*exec.Cmd
	var outs []*bufio.Scanner
	for range 3 {
		child := exec.Command(self)
		child.Env = append(os.Environ(), envClaimChild+"="+state.Path())
		if _, err := child.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		stdout, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		children, outs = append(children, child), append(outs, bufio.NewScanner(stdout))
	}
	defer func() {
		for _, child := range children {
			_ = child.Process.Kill()
			_ = child.Wait()
		}
	}()
	for _, out := range outs {
		for out.Scan() && out.Text() != "done" {
			if strings.HasPrefix(out.Text(), "error") {
				t.Fatal(out.Text())
			}
			for number := range strings.FieldsSeq(out.Text()) {
				if held[number] {
					t.Errorf("two processes hold %s", number)
				}
				held[number] = true
			}
		}
	}
	if want := 3 * claimsOfChild * 2; len(held) != want {
		t.Fatalf("%d ids are held, want %d", len(held), want)
	}
	if orphans, err := state.Orphans("test"); err != nil || len(orphans) != 0 {
		t.Errorf("%d orphans of living owners, %v", len(orphans), err)
	}
	// One dies, and is waited for; another dies, and stays a zombie for a while.
	for _, child := range children[:1] {
		_ = child.Process.Kill()
		_ = child.Wait()
	}
	orphans, err := state.Orphans("test")
	if err != nil || len(orphans) != claimsOfChild {
		t.Fatalf("%d orphans, %v; want %d", len(orphans), err, claimsOfChild)
	}
	for _, orphan := range orphans {
		if orphan.Owner.PID != children[0].Process.Pid || !strings.HasPrefix(orphan.ID, "child-") {
			t.Errorf("%+v is not the dead child's", orphan)
		}
		if err := orphan.Release(); err != nil {
			t.Error(err)
		}
	}
	if claims, err := state.Claims("test"); err != nil || len(claims) != 2*claimsOfChild {
		t.Errorf("%d claims are left, %v", len(claims), err)
	}
}

func TestClaimRange(t *testing.T) {
	state := openTestState(t)
	small := UIDRange{First: 5000, Count: 5} // two boxes; the odd one is of no use
	seen := map[int]bool{}
	var last *Claim
	for range 2 {
		claim, err := state.Claim("box", "test", small)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []int{claim.IDs.Root, claim.IDs.Box} {
			if id < 5000 || id >= 5005 || seen[id] {
				t.Errorf("id %d is outside or taken", id)
			}
			seen[id] = true
		}
		last = claim
	}
	if _, err := state.Claim("box", "test", small); !errors.Is(err, errNoIDs) {
		t.Errorf("a third claim: %v", err)
	}
	for range 2 {
		if err := last.Release(); err != nil {
			t.Errorf("Release: %v", err)
		}
	}
	if again, err := state.Claim("box", "test", small); err != nil || again.IDs != last.IDs {
		t.Errorf("%+v, %v; want the ids that were given back", again, err)
	}
	for _, bad := range []UIDRange{{}, {First: 0, Count: 10}, {First: -5, Count: 10}, {First: 5, Count: 1}, {First: 5, Count: -2}} {
		if _, err := state.Claim("box", "test", bad); err == nil {
			t.Errorf("the range %+v gave an id", bad)
		}
	}
}

// A claim that was released by a sweep, and whose ids went to a new box, is not that box's end.
func TestStaleReleaseLeavesAnothersClaim(t *testing.T) {
	state := openTestState(t)
	one := UIDRange{First: 5000, Count: 2}
	old, err := state.Claim("old", "test", one)
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Release(); err != nil {
		t.Fatal(err)
	}
	if _, err := state.Claim("new", "test", one); err != nil {
		t.Fatal(err)
	}
	if err := old.Release(); err != nil {
		t.Errorf("Release: %v", err)
	}
	if claims, err := state.Claims("test"); err != nil || len(claims) != 1 || claims[0].ID != "new" {
		t.Errorf("claims %+v, %v; want the new box's", claims, err)
	}
}

func TestClaimAge(t *testing.T) {
	state := openTestState(t)
	one := UIDRange{First: 5000, Count: 2}
	claim, err := state.Claim("old", "test", one)
	if err != nil {
		t.Fatal(err)
	}
	hourAgo := time.Now().Add(-time.Hour)
	if err := os.Chtimes(state.Path(claimsDir, "5000"), hourAgo, hourAgo); err != nil {
		t.Fatal(err)
	}
	if age, held := claim.Age(); !held || age < time.Hour || age > 2*time.Hour {
		t.Errorf("%v, %v; want an hour", age, held)
	}
	if err := claim.Release(); err != nil {
		t.Fatal(err)
	}
	if _, held := claim.Age(); held {
		t.Error("a claim that was released is held")
	}
	if _, err := state.Claim("new", "test", one); err != nil {
		t.Fatal(err)
	}
	if _, held := claim.Age(); held {
		t.Error("another box's claim is taken for it")
	}
}

// A process that is killed while it claims leaves the draft of a claim behind, and nobody removed it.
func TestSweepRemovesAbandonedDrafts(t *testing.T) {
	state := openTestState(t)
	if _, err := state.Claim("box", "test", testUIDs); err != nil {
		t.Fatal(err)
	}
	hourAgo := time.Now().Add(-time.Hour)
	for name, when := range map[string]time.Time{draftPrefix + "1": hourAgo, draftPrefix + "2": time.Now(), "other": hourAgo} {
		if err := os.WriteFile(state.Path(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(state.Path(name), when, when); err != nil {
			t.Fatal(err)
		}
	}
	if err := state.Sweep(); err != nil {
		t.Fatal(err)
	}
	var names []string
	entries, err := os.ReadDir(state.Path())
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	if want := []string{claimsDir, draftPrefix + "2", "other"}; !slices.Equal(names, want) {
		t.Errorf("left are %q, want %q", names, want)
	}
	if claims, err := state.Claims("test"); err != nil || len(claims) != 1 {
		t.Errorf("%d claims, %v", len(claims), err)
	}
}

func TestClaimsAreADriversOwn(t *testing.T) {
	state := openTestState(t)
	for _, driver := range []string{"docker", "oci"} {
		if _, err := state.Claim("box", driver, testUIDs); err != nil {
			t.Fatal(err)
		}
	}
	claims, err := state.Claims("oci")
	if err != nil || len(claims) != 1 || claims[0].Driver != "oci" || claims[0].Owner != state.Owner() || claims[0].ID != "box" {
		t.Errorf("%+v, %v", claims, err)
	}
}

func TestOpenStateRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(t *testing.T, dir string)
	}{
		{"a symlink", func(t *testing.T, dir string) {
			target := filepath.Join(t.TempDir(), "target")
			if err := os.Mkdir(target, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(target, dir); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if left, err := os.ReadDir(target); err != nil || len(left) > 0 {
					t.Errorf("behind the refused symlink it made %v, %v", left, err)
				}
			})
		}},
		{"a directory that others may read", func(t *testing.T, dir string) {
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}},
		{"a directory that others may write to", func(t *testing.T, dir string) {
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(dir, 0o1777); err != nil {
				t.Fatal(err)
			}
		}},
		{"a file", func(t *testing.T, dir string) {
			if err := os.WriteFile(dir, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"somebody else's", func(t *testing.T, dir string) {
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(dir, 12345, -1); errors.Is(err, unix.EPERM) {
				t.Skip("needs root: a directory of another user's")
			} else if err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			c.make(t, dir)
			if _, err := OpenState(dir); err == nil {
				t.Fatal("it was accepted")
			} else if !strings.Contains(err.Error(), "--state-dir") {
				t.Errorf("%v: it does not say what to do", err)
			}
		})
	}
}

// A claim is a file in a directory of our own; one that does not read is told, not guessed at.
func TestClaimsThatDoNotRead(t *testing.T) {
	owner, err := ThisOwner()
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"not JSON":       `{`,
		"another number": `{"id":"a","driver":"test","owner":"` + owner.String() + `","firstId":7}`,
		"no owner":       `{"id":"a","driver":"test","owner":"","firstId":5000}`,
		"a path":         `{"id":"../a","driver":"test","owner":"` + owner.String() + `","firstId":5000}`,
		"no id":          `{"id":"","driver":"test","owner":"` + owner.String() + `","firstId":5000}`,
	} {
		t.Run(name, func(t *testing.T) {
			state := openTestState(t)
			if err := os.WriteFile(state.Path(claimsDir, "5000"), []byte(body), 0o600); err != nil {
				t.Fatal(err)
			}
			if claims, err := state.Claims("test"); err == nil {
				t.Errorf("it was read as %+v", claims)
			}
		})
	}
}

func TestDefaultStateDir(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/xdg")
	want := "/run/glovebox"
	if os.Geteuid() != 0 {
		want = "/xdg/glovebox"
	}
	if got := DefaultStateDir(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
