package protocol

import (
	"strings"
	"testing"

	"glovebox/api"
)

func TestCutText(t *testing.T) {
	for _, c := range []struct {
		in   string
		most int
		want string
	}{
		{"abc", 5, "abc"}, {"abc", 3, "abc"}, {"abc", 2, "ab"}, {"abc", 0, ""}, {"abc", -1, ""},
		{"aé", 2, "a"}, {"€", 1, ""}, {"€", 2, ""}, {"€", 3, "€"}, {"😀😀", 7, "😀"},
	} {
		if got := CutText(c.in, c.most); got != c.want {
			t.Errorf("CutText(%q, %d) = %q, want %q", c.in, c.most, got, c.want)
		}
	}
}

func TestLogBudget(t *testing.T) {
	full := strings.Repeat("x", api.MaxLogBytes)
	for _, c := range []struct {
		name     string
		messages []string
		kept     string // of the last
		ok, cut  bool
	}{
		{"one", []string{"a"}, "a", true, false},
		{"empty", []string{""}, "", true, false},
		{"all the room", []string{full}, full, true, false},
		{"more than the room", []string{full + "y"}, full, true, true},
		{"behind all the room", []string{full, "y"}, "", false, true},
		{"empty behind all the room", []string{full, ""}, "", true, false},
		{"a rest", []string{full[1:], "yz"}, "y", true, true},
		{"a rest that holds no character", []string{full[1:], "é"}, "", true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b LogBudget
			for i, message := range c.messages {
				kept, ok, cut := b.Admit(message)
				if i == len(c.messages)-1 && (kept != c.kept || ok != c.ok || cut != c.cut) {
					t.Errorf("%d bytes, %v, %v; want %d, %v, %v", len(kept), ok, cut, len(c.kept), c.ok, c.cut)
				}
			}
		})
	}
	var b LogBudget
	for range api.MaxLogEntries {
		if _, ok, cut := b.Admit(""); !ok || cut {
			t.Fatal("an entry within the limit was lost")
		}
	}
	if _, ok, cut := b.Admit(""); ok || !cut {
		t.Error("an entry beyond the limit was kept")
	}
}
