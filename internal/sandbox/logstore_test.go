package sandbox

import (
	"strings"
	"testing"
	"unicode/utf8"

	"glovebox/api"
)

func TestLogStore(t *testing.T) {
	kept := func(s *logStore, entry api.Log) bool {
		got, ok := s.add(entry)
		if ok && got != s.entries()[len(s.entries())-1] {
			t.Errorf("what is passed on is not what is kept: %+v", got)
		}
		return ok
	}
	entry := func(n int) api.Log { return api.Log{Level: api.LevelLog, Message: strings.Repeat("x", n)} }
	t.Run("none", func(t *testing.T) {
		var s logStore
		if s.entries() == nil || len(s.entries()) != 0 || s.truncated {
			t.Error("no logs are an empty array, and not cut")
		}
	})
	t.Run("entries", func(t *testing.T) {
		var s logStore
		for range api.MaxLogEntries {
			if !kept(&s, entry(1)) {
				t.Fatal("an entry within the limit was dropped")
			}
		}
		if s.truncated {
			t.Error("cut at the limit")
		}
		if kept(&s, entry(0)) || !s.truncated || len(s.entries()) != api.MaxLogEntries {
			t.Error("an entry beyond the limit was kept")
		}
	})
	t.Run("bytes", func(t *testing.T) {
		var s logStore
		if !kept(&s, entry(api.MaxLogBytes)) || s.truncated {
			t.Fatal("an entry that fills the limit was cut")
		}
		if !kept(&s, entry(0)) || s.truncated {
			t.Error("an empty entry takes no room")
		}
		if kept(&s, entry(1)) || !s.truncated {
			t.Error("a byte beyond the limit was kept")
		}
	})
	t.Run("cut between characters", func(t *testing.T) {
		var s logStore
		s.add(entry(api.MaxLogBytes - 4))
		if !kept(&s, api.Log{Message: "é€€"}) || !s.truncated {
			t.Fatal("what there is room for is dropped")
		}
		if got := s.entries()[1].Message; got != "é" || !utf8.ValidString(got) {
			t.Errorf("cut to %q", got)
		}
	})
}
