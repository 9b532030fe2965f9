package agent

import (
	"crypto/rand"
	"encoding/hex"
	"regexp"
	"strings"
	"unicode/utf8"

	"glovebox/internal/terminal"
)

// A fence marks what is data in a prompt: a mark that whoever wrote the data cannot guess stands before and after
// it. One is made for each run of the agent.
type fence struct{ mark string }

func newFence() fence {
	var mark [12]byte
	_, _ = rand.Read(mark[:]) // never fails
	return fence{hex.EncodeToString(mark[:])}
}

func (f fence) begin() string { return "BEGIN DATA " + f.mark }
func (f fence) end() string   { return "END DATA " + f.mark }

// lookalike matches what could be taken for a fence.
var lookalike = regexp.MustCompile(`(?i)\b(BEGIN|END)[\s\p{Z}_-]+DATA\b`)

// around fences a text. In it the mark itself, should a script have been told it, and everything that looks like a
// fence is broken up; characters that are not seen, in which orders to a model can hide, are written as escapes.
func (f fence) around(text string) string {
	text = terminal.Escape(text)
	text = replaceFold(text, f.mark, "(mark removed)")
	text = lookalike.ReplaceAllString(text, "${1}-of-data")
	return f.begin() + "\n" + strings.TrimRight(text, "\n") + "\n" + f.end()
}

// replaceFold replaces what is equal but for case. The text to replace is of ASCII.
func replaceFold(text, old, by string) string {
	return regexp.MustCompile("(?i)"+regexp.QuoteMeta(old)).ReplaceAllLiteralString(text, by)
}

// cut shortens a text to about most bytes: the beginning and the end stay, and between them stands how much is
// left out. What is cut is cut between characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	head, tail := most*3/4, most/4
	for head > 0 && !utf8.RuneStart(text[head]) {
		head--
	}
	from := len(text) - tail
	for from < len(text) && !utf8.RuneStart(text[from]) {
		from++
	}
	return text[:head] + " … (" + sizeOf(from-head) + " left out) … " + text[from:]
}
