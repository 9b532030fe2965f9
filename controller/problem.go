package controller

import (
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"glovebox/api"
	"glovebox/internal/kept"
	"glovebox/internal/quota"
)

const (
	problemType   = "application/problem+json"
	problemPrefix = "urn:glovebox:problem:"

	unrecordedName = "unrecorded"
	// ProblemUnrecorded is the type of the problem of a server that cannot write its record.
	ProblemUnrecorded = problemPrefix + unrecordedName
)

// A kind is what all problems of one type have in common.
type kind struct {
	name   string
	status int
	title  string
}

var (
	kindInvalid        = kind{"invalid-request", http.StatusBadRequest, "The request is not valid"}
	kindUnauthorized   = kind{"unauthorized", http.StatusUnauthorized, "A key is needed"}
	kindScope          = kind{"insufficient-scope", http.StatusForbidden, "The key does not open this"}
	kindForbidden      = kind{"forbidden-origin", http.StatusForbidden, "The request comes from where none may come from"}
	kindQuotaForbidden = kind{"quota-forbidden", http.StatusForbidden, "The tenant may not ask for this"}
	kindQuotaExceeded  = kind{"quota-exceeded", http.StatusTooManyRequests, "The tenant has used up a quota"}
	kindNotFound       = kind{"not-found", http.StatusNotFound, "There is nothing at this path"}
	kindMethod         = kind{"method-not-allowed", http.StatusMethodNotAllowed, "The path does not take this method"}
	kindSlow           = kind{"slow-body", http.StatusRequestTimeout, "The request's body did not come in time"}
	kindTooLarge       = kind{"too-large", http.StatusRequestEntityTooLarge, "The request is too large"}
	kindMedia          = kind{"unsupported-media-type", http.StatusUnsupportedMediaType, "The body is not plain JSON"}
	kindInternal       = kind{"internal", http.StatusInternalServerError, "Glovebox itself failed"}
	kindBusy           = kind{"busy", http.StatusServiceUnavailable, "There is no place now"}
	kindUnrecorded     = kind{unrecordedName, http.StatusServiceUnavailable, "The server cannot write its record"}
	kindUnavailable    = kind{"unavailable", http.StatusServiceUnavailable, "Glovebox cannot run scripts now"}
)

// A refusal is an error that is answered with a problem document. Its text is for the client.
type refusal struct {
	kind       kind
	detail     string
	field      string
	resultCode api.ResultCode
	retryAfter time.Duration // 0 means not said
	quota      *quota.Error  // nil where it is about none
	challenge  string        // of WWW-Authenticate; "" means none
	// cause is the server's own trouble behind it: logged, never shown.
	cause error
}

func (r *refusal) Error() string { return r.kind.name + ": " + r.detail }

func (r *refusal) Unwrap() error { return r.cause }

func refuse(k kind, detail string) *refusal { return &refusal{kind: k, detail: detail} }

// failed is a refusal for what is our own fault; nothing of the cause is shown.
func failed(cause error) *refusal {
	return &refusal{
		kind: kindInternal, detail: "Glovebox failed before the script had a result. The server's log tells more under the request's id.",
		resultCode: api.ExecutionFailed, cause: cause,
	}
}

// unrecorded is the answer where the server's record cannot be written, as on a disk that is full; nil where that is not why. Nothing has
// run, and it may be asked again, unless there is a result code: then it has, and what came of it is told to nobody.
func unrecorded(err error) *refusal {
	r := &refusal{kind: kindUnrecorded, retryAfter: kept.RecordRetry, cause: err}
	switch {
	case kept.NotBegun(err):
		r.detail = "The server cannot write its record now, and so nothing was run."
	case kept.Withheld(err):
		r.detail = "It ran, but the server cannot write the record of its end now, and so tells nothing of what came of it."
		r.resultCode = api.ExecutionFailed
	default:
		return nil
	}
	return r
}

// refuseRequest is the one place where faults that package api found become answers.
func refuseRequest(e *api.Error) *refusal {
	k := kindInvalid
	if e.Kind == api.KindTooLarge {
		k = kindTooLarge
	}
	return &refusal{kind: k, detail: e.Error(), field: e.Field, resultCode: e.ResultCode}
}

// refuseQuota is the one place where a tenant's quotas become answers.
func refuseQuota(e *quota.Error) *refusal {
	k := kindQuotaExceeded
	if e.Forbidden {
		k = kindQuotaForbidden
	}
	return &refusal{kind: k, detail: e.Error(), field: e.Field, retryAfter: e.After, quota: e}
}

// asRefusal makes an answer of any error.
func asRefusal(err error) *refusal {
	var r *refusal
	if errors.As(err, &r) {
		return r
	}
	var invalid *api.Error
	if errors.As(err, &invalid) {
		return refuseRequest(invalid)
	}
	var routing *echo.HTTPError
	if errors.As(err, &routing) {
		switch routing.Code {
		case http.StatusNotFound:
			return refuse(kindNotFound, "The paths are listed in /openapi.yaml.")
		case http.StatusMethodNotAllowed:
			return refuse(kindMethod, "The Allow header lists the methods that it takes.")
		}
	}
	return failed(err)
}

// answerError answers a request whose handler, or whose routing, ended in an error.
func (s *Server) answerError(err error, c echo.Context) {
	r := asRefusal(err)
	if r.cause != nil {
		ctx := c.Request().Context()
		attrs := []slog.Attr{slog.String("problem", r.kind.name), slog.Any("error", r.cause)}
		if r.kind == kindInternal { // each may be another
			s.config.Log.LogAttrs(ctx, slog.LevelError, "request failed", attrs...)
		} else {
			s.thin.write(ctx, slog.LevelError, thinKind{"request failed", r.kind.name, tenantOf(ctx)}, attrs...)
		}
	}
	if c.Response().Committed {
		return
	}
	header := c.Response().Header()
	if r.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(retrySeconds(r.retryAfter)))
	}
	if r.challenge != "" {
		header.Set("WWW-Authenticate", r.challenge)
	}
	if r.kind == kindMedia {
		header.Set("Accept-Encoding", "identity")
		header.Set("Accept-Post", jsonType)
	}
	problem := api.Problem{
		Type: problemPrefix + r.kind.name, Title: r.kind.title, Status: r.kind.status,
		Detail: r.detail, Field: r.field, ResultCode: r.resultCode, RequestID: requestID(c),
	}
	if r.quota != nil {
		c.Set(keyQuota, r.quota)
		problem.Quota, problem.Limit, problem.Used, problem.Allowed = r.quota.Quota, r.quota.Limit, r.quota.Used, r.quota.Allowed
	}
	// A client that does not take its answer is told of by observe.
	_ = s.writeJSON(c, r.kind.status, problemType, problem)
}

// retrySeconds rounds up: who comes back too early would come in vain.
func retrySeconds(d time.Duration) int {
	return max(1, int(math.Ceil(d.Seconds())))
}
