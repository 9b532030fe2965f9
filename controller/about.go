package controller

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"glovebox/api"
)

func (s *Server) info(c echo.Context) error {
	info := api.Info{
		Build:     s.config.Build,
		Languages: []api.Language{api.JavaScript, api.TypeScript},
		Libraries: append([]Library{}, s.config.Libraries...),
		Limits: api.Limits{
			CodeBytes: api.MaxCodeBytes, InputDataBytes: api.MaxInputBytes, JSONDepth: api.MaxDepth,
			TimeoutSeconds: api.Range{Min: api.MinTimeoutSeconds, Max: api.MaxTimeoutSeconds, Default: api.DefaultTimeoutSeconds},
			MemoryLimitMB:  api.Range{Min: api.MinMemoryLimitMB, Max: api.MaxMemoryLimitMB, Default: api.DefaultMemoryLimitMB},
			CPUs:           api.Range{Min: api.MinCPUs, Max: float64(s.config.HostCPUs), Default: api.DefaultCPUs},
			OutputBytes:    api.MaxOutputBytes, LogBytes: api.MaxLogBytes, LogEntries: api.MaxLogEntries,
		},
	}
	for _, row := range api.Codes() {
		info.ResultCodes = append(info.ResultCodes, api.ResultMeaning{Code: row.Code, Meaning: row.Meaning, Fix: row.Fix, Retry: row.Retry})
	}
	return s.writeJSON(c, http.StatusOK, jsonType, info)
}

func (s *Server) openAPI(c echo.Context) error {
	return s.write(c, http.StatusOK, "application/yaml", api.OpenAPI())
}

// Health is the answer of /healthz and /readyz.
type Health struct {
	Status string `json:"status"`
}

// healthy says that the process answers, and no more.
func (s *Server) healthy(c echo.Context) error {
	return s.writeJSON(c, http.StatusOK, jsonType, Health{Status: "ok"})
}

// ready says whether a script that is sent now could be run.
func (s *Server) ready(c echo.Context) error {
	if s.draining.Load() {
		return stopping()
	}
	if s.config.Ready != nil {
		ctx, cancel := context.WithTimeout(c.Request().Context(), s.bounds.ready)
		defer cancel()
		if err := s.config.Ready(ctx); err != nil {
			return &refusal{kind: kindUnavailable, detail: "The driver cannot make boxes now. The server's log and glovebox doctor tell more.",
				retryAfter: 5 * time.Second, cause: err}
		}
	}
	return s.writeJSON(c, http.StatusOK, jsonType, Health{Status: "ready"})
}
