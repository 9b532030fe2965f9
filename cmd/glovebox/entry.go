package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"glovebox/controller"
	"glovebox/internal/store/sqlite"
	"glovebox/internal/tenant"
)

// entryFlags say how a server is reached.
type entryFlags struct {
	listen          string
	tlsCert, tlsKey string
	insecureHTTP    bool
	allowHosts      []string
	certificate     *controller.Certificate // nil where there is no TLS
}

func (f *entryFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8080", "`ADDRESS` to listen on; port 0 takes any that is free; beyond loopback there must be a tenant with a key, and TLS")
	flags.StringVar(&f.tlsCert, "tls-cert", "", "`FILE` of PEM with the certificate to serve HTTPS with, and those of its issuers; it is read again when it changes")
	flags.StringVar(&f.tlsKey, "tls-key", "", "`FILE` of PEM with the certificate's private key")
	flags.BoolVar(&f.insecureHTTP, "insecure-http", false, "listen beyond loopback without TLS, for where something in front has it: else keys, code and data can be read on their way")
	flags.StringArrayVar(&f.allowHosts, "allow-host", nil, "a further `NAME` (or NAME:PORT) that the Host header may hold, for a name of this server's, or a tunnel or a proxy in front; repeatable")
}

// check refuses what cannot be right, whatever is kept; hasData says that tenants may be.
func (f *entryFlags) check(hasData bool) error {
	if (f.tlsCert == "") != (f.tlsKey == "") {
		return badSetting(errors.New("--tls-cert and --tls-key go together: a certificate is no use without its key"), "tls-cert", "tls-key")
	}
	if f.insecureHTTP && f.tlsCert != "" {
		return badSetting(errors.New("--insecure-http is for a server without TLS, and --tls-cert gives it TLS: leave one out"), "insecure-http", "tls-cert")
	}
	return f.admits(hasData)
}

// open reads the certificate, where there is to be TLS.
func (f *entryFlags) open(log *slog.Logger) error {
	if f.tlsCert == "" {
		return nil
	}
	certificate, err := controller.LoadCertificate(f.tlsCert, f.tlsKey, log)
	if err != nil {
		return badSetting(err, "tls-cert", "tls-key")
	}
	f.certificate = certificate
	return nil
}

// admits refuses an address at which whoever reaches it could do more than they may.
func (f *entryFlags) admits(keys bool) error {
	err := controller.CheckListenAddress(f.listen, controller.Exposure{Keys: keys, TLS: f.tlsCert != "", InsecureHTTP: f.insecureHTTP})
	if err != nil {
		return badSetting(err, "listen")
	}
	return nil
}

// tell says who may enter, and refuses to go on where that is everybody beyond this host, or nobody. kept is nil where nothing is kept; unheard is
// the directory in which the other commands keep it where none is named.
func (f *entryFlags) tell(ctx context.Context, log *slog.Logger, kept *sqlite.Store, unheard string) error {
	var closed bool
	if kept != nil {
		var err error
		if closed, err = kept.AnyTenant(ctx); err != nil {
			return storeError(err)
		}
	}
	if err := f.admits(closed); err != nil {
		return err
	}
	switch {
	case closed:
		if err := f.tellKeys(ctx, log, kept); err != nil {
			return err
		}
	case kept != nil:
		log.Warn("the server is open: there is no tenant, and whoever reaches it may run scripts; once there is one (glovebox tenant create), keys are asked for")
	default:
		log.Warn("the server is open: whoever reaches it may run scripts; with --data-dir and a tenant, keys are asked for")
		if _, err := os.Lstat(filepath.Join(unheard, sqlite.FileName)); err == nil {
			log.Warn("tenants and keys that are kept by default, where no directory is named, are not heard by this server", "would", "--data-dir "+unheard)
		}
	}
	if f.insecureHTTP && !f.onLoopback() {
		log.Warn("keys, code and data cross the network as they are (--insecure-http), unless something in front has TLS")
	}
	return nil
}

// tellKeys says what keys there are, where they are asked for, and refuses to go on where nobody beyond this host could ever enter.
func (f *entryFlags) tellKeys(ctx context.Context, log *slog.Logger, kept *sqlite.Store) error {
	all, err := kept.Keys(ctx, "")
	switch {
	case err != nil:
		return storeError(err)
	case len(all) == 0 && !f.onLoopback():
		return badSetting(fmt.Errorf("listen address %q is refused: there is no key, and nobody could enter. Make one with glovebox key create, or listen on loopback only", f.listen), "listen")
	case !slices.ContainsFunc(all, func(k tenant.Key) bool { return keyState(k, time.Now()) == keyActive }):
		log.Warn("keys are asked for, and there is none that opens anything: glovebox key create makes one")
	default:
		log.Info("keys are asked for")
	}
	return nil
}

// onLoopback reports whether nobody beyond this host can reach the server.
func (f *entryFlags) onLoopback() bool {
	return controller.CheckListenAddress(f.listen, controller.Exposure{}) == nil
}

// keys is what the controller asks for keys.
func keys(kept *sqlite.Store) controller.Keys {
	if kept == nil {
		return nil // and not an interface that holds nil
	}
	return kept
}

// tls is nil where there is none.
func (f *entryFlags) tls() *tls.Config {
	if f.certificate == nil {
		return nil
	}
	return f.certificate.TLS()
}

func (f *entryFlags) scheme() string {
	if f.certificate == nil {
		return "http"
	}
	return "https"
}
