package controller

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"glovebox/api"
)

func (s *Server) info(c echo.Context) error {
	info := api.NewInfo(s.config.Build, s.config.Libraries, s.config.HostCPUs)
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
			return &refusal{kind: kindUnavailable, detail: "A script that is sent now could not be run. The server's log and glovebox doctor tell more.",
				retryAfter: 5 * time.Second, cause: err}
		}
	}
	return s.writeJSON(c, http.StatusOK, jsonType, Health{Status: "ready"})
}
