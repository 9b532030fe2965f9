package main

import (
	"github.com/spf13/pflag"

	"glovebox/internal/agent"
	"glovebox/internal/agent/anthropic"
	"glovebox/internal/agent/openai"
)

// modelFlags choose the model that an agent asks.
type modelFlags struct {
	provider, name, baseURL string
	textOnly, plainHTTP     bool
}

// register adds the flags, their names with a prefix.
func (f *modelFlags) register(flags *pflag.FlagSet, prefix string) {
	flags.StringVar(&f.name, prefix+"model", "", "the model's `NAME`, as its server calls it")
	flags.StringVar(&f.provider, prefix+"provider", "openai", "what the server speaks: openai (also Ollama, vLLM, llama.cpp, LM Studio) or anthropic")
	flags.StringVar(&f.baseURL, prefix+"base-url", "", "the server's `URL` (default the provider's own, or what OPENAI_BASE_URL or ANTHROPIC_BASE_URL says)")
	flags.BoolVar(&f.textOnly, prefix+"no-tools", false, "do not offer tools to the model: it answers in JSON, as one that cannot call tools does")
	flags.BoolVar(&f.plainHTTP, prefix+"allow-plain-http", false, "let the key travel over http to another machine, where anyone on the way can read it")
}

// open returns the model. The key comes from the environment alone, where no list of processes shows it. The error
// says what is wrong with the flags or the environment; nothing is asked yet.
func (f *modelFlags) open(getenv func(string) string) (agent.Model, error) {
	provider := openai.Provider()
	switch f.provider {
	case "openai":
	case "anthropic":
		provider = anthropic.Provider()
	default:
		return nil, usageError("--provider is %q; openai and anthropic are allowed", f.provider)
	}
	options := provider.FromEnvironment(getenv)
	options.Model, options.TextOnly, options.AllowPlainHTTP = f.name, f.textOnly, f.plainHTTP
	if f.baseURL != "" {
		options.BaseURL = f.baseURL
	}
	var model agent.Model
	var err error
	if f.provider == "anthropic" {
		model, err = anthropic.New(options)
	} else {
		model, err = openai.New(options)
	}
	if err != nil {
		return nil, usageError("%w", err)
	}
	return model, nil
}
