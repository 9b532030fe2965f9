package remote

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"glovebox/internal/agent"
	"glovebox/internal/secret"
)

var provider = Provider{Name: "Nobody", BaseURL: "https://api.nobody.test/v1", KeyVariable: "NOBODY_KEY", BaseURLVariable: "NOBODY_URL"}

func TestFromEnvironment(t *testing.T) {
	environment := map[string]string{"NOBODY_KEY": " key\n", "NOBODY_URL": "http://localhost:1/v1"}
	opts := provider.FromEnvironment(func(name string) string { return environment[name] })
	if opts.Key.Reveal() != "key" || opts.BaseURL != "http://localhost:1/v1" {
		t.Errorf("the options are %+v, the key %q", opts, opts.Key.Reveal())
	}
	if opts := provider.FromEnvironment(func(string) string { return "" }); !opts.Key.IsZero() || opts.BaseURL != "" {
		t.Errorf("of nothing, the options are %+v", opts)
	}
}

func TestAddress(t *testing.T) {
	key := secret.New("key")
	tests := map[string]struct {
		opts Options
		says string // "" where it is taken
	}{
		"its own":           {Options{Key: key}, ""},
		"its own, no key":   {Options{}, "NOBODY_KEY"},
		"local, no key":     {Options{BaseURL: "http://127.0.0.1:11434/v1"}, ""},
		"local":             {Options{BaseURL: "http://localhost:11434/v1", Key: key}, ""},
		"local, IPv6":       {Options{BaseURL: "http://[::1]:11434/v1", Key: key}, ""},
		"elsewhere, no key": {Options{BaseURL: "http://gpu.test/v1"}, ""},
		"elsewhere":         {Options{BaseURL: "https://gpu.test/v1", Key: key}, ""},
		"in the clear":      {Options{BaseURL: "http://gpu.test/v1", Key: key}, "in the clear"},
		"so it looks":       {Options{BaseURL: "http://127.0.0.1.gpu.test/v1", Key: key}, "in the clear"},
		"in the clear, yes": {Options{BaseURL: "http://gpu.test/v1", Key: key, AllowPlainHTTP: true}, ""},
		"password":          {Options{BaseURL: "https://me:word@gpu.test/v1", Key: key}, "password"},
		"query":             {Options{BaseURL: "https://gpu.test/v1?key=word", Key: key}, "query"},
		"file":              {Options{BaseURL: "file:///etc/passwd", Key: key}, "http"},
		"no scheme":         {Options{BaseURL: "localhost:11434", Key: key}, "http"},
		"no host":           {Options{BaseURL: "http:///v1", Key: key}, "host"},
		"no URL":            {Options{BaseURL: "http://%zz", Key: key}, "none"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.opts.Model = "m"
			caller, err := NewCaller(test.opts, provider)
			switch {
			case test.says == "" && err != nil:
				t.Errorf("it is refused: %v", err)
			case test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)):
				t.Errorf("the error is %v", err)
			case err == nil && caller.OwnServers() != (test.opts.BaseURL == ""):
				t.Errorf("it is taken for the provider's own: %t", caller.OwnServers())
			}
		})
	}
	if _, err := NewCaller(Options{Key: key}, provider); err == nil {
		t.Error("no model is a model")
	}
}

func TestDefaults(t *testing.T) {
	caller, err := NewCaller(Options{Model: "m", Key: secret.New("key")}, provider)
	if err != nil {
		t.Fatal(err)
	}
	opts := caller.Options()
	if opts.Retries != 2 || opts.Timeout != 10*time.Minute || opts.RetryDelay != time.Second/2 || opts.MaxAnswerBytes != 64<<20 || opts.Transport == nil {
		t.Errorf("the defaults are %+v", opts)
	}
}

func TestWaitsTooLong(t *testing.T) {
	soon, late := time.Now().Add(time.Minute), time.Now().Add(time.Hour)
	for value, want := range map[string]bool{
		"": false, "0": false, "1.5": false, "120": false, "121": true, "1e300": true, "1e999": true, "Inf": true, "NaN": true, "-1": true,
		"soon": false, soon.UTC().Format(http.TimeFormat): false, late.UTC().Format(http.TimeFormat): true,
	} {
		if got := waitsTooLong(http.Header{"Retry-After": {value}}); got != want {
			t.Errorf("Retry-After: %s waits too long: %t", value, got)
		}
	}
	if !waitsTooLong(http.Header{"Retry-After-Ms": {"120001"}}) || waitsTooLong(http.Header{"Retry-After-Ms": {"120000"}}) {
		t.Error("milliseconds are taken for something else")
	}
}

func TestEventError(t *testing.T) {
	for data, want := range map[string]EventError{
		`{"type":"error","error":{"type":"overloaded_error","message":"much"}}`:  {529, "much"},
		`{"error":{"type":"server_error","message":"oh"}}`:                       {500, "oh"},
		`{"error":{"type":"tokens","code":"rate_limit_exceeded","message":"w"}}`: {429, "w"},
		`{"error":{"message":"bad","code":400}}`:                                 {400, "bad"},
		`{"error":{"message":"bad","code":200}}`:                                 {500, "bad"},
		`{"error":"text"}`:                                                       {500, "text"},
		`{"error":null}`:                                                         {500, ""},
		`[]`:                                                                     {500, ""},
		``:                                                                       {500, ""},
	} {
		if diff := cmp.Diff(want, *NewEventError([]byte(data)), cmp.AllowUnexported(EventError{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", data, diff)
		}
	}
}

func FuzzEventError(f *testing.F) {
	for _, seed := range []string{
		`{"type":"error","error":{"type":"overloaded_error","message":"much"}}`,
		`{"error":{"message":"bad","code":400}}`, `{"error":"text"}`, `{"detail":"text"}`, `{"error":{"code":1e400}}`, `[`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := NewEventError(data); err.status < 400 || err.status > 599 {
			t.Errorf("%q has the status %d", data, err.status)
		}
	})
}

func TestCollector(t *testing.T) {
	type piece struct {
		index               int64
		id, name, arguments string
	}
	tests := map[string]struct {
		pieces []piece
		want   []agent.Call
	}{
		"in order": {
			[]piece{{0, "a", "f", ""}, {0, "", "", `{"x":`}, {0, "", "", `1}`}, {1, "b", "g", `{}`}},
			[]agent.Call{{ID: "a", Name: "f", Arguments: `{"x":1}`}, {ID: "b", Name: "g", Arguments: `{}`}},
		},
		"interleaved, with odd numbers": {
			[]piece{{1 << 60, "a", "f", ""}, {-7, "b", "g", ""}, {1 << 60, "", "", `{"a":1}`}, {-7, "", "", `{"b":1}`}},
			[]agent.Call{{ID: "a", Name: "f", Arguments: `{"a":1}`}, {ID: "b", Name: "g", Arguments: `{"b":1}`}},
		},
		"all numbered 0": {
			[]piece{{0, "a", "f", `{"a":1}`}, {0, "b", "f", `{"b":1}`}},
			[]agent.Call{{ID: "a", Name: "f", Arguments: `{"a":1}`}, {ID: "b", Name: "f", Arguments: `{"b":1}`}},
		},
		"all numbered 0, without ids": {
			[]piece{{0, "", "f", `{"a":1}`}, {0, "", "f", `{"b":1}`}},
			[]agent.Call{{ID: "call_3_0", Name: "f", Arguments: `{"a":1}`}, {ID: "call_3_1", Name: "f", Arguments: `{"b":1}`}},
		},
		"name and id with every piece": {
			[]piece{{0, "a", "f", `{"a"`}, {0, "a", "f", `:1}`}, {1, "", "g", `{"b"`}, {1, "", "g", `:1}`}},
			[]agent.Call{{ID: "a", Name: "f", Arguments: `{"a":1}`}, {ID: "call_3_1", Name: "g", Arguments: `{"b":1}`}},
		},
		"a name in pieces, and one id for all": {
			[]piece{{0, "a", "ex", ""}, {0, "", "ec", ""}, {1, "a", "f", ""}},
			[]agent.Call{{ID: "a", Name: "exec", Arguments: `{}`}, {ID: "call_3_1", Name: "f", Arguments: `{}`}},
		},
		"no name": {
			[]piece{{0, "a", "", `{`}},
			[]agent.Call{{ID: "a", Arguments: `{`}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := NewCollector(func(string) {})
			for _, p := range test.pieces {
				c.Call(p.index, p.id, p.name, p.arguments)
			}
			if diff := cmp.Diff(test.want, c.Answer(3, false, agent.Usage{}).Calls); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestArguments(t *testing.T) {
	for text, want := range map[string]string{
		`{"a": 12345678901234567890}`: `{"a": 12345678901234567890}`,
		"\n {} ":                      "\n {} ",
		"":                            "{}",
		" \n":                         "{}",
		"{":                           `{"unreadable":"{"}`,
		"[1]":                         `{"unreadable":"[1]"}`,
		`{} {}`:                       `{"unreadable":"{} {}"}`,
		"\xff":                        `{"unreadable":"\ufffd"}`,
	} {
		if got := string(Arguments(text)); got != want {
			t.Errorf("%q becomes %s", text, got)
		}
	}
}
