package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

type flagValues struct {
	listen      string
	concurrency int
	strict      bool
	share       float64
	limit       time.Duration
	hosts       []string
}

func testFlags() (*pflag.FlagSet, *flagValues) {
	flags, v := pflag.NewFlagSet("", pflag.ContinueOnError), &flagValues{}
	flags.StringVar(&v.listen, "listen", "127.0.0.1:8080", "")
	flags.IntVar(&v.concurrency, "concurrency", 2, "")
	flags.BoolVar(&v.strict, "strict", false, "")
	flags.Float64Var(&v.share, "share", 0.5, "")
	flags.DurationVar(&v.limit, "limit", time.Minute, "")
	flags.StringArrayVar(&v.hosts, "allow-host", nil, "")
	flags.Bool("json", false, "no setting")
	Mark(flags, "listen", "concurrency", "strict", "share", "limit", "allow-host")
	return flags, v
}

func environment(assignments ...string) func(string) string {
	return func(name string) string {
		for _, a := range assignments {
			if value, ok := strings.CutPrefix(a, name+"="); ok {
				return value
			}
		}
		return ""
	}
}

func mustParse(t *testing.T, body string) *File {
	t.Helper()
	file, err := Parse("c.yaml", []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// The command line goes before the environment, that before the file, and that before what is so by default.
func TestPrecedence(t *testing.T) {
	flags, got := testFlags()
	if err := flags.Parse([]string{"--concurrency=9"}); err != nil {
		t.Fatal(err)
	}
	file := mustParse(t, "# how it runs\nconcurrency: 3\nstrict: true\nlimit: 90s\nallow-host:\n  - a.example\n  - b.example:443\n")
	overrides, err := Apply(flags, environment("GLOVEBOX_CONCURRENCY=4", "GLOVEBOX_STRICT=false", "GLOVEBOX_SHARE=0.25", "GLOVEBOX_LISTEN=", "GLOVEBOX_JSON=true"), file)
	if err != nil {
		t.Fatal(err)
	}
	want := flagValues{"127.0.0.1:8080", 9, false, 0.25, 90 * time.Second, []string{"a.example", "b.example:443"}}
	if diff := cmp.Diff(want, *got, cmp.AllowUnexported(flagValues{})); diff != "" {
		t.Error(diff)
	}
	sources := map[string]string{}
	flags.VisitAll(func(f *pflag.Flag) { sources[f.Name] = SourceOf(f).String() })
	wantSources := map[string]string{
		"concurrency": "--concurrency", "strict": "GLOVEBOX_STRICT", "share": "GLOVEBOX_SHARE", "limit": "c.yaml:4",
		"allow-host": "c.yaml:5", "listen": "default", "json": "default",
	}
	if diff := cmp.Diff(wantSources, sources); diff != "" {
		t.Error(diff)
	}
	if !flags.Changed("limit") || flags.Changed("listen") {
		t.Error("what was given counts as given, and nothing else")
	}
	var told []string
	for _, o := range overrides {
		told = append(told, o.Key+": "+o.Value+" by "+o.Source.String()+" over "+o.OverriddenValue+" by "+o.Overridden.String())
	}
	slices.Sort(told)
	wantTold := []string{
		"concurrency: 9 by --concurrency over 3 by c.yaml:2", "concurrency: 9 by --concurrency over 4 by GLOVEBOX_CONCURRENCY",
		"strict: false by GLOVEBOX_STRICT over true by c.yaml:3",
	}
	if diff := cmp.Diff(wantTold, told); diff != "" {
		t.Error(diff)
	}
}

// A list in a variable has commas, and takes the place of the file's.
func TestListInVariable(t *testing.T) {
	flags, got := testFlags()
	if _, err := Apply(flags, environment("GLOVEBOX_ALLOW_HOST=a.example,b.example"), mustParse(t, "allow-host: c.example")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a.example", "b.example"}, got.hosts); diff != "" {
		t.Error(diff)
	}
}

func TestBadValues(t *testing.T) {
	for _, row := range []struct{ file, variable, want string }{
		{"listen: 127.0.0.1:1\nconcurrency: many", "", `c.yaml:2: concurrency: "many" is not a whole number`},
		{"concurrency: 99999999999999999999", "", `c.yaml:1: concurrency: "99999999999999999999"`},
		{"concurrency: 1.5", "", `c.yaml:1: concurrency: "1.5" is not a whole number`},
		{"concurrency: '4'", "", `c.yaml:1: concurrency: "4" is not a whole number`},
		{"concurrency: [1, 2]", "", "c.yaml:1: concurrency: one value is wanted, and no list"},
		{"strict: yes", "", `c.yaml:1: strict: "yes" is not true or false`},
		{"strict: 1", "", `c.yaml:1: strict: "1" is not true or false`},
		{"listen: 8080", "", `c.yaml:1: listen: "8080" is not text: write it in quotes`},
		{"share: .nan1", "", `c.yaml:1: share: ".nan1" is not a number`},
		{"limit: 30", "", `c.yaml:1: limit: "30" is not a time, as in 10s`},
		{"limit: soon", "", `c.yaml:1: limit: "soon": write it as in 10s`},
		{"", "GLOVEBOX_CONCURRENCY=many", `GLOVEBOX_CONCURRENCY: "many": write a number`},
		{"", "GLOVEBOX_CONCURRENCY=99999999999999999999", `GLOVEBOX_CONCURRENCY: "99999999999999999999": it is too large`},
		{"", "GLOVEBOX_STRICT=on", `GLOVEBOX_STRICT: "on": write true or false`},
		{"", "GLOVEBOX_LIMIT=30", `GLOVEBOX_LIMIT: "30": write it as in 10s`},
	} {
		flags, _ := testFlags()
		_, err := Apply(flags, environment(row.variable), mustParse(t, row.file))
		if err == nil || !strings.HasPrefix(err.Error(), row.want) {
			t.Errorf("%q, %q: %v, not %s", row.file, row.variable, err, row.want)
		}
	}
}

// A file that is wrong was taken as long as something else went before what is wrong in it: the server started, until somebody left the flag out.
func TestBadValuesBehindOthers(t *testing.T) {
	for _, row := range []struct{ file, want string }{
		{"listen: [a, b]", "c.yaml:1: listen: one value is wanted, and no list"},
		{"concurrency: many", `c.yaml:1: concurrency: "many" is not a whole number`},
	} {
		flags, got := testFlags()
		if err := flags.Parse([]string{"--listen=127.0.0.1:9"}); err != nil {
			t.Fatal(err)
		}
		_, err := Apply(flags, environment("GLOVEBOX_CONCURRENCY=4"), mustParse(t, row.file))
		if err == nil || err.Error() != row.want || got.listen != "127.0.0.1:9" {
			t.Errorf("%q: %v, not %s", row.file, err, row.want)
		}
	}
}

// Everything that is wrong is told at once.
func TestEveryBadValueIsTold(t *testing.T) {
	flags, _ := testFlags()
	_, err := Apply(flags, environment("GLOVEBOX_LIMIT=30"), mustParse(t, "strict: yes\nconcurrency: many"))
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Error(err)
	}
}

func TestBadFiles(t *testing.T) {
	for _, row := range []struct{ body, want string }{
		{"listen: a\nlisten: b", "c.yaml:2: listen is given already, in line 1"},
		{"- listen", "c.yaml:1: a mapping of keys to values is wanted"},
		{"listen", "c.yaml:1: a mapping of keys to values is wanted"},
		{"\nlisten:", "c.yaml:2: listen has no value"},
		{"listen: ~", "c.yaml:1: listen has no value"},
		{"allow-host: []", "c.yaml:1: allow-host is an empty list"},
		{"allow-host: [a, [b]]", "c.yaml:1: allow-host: a value is wanted, and nothing nested"},
		{"tls:\n  cert: a", "c.yaml:1: tls: a value is wanted, and nothing nested"},
		{"listen: &a b\nruntime: *a", "c.yaml:1: listen: anchors and aliases are not read"},
		{"<<: {listen: a}", "c.yaml:1: a key is a name"},
		{"8080: listen", "c.yaml:1: a key is a name"},
		{"? [a]\n: b", "c.yaml:1: a key is a name"},
		{"concurrency: !!int '4'", "c.yaml:1: concurrency: tags are not read"},
		{"listen: !mine a", "c.yaml:1: listen: tags are not read"},
		{"listen: a\n---\nlisten: b", "c.yaml holds more than one document"},
		{"listen: 'a", "c.yaml: "},
		{"listen: \x00", "c.yaml: "},
		{"a: [" + strings.Repeat("[", 100000), "c.yaml"},
		{strings.Repeat("#", maxFileBytes+1), "c.yaml is larger than"},
	} {
		_, err := Parse("c.yaml", []byte(row.body))
		if err == nil || !strings.HasPrefix(err.Error(), row.want) {
			t.Errorf("%.40q: %v, not %s", row.body, err, row.want)
		}
	}
	for _, body := range []string{"", "# nothing\n", "---\n", "~"} {
		file, err := Parse("c.yaml", []byte(body))
		if err != nil || len(file.entries) != 0 {
			t.Errorf("%q: %v %v", body, file, err)
		}
	}
}

// What YAML itself refuses is told with its line.
func TestSyntaxErrorHasALine(t *testing.T) {
	_, err := Parse("c.yaml", []byte("listen: a\nstrict: [true\n"))
	if err == nil || !strings.Contains(err.Error(), "line ") {
		t.Error(err)
	}
}

func TestUnknownKeys(t *testing.T) {
	known := []string{"listen", "concurrency", "data-dir", "agent-model"}
	err := mustParse(t, "listen: a\nconcurency: 1\ndata_dir: b\ncolour: sk-secret\n").Check(known)
	want := `c.yaml:2: unknown key "concurency": did you mean concurrency?
c.yaml:3: unknown key "data_dir": did you mean data-dir?
c.yaml:4: unknown key "colour"`
	if err == nil || err.Error() != want {
		t.Error(err)
	}
	if err := mustParse(t, "listen: a").Check(known); err != nil {
		t.Error(err)
	}
	var none *File
	if err := none.Check(known); err != nil {
		t.Error(err)
	}
}

func TestStrangeVariables(t *testing.T) {
	environ := []string{
		"PATH=/bin", "GLOVEBOX_LISTEN=a", "GLOVEBOX_LISTN=a", "GLOVEBOX_API_KEY=gbx_secret", "GLOVEBOX_TEST_SLACK=1s", "GLOVEBOX_EMPTY=",
		"GLOVEBOX_SERVICE_HOST=10.0.0.1", "GLOVEBOX_SERVICE_PORT=80", "GLOVEBOX_SERVICE_PORT_HTTP=80", "GLOVEBOX_PORT=tcp://10.0.0.1:80",
		"GLOVEBOX_PORT_80_TCP=tcp://10.0.0.1:80", "GLOVEBOX_PORT_80_TCP_ADDR=10.0.0.1", "GLOVEBOX_PORTS=1",
	}
	got := Strange(environ, []string{"listen"}, []string{"GLOVEBOX_API_KEY", "GLOVEBOX_TEST_"})
	want := []string{"unknown variable GLOVEBOX_LISTN: did you mean GLOVEBOX_LISTEN?", "unknown variable GLOVEBOX_PORTS"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDistance(t *testing.T) {
	for _, row := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"data-dir", "datadir", 1}, {"ab", "ba", 2}} {
		if got := distance(row.a, row.b); got != row.want {
			t.Errorf("%s to %s: %d, not %d", row.a, row.b, got, row.want)
		}
	}
}

// Who may write the file says how code is isolated.
func TestReadRefusesWhatEverybodyMayWrite(t *testing.T) {
	name := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(name, []byte("strict: true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(name); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(name, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(name); err == nil || !strings.Contains(err.Error(), "everybody on this machine may write it") {
		t.Error(err)
	}
	if _, err := Read(name + "-none"); err == nil {
		t.Error("there is no such file")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("listen: a\nallow-host: [b, c]\nstrict: true"))
	f.Add([]byte("a: &x [*x]"))
	f.Fuzz(func(t *testing.T, body []byte) {
		file, err := Parse("c.yaml", body)
		if err != nil {
			return
		}
		flags, _ := testFlags()
		_, _ = Apply(flags, environment(), file)
		for _, e := range file.entries {
			if e.line < 1 || len(e.texts()) == 0 {
				t.Errorf("%q: %v", body, e)
			}
		}
	})
}
