package main

import (
	"encoding/json"
	"errors"
	"testing"

	"glovebox/api"
)

// A page of markup was six times its size, and refused for it.
func TestTextIsQuotedAsItIs(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"markup", `<a href="x">&</a>`, `"<a href=\"x\">&</a>"`},
		{"lines", "one\ntwo\n", `"one\ntwo\n"`},
		{"nothing", "", `""`},
		{"no UTF-8", "a\xffb", `"a` + "\ufffd" + `b"`},
	} {
		got, err := quote([]byte(test.in))
		if err != nil {
			t.Fatal(err)
		}
		var back, want string
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(test.want), &want); err != nil {
			t.Fatal(err)
		}
		if back != want || len(got) > len(test.want)+len("\\ufffd")+1 {
			t.Errorf("%s: %s, not %s", test.name, got, test.want)
		}
	}
}

func TestLanguageOf(t *testing.T) {
	for file, want := range map[string]api.Language{
		"a.js": api.JavaScript, "a.ts": api.TypeScript, "a.TS": api.TypeScript, "a.mts": api.TypeScript,
		"-": api.JavaScript, "ts": api.JavaScript, "a.ts.js": api.JavaScript,
	} {
		if got := languageOf(file); got != want {
			t.Errorf("%s is %s, not %s", file, got, want)
		}
	}
}

// A refused request is told in the words of the command line, and is exit status 2.
func TestFlagError(t *testing.T) {
	for _, test := range []struct {
		in   *api.Error
		want string
	}{
		{&api.Error{Field: "timeoutSeconds", Detail: "is 0"}, "--timeout (in seconds): is 0"},
		{&api.Error{Field: "memoryLimitMB", Detail: "is 0"}, "--memory (in MiB): is 0"},
		{&api.Error{Field: "cpus", Detail: "is 0"}, "--cpus: is 0"},
		{&api.Error{Field: "code", Detail: "none", ResultCode: api.MissingCode}, "MISSING_CODE: the script: none"},
		{&api.Error{Field: "elsewhere", Detail: "is wrong"}, "elsewhere: is wrong"},
	} {
		err := flagError(test.in)
		var status *statusError
		if !errors.As(err, &status) || status.status != statusUsage || err.Error() != test.want {
			t.Errorf("%v, not %s", err, test.want)
		}
	}
}

// No advice to whoever runs a script is given in the words of HTTP.
func TestAdviceNamesFlags(t *testing.T) {
	for _, info := range api.Codes() {
		if info.Retry != api.RetryChanged {
			continue
		}
		if got := asFlags.Replace(info.Fix); got == info.Fix && info.Code != api.OutputLimit {
			t.Errorf("%s: %s", info.Code, got)
		}
	}
}
