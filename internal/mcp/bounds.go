package mcp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"glovebox/api"
)

// mostSessions is how many sessions a tenant may have: many clients leave theirs without a word, to be ended half an hour later. Who begins one
// more ends the one that has not been used for longest.
const mostSessions = 100

// sessions are those of each tenant, the one first that has not been used for longest. Some may have ended. It is safe for concurrent use.
type sessions struct {
	mu sync.Mutex
	of map[string][]*sdk.ServerSession
}

// add keeps a tenant's new session, and returns the one that has to end for it, or nil.
func (s *sessions) add(whose string, session *sdk.ServerSession) (over *sdk.ServerSession) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = map[string][]*sdk.ServerSession{}
	}
	its := s.of[whose]
	its = append(its, session)
	if len(its) > mostSessions {
		over, its = its[0], its[1:]
	}
	s.of[whose] = its
	return over
}

// use says that one is used, or ended.
func (s *sessions) use(whose, id string, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	its := s.of[whose]
	i := slices.IndexFunc(its, func(one *sdk.ServerSession) bool { return one.ID() == id })
	if i < 0 {
		return
	}
	one := its[i]
	if its = slices.Delete(its, i, i+1); !ended {
		its = append(its, one)
	}
	if s.of[whose] = its; len(its) == 0 {
		delete(s.of, whose)
	}
}

// seen has a request count as a use of its session.
func (s *sessions) seen(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id := r.Header.Get(sessionHeader); id != "" {
			s.use(tenantOf(r.Context()), id, r.Method == http.MethodDelete)
		}
		next.ServeHTTP(w, r)
	})
}

// boundSessions ends a tenant's oldest session where it begins one too many.
func (s *Server) boundSessions(next sdk.MethodHandler) sdk.MethodHandler {
	return func(ctx context.Context, method string, request sdk.Request) (sdk.Result, error) {
		result, err := next(ctx, method, request)
		session, ok := request.GetSession().(*sdk.ServerSession)
		if method != "initialize" || err != nil || !ok || session.ID() == "" {
			return result, err
		}
		whose := s.exchanges.tenantOf(request.GetExtra())
		if over := s.sessions.add(whose, session); over != nil {
			s.exchanges.endSession(over.ID(), whose)
			_ = over.Close() // which may have ended
		}
		return result, nil
	}
}

// tenantOf names who has sent what came with an HTTP request.
func (e *exchanges) tenantOf(extra *sdk.RequestExtra) string {
	if extra == nil {
		return ""
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if one, ok := e.open[extra.Header.Get(exchangeHeader)]; ok {
		return tenantOf(one.ctx)
	}
	return ""
}

// boundBatches refuses a request with more messages than a batch may have: the protocol's older versions bound none, and an answer may be a
// hundred times as long as what asked for it.
func boundBatches(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := oneBatch(r.Body)
		if err != nil {
			status := http.StatusBadRequest
			if errors.Is(err, errLongMessage) {
				status = http.StatusRequestEntityTooLarge
			}
			http.Error(w, err.Error(), status)
			return
		}
		r.Body = struct {
			io.Reader
			io.Closer
		}{body, r.Body}
		next.ServeHTTP(w, r)
	})
}

var errLongMessage = fmt.Errorf("the body is larger than %d bytes", maxMessageBytes)

// oneBatch returns a body as it was, or an error where it is an array that is too long. Of what is no array it reads no more than where it begins.
func oneBatch(body io.Reader) (io.Reader, error) {
	bounded := bufio.NewReader(io.LimitReader(body, maxMessageBytes+1))
	for {
		first, err := bounded.ReadByte()
		if err != nil {
			return bytes.NewReader(nil), nil // which the SDK says itself
		}
		if first == ' ' || first == '\t' || first == '\r' || first == '\n' {
			continue
		}
		_ = bounded.UnreadByte()
		if first != '[' {
			return bounded, nil
		}
		break
	}
	whole, err := io.ReadAll(bounded)
	if err != nil {
		return nil, errors.New("the body could not be read to its end")
	}
	if len(whole) > maxMessageBytes {
		return nil, errLongMessage
	}
	messages := json.NewDecoder(bytes.NewReader(whole))
	_, _ = messages.Token()
	for n := 1; messages.More(); n++ {
		if n > api.MaxBatch {
			return nil, fmt.Errorf("a batch has at most %d messages", api.MaxBatch)
		}
		var one json.RawMessage
		if messages.Decode(&one) != nil {
			break // likewise
		}
	}
	return bytes.NewReader(whole), nil
}
