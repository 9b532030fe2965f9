package modeltest

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"glovebox/internal/agent"
	"glovebox/internal/agent/remote"
	"glovebox/internal/secret"
)

func testRateLimit(t *testing.T, client Client) {
	t.Run("then fine", func(t *testing.T) {
		s := New(t, RateLimit{}, RateLimit{RetryAfter: 2 * time.Millisecond}, Say("Four."))
		answer := mustAnswer(t, client.model(t, s), question("2+2?"))
		same(t, "text", answer.Text, "Four.")
		requests := asked(t, s, 3)
		same(t, "what is asked again", string(requests[2].Raw), string(requests[0].Raw))
	})
	t.Run("for ever", func(t *testing.T) {
		s := New(t, Forever{RateLimit{}})
		mustFail(t, client.model(t, s), question("2+2?"), http.StatusTooManyRequests, "429", "wait")
		asked(t, s, 3)
	})
	t.Run("for a day", func(t *testing.T) { // nobody waits that long in a request
		s := New(t, RateLimit{RetryAfter: 24 * time.Hour})
		mustFail(t, client.model(t, s), question("2+2?"), http.StatusTooManyRequests)
		asked(t, s, 1)
	})
	t.Run("never again", func(t *testing.T) {
		s := New(t, RateLimit{})
		mustFail(t, client.model(t, s, func(o *remote.Options) { o.Retries = -1 }), question("2+2?"), http.StatusTooManyRequests)
		asked(t, s, 1)
	})
}

func testCutStream(t *testing.T, client Client) {
	long := Say("It begins well and " + strings.Repeat("goes on ", 20))
	call := Call(agent.Call{ID: "a", Name: "execute_code", Arguments: `{"code": "return 1 + 1"}`})
	for name, cut := range map[string]CutStream{
		"in text":         {Reply: long},
		"politely":        {Reply: long, Politely: true},
		"in a call":       {Reply: call},
		"in the headers":  {Reply: long, After: 1},
		"politely, early": {Reply: long, After: 1, Politely: true},
	} {
		t.Run(name+", then fine", func(t *testing.T) {
			s := New(t, cut, cut, Say("It is whole."))
			turn := question("Tell.")
			var streamed string
			var voided int
			turn.OnText = func(text string) {
				streamed += text
				if text == "" {
					streamed = ""
					voided++
				}
			}
			answer := mustAnswer(t, client.model(t, s), turn)
			same(t, "text", answer.Text, "It is whole.")
			same(t, "streamed", streamed, "It is whole.")
			if answer.Calls != nil || answer.Cut {
				t.Errorf("the answer holds what was cut: %+v", answer)
			}
			if voided != 2 {
				t.Errorf("what was streamed is void %d times", voided)
			}
			asked(t, s, 3)
		})
	}
	t.Run("for ever", func(t *testing.T) {
		s := New(t, Forever{CutStream{Reply: long}})
		mustFail(t, client.model(t, s), question("Tell."), 0, "broke off")
		asked(t, s, 3)
	})
	t.Run("after its end", func(t *testing.T) { // nothing is missing: it must not be paid for twice
		s := New(t, Func(func(r Request) Step {
			reply := Reply{Text: "Four.", Usage: &Usage{Input: 1, Output: 1}}
			return CutStream{Reply: reply, After: untilFinish(reply, r)}
		}))
		same(t, "text", mustAnswer(t, client.model(t, s), question("2+2?")).Text, "Four.")
		asked(t, s, 1)
	})
}

// untilFinish is how many bytes of a reply are sent until its reason to end is.
func untilFinish(reply Reply, r Request) int {
	var d dialect = openAI{}
	after := 2 // the usage, and [DONE]
	if r.Protocol == "anthropic" {
		d, after = anthropic{}, 1 // message_stop
	}
	events := d.events(reply, *reply.Usage)
	return len(slices.Concat(events[:len(events)-after]...))
}

func testFailing(t *testing.T, client Client) {
	tests := map[string]struct {
		fail  Fail
		words []string
		times int
	}{
		"no key":    {Fail{Status: 401, Message: "who?"}, []string{"401", client.KeyVariable}, 1},
		"forbidden": {Fail{Status: 403, Message: "not yours"}, []string{"403", "scripted", "not yours"}, 1},
		"no model":  {Fail{Status: 404, Message: "no such model"}, []string{"404", "scripted", "base URL"}, 1},
		"bad":       {Fail{Status: 400, Message: "too many\n\x1b[31mtools"}, []string{"400", "too many [31mtools"}, 1},
		"large":     {Fail{Status: 413}, []string{"413", "too large"}, 1},
		"payment":   {Fail{Status: 402, Message: "no credit"}, []string{"402", "no credit"}, 1},
		"failing":   {Fail{Status: 500, Message: "oh"}, []string{"500", "oh"}, 3},
		"overload":  {Fail{Status: remote.StatusOverloaded, Message: "much"}, []string{"529", "overloaded"}, 3},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := New(t, Forever{test.fail})
			mustFail(t, client.model(t, s), question("2+2?"), test.fail.Status, test.words...)
			asked(t, s, test.times)
		})
	}
	t.Run("then fine", func(t *testing.T) {
		s := New(t, Fail{Status: remote.StatusOverloaded}, Fail{Status: 503}, Say("Four."))
		same(t, "text", mustAnswer(t, client.model(t, s), question("2+2?")).Text, "Four.")
	})
	t.Run("in other words", func(t *testing.T) {
		for body, word := range map[string]string{
			`{"error": "as Ollama says it"}`:                       "as Ollama says it",
			`{"object": "error", "message": "as vLLM did"}`:        "as vLLM did",
			`{"detail": "as FastAPI does"}`:                        "as FastAPI does",
			`{"error": {"message": {"no": "text"}, "code": [1]}}`:  "422",
			`<html><h1>nginx</h1>`:                                 "422",
			`{"error": {"message": "` + strings.Repeat("x", 9<<20): "422",
			``:     "422",
			`null`: "422",
			`{"error": {"message": "cut", "code": 7}`: "422",
		} {
			s := New(t, Raw{Status: 422, Header: map[string]string{"Content-Type": "application/json"}, Body: body})
			if message := mustFail(t, client.model(t, s), question("2+2?"), 422, word); len(message) > 2000 {
				t.Errorf("the error has %d bytes", len(message))
			}
		}
	})
}

func testErrorEvent(t *testing.T, client Client) {
	half := Say("It begins well and goes on")
	t.Run("then fine", func(t *testing.T) {
		s := New(t, FailStream{Reply: half, Kind: "overloaded_error", Message: "Overloaded"}, Say("Fine."))
		same(t, "text", mustAnswer(t, client.model(t, s), question("Tell.")).Text, "Fine.")
	})
	t.Run("for ever", func(t *testing.T) {
		s := New(t, Forever{FailStream{Reply: half, Kind: "overloaded_error", Message: "much to do"}})
		mustFail(t, client.model(t, s), question("Tell."), remote.StatusOverloaded, "much to do")
		asked(t, s, 3)
	})
	t.Run("for good", func(t *testing.T) {
		s := New(t, FailStream{Reply: half, Kind: "invalid_request_error", Message: "bad tools"})
		mustFail(t, client.model(t, s), question("Tell."), http.StatusBadRequest, "bad tools")
		asked(t, s, 1)
	})
}

func testTimeout(t *testing.T, client Client) {
	s := New(t, Forever{Slow{Reply: Say("It begins, and never ends.")}})
	mustFail(t, client.model(t, s, func(o *remote.Options) { o.Timeout = 50 * time.Millisecond; o.Retries = -1 }), question("Tell."), 0, "50ms")
}

func testTooLong(t *testing.T, client Client) {
	bound := func(o *remote.Options) { o.MaxAnswerBytes = 100_000 }
	stream := map[string]string{"Content-Type": "text/event-stream"}
	for name, step := range map[string]Step{
		"text without end":   Endless{},
		"a line without end": Raw{Status: 200, Header: stream, Body: "data: " + strings.Repeat("x", 200_000)},
		"empty without end":  Raw{Status: 200, Header: stream, Body: strings.Repeat(": still here\n\n", 20_000)},
	} {
		t.Run(name, func(t *testing.T) {
			s := New(t, step)
			mustFail(t, client.model(t, s, bound), question("Tell."), 0, "100000 bytes")
			asked(t, s, 1)
		})
	}
	t.Run("just fits", func(t *testing.T) {
		s := New(t, Say(strings.Repeat("x", 2000)))
		mustAnswer(t, client.model(t, s, bound), question("Tell."))
	})
}

func testNoServer(t *testing.T, client Client) {
	s := Start()
	base := client.Base(s)
	s.Close()
	model := client.model(t, s, func(o *remote.Options) { o.BaseURL = base; o.Retries = -1 })
	mustFail(t, model, question("2+2?"), 0, "is the server up?")
}

func testNoStream(t *testing.T, client Client) {
	for _, kind := range []string{"application/json", "text/html", ""} {
		s := New(t, Raw{Status: 200, Header: map[string]string{"Content-Type": kind}, Body: `{"choices": []}`})
		mustFail(t, client.model(t, s), question("2+2?"), 0, "stream")
		asked(t, s, 1)
	}
}

// A key goes to the address that it was given for.
func testRedirect(t *testing.T, client Client) {
	other := New(t)
	s := New(t, Raw{Status: 307, Header: map[string]string{"Location": client.Base(other) + "/steal"}})
	mustFail(t, client.model(t, s), question("2+2?"), 307, "base URL")
	asked(t, other, 0)
}

// A server knows the key, and may tell it back wherever it likes.
func testKey(t *testing.T, client Client) {
	echo := func(status int) Step {
		return Func(func(r Request) Step { return Fail{Status: status, Message: "the key " + r.Key + " is odd"} })
	}
	steps := map[string]Step{
		"401": echo(401), "403": echo(403), "400": echo(400), "500": echo(500),
		"event":  FailStream{Reply: Say("It begins"), Kind: "invalid_request_error", Message: Key},
		"string": Raw{Status: 400, Body: `{"error": "` + Key + `"}`},
		"type":   Raw{Status: 200, Header: map[string]string{"Content-Type": "text/" + Key}, Body: Key},
		"long":   Raw{Status: 400, Body: `{"error": "` + strings.Repeat("x", 295) + Key + `"}`},
		"junk":   Raw{Status: 200, Header: map[string]string{"Content-Type": "text/event-stream"}, Body: "event: message_start\ndata: {" + Key + "\n\n"},
	}
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			s := New(t, Forever{step})
			model := client.model(t, s)
			_, err := model.Answer(t.Context(), question("2+2?"))
			hidesKey(t, model, err)
		})
	}
	t.Run("unsendable", func(t *testing.T) {
		s := New(t)
		model := client.model(t, s, func(o *remote.Options) { o.Key = secret.New(Key + "\n" + Key); o.Retries = -1 })
		_, err := model.Answer(t.Context(), question("2+2?"))
		hidesKey(t, model, err)
	})
	t.Run("in the address", func(t *testing.T) {
		_, err := client.New(remote.Options{Model: "m", BaseURL: "http://user:" + Key + "@127.0.0.1:1/v1"})
		hidesKey(t, nil, err)
		_, err = client.New(remote.Options{Model: "m", BaseURL: "http://127.0.0.1:1/%zz?key=" + Key})
		hidesKey(t, nil, err)
	})
}

// hidesKey shows an error, and a model, in all the ways there are to look for the key.
func hidesKey(t *testing.T, model agent.Model, err error) {
	t.Helper()
	if err == nil {
		t.Fatal("there is no error")
	}
	var shown strings.Builder
	logger := slog.New(slog.NewJSONHandler(&shown, nil))
	for e := err; e != nil; e = errors.Unwrap(e) {
		_, _ = fmt.Fprintf(&shown, "%v\n%+v\n%#v\n", e, e, e)
		logger.Error("failed", "error", e, "model", model)
		encoded, err := json.Marshal(e)
		_, _ = fmt.Fprintf(&shown, "%s %v\n", encoded, err)
	}
	_, _ = fmt.Fprintf(&shown, "%v\n%+v\n%#v\n", model, model, model)
	for _, part := range []string{"0123456789", "SECRET", "sk-scripted"} {
		if strings.Contains(shown.String(), part) {
			t.Errorf("%q of the key is shown: %s", part, shown.String())
		}
	}
}
