package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"iter"
	"net/http"
	"strconv"

	"glovebox/api"
)

const eventsType = "text/event-stream"

// errBrokeOff says that a stream ended before what it tells of did.
var errBrokeOff = errors.New("the stream of events broke off before the end")

// A streamed is one Server-Sent Event.
type streamed struct {
	id   int
	name string
	data []byte
}

// endEvent is the name of the event that tells of an end.
const endEvent = "end"

// follow tells the events of one resource behind one of them, up to its end. Where the server says that everything was told, it tells none.
func (c *Client) follow(ctx context.Context, path, id string, after int) iter.Seq2[streamed, error] {
	return func(yield func(streamed, error) bool) {
		path, err := below(path, id)
		if err != nil {
			yield(streamed{}, err)
			return
		}
		header := http.Header{"Accept": {eventsType + ", " + problemType}}
		if after > 0 {
			header.Set("Last-Event-ID", strconv.Itoa(after))
		}
		response, err := c.open(ctx, call{path: path + "/events", header: header})
		if err != nil {
			yield(streamed{}, err)
			return
		}
		defer func() { _ = response.Body.Close() }()
		switch response.StatusCode {
		case http.StatusNoContent:
			return
		case http.StatusOK:
			err = checkForm(response, eventsType)
		default:
			_, err = c.read(ctx, response, 0)
		}
		if err != nil {
			yield(streamed{}, err)
			return
		}
		events := bufio.NewScanner(response.Body)
		events.Buffer(nil, maxResultBytes)
		for {
			event, err := next(events)
			var wrong *AnswerError
			if err != nil && !errors.As(err, &wrong) {
				err = c.lost(ctx, err)
			}
			if !yield(event, err) || err != nil || event.name == endEvent {
				return
			}
		}
	}
}

// next reads one event; a comment is none. Data is of one line, as a Glovebox writes it.
func next(lines *bufio.Scanner) (e streamed, err error) {
	id := ""
	for lines.Scan() {
		line := bytes.TrimSuffix(lines.Bytes(), []byte("\r"))
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "id":
			id = string(value)
		case "event":
			e.name = string(value)
		case "data":
			e.data = bytes.Clone(value)
		}
		if len(line) > 0 || e.data == nil {
			continue
		}
		if e.id, err = strconv.Atoi(id); err != nil || e.id < 1 {
			return streamed{}, &AnswerError{http.StatusOK, "an event has no id"}
		}
		if err := api.CheckJSON(e.data, answerDepth); err != nil {
			return streamed{}, &AnswerError{http.StatusOK, "an event: " + err.Error()}
		}
		return e, nil
	}
	switch {
	case errors.Is(lines.Err(), bufio.ErrTooLong):
		return streamed{}, &AnswerError{http.StatusOK, "an event is too large"}
	case lines.Err() != nil:
		return streamed{}, lines.Err()
	}
	return streamed{}, errBrokeOff
}
