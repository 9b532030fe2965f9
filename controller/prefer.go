package controller

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"glovebox/api"
)

// Preferences are what a client would like (RFC 7240): those that are not known here are not heard.
type preferences struct {
	async bool
	// wait is how long it would wait for an end before it hears of an acceptance; 0 is not at all.
	wait time.Duration
}

func preferencesOf(header http.Header) (p preferences) {
	seen := map[string]bool{}
	for _, line := range header.Values("Prefer") {
		for one := range strings.SplitSeq(line, ",") {
			one, _, _ = strings.Cut(one, ";") // parameters of a preference
			name, value, _ := strings.Cut(one, "=")
			name = strings.ToLower(strings.TrimSpace(name))
			if seen[name] {
				continue // the first one counts
			}
			seen[name] = true
			switch name {
			case "respond-async":
				p.async = true
			case "wait":
				if seconds, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 16); err == nil {
					p.wait = min(time.Duration(seconds)*time.Second, maxWait)
				}
			}
		}
	}
	return p
}

// maxKeyBytes bounds an idempotency key.
const maxKeyBytes = 255

// idempotencyKey reads the header of its name; "" is none.
func idempotencyKey(header http.Header) (string, error) {
	values := header.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	// The draft of its standard writes it as a quoted string.
	if len(key) >= 2 && key[0] == '"' && key[len(key)-1] == '"' {
		key = key[1 : len(key)-1]
	}
	visible := func(r rune) bool { return r > ' ' && r < 0x7f && r != '"' && r != '\\' }
	if len(values) > 1 || key == "" || len(key) > maxKeyBytes || strings.TrimFunc(key, visible) != "" || strings.IndexFunc(key, func(r rune) bool { return !visible(r) }) >= 0 {
		return "", &api.Error{Kind: api.KindInvalid, Field: "Idempotency-Key",
			Detail: "must be given once, and hold from 1 to 255 visible characters of ASCII without quotes and backslashes"}
	}
	return key, nil
}
