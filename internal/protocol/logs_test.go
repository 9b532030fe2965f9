package protocol

import "testing"

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
