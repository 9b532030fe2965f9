package intl_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"glovebox/image/engine/intl"
	"glovebox/image/engine/regex/golden"
	"glovebox/internal/testenv/node"

	"github.com/dop251/goja"
)

var update = flag.Bool("update", false, "write the golden files anew, with the Node.js of this machine")

// TestMain puts the tests where the boxes are: goja takes its local time from time.Local.
func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(m.Run())
}

func newRuntime() *goja.Runtime {
	rt := goja.New()
	intl.Install(rt, intl.Options{})
	return rt
}

// TestLikeNode compares with Node.js what is written, for numbers, times and the rest.
func TestLikeNode(t *testing.T) {
	for _, file := range []string{"testdata/numbers.txt", "testdata/dates.txt", "testdata/words.txt"} {
		t.Run(file, func(t *testing.T) { golden.Check(t, file, newRuntime(), node.Updater(t.Context(), *update)) })
	}
}

// TestRefusals holds that what is not supported is refused by name, and never answered in silence.
func TestRefusals(t *testing.T) {
	for script, want := range map[string]string{
		`(1).toLocaleString("de-DE")`:                                                     `RangeError: Glovebox supports the locale en-US only, not de-DE`,
		`new Date(0).toLocaleDateString("en-GB")`:                                         `RangeError: Glovebox supports the locale en-US only, not en-GB`,
		`new Intl.NumberFormat(["fr", "en-US"])`:                                          `RangeError: Glovebox supports the locale en-US only, not fr`,
		`"a".localeCompare("b", "sv")`:                                                    `RangeError: Glovebox supports the locale en-US only, not sv`,
		`"i".toLocaleUpperCase("tr")`:                                                     `RangeError: Glovebox supports the locale en-US only, not tr`,
		`[1].toLocaleString("de")`:                                                        `RangeError: Glovebox supports the locale en-US only, not de`,
		`(1).toLocaleString("en-US-u-nu-arab")`:                                           `RangeError: Glovebox supports the numbering system latn only, not arab`,
		`new Date(0).toLocaleString("en-US-u-ca-buddhist")`:                               `RangeError: Glovebox supports the calendar gregory only, not buddhist`,
		`new Intl.DateTimeFormat("en-US", { calendar: "hebrew" })`:                        `RangeError: Intl.DateTimeFormat: Glovebox does not support the option calendar: hebrew`,
		`new Intl.NumberFormat("en-US", { numberingSystem: "arab" })`:                     `RangeError: Intl.NumberFormat: Glovebox does not support the option numberingSystem: arab`,
		`new Intl.NumberFormat("en-US", { roundingIncrement: 5 })`:                        `RangeError: Intl.NumberFormat: Glovebox does not support the option roundingIncrement: 5`,
		`new Intl.DateTimeFormat("en-US", { timeZoneName: "longGeneric" })`:               `RangeError: Intl.DateTimeFormat: Glovebox does not support the option timeZoneName: longGeneric`,
		`new Date(0).toLocaleDateString("en-US", { year: "numeric", day: "numeric" })`:    `RangeError: Glovebox does not support this combination of fields in Intl.DateTimeFormat: year, day`,
		`new Date(0).toLocaleTimeString("en-US", { hour: "numeric", second: "numeric" })`: `RangeError: Glovebox does not support this combination of fields in Intl.DateTimeFormat: hour, second`,
		`new Date(0).toLocaleDateString("en-US", { weekday: "long", month: "long" })`:     `RangeError: Glovebox does not support this combination of fields in Intl.DateTimeFormat: weekday, month`,
		`new Intl.NumberFormat("en-US", { style: "unit", unit: "acre-per-day" })`:         `RangeError: Glovebox does not support the unit acre-per-day`,
		`new Intl.Collator("en-US", { sensitivity: "case" })`:                             `RangeError: Intl.Collator: Glovebox does not support the option sensitivity: case`,
		`new Intl.Collator("en-US", { caseFirst: "upper" })`:                              `RangeError: Intl.Collator: Glovebox does not support the option caseFirst: upper`,
		`new Intl.Collator("en-US", { ignorePunctuation: true })`:                         `RangeError: Intl.Collator: Glovebox does not support the option ignorePunctuation: true`,
		`new Intl.DateTimeFormat().formatRange(0, 1)`:                                     `Error: Glovebox does not support Intl.DateTimeFormat.prototype.formatRange`,
		`new Intl.NumberFormat().formatRange(0, 1)`:                                       `Error: Glovebox does not support Intl.NumberFormat.prototype.formatRange`,
		`new Date(0).toLocaleString("en-US", { timeZone: "Foo/Bar" })`:                    `RangeError: Invalid time zone specified: Foo/Bar`,
		`"½".localeCompare("1", "en-US", { numeric: true })`:                              `RangeError: Glovebox does not support numeric collation of other digits than 0 to 9`,
		`new Intl.DisplayNames("en", { type: "region" })`:                                 `TypeError`,
	} {
		_, err := newRuntime().RunString(script)
		var ex *goja.Exception
		if !errors.As(err, &ex) {
			t.Errorf("%s: no exception but %v", script, err)
			continue
		}
		if got := ex.Value().String(); !strings.HasPrefix(got, want) {
			t.Errorf("%s\n got %s\nwant %s", script, got, want)
		}
	}
}

// TestNow holds that a format without an argument shows the time that it was given.
func TestNow(t *testing.T) {
	rt := goja.New()
	intl.Install(rt, intl.Options{Now: func() time.Time { return time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC) }})
	v, err := rt.RunString(`new Intl.DateTimeFormat("en-US", { dateStyle: "long", timeStyle: "short" }).format()`)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := v.String(), "February 3, 2020 at 4:05 AM"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestMoreDigits holds ECMA-402 of 2023, which allows more than Node.js 20.
func TestMoreDigits(t *testing.T) {
	v, err := newRuntime().RunString(`(1).toLocaleString("en-US", { minimumFractionDigits: 30 })`)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := v.String(), "1."+strings.Repeat("0", 30); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestData(t *testing.T) {
	if !*update {
		t.Skip("needs -update: the data is generated")
	}
	archive, err := zip.OpenReader(filepath.Join(strings.TrimSpace(goroot(t)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	var names []string
	for _, f := range archive.File {
		if !strings.HasSuffix(f.Name, "/") {
			names = append(names, f.Name)
		}
	}
	slices.Sort(names)
	list, err := json.Marshal(names)
	if err != nil {
		t.Fatal(err)
	}
	out, err := node.RunFile(t.Context(), "testdata", "data.js", bytes.NewReader(list))
	if err != nil {
		t.Fatal(err)
	}
	if out, err = format.Source(out); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("data.go", out, 0o644); err != nil {
		t.Fatal(err)
	}
}

func goroot(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func BenchmarkInstall(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		rt := goja.New()
		b.StartTimer()
		intl.Install(rt, intl.Options{})
	}
}

func BenchmarkScripts(b *testing.B) {
	for name, script := range map[string]string{
		"number":       `(1234567.891).toLocaleString()`,
		"currency":     `(1234.5).toLocaleString("en-US", { style: "currency", currency: "USD" })`,
		"date":         `new Date(0).toLocaleDateString("en-US", { dateStyle: "long", timeZone: "America/New_York" })`,
		"first-touch":  `delete globalThis.x; Intl.NumberFormat`,
		"locale-comp":  `"résumé".localeCompare("resume")`,
		"date-default": `new Date(0).toLocaleString()`,
	} {
		b.Run(name, func(b *testing.B) {
			rt := newRuntime()
			prog := goja.MustCompile("bench", script, false)
			for b.Loop() {
				if _, err := rt.RunProgram(prog); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
