package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"glovebox/api"
	"glovebox/internal/store/sqlite"
)

// The commands that scripts have beside testscript's own.

// cmdExits runs a program as exec does, and wants the exit status: exits 2 glovebox run.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS PROGRAM [ARG...]")
	}
	wantStatus(ts, args[0], ts.Exec(args[1], args[2:]...))
}

func wantStatus(ts *testscript.TestScript, want string, err error) {
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(got) != want {
		ts.Fatalf("exit status %d (%v), not %s", got, err, want)
	}
}

// cmdJSON looks into the JSON document on stdout: json error.line 3. It compares as JSON, or else as a string;
// without a value it wants the path to be there; ~ compares with a regular expression.
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 || len(args) > 3 || (len(args) == 3 && args[1] != "~") {
		ts.Fatalf("usage: [!] json PATH [[~] VALUE]")
	}
	value, there := lookUp(document(ts), args[0])
	ok := there
	switch len(args) {
	case 2:
		ok = there && equalJSON(value, args[1])
	case 3:
		text, isText := value.(string)
		ok = isText && regexp.MustCompile(args[2]).MatchString(text)
	}
	if ok == neg {
		ts.Fatalf("%s is %v (there: %v)", args[0], value, there)
	}
}

// document reads the one JSON document that stdout is.
func document(ts *testscript.TestScript) any {
	var value any
	decoder := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	ts.Check(decoder.Decode(&value))
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		ts.Fatalf("stdout holds more than one JSON document")
	}
	return value
}

// lookUp follows a path such as logs.0.message; length counts the elements of an array.
func lookUp(value any, path string) (any, bool) {
	for name := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			next, ok := v[name]
			if !ok {
				return nil, false
			}
			value = next
		case []any:
			if name == "length" {
				value = float64(len(v))
				continue
			}
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(v) {
				return nil, false
			}
			value = v[i]
		default:
			return nil, false
		}
	}
	return value, true
}

func equalJSON(value any, want string) bool {
	var wanted any
	if json.Unmarshal([]byte(want), &wanted) != nil {
		wanted = want
	}
	return reflect.DeepEqual(value, wanted)
}

// cmdResult holds stdout against the schema of a result in the contract, and wants its code: result TIMEOUT.
func cmdResult(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: result CODE")
	}
	value := document(ts)
	contract, err := loadContract()
	ts.Check(err)
	ts.Check(contract.Components.Schemas["Result"].Value.VisitJSON(value, openapi3.EnableJSONSchema2020()))
	if code, _ := lookUp(value, "resultCode"); code != args[0] {
		ts.Fatalf("the result is %v, not %s", code, args[0])
	}
}

var loadContract = sync.OnceValues(func() (*openapi3.T, error) {
	return openapi3.NewLoader().LoadFromData(api.OpenAPI())
})

// cmdSame wants stdout and stderr to be what they were when it was last called with the same name.
func cmdSame(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] same NAME")
	}
	file := ts.MkAbs(args[0] + ".same")
	now := []byte(ts.ReadFile("stdout") + "\x00" + ts.ReadFile("stderr"))
	before, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		ts.Check(os.WriteFile(file, now, 0o600))
		return
	}
	ts.Check(err)
	if bytes.Equal(before, now) == neg {
		ts.Fatalf("%q before, %q now", before, now)
	}
}

// cmdGrow writes a file of SIZE times a text: grow big.js 1048577 x.
func cmdGrow(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: grow FILE TIMES TEXT")
	}
	times, err := strconv.Atoi(args[1])
	ts.Check(err)
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	ts.Check(err)
	_, err = f.WriteString(strings.Repeat(args[2], times))
	ts.Check(errors.Join(err, f.Close()))
}

// httpClient keeps no connection: a server that drains waits for none.
var httpClient = &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}

// cmdPost sends a file as JSON, with headers, and wants the status: post 200 http://… request.json 'Prefer: wait=1'. It accepts
// what $ACCEPT says.
func cmdPost(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: post STATUS URL FILE [HEADER...]")
	}
	headers := args[3:]
	if accept := ts.Getenv("ACCEPT"); accept != "" {
		headers = append(headers, "Accept: "+accept)
	}
	answer(ts, args[0])(postJSON(args[1], ts.Getenv(envKey), strings.NewReader(ts.ReadFile(args[2])), headers...))
}

func postJSON(url, key string, body io.Reader, headers ...string) (*http.Response, error) {
	request, err := http.NewRequest(http.MethodPost, url, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
	}
	authorize(request, key)
	return httpClient.Do(request)
}

func authorize(request *http.Request, key string) {
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
}

// clientMain posts a file as post does, in a process of its own: start client client http://… request.json.
func clientMain() {
	response, err := func() (*http.Response, error) {
		file, err := os.Open(os.Args[2])
		if err != nil {
			return nil, err
		}
		return postJSON(os.Args[1], os.Getenv(envKey), file)
	}()
	if err == nil {
		_, err = io.Copy(os.Stdout, response.Body)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

// cmdGet gets a URL, and wants the status.
func cmdGet(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: get STATUS URL")
	}
	answer(ts, args[0])(getURL(args[1], ts.Getenv(envKey)))
}

func getURL(url, key string) (*http.Response, error) {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	authorize(request, key)
	return httpClient.Do(request)
}

// cmdShows gets a URL until its document has a value at a path, with $GLOVEBOX_API_KEY where there is one: shows http://… state running.
func cmdShows(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: shows URL PATH VALUE")
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		response, err := getURL(args[0], ts.Getenv(envKey))
		ts.Check(err)
		var shown any
		err = json.NewDecoder(response.Body).Decode(&shown)
		ts.Check(errors.Join(err, response.Body.Close()))
		if value, there := lookUp(shown, args[1]); there && equalJSON(value, args[2]) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s is not %s: %v", args[1], args[2], shown)
		}
	}
}

// cmdRecords waits until the ledger, as it is exported, matches: records 'task\.began'. An execution is running before its entry is there.
func cmdRecords(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: records PATTERN")
	}
	pattern := regexp.MustCompile(args[0])
	for deadline := time.Now().Add(patience); ; {
		ts.Check(ts.Exec("glovebox", "ledger", "export"))
		entries := ts.ReadFile("stdout")
		if pattern.MatchString(entries) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("the ledger does not match %s: %s", args[0], entries)
		}
	}
}

// cmdOlder makes a data directory's database what it was before its last two migrations: older $GLOVEBOX_DATA_DIR.
func cmdOlder(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: older DIRECTORY")
	}
	db, err := sql.Open("sqlite", filepath.Join(args[0], sqlite.FileName))
	ts.Check(err)
	for _, change := range []string{
		"ALTER TABLE executions DROP COLUMN idempotency_salt",
		"ALTER TABLE agent_runs DROP COLUMN idempotency_salt",
		"ALTER TABLE executions DROP COLUMN repeats",
		"DELETE FROM goose_db_version WHERE version_id > 6",
	} {
		_, err := db.Exec(change)
		ts.Check(err)
	}
	ts.Check(db.Close())
}

// cmdHold keeps others from opening a data directory's database until the script ends, as whoever migrates it does: hold $GLOVEBOX_DATA_DIR.
func cmdHold(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hold DIRECTORY")
	}
	dir, err := os.Open(args[0])
	ts.Check(err)
	ts.Defer(func() { _ = dir.Close() })
	ts.Check(unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB))
}

// answer leaves a response's body on stdout.
func answer(ts *testscript.TestScript, status string) func(*http.Response, error) {
	return func(response *http.Response, err error) {
		ts.Check(err)
		defer func() { _ = response.Body.Close() }()
		_, err = io.Copy(ts.Stdout(), response.Body)
		ts.Check(err)
		if strconv.Itoa(response.StatusCode) != status {
			ts.Fatalf("status %d, not %s", response.StatusCode, status)
		}
	}
}
