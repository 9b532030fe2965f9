package controller

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"glovebox/api"
)

const jsonType = "application/json"

// checkMedia takes one JSON document, plain: nothing that would have to be unpacked first, since
// what unpacks can be made to explode, and nothing that an HTML form can send.
func checkMedia(header http.Header) *refusal {
	for _, coding := range header.Values("Content-Encoding") {
		if !strings.EqualFold(strings.TrimSpace(coding), "identity") {
			return refuse(kindMedia, "The body must not be encoded (Content-Encoding).")
		}
	}
	types := header.Values("Content-Type")
	if len(types) != 1 {
		return refuse(kindMedia, "The Content-Type header must be "+jsonType+".")
	}
	mediaType, params, err := mime.ParseMediaType(types[0])
	if err != nil || mediaType != jsonType {
		return refuse(kindMedia, "The Content-Type header must be "+jsonType+".")
	}
	for name, value := range params {
		if name != "charset" || !strings.EqualFold(value, "utf-8") {
			return refuse(kindMedia, "The Content-Type header takes no parameter but charset=utf-8.")
		}
	}
	return nil
}

// readBody reads a request's body, bounded alone and with all others. release gives its bytes back,
// and must be called once it is no longer held, also after an error.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) (body []byte, release func(), err error) {
	held := int64(0)
	whose := tenantOf(r.Context())
	release = func() { s.held.give(whose, held) }
	if r.ContentLength > api.MaxBodyBytes {
		// The rest of the connection is that body: it is closed, not read through.
		w.Header().Set("Connection", "close")
		return nil, release, tooLarge()
	}
	const firstGuess = 64 << 10 // the client's word alone is not worth more memory than that
	buf := bytes.NewBuffer(make([]byte, 0, min(max(r.ContentLength, 512), firstGuess)))
	bounded := http.MaxBytesReader(w, r.Body, api.MaxBodyBytes)
	for {
		n, err := io.CopyN(buf, bounded, 64<<10)
		if n > 0 && !s.held.take(whose, n) {
			w.Header().Set("Connection", "close")
			return nil, release, tooMuchHeld()
		}
		held += n
		if errors.Is(err, io.EOF) {
			return buf.Bytes(), release, nil
		}
		if err != nil {
			return nil, release, bodyRefusal(err)
		}
	}
}

func bodyRefusal(err error) *refusal {
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refuse(kindSlow, "The body has to be sent faster.")
	}
	return refuse(kindInvalid, "The body could not be read to its end.")
}

func tooMuchHeld() *refusal {
	return &refusal{kind: kindBusy, detail: "Too much data is waiting already.", retryAfter: time.Second}
}

func tooLarge() *refusal {
	return refuse(kindTooLarge, fmt.Sprintf("The body is larger than %d bytes.", api.MaxBodyBytes))
}
