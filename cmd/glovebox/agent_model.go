package main

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/pflag"

	"glovebox/internal/agent"
	"glovebox/internal/agent/anthropic"
	"glovebox/internal/agent/openai"
	"glovebox/internal/agent/remote"
	"glovebox/internal/config"
	"glovebox/internal/secret"
)

// modelFlags choose the model that an agent asks.
type modelFlags struct {
	provider, name, baseURL string
	keyFile                 string
	textOnly, plainHTTP     bool
	prefix                  string // of the flags' names
}

// register adds the flags, their names with a prefix.
func (f *modelFlags) register(flags *pflag.FlagSet, prefix string) {
	f.prefix = prefix
	flags.StringVar(&f.name, prefix+"model", "", "the model's `NAME`, as its server calls it")
	flags.StringVar(&f.provider, prefix+"provider", "openai", "what the server speaks: openai (also Ollama, vLLM, llama.cpp, LM Studio) or anthropic")
	flags.Var((*address)(&f.baseURL), prefix+"base-url", "the server's `URL` (default the provider's own, or what OPENAI_BASE_URL or ANTHROPIC_BASE_URL says)")
	flags.StringVar(&f.keyFile, prefix+"key-file", "", "`FILE` with the model's key (default what OPENAI_API_KEY or ANTHROPIC_API_KEY holds)")
	flags.BoolVar(&f.textOnly, prefix+"no-tools", false, "do not offer tools to the model: it answers in JSON, as one that cannot call tools does")
	flags.BoolVar(&f.plainHTTP, prefix+"allow-plain-http", false, "let the key travel over http to another machine, where anyone on the way can read it")
	for _, name := range []string{"model", "provider", "base-url", "key-file", "no-tools", "allow-plain-http"} {
		config.MarkAs(flags, prefix+name, agentPrefix+name)
	}
}

// An address is a URL that shows itself only where it can hold no password or key.
type address string

func (a *address) Set(text string) error { *a = address(text); return nil }
func (a *address) Type() string          { return "string" }
func (a *address) String() string {
	u, err := url.Parse(string(*a))
	if err != nil || u.User != nil || u.Opaque != "" || u.RawQuery != "" || u.Fragment != "" {
		return secret.Redacted
	}
	return string(*a)
}

// speaks returns the provider whose protocol the server speaks.
func (f *modelFlags) speaks() (remote.Provider, error) {
	switch f.provider {
	case "openai":
		return openai.Provider(), nil
	case "anthropic":
		return anthropic.Provider(), nil
	}
	return remote.Provider{}, badSetting(fmt.Errorf("--%sprovider is %q; openai and anthropic are allowed", f.prefix, f.provider), f.prefix+"provider")
}

// open returns the model. The key comes from a file or the environment, where no list of processes shows it. The error
// says what is wrong with the flags or the environment; nothing is asked yet.
func (f *modelFlags) open(getenv func(string) string) (agent.Model, error) {
	provider, err := f.speaks()
	if err != nil {
		return nil, err
	}
	options := provider.FromEnvironment(getenv)
	if f.keyFile != "" {
		if options.Key, err = readKey(f.keyFile); err != nil {
			return nil, badSetting(fmt.Errorf("--%skey-file: %w", f.prefix, err), f.prefix+"key-file")
		}
	}
	options.Model, options.TextOnly, options.AllowPlainHTTP = f.name, f.textOnly, f.plainHTTP
	if f.baseURL != "" {
		options.BaseURL = f.baseURL
	}
	var model agent.Model
	if f.provider == "anthropic" {
		model, err = anthropic.New(options)
	} else {
		model, err = openai.New(options)
	}
	if err != nil {
		return nil, badSetting(err, f.prefix+"model", f.prefix+"base-url")
	}
	return model, nil
}

// readKey reads a key, which is all that a file holds.
func readKey(name string) (secret.Secret, error) {
	const most = 16 << 10
	text, err := readFile("the key", name, strings.NewReader(""), most)
	if err != nil {
		return secret.Secret{}, err
	}
	key := strings.TrimSpace(string(text))
	if key == "" || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return secret.Secret{}, fmt.Errorf("%s holds no key: one line of printable ASCII is wanted", name)
	}
	return secret.New(key), nil
}
