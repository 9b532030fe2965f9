package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckFloor(t *testing.T) {
	for _, c := range []struct {
		kind    Kind
		version string
		ok      bool
		why     string // a part of it
	}{
		{KindRunc, "1.0.0", false, "lacks"},
		{KindRunc, "1.1.12", false, "lacks"},
		{KindRunc, "1.1.15", false, "lacks"},
		{KindRunc, "1.1.5+ds1", false, "cannot be compared"},
		{KindRunc, "1.2.7", false, "lacks"},
		{KindRunc, "1.2.8", true, ""},
		{KindRunc, "1.2.9", true, ""},
		{KindRunc, "1.3.2", false, "lacks"},
		{KindRunc, "1.3.3", true, ""},
		{KindRunc, "1.3.3+dev", false, "cannot be compared"},
		{KindRunc, "1.3.3-0ubuntu1", false, "cannot be compared"},
		{KindRunc, "1.4.0-rc.2", false, "lacks"},
		{KindRunc, "1.4.0-rc.3", true, ""},
		{KindRunc, "1.4.0", true, ""},
		{KindRunc, "v1.5.2", true, ""},
		{KindRunc, "1.10.0", true, ""},
		{KindRunc, "2.0.0", true, ""},
		{KindRunc, "", false, "cannot be compared"},
		{KindRunc, "-1.2.3", false, "cannot be compared"},
		{KindCrun, "1.4.3", false, "CVE-2022-27650"},
		{KindCrun, "1.4.4", true, ""},
		{KindCrun, "1.8.1", true, ""},
		{KindCrun, "1.20", true, ""},
		{KindCrun, "UNKNOWN", false, "cannot be compared"},
		{KindRunsc, "release-20220523.0", false, "older"},
		{KindRunsc, "release-20260224.0", true, ""},
		{KindRunsc, "v0.0.0-20260905035102-160fafc42237", true, ""},
		{KindRunsc, "v0.0.0-20250101035102-160fafc42237", false, "older"},
		{KindRunsc, "VERSION_MISSING", false, "no date"},
		{KindOther, "1.0.0", false, "not known"},
	} {
		ok, why := CheckFloor(c.kind, c.version)
		if ok != c.ok || !strings.Contains(why, c.why) || ok != (why == "") {
			t.Errorf("CheckFloor(%s, %q) = %v, %q; want %v, %q", c.kind, c.version, ok, why, c.ok, c.why)
		}
	}
}

// What the tests require of a system's crun is what the drivers ask for.
func TestTheTestsAskForTheSameFloor(t *testing.T) {
	script, err := os.ReadFile(filepath.Join("..", "..", "scripts", "test.sh"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "'%s\\n' " + crunFloor.String() + " "; !strings.Contains(string(script), want) {
		t.Errorf("scripts/test.sh does not hold %q", want)
	}
}
