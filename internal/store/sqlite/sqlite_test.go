package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"glovebox/internal/ledger"
	"glovebox/internal/private"
	"glovebox/internal/store"
	"glovebox/internal/store/storetest"
	"glovebox/internal/tenant"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(envServer); dir != "" {
		os.Exit(serverMain(dir))
	}
	goleak.VerifyTestMain(m)
}

type place struct{ dir string }

func (p place) Open(t testing.TB) store.Store { return open(t, p.dir, Command) }

func (p place) Signer(t testing.TB, of store.Store) *ledger.Signer {
	t.Helper()
	signer, err := ledger.Open(t.Context(), of.Ledger(), filepath.Join(p.dir, KeyFileName), ledger.Actor{})
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func open(t testing.TB, dir string, mode Mode) *Store {
	t.Helper()
	s, err := Open(t.Context(), dir, mode, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A name that a URI, or a query, could take for something else.
func newPlace(t testing.TB) storetest.Place { return place{filepath.Join(t.TempDir(), "a %41?b#c&d")} }

func TestStore(t *testing.T) { storetest.Run(t, newPlace) }

func TestEveryFileIsOursAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir, Server)
	defer s.Close()
	if err := s.CreateTenant(t.Context(), tenant.Tenant{ID: "acme"}); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		names = append(names, file.Name())
		if info, err := file.Info(); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s has mode %v; %v", file.Name(), info.Mode(), err)
		}
	}
	if got, want := strings.Join(names, " "), "glovebox.db glovebox.db-shm glovebox.db-wal glovebox.witness ledger.key server.lock"; got != want {
		t.Errorf("there is %s, want %s", got, want)
	}
}

func TestWhatOthersMayLookIntoIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"the directory":     func(dir string) error { return os.Chmod(dir, 0o750) },
		"the file":          func(dir string) error { return os.Chmod(filepath.Join(dir, FileName), 0o640) },
		"the server's lock": func(dir string) error { return os.Chmod(filepath.Join(dir, serverLockName), 0o602) },
		"a link": func(dir string) error {
			file := filepath.Join(dir, FileName)
			return errors.Join(os.Rename(file, file+".elsewhere"), os.Symlink(file+".elsewhere", file))
		},
	} {
		dir := filepath.Join(t.TempDir(), "data")
		if err := open(t, dir, Server).Close(); err != nil {
			t.Fatal(err)
		}
		if err := spoil(dir); err != nil {
			t.Fatal(err)
		}
		var notOurs *private.Error
		if _, err := Open(t.Context(), dir, Server, nil); !errors.As(err, &notOurs) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatIsNoDatabaseIsNamed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := private.Dir(dir); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, FileName)
	text := strings.Repeat("this is a letter\n", 1000)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir, Command, nil); !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), file) {
		t.Errorf("%v", err)
	}
	if after, err := os.ReadFile(file); err != nil || string(after) != text {
		t.Errorf("the letter was written over: %v", err)
	}
}

func TestADamagedPageIsFound(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir, Command)
	for i := range 200 {
		if err := s.CreateTenant(t.Context(), tenant.Tenant{ID: fmt.Sprintf("acme-%d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, FileName)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	for i := 2 * page; i < len(data); i++ { // the first two hold the schema
		data[i] ^= 0xa5
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err = Open(t.Context(), dir, Command, nil)
	if err == nil {
		defer s.Close()
		_, err = s.Tenants(t.Context())
	}
	if !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), file) {
		t.Errorf("%v", err)
	}
}

// A quota that is not understood must not become one that bounds less.
func TestAQuotaThatIsNotUnderstoodIsDamage(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "data"), Command)
	defer s.Close()
	if err := s.CreateTenant(t.Context(), tenant.Tenant{ID: "acme"}); err != nil {
		t.Fatal(err)
	}
	for _, quota := range []string{`{"concurency": 1}`, `{"concurrency": -1}`, `{`, ``, `[]`} {
		if _, err := s.writer.ExecContext(t.Context(), "UPDATE tenants SET quota = ?", quota); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Tenant(t.Context(), "acme"); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s is read as %+v; %v", quota, got, err)
		}
	}
}

func TestALaterFormIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir, Command)
	if _, err := s.writer.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir, Command, nil); !errors.Is(err, store.ErrNewer) {
		t.Errorf("%v", err)
	}
}

func TestManyMayMakeItAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	var done sync.WaitGroup
	for range 8 {
		done.Go(func() {
			s, err := Open(t.Context(), dir, Command, nil)
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
}

func TestTheSettingsAreInForce(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "data"), Command)
	defer s.Close()
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000", "trusted_schema": "0"} {
		var got string
		if err := s.writer.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %s, want %s; %v", pragma, got, want, err)
		}
	}
	if _, err := s.reader.ExecContext(t.Context(), "DELETE FROM tenants"); err == nil {
		t.Error("a reader may write")
	}
}

func TestReadersDoNotWaitForAWriter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s, other := open(t, dir, Server), open(t, dir, Command)
	defer s.Close()
	defer other.Close()
	if err := s.CreateTenant(t.Context(), tenant.Tenant{ID: "acme"}); err != nil {
		t.Fatal(err)
	}
	err := other.write(t.Context(), "hold", func(*transaction) error {
		if _, err := s.Tenant(t.Context(), "acme"); err != nil {
			t.Error(err)
		}
		if _, err := s.writer.ExecContext(t.Context(), "PRAGMA busy_timeout = 1"); err != nil {
			t.Error(err)
		}
		if err := s.DeleteTenant(t.Context(), "acme"); !errors.Is(err, store.ErrBusy) {
			t.Errorf("a second writer: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

const envServer = "GLOVEBOX_TEST_SERVER"

// serverMain is a server that holds its store until it is killed.
func serverMain(dir string) int {
	if _, err := Open(context.Background(), dir, Server, nil); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("open")
	select {}
}

func TestTwoServersDoNotShareOne(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envServer+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	if _, err := fmt.Fscanln(out, new(string)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir, Server, nil); !errors.Is(err, store.ErrInUse) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second server: %v", err)
	}
	command := open(t, dir, Command) // beside it
	if err := command.CreateTenant(t.Context(), tenant.Tenant{ID: "acme"}); err != nil {
		t.Error(err)
	}
	if err := command.Close(); err != nil {
		t.Error(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	next := open(t, dir, Server) // what was killed holds nothing, and what was written is there
	defer next.Close()
	if _, err := next.Tenant(t.Context(), "acme"); err != nil {
		t.Error(err)
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := private.Dir(dir); err != nil {
		t.Fatal(err)
	}
	unlock, err := lockDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, dir, Command, nil); !errors.Is(err, store.ErrBusy) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	unlock()
	if err := open(t, dir, Command).Close(); err != nil {
		t.Error(err)
	}
}

func BenchmarkKey(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "data"), Command)
	defer s.Close()
	if err := s.CreateTenant(b.Context(), tenant.Tenant{ID: "acme"}); err != nil {
		b.Fatal(err)
	}
	k, _, err := tenant.NewKey("acme", "", tenant.Scopes(), time.Now(), time.Time{})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.CreateKey(b.Context(), k); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := s.Key(b.Context(), k.ID); err != nil {
			b.Fatal(err)
		}
	}
}
