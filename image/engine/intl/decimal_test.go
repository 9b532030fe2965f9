package intl

import "testing"

func TestDecimalRound(t *testing.T) {
	for _, c := range []struct {
		in    string
		least int
		mode  roundingMode
		want  string
	}{
		{"1.005", -2, "halfExpand", "1.01"}, {"1.004999", -2, "halfExpand", "1"}, {"999.5", 0, "halfExpand", "1000"},
		{"0.4", 0, "halfExpand", "0"}, {"0.5", 0, "halfExpand", "1"}, {"0.5", 0, "halfEven", "0"}, {"1.5", 0, "halfEven", "2"},
		{"2.5", 0, "halfTrunc", "2"}, {"0.001", -2, "ceil", "0.01"}, {"0.001", 0, "expand", "1"}, {"-0.001", -2, "floor", "-0.01"},
		{"-2.5", 0, "halfCeil", "-2"}, {"-2.5", 0, "halfFloor", "-3"}, {"1234", 2, "halfExpand", "1200"}, {"1250", 2, "halfExpand", "1300"},
		{"49", 2, "halfExpand", "0"}, {"51", 2, "halfExpand", "100"}, {"5", 2, "halfExpand", "0"}, {"9.99", -1, "halfExpand", "10"},
		{"1e21", 0, "halfExpand", "1000000000000000000000"}, {"1.5e-7", -7, "halfExpand", "0.0000002"},
	} {
		d, ok := parseDecimal(c.in)
		if !ok {
			t.Fatalf("%s does not parse", c.in)
		}
		whole, frac := d.round(c.least, c.mode).text(1, 0)
		got := whole
		if frac != "" {
			got += "." + frac
		}
		if d.negative {
			got = "-" + got
		}
		if got != c.want {
			t.Errorf("%s at 10^%d by %s: got %s, want %s", c.in, c.least, c.mode, got, c.want)
		}
	}
}

func FuzzParseDecimal(f *testing.F) {
	for _, s := range []string{"1", "-0.5e10", "1e", "", ".", "1e99999", "Infinity", "+.5E-3", "1_0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, ok := parseDecimal(s)
		if !ok || d.kind != finite {
			return
		}
		for _, c := range d.digits {
			if c < '0' || c > '9' {
				t.Fatalf("%q gives the digit %q", s, c)
			}
		}
		d.round(-2, "halfExpand").text(1, 2)
	})
}
