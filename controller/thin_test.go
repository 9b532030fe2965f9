package controller

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/internal/logcontext"
	"glovebox/internal/tenant"
)

// Each unknown key and each refused POST wrote a line of the log, 1.6 MB a second of whoever reached the server: what is refused is told as it is
// a few times a minute, and then counted.
func TestAFloodOfRefusalsWritesFewLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logged
		logger := slog.New(logcontext.NewHandler(slog.NewJSONHandler(&log, nil)))
		ring := newKeyring("acme")
		_, reads := ring.add(t, "acme", tenant.ScopeRead)
		_, good := ring.add(t, "acme", tenant.ScopeExecute)
		s := testServer(t, succeeds, ring.option(), func(c *Config, _ *bounds) { c.Log = logger })
		const flood = 500
		for range flood {
			unknown, revealed, err := tenant.NewKey("acme", "", []tenant.Scope{tenant.ScopeExecute}, time.Now(), time.Time{})
			if err != nil {
				t.Fatal(unknown, err)
			}
			ask(t, s, keyed(revealed.Reveal(), request("GET", "/v1/info", nil)))
			ask(t, s, keyed(reads, request("GET", "/metrics", nil)))
			ask(t, s, post(`{"code":"1"}`))
			ask(t, s, keyed(good, post(`{`)))
		}
		ask(t, s, keyed(good, post(`{"code":"1"}`))).result(t)
		lines := func() (all []map[string]any) {
			for text := range strings.Lines(log.String()) {
				var line map[string]any
				if err := json.Unmarshal([]byte(text), &line); err != nil {
					t.Fatal(err)
				}
				all = append(all, line)
			}
			return all
		}
		before := lines()
		if len(before) != 4*thinLines+1 || before[len(before)-1]["status"] != float64(http.StatusOK) {
			t.Fatalf("%d lines, the last of which is %v", len(before), before[len(before)-1])
		}
		time.Sleep(thinWindow)
		synctest.Wait()
		told := map[string]bool{}
		for _, line := range lines()[len(before):] {
			if line["more"] != float64(flood-thinLines) {
				t.Errorf("%v", line)
			}
			whose, _ := line["tenant"].(string)
			told[line["level"].(string)+" "+line["msg"].(string)+": "+line["reason"].(string)+" "+whose] = true
		}
		for _, want := range []string{"WARN key refused: there is no key by this id ", "WARN key refused: it lacks the scope acme", "INFO request: status 401 ", "INFO request: status 400 acme"} {
			if !told[want] {
				t.Errorf("nothing of %q in %v", want, told)
			}
		}
		if len(told) != 4 {
			t.Errorf("%v", told)
		}
		// What stays quiet costs nothing, and what comes again is told again.
		if len(s.thin.kinds) != 0 {
			t.Errorf("%v", s.thin.kinds)
		}
		ask(t, s, post(`{"code":"1"}`))
		if got := len(lines()); got != len(before)+5 {
			t.Errorf("%d lines", got)
		}
	})
}

// However many tenants are refused at once, the kinds that are remembered are bounded, and a server that stops tells what it has counted.
func TestThinnedLinesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logged
		l := &thinLog{log: slog.New(slog.NewTextHandler(&log, nil))}
		for n := range 2 * maxThinKinds {
			l.write(t.Context(), slog.LevelWarn, thinKind{"refused", "x", strings.Repeat("a", n)})
		}
		if len(l.kinds) > maxThinKinds+1 {
			t.Errorf("%d kinds", len(l.kinds))
		}
		l.flush()
		if text := log.String(); strings.Count(text, "\n") != maxThinKinds+thinLines+1 || !strings.Contains(text, "more=980 within=1m0s reason=others") {
			t.Errorf("%s", text[max(0, len(text)-300):])
		}
	})
}
