package remote

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"unicode"

	"glovebox/internal/agent"
)

// ErrCut is the error of an Ask whose answer ended before it was whole, with no other error.
var ErrCut = errors.New("the answer broke off")

// ErrWithheld is the error of an Ask whose answer the provider's own rules withheld.
var ErrWithheld = errors.New("the answer was withheld")

// An EventError is an error that a server sent within a stream.
type EventError struct {
	status  int
	message string
}

func (e *EventError) Error() string { return e.message }

// StatusOverloaded is Anthropic's status for "too much to do".
const StatusOverloaded = 529

// kinds are the names of errors within streams, with the status that each would have had as a response.
var kinds = map[string]int{
	"invalid_request_error": http.StatusBadRequest,
	"BadRequestError":       http.StatusBadRequest,
	"authentication_error":  http.StatusUnauthorized,
	"billing_error":         http.StatusPaymentRequired,
	"permission_error":      http.StatusForbidden,
	"not_found_error":       http.StatusNotFound,
	"request_too_large":     http.StatusRequestEntityTooLarge,
	"rate_limit_error":      http.StatusTooManyRequests,
	"rate_limit_exceeded":   http.StatusTooManyRequests,
	"insufficient_quota":    http.StatusPaymentRequired,
	"timeout_error":         http.StatusGatewayTimeout,
	"overloaded_error":      StatusOverloaded,
}

// NewEventError reads the JSON of an error event; it takes what it can of any bytes.
func NewEventError(data []byte) *EventError {
	said := read(data)
	status := said.code
	if status < 400 || status > 599 {
		status = kinds[said.kind]
	}
	if status == 0 {
		status = http.StatusInternalServerError
	}
	return &EventError{status: status, message: said.message}
}

// What a server says of an error.
type said struct {
	kind    string
	code    int
	message string
}

// read takes from an error's JSON what the various servers put there: {"error": {"message", "type", "code"}},
// {"error": "message"}, {"message": …}, {"detail": …}. Of anything else it takes nothing.
func read(data []byte) said {
	var envelope struct {
		Error   json.RawMessage
		Message json.RawMessage
		Detail  json.RawMessage
	}
	if json.Unmarshal(data, &envelope) != nil {
		return said{}
	}
	var inner struct {
		Type    json.RawMessage
		Code    json.RawMessage
		Message json.RawMessage
	}
	if json.Unmarshal(envelope.Error, &inner) != nil {
		return said{message: first(envelope.Error, envelope.Message, envelope.Detail)}
	}
	s := said{kind: first(inner.Type), message: first(inner.Message)}
	if kind := first(inner.Code); kinds[kind] != 0 {
		s.kind = kind
	}
	_ = json.Unmarshal(inner.Code, &s.code) // a number with some servers, and a name with others
	return s
}

// first returns the first of the values that is a string and not empty.
func first(values ...json.RawMessage) string {
	for _, value := range values {
		var text string
		if json.Unmarshal(value, &text) == nil && text != "" {
			return text
		}
	}
	return ""
}

// judge turns the error of a try into one for the caller, and says whether another try may end better.
// What the SDKs retry by themselves, which is all that goes wrong before an answer begins, does not.
func (c *Caller) judge(ctx context.Context, x *Exchange, err error) (failure error, worthAnother bool) {
	if ctx.Err() != nil {
		return ctx.Err(), false
	}
	var event *EventError
	switch {
	case x.status >= http.StatusBadRequest:
		return c.refused(x.status, read(x.body).message), false
	case x.status >= http.StatusMultipleChoices:
		return c.failure(x.status, "%s redirects to another address (%d), and keys are not sent along: set the base URL to that one", c.who(), x.status), false
	case errors.Is(err, context.DeadlineExceeded):
		return c.failure(0, "%s gave no whole answer within %s: allow more time, or ask a faster model", c.who(), c.opts.Timeout), false
	case errors.Is(err, errTooLong), errors.Is(err, bufio.ErrTooLong):
		return c.failure(0, "%s sent more than an answer can be (%d bytes): it was cut off", c.who(), c.opts.MaxAnswerBytes), false
	case errors.As(err, &event):
		return c.refused(event.status, event.message), transient(event.status)
	case errors.Is(err, ErrWithheld):
		return c.failure(0, "%s withheld the answer by its own rules: put the task otherwise", c.who()), false
	case x.status == 0:
		return c.unreachable(err), false
	case x.contentType != "text/event-stream":
		return c.failure(0, "%s answers with %q and not with a stream of events: is that the base URL of an API, and can it stream?", c.who(), c.clean(x.contentType)), false
	default:
		return c.failure(0, "the answer of %s broke off, and again when it was asked for anew: is the server well, and the network?", c.who()), true
	}
}

// transient reports whether a status may be another one soon.
func transient(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusConflict || status == http.StatusTooManyRequests || status >= 500
}

// refused is the error of a status, with what the server said of it.
func (c *Caller) refused(status int, message string) *agent.ModelError {
	key := c.provider.KeyVariable
	because := ""
	if message = c.clean(message); message != "" {
		because = ": " + message
	}
	switch status {
	case http.StatusUnauthorized:
		// What the server says is left out here, since some tell parts of the key.
		if c.opts.Key.IsZero() {
			return c.failure(status, "%s wants a key (401): set %s", c.who(), key)
		}
		return c.failure(status, "%s does not take the key (401): set %s to a valid one", c.who(), key)
	case http.StatusPaymentRequired:
		return c.failure(status, "%s wants payment (402): see to the account of the key%s", c.who(), because)
	case http.StatusForbidden:
		return c.failure(status, "%s does not let this key use the model %s (403): use another model, or another %s%s", c.who(), c.opts.Model, key, because)
	case http.StatusNotFound:
		return c.failure(status, "%s has no model %s, or its API is at another base URL (404): name one that is there%s", c.who(), c.opts.Model, because)
	case http.StatusRequestEntityTooLarge:
		return c.failure(status, "the conversation is too large for %s (413)%s", c.who(), because)
	case http.StatusTooManyRequests:
		return c.failure(status, "%s limits how much is asked of it (429), and still did after the tries allowed: wait, or have the limit raised%s", c.who(), because)
	case http.StatusServiceUnavailable, StatusOverloaded:
		return c.failure(status, "%s is overloaded (%d), and still was after the tries allowed: ask again later%s", c.who(), status, because)
	}
	if status >= 500 {
		return c.failure(status, "%s failed (%d), and still did after the tries allowed: ask again later, or look into its log%s", c.who(), status, because)
	}
	return c.failure(status, "%s does not take the request (%d)%s", c.who(), status, because)
}

// unreachable is the error of a request that got no response.
func (c *Caller) unreachable(err error) *agent.ModelError {
	var asked *url.Error
	if errors.As(err, &asked) {
		err = asked.Err // which does not tell the address again
	}
	var name *net.DNSError
	var failure *agent.ModelError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		failure = c.failure(0, "nothing listens at %s: is the server up?", c.base.Host)
	case errors.As(err, &name):
		failure = c.failure(0, "there is no host %s to be found: is the base URL right, and the network up?", c.base.Hostname())
	default:
		failure = c.failure(0, "%s could not be asked: %s", c.who(), c.clean(err.Error()))
	}
	// The error itself is passed on only where it is known what it holds: an SDK's holds the request, key and all.
	var network *net.OpError
	if errors.As(err, &network) {
		failure.Err = network
	}
	return failure
}

// Failure is the error of a turn that cannot be asked at all.
func (c *Caller) Failure(err error) *agent.ModelError {
	return c.failure(0, "%s", c.clean(err.Error()))
}

func (c *Caller) failure(status int, format string, args ...any) *agent.ModelError {
	return &agent.ModelError{Status: status, Message: fmt.Sprintf(format, args...)}
}

// who is whom we ask, as people know it.
func (c *Caller) who() string {
	if c.OwnServers() {
		return c.provider.Name
	}
	return "the server at " + c.base.Host
}

// maxSaid bounds what is told of a server's own words, in runes.
const maxSaid = 300

// clean makes a server's words fit for a sentence of ours: without the key, in one line, and short.
func (c *Caller) clean(text string) string {
	text = c.opts.Key.Scrub(text) // first, since half a key would not be found
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsGraphic(r) }), " ")
	if runes := []rune(text); len(runes) > maxSaid {
		text = string(runes[:maxSaid]) + "…"
	}
	return text
}
