package controller

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"glovebox/api"
)

// Info is what a client may want to know before it sends a script.
type Info struct {
	Build       Build           `json:"build"`
	Languages   []api.Language  `json:"languages"`
	Libraries   []Library       `json:"libraries"`
	Limits      Limits          `json:"limits"`
	ResultCodes []ResultMeaning `json:"resultCodes"`
}

// Limits is what one request may ask for and give, on this host.
type Limits struct {
	CodeBytes      int   `json:"codeBytes"`
	InputDataBytes int   `json:"inputDataBytes"`
	JSONDepth      int   `json:"jsonDepth"`
	TimeoutSeconds Range `json:"timeoutSeconds"`
	MemoryLimitMB  Range `json:"memoryLimitMB"`
	CPUs           Range `json:"cpus"`
	OutputBytes    int   `json:"outputBytes"`
	LogBytes       int   `json:"logBytes"`
	LogEntries     int   `json:"logEntries"`
}

// A Range is what a number may be, both ends included, and what it is where it was not given.
type Range struct {
	Min     float64 `json:"min"`
	Max     float64 `json:"max"`
	Default float64 `json:"default"`
}

// A ResultMeaning is a row of the table of result codes.
type ResultMeaning struct {
	Code    api.ResultCode `json:"code"`
	Meaning string         `json:"meaning"`
	Fix     string         `json:"fix"`
	Retry   api.Retry      `json:"retry"`
}

func (s *Server) info(c echo.Context) error {
	info := Info{
		Build:     s.config.Build,
		Languages: []api.Language{api.JavaScript, api.TypeScript},
		Libraries: append([]Library{}, s.config.Libraries...),
		Limits: Limits{
			CodeBytes: api.MaxCodeBytes, InputDataBytes: api.MaxInputBytes, JSONDepth: api.MaxDepth,
			TimeoutSeconds: Range{api.MinTimeoutSeconds, api.MaxTimeoutSeconds, api.DefaultTimeoutSeconds},
			MemoryLimitMB:  Range{api.MinMemoryLimitMB, api.MaxMemoryLimitMB, api.DefaultMemoryLimitMB},
			CPUs:           Range{api.MinCPUs, float64(s.config.HostCPUs), api.DefaultCPUs},
			OutputBytes:    api.MaxOutputBytes, LogBytes: api.MaxLogBytes, LogEntries: api.MaxLogEntries,
		},
	}
	for _, row := range api.Codes() {
		info.ResultCodes = append(info.ResultCodes, ResultMeaning{row.Code, row.Meaning, row.Fix, row.Retry})
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
