package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/rogpeppe/go-internal/testscript"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// A received post, as the receiver prints it.
type received struct {
	Header http.Header `json:"header"`
	Body   string      `json:"body"`
	Status int         `json:"status"` // that was answered
}

// receiverMain is a webhook's receiver, in a process of its own. It answers with the status that a file has at the time, and prints
// each post as a line of JSON: start hook receiver status.
func receiverMain() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "receiver:", err)
		os.Exit(1)
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	var one sync.Mutex
	err = http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one.Lock()
		defer one.Unlock()
		body, err := io.ReadAll(r.Body)
		text, statusErr := os.ReadFile(os.Args[1])
		status, numberErr := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil || statusErr != nil || numberErr != nil || r.Method != http.MethodPost {
			fmt.Fprintln(os.Stderr, "receiver:", r.Method, err, statusErr, numberErr)
			status = http.StatusInternalServerError
		}
		_ = json.NewEncoder(os.Stdout).Encode(received{r.Header, string(body), status})
		w.WriteHeader(status)
	}))
	fmt.Fprintln(os.Stderr, "receiver:", err)
	os.Exit(1)
}

// cmdSigned wants what a receiver has printed to be so many posts, all of them as the contract has them, and signed with a secret that a file
// has, by the judgement of Standard Webhooks' own library; the last one's id and body it leaves on stdout: signed 2 hook.out secret.
func cmdSigned(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: signed NUMBER FILE SECRET")
	}
	verifier, err := standardwebhooks.NewWebhook(strings.TrimSpace(ts.ReadFile(args[2])))
	ts.Check(err)
	contract, err := loadContract()
	ts.Check(err)
	n := 0
	var last received
	for line := range strings.Lines(ts.ReadFile(args[1])) {
		if !strings.HasPrefix(line, "{") {
			continue // where it listens
		}
		last = received{}
		ts.Check(json.Unmarshal([]byte(line), &last))
		ts.Check(verifier.Verify([]byte(last.Body), last.Header))
		var event any
		ts.Check(json.Unmarshal([]byte(last.Body), &event))
		ts.Check(contract.Components.Schemas["WebhookEvent"].Value.VisitJSON(event, openapi3.EnableJSONSchema2020()))
		n++
	}
	if strconv.Itoa(n) != args[0] {
		ts.Fatalf("%d posts, not %s: %s", n, args[0], ts.ReadFile(args[1]))
	}
	fmt.Fprintf(ts.Stdout(), `{"webhookId":%q,"status":%d,"event":%s}`+"\n", last.Header.Get("webhook-id"), last.Status, last.Body)
}
