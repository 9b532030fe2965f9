package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"glovebox/internal/private"
)

// progressOf opens a store and closes it again, and returns what was told meanwhile.
func progressOf(t *testing.T, dir string, mode Mode) (told []Progress) {
	t.Helper()
	s, err := Open(t.Context(), dir, mode, func(p Progress) { told = append(told, p) })
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return told
}

// A database of an earlier Glovebox may take a minute: whoever waits is told what for. One that is new, or as it should be, is nothing to tell of.
func TestAMigrationIsTold(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	atVersion(t, dir, 5)
	file := filepath.Join(dir, FileName)
	want := []Progress{
		{Phase: Migrating, File: file, From: 5, To: 8, At: 5},
		{Phase: Migrating, File: file, From: 5, To: 8, At: 6},
		{Phase: Migrating, File: file, From: 5, To: 8, At: 7},
		{Phase: Migrated, File: file, From: 5, To: 8, At: 8},
	}
	told := progressOf(t, dir, Server)
	if diff := cmp.Diff(want, told, cmpopts.IgnoreFields(Progress{}, "Took")); diff != "" {
		t.Error(diff)
	}
	for i := 1; i < len(told); i++ {
		if told[i].Took <= told[i-1].Took {
			t.Errorf("after %v it took %v", told[i-1].Took, told[i].Took)
		}
	}
	for _, dir := range []string{dir, filepath.Join(t.TempDir(), "new")} {
		for _, mode := range []Mode{Command, Server} {
			if told := progressOf(t, dir, mode); told != nil {
				t.Errorf("%v", told)
			}
		}
	}
}

func TestLongWorkIsToldOfEachFewSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []Progress
		o := opening{file: "there", tell: func(p Progress) { told = append(told, p) }, began: time.Now()}
		failure := errors.New("no room")
		for _, want := range []error{nil, failure} {
			if err := o.while(Progress{Phase: Migrating, From: 5, To: 7, At: 6}, func() error {
				time.Sleep(2*tellEvery + time.Second)
				return want
			}); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		}
		var took []time.Duration
		for _, p := range told {
			if p.Phase != Migrating || p.File != "there" || p.At != 6 {
				t.Errorf("%+v", p)
			}
			took = append(took, p.Took)
		}
		const first = 2*tellEvery + time.Second
		if diff := cmp.Diff([]time.Duration{tellEvery, 2 * tellEvery, first + tellEvery, first + 2*tellEvery}, took); diff != "" {
			t.Error(diff)
		}
	})
}

// A command that is started beside it waits, and says so.
func TestWhoWaitsForAnotherIsTold(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := errors.Join(private.Dir(dir), os.WriteFile(filepath.Join(dir, FileName), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	unlock, err := lockDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan Progress, 100)
	opened := make(chan error, 1)
	go func() {
		s, err := Open(t.Context(), dir, Command, func(p Progress) { told <- p })
		if err == nil {
			err = s.Close()
		}
		opened <- err
	}()
	p := <-told
	unlock()
	if err := <-opened; err != nil {
		t.Error(err)
	}
	if p.Phase != Waiting || p.File != filepath.Join(dir, FileName) || p.Took < tellEvery {
		t.Errorf("%+v", p)
	}
}
