package sandbox

import "unicode/utf8"

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
