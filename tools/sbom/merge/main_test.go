package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// write writes a file, and returns its name.
func write(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func bomOf(program string, modules ...string) string {
	var components, names []string
	for _, m := range modules {
		components = append(components, `{"bom-ref":"`+m+`","type":"library","name":"`+m+`"}`)
		names = append(names, `"`+m+`"`)
	}
	return `{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,"metadata":{"component":{"bom-ref":"` + program + `","type":"application","name":"` + program + `"}},
		"components":[` + strings.Join(components, ",") + `],"dependencies":[{"ref":"` + program + `","dependsOn":[` + strings.Join(names, ",") + `]}]}`
}

const lock = `{"lockfileVersion":3,"packages":{
	"":{"dependencies":{"a":"1.0.0"}},
	"node_modules/a":{"version":"1.0.0","license":"MIT","integrity":"sha512-AAEC","dependencies":{"@s/b":"^1","gone":"^1"}},
	"node_modules/a/node_modules/@s/b":{"version":"1.5.0","license":"(MIT OR Apache-2.0)","dependencies":{"c":"1"}},
	"node_modules/@s/b":{"version":"2.0.0","license":"MIT"},
	"node_modules/c":{"version":"3.0.0","license":"MIT"},
	"node_modules/tests":{"version":"1.0.0","dev":true}}}`

func TestMerge(t *testing.T) {
	args := []string{write(t, "lock", lock), write(t, "program", bomOf("program", "m", "n")), write(t, "runner", bomOf("runner", "n", "goja")), write(t, "probe", bomOf("probe", "m"))}
	var out, again bytes.Buffer
	if err := run(args, &out); err != nil {
		t.Fatal(err)
	}
	if err := run(args, &again); err != nil || again.String() != out.String() {
		t.Errorf("the same parts give other bytes: %v", err)
	}
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(&out, cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	if bom.Metadata.Component.Name != "program" || bom.SpecVersion != cdx.SpecVersion1_6 {
		t.Errorf("it is of %s, by %v", bom.Metadata.Component.Name, bom.SpecVersion)
	}
	var refs []string
	for _, c := range *bom.Components {
		refs = append(refs, c.BOMRef)
		if c.BOMRef == "pkg:npm/a@1.0.0" && ((*c.Hashes)[0].Value != "000102" || (*c.Licenses)[0].Expression != "MIT") {
			t.Errorf("%+v", c)
		}
		if c.BOMRef == "pkg:npm/%40s/b@1.5.0" && (c.Group != "@s" || c.Name != "b") {
			t.Errorf("%+v", c)
		}
	}
	if want := []string{"goja", "m", "n", "pkg:npm/%40s/b@1.5.0", "pkg:npm/%40s/b@2.0.0", "pkg:npm/a@1.0.0", "pkg:npm/c@3.0.0", "probe", "runner"}; !slices.Equal(refs, want) {
		t.Errorf("%v, want %v", refs, want)
	}
	got := map[string]string{}
	for _, d := range *bom.Dependencies {
		got[d.Ref] = strings.Join(*d.Dependencies, " ")
	}
	for ref, want := range map[string]string{
		"program": "m n probe runner", "runner": "goja n pkg:npm/a@1.0.0", "probe": "m",
		"pkg:npm/a@1.0.0": "pkg:npm/%40s/b@1.5.0", "pkg:npm/%40s/b@1.5.0": "pkg:npm/c@3.0.0", // the nearest, and from there the next
	} {
		if got[ref] != want {
			t.Errorf("%s depends on %q, want %q", ref, got[ref], want)
		}
	}
}

func TestWhatIsNoneOfThese(t *testing.T) {
	good, bom := write(t, "lock", lock), write(t, "bom", bomOf("p", "m"))
	for name, args := range map[string][]string{
		"too few":              {good, bom},
		"no file":              {good, bom, filepath.Join(t.TempDir(), "none")},
		"no SBOM":              {good, bom, good},
		"no lock":              {bom, bom, bom},
		"a lock of another":    {write(t, "old", `{"lockfileVersion":1,"packages":{"":{}}}`), bom, bom},
		"one without licence":  {write(t, "free", `{"lockfileVersion":3,"packages":{"node_modules/a":{"version":"1.0.0"}}}`), bom, bom},
		"an SBOM without name": {good, bom, write(t, "anonymous", `{"bomFormat":"CycloneDX","specVersion":"1.6","components":[]}`)},
	} {
		if err := run(args, &bytes.Buffer{}); err == nil {
			t.Errorf("%s: it is merged", name)
		}
	}
}
