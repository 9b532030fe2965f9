package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// MaxBatch is how many requests one body may hold.
const MaxBatch = 100

// DecodeRequests reads one request, as [DecodeRequest] does, or an array of up to [MaxBatch] of them: batch is true then. Every error is an
// *[Error]; in a batch its Field begins with the request's place, as in [3].code.
func DecodeRequests(body []byte) (requests []Request, batch bool, err error) {
	if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) {
		r, err := DecodeRequest(body)
		return []Request{r}, false, err
	}
	if err := CheckJSON(body, bodyDepth+1); err != nil {
		return nil, true, bodyError(nil, err)
	}
	var parts []json.RawMessage
	if err := json.Unmarshal(body, &parts); err != nil {
		return nil, true, invalid("", "the body is not valid JSON")
	}
	if len(parts) == 0 || len(parts) > MaxBatch {
		return nil, true, invalid("", "the body holds %d requests; from 1 to %d may be in one, or a JSON object that is one", len(parts), MaxBatch)
	}
	for i, part := range parts {
		r, err := DecodeRequest(part)
		if err != nil {
			return nil, true, InBatch(err, i, true)
		}
		requests = append(requests, r)
	}
	return requests, true, nil
}

// InBatch names the place of a request in its batch in an *[Error] of it.
func InBatch(err error, i int, batch bool) error {
	var fault *Error
	if !batch || !errors.As(err, &fault) {
		return err
	}
	placed := *fault
	if placed.Field = fmt.Sprintf("[%d]", i); fault.Field != "" {
		placed.Field += "." + fault.Field
	}
	return &placed
}
