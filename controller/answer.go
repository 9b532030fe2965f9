package controller

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
)

// writeJSON answers with a document. It is made whole before its first byte is sent: what cannot be
// encoded can still be answered with an error. HTML's characters are not escaped, so that a script's
// output goes out as it came.
func (s *Server) writeJSON(c echo.Context, status int, mediaType string, document any) error {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(document); err != nil {
		return failed(err)
	}
	return s.write(c, status, mediaType, body.Bytes())
}

// write answers with a body. A client that reads too slowly is cut off. The error is the
// connection's: there is nobody left to tell.
func (s *Server) write(c echo.Context, status int, mediaType string, body []byte) error {
	release, ok := s.held.takeAnswer(tenantOf(c.Request().Context()), len(body))
	if !ok {
		return tooMuchHeld()
	}
	defer release()
	s.boundWrite(c)
	header := c.Response().Header()
	header.Set("Content-Type", mediaType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	c.Response().WriteHeader(status)
	if c.Request().Method == http.MethodHead {
		return nil
	}
	if _, err := c.Response().Write(body); err != nil {
		s.config.Log.DebugContext(c.Request().Context(), "answer not taken", "error", err)
	}
	return nil
}

// boundWrite starts the time within which the answer has to be taken. The http.Server's own
// WriteTimeout would count the script's time too.
func (s *Server) boundWrite(c echo.Context) {
	// Writers without deadlines (a recorder in a test) have no slow readers either.
	_ = http.NewResponseController(c.Response()).SetWriteDeadline(time.Now().Add(s.bounds.write))
}
