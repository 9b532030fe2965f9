package protocol

import (
	"unicode/utf8"

	"glovebox/api"
)

// A LogBudget is what an execution may still log. The runner keeps one so as not to send what would be
// dropped, and the controller another, since it believes no runner. The zero value is a whole budget.
type LogBudget struct {
	bytes, entries int
}

// Admit takes a message's cost from the budget. kept is the message, cut to the room that is left; ok is
// false where nothing of it may be kept; cut is true where anything was lost.
func (b *LogBudget) Admit(message string) (kept string, ok, cut bool) {
	room := api.MaxLogBytes - b.bytes
	if b.entries >= api.MaxLogEntries || room <= 0 && message != "" {
		return "", false, true
	}
	kept = CutText(message, room)
	b.bytes += len(kept)
	b.entries++
	return kept, true, len(kept) < len(message)
}

// CutText returns the longest beginning of s that has at most most bytes and ends between characters.
func CutText(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:max(most, 0)]
}
