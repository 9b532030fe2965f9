package controller

import (
	"crypto/sha256"
	_ "embed" // for the page
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

//go:embed playground.html
var playgroundHTML string

// A page is a self-contained HTML document and the policy under which a browser runs it: its own
// script and style by their hashes, and nothing else from anywhere.
type page struct {
	html   []byte
	policy string
}

func newPage() page {
	return page{
		html: []byte(playgroundHTML),
		policy: fmt.Sprintf("default-src 'none'; script-src %s; style-src %s; connect-src 'self'; "+
			"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
			sourceHash(playgroundHTML, "script"), sourceHash(playgroundHTML, "style")),
	}
}

// sourceHash returns what a policy calls the text of the page's one element of that name.
func sourceHash(html, element string) string {
	_, rest, _ := strings.Cut(html, "<"+element+">")
	text, _, _ := strings.Cut(rest, "</"+element+">")
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func (s *Server) playground(c echo.Context) error {
	c.Response().Header().Set("Content-Security-Policy", s.page.policy)
	return s.write(c, http.StatusOK, "text/html; charset=utf-8", s.page.html)
}
